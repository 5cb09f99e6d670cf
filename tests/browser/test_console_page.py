"""The console's page in a real browser: what an officer sees, and what a stranger's message cannot make it do.

Screenshots go to the folder that JAITF_SCREENSHOTS names, else into the test's own.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser import lane
from tests.browser.conftest import DESKTOP, PHONE
from tests.peers import Broker
from tests.unit.simulators.console.appliance import Appliance, hit, stamp
from tests.unit.simulators.console.process import Console

pytestmark = pytest.mark.browser


def live(page: Page) -> Page:
    expect(page.locator("body[data-stream=open]")).to_be_attached()
    return page


def picture_is_shown(page: Page, selector: str) -> bool:
    return bool(page.locator(selector).first.evaluate("async (img) => (await img.decode(), img.naturalWidth > 0)"))


def shoot(page: Page, name: str, tmp_path: Path) -> None:
    folder = Path(os.environ.get("JAITF_SCREENSHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=folder / f"console-{name}.png", animations="disabled")


def a_whole_day(broker: Broker, appliance: Appliance) -> None:
    """Two appliances, one gone; hits of all kinds, a gap, a conflict, an unusable message."""
    lane.announce(appliance)
    lane.screen(appliance)
    lane.send(appliance, lane.a_day())
    appliance.wait_for_receipts(7)
    gone = Appliance(broker.port, edge="edge-02")
    lane.announce(gone, "t1-l4")
    at = stamp(lane.ago(hours=9))
    gone.settle(
        [
            gone.publish("hit/xray-1", hit(31, at=lane.ago(hours=26), edge="edge-02", lane="t1-l4", seq=1)),
            gone.publish("hit/xray-1", hit(34, at=lane.ago(hours=25), edge="edge-02", lane="t1-l4", seq=4)),
            gone.publish("hit/xray-1", b'{"specversion": "1.0"}'),
            gone.publish("state", {"state": "offline", "session": f"session of {gone.topic}", "at": at}, retain=True),
        ]
    )
    gone.wait_for_receipts(2)
    gone.close()


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_day_at_the_lane(
    broker: Broker,
    appliance: Appliance,
    visit: Callable[..., Page],
    tmp_path: Path,
    request: pytest.FixtureRequest,
    viewport: dict[str, int],
) -> None:
    name = request.node.callspec.id
    a_whole_day(broker, appliance)
    page = live(visit(viewport=viewport))
    expect(page.locator("#hits > li")).to_have_count(9)
    newest = page.locator("#hits > li").first
    expect(newest.locator("h3")).to_have_text("organic mass")
    expect(newest).to_contain_text("High")
    expect(newest).to_contain_text("Contraband")
    expect(newest).to_contain_text("0220123463")
    expect(newest).to_contain_text("t1-l3")
    assert picture_is_shown(page, "#hits > li:first-child img")
    assert newest.locator("img").get_attribute("alt") == "Picture from xray-1 with the finding drawn in: organic mass"
    expect(page.locator("#side")).to_contain_text("no association from the scanner for 20 min")
    expect(page.locator(".appliance.offline")).to_contain_text("edge-02")
    expect(page.locator("#d-gaps summary")).to_contain_text("2")
    expect(page.locator("#d-bad summary")).to_contain_text("1")
    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow <= 0, "the page is wider than the screen"
    shoot(page, name, tmp_path)
    page.locator("#hits > li a").nth(2).click()
    expect(page.locator("#view[open] h2")).to_have_text("pistol")
    assert picture_is_shown(page, "#view img")
    shoot(page, f"{name}-view", tmp_path)


def test_a_hit_appears_by_itself_and_its_picture_after_it(
    appliance: Appliance, visit: Callable[..., Page], tmp_path: Path
) -> None:
    page = live(visit())
    expect(page.locator("#empty")).to_contain_text("Waiting for an appliance")
    expect(page.locator("#empty")).to_contain_text("jaitf/v1/+/+/up/#")
    shoot(page, "empty", tmp_path)
    lane.announce(appliance)
    expect(page.locator("#empty")).to_contain_text("1 of 1 appliances online")
    event = hit(1, at=lane.ago(seconds=1))
    appliance.publish("hit/xray-1", event)
    card = page.locator(f"#h-{event['data']['hit_id']}")
    expect(card).to_contain_text("Picture on its way")
    expect(page.locator("#empty")).to_be_hidden()
    appliance.publish(f"thumb/{event['data']['hit_id']}", lane.picture(1))
    expect(card.locator("img")).to_be_visible()
    assert picture_is_shown(page, "#hits img")
    expect(page.locator(".total td").first).to_have_text("1")


def test_late_hits_go_to_their_place_and_a_revision_stays_in_its_own(
    appliance: Appliance, visit: Callable[..., Page]
) -> None:
    page = live(visit())
    titles = page.locator("#hits h3")
    for number, minutes in ((1, 10), (2, 5), (3, 20)):
        event = hit(number, at=lane.ago(minutes=minutes), threats=[lane.threat(f"{minutes} min", "OTHER", 0.9)])
        appliance.publish("hit/xray-1", event)
    expect(titles).to_have_text(["5 min", "10 min", "20 min"])
    again = hit(1, at=lane.ago(minutes=10), rev=1, seq=4, threats=[lane.threat("10 min, again", "OTHER", 0.9)])
    appliance.publish("hit/xray-1", again)
    expect(titles).to_have_text(["5 min", "10 min, again", "20 min"])
    expect(page.locator("#hits > li").nth(1)).to_contain_text("revision 1")


def test_reading_by_keyboard(appliance: Appliance, visit: Callable[..., Page]) -> None:
    *pictured, third = (hit(n, at=lane.ago(minutes=n), threats=[lane.threat(f"no {n}", "PI", 0.9)]) for n in (1, 2, 3))
    lane.send(appliance, [*pictured, (third, None)])
    appliance.wait_for_receipts(3)
    page = live(visit())
    expect(page.locator("#hits img")).to_have_count(2)  # each draws its hit anew
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.locator("#view[open] h2")).to_have_text("no 2")
    expect(page).to_have_url(re.compile("/hit/"))
    page.keyboard.press("ArrowRight")
    expect(page.locator("#view[open] h2")).to_have_text("no 3")
    appliance.publish(f"thumb/{third['data']['hit_id']}", lane.picture(3))
    expect(page.locator("#hits img")).to_have_count(3)  # a picture that comes meanwhile takes no reader's place away
    page.keyboard.press("Escape")
    expect(page.locator("#view")).to_be_hidden()
    expect(page).to_have_url(re.compile("/$"))
    expect(page.locator(":focus")).to_have_text("no 3")
    page.keyboard.press("ArrowUp")
    expect(page.locator(":focus")).to_have_text("no 2")
    page.keyboard.press("?")
    expect(page.locator("#help")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("n")
    expect(page.locator(":focus")).to_have_text("no 1")


def test_the_back_button_closes_the_view_and_its_address_is_a_page(
    appliance: Appliance, visit: Callable[..., Page]
) -> None:
    event = hit(1)
    lane.send(appliance, [event])
    appliance.wait_for_receipts(1)
    page = live(visit())
    page.locator("#hits a").click()
    expect(page.locator("#view[open] h2")).to_have_text("organic mass")
    address = page.url
    page.go_back()
    expect(page.locator("#view")).to_be_hidden()
    page.goto(address)
    expect(page.locator("h2")).to_have_text("organic mass")
    expect(page.locator("details.json pre")).to_contain_text(f'"hit_id": "{event["data"]["hit_id"]}"')
    assert picture_is_shown(page, ".view img")


def test_what_comes_over_the_wire_stays_text(appliance: Appliance, visit: Callable[..., Page]) -> None:
    evil = "<img src=x onerror=document.title='owned'><script>document.title='owned'</script>{{ 7 * 7 }}"
    event = hit(1, threats=[lane.threat(evil, "OTHER", 0.9)], item={"scan_id": evil, "bag_tag": evil, "type": evil})
    appliance.publish("device/xray-1", {"state": "down", "reason": evil})
    page = live(visit())
    lane.send(appliance, [event])
    expect(page.locator("#hits h3")).to_have_text(evil)
    expect(page.locator("#side .reason")).to_have_text(evil)
    page.locator("#hits a").click()
    expect(page.locator("#view[open] h2")).to_have_text(evil)
    page.goto(page.url)
    expect(page.locator("h2")).to_have_text(evil)
    assert "owned" not in page.title().split(evil)


def test_history_after_a_reload_and_older_pages(appliance: Appliance, visit: Callable[..., Page]) -> None:
    appliance.settle([appliance.publish("hit/xray-1", hit(n, at=lane.ago(minutes=200 - n))) for n in range(1, 121)])
    appliance.wait_for_receipts(120)
    page = live(visit())
    expect(page.locator("#hits > li")).to_have_count(50)
    first = page.locator("#hits > li").first.get_attribute("id")
    page.reload()
    live(page)
    expect(page.locator("#hits > li")).to_have_count(50)
    assert page.locator("#hits > li").first.get_attribute("id") == first
    page.get_by_role("link", name="Older hits").click()
    expect(page.locator("#hits > li").first).not_to_have_id(first or "")
    page.get_by_role("link", name="Older hits").click()
    expect(page.locator("#hits > li")).to_have_count(20)
    page.get_by_role("link", name="Newest hits").click()
    expect(page.locator("#hits > li").first).to_have_id(first or "")


def test_a_flood_is_shown_in_handfuls_and_the_newest_stand_first(
    appliance: Appliance, visit: Callable[..., Page]
) -> None:
    page = live(visit())
    appliance.settle(
        [
            appliance.publish(
                "hit/xray-1", hit(n, at=lane.ago(seconds=3000 - n), threats=[lane.threat(f"no {n}", "PI", 1)])
            )
            for n in range(1, 2001)
        ]
    )
    expect(page.locator("#hits h3").first).to_have_text("no 2000")
    expect(page.locator(".total td").first).to_have_text("2\u202f000")
    assert page.locator("#hits > li").count() <= 300
    order = page.locator("#hits > li").evaluate_all(
        "(all) => all.map((each) => Number(each.dataset.key.split('-')[0]))"
    )
    assert order == sorted(order, reverse=True)


def test_the_broker_and_the_console_may_go_and_come_back(
    broker: Broker, console: Console, appliance: Appliance, visit: Callable[..., Page]
) -> None:
    lane.send(appliance, [hit(1)])
    appliance.wait_for_receipts(1)
    page = live(visit())
    broker.stop()
    expect(page.locator("#status")).to_contain_text("No broker")
    expect(page.locator("#hits > li")).to_have_count(1)
    broker.start()
    expect(page.locator("#status")).to_contain_text("Broker connected")


@pytest.mark.parametrize(
    ("locale", "words"),
    [("fr-TG", "En attente d’un boîtier"), ("es", "A la espera de un equipo"), ("pt-CV", "À espera de um equipamento")],
)
def test_the_readers_language(visit: Callable[..., Page], locale: str, words: str) -> None:
    page = live(visit(locale=locale))
    expect(page.locator("#empty h3")).to_have_text(words)
    assert page.locator("html").get_attribute("lang") == locale[:2]


def test_it_works_without_script(appliance: Appliance, visit: Callable[..., Page]) -> None:
    lane.announce(appliance)
    lane.send(appliance, [hit(1)])
    appliance.wait_for_receipts(1)
    page = visit(java_script_enabled=False)
    expect(page.locator("#hits h3")).to_have_text("organic mass")
    page.locator("#hits a").click()
    expect(page.locator("h2")).to_have_text("organic mass")
