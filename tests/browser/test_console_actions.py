"""What an officer does at the page: three taps from hit to outcome, and the appliance's answer."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser import lane
from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.test_console_page import live, shoot
from tests.browser.visits import PATIENCE_MS
from tests.unit.simulators.console.appliance import Appliance, hit, uuid7

pytestmark = pytest.mark.browser
Visit = Callable[..., Page]


def heard(appliance: Appliance, kind: str) -> dict[str, Any]:
    return appliance.wait_for_down(kind)


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_three_taps_from_hit_to_outcome(
    visit: Visit,
    appliance: Appliance,
    viewport: dict[str, int],
    tmp_path: Path,
) -> None:
    lane.announce(appliance)
    lane.send(appliance, lane.a_day())
    appliance.wait_for_receipts(7)
    page = live(visit(viewport=viewport))
    page.locator("#hits h3 a").first.click()
    page.locator("input[name=officer]:visible").fill("officer-7")  # once; the page remembers it
    page.get_by_text("Nothing found", exact=True).click()
    page.get_by_role("button", name="Send").click()
    said = heard(appliance, "disposition")
    assert (said["outcome"], said["officer"]) == ("nothing_found", "officer-7")
    expect(page.locator(".told")).to_contain_text("Nothing found")
    shoot(page, f"disposition-{viewport['width']}", tmp_path)
    answer = {"transaction": said["disposition_id"], "status": "done", "code": "applied", "detail": "", "at": ""}
    appliance.settle([appliance.publish("reply", answer)])
    page.keyboard.press("Escape")
    expect(page).to_have_url(re.compile("/$"))  # before it is, the way back would shut what is opened next
    card = page.locator("#hits .badge.outcome").first
    expect(card).to_have_text("Nothing found")
    page.locator("#hits h3 a").nth(1).click()
    expect(page.locator("input[name=officer]:visible")).to_have_value("officer-7")


def test_a_seizure_with_its_particulars_by_keyboard(visit: Visit, appliance: Appliance, tmp_path: Path) -> None:
    appliance.settle([appliance.publish("hit/xray-1", hit(1))])
    appliance.wait_for_receipts(1)
    page = visit(f"/hit/{uuid7(1)}", locale="fr-TG")
    page.get_by_text("Saisie", exact=True).click()
    page.locator(".said summary").click()
    page.locator("select[name=commodity]").select_option("cocaine")
    page.locator("input[name=quantity]").fill("beaucoup")
    page.locator("input[name=officer]:visible").fill("agent 7")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("Nombre inutilisable : beaucoup")
    page.locator("input[name=quantity]").fill("1,241")
    shoot(page, "seizure-fr", tmp_path)
    page.get_by_role("button", name="Envoyer").click()
    said = heard(appliance, "disposition")
    assert (said["commodity"], said["quantity"]) == ("cocaine", {"value": 1.241, "unit": "KGM", "gross": True})
    expect(page.locator(".told b")).to_have_text("Saisie")


def test_the_board_of_an_appliance(visit: Visit, appliance: Appliance, tmp_path: Path) -> None:
    lane.announce(appliance)
    appliance.settle([appliance.publish("hit/xray-1", hit(1))])
    appliance.wait_for_receipts(1)
    page = live(visit())
    page.locator("#side h3 a").first.click()
    page.locator("form.ask input[name=officer]").first.fill("officer-7")
    page.locator("form.ask select[name=name]").select_option("selftest")
    page.get_by_role("button", name="Send", exact=True).first.click()
    command = heard(appliance, "cmd/selftest")
    assert command["issued_by"] == "officer-7"
    expect(page.locator(".asked li")).to_have_count(1)  # the page that answers, in the place of the one that asked
    page.locator("textarea[name=lines]").fill("T-118 bag_tag 0220123456 high")
    page.get_by_role("button", name="Publish the list").click()
    listed = heard(appliance, "targets")
    assert [each["target_id"] for each in listed["entries"]] == ["T-118"] and "0220123456" not in json.dumps(listed)
    reply = {"transaction": command["transaction"], "status": "done", "code": "ok", "detail": "score .93", "at": ""}
    appliance.settle([appliance.publish("reply", reply)])
    expect(page.locator(".asked li").first).to_be_visible()
    deadline = time.monotonic() + PATIENCE_MS / 1000
    while "Self-test done: score .93" not in page.locator(".asked").inner_text():  # the broker has it; the console soon
        assert time.monotonic() < deadline, page.locator(".asked").inner_text()
        page.reload()
    shoot(page, "appliance", tmp_path)


def test_the_list_is_filtered_and_stays_live(visit: Visit, appliance: Appliance) -> None:
    appliance.settle([appliance.publish("hit/xray-1", hit(1)), appliance.publish("hit/xray-1", hit(2, severity="low"))])
    appliance.wait_for_receipts(2)
    page = live(visit("/?severity=low"))
    expect(page.locator("#hits > li")).to_have_count(1)
    appliance.settle([appliance.publish("hit/xray-1", hit(3)), appliance.publish("hit/xray-1", hit(4, severity="low"))])
    expect(page.locator("#hits > li")).to_have_count(2)
    expect(page.locator("#hits > li.high")).to_have_count(0)
