"""The technician's page of a running appliance, in Chromium: what a technician sees, tries and changes.

The appliance is real, and so is its broker; its scanner is a folder that the test puts pictures into.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from playwright.sync_api import Browser, Page, expect

from drivers.ports import free_port
from edge.ledger.store import FILE, connect_read_only
from inference.build import build
from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.visits import visiting
from tests.peers import Broker
from tests.unit.inference.conftest import DARKNESS_HEAD, blob_picture, darkness_graph

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

READY_S = 90
TABS = ("lane", "hits", "model", "config", "log")
THIRD_PARTY = Path(__file__).parents[1] / "thirdparty"
BAGS = (60_000, 45_000, 30_000, 25_000, 20_000, 15_000, 12_000, 9_000, 6_000, 3_000)


def until(condition: Callable[[], object], deadline_s: float = READY_S) -> None:
    deadline = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.05)


class Lane:
    """An appliance with a folder scanner and a counter, and what its broker heard of verdicts."""

    def __init__(self, folder: Path) -> None:
        self.broker = Broker(folder / "broker")
        self.broker.start()
        self.config, self.data, self.export = folder / "config", folder / "data", folder / "export"
        (self.config / "devices").mkdir(parents=True)
        self.export.mkdir()
        build(folder / "darkness", DARKNESS_HEAD, darkness_graph(), "# d\n", {"blob": [blob_picture(60, 50)]})
        (self.config / "edge.toml").write_text(
            f'[web]\nlisten = "127.0.0.1:{free_port()}"\n'  # the address is to be the same after a restart
            f'[appliance]\nsite = "lfw"\nlane = "t1-l3"\nid = "edge-01"\ndata_dir = "{self.data}"\n'
            f'[console]\nurl = "{self.broker.url}"\n'
        )
        (self.config / "devices" / "xray-1.toml").write_text(
            f'driver = "folder"\nmodel = "{folder / "darkness"}"\n[settings]\npath = "{self.export}"\n'
        )
        (self.config / "devices" / "counter-1.toml").write_text('driver = "test"\n[settings]\nhz = 1\ncount = 3\n')
        self.verdicts: list[dict[str, object]] = []
        self._heard = mqtt.Client(CallbackAPIVersion.VERSION2)
        self._heard.on_connect = lambda client, *_: client.subscribe("+/v1/+/+/up/verdict/xray-1", qos=1)
        self._heard.on_message = lambda _c, _u, message: self.verdicts.append(json.loads(message.payload))
        self._heard.connect("127.0.0.1", self.broker.port)
        self._heard.loop_start()
        self.log = folder / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "edge", "run", "--config", str(self.config)],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": str(THIRD_PARTY)},
            )
        until(lambda: self.process.poll() is not None or "technician's page: http" in self.log.read_text())
        assert self.process.poll() is None, self.log.read_text()
        self.url = re.findall(r"page: (http://\S+)", self.log.read_text())[-1]

    def bag(self, dark: int) -> None:
        """Have the scanner write a bag with one thing in it that is so dark."""
        values = np.full((160, 200), 60_000, np.uint16)
        values[10:150, 10:190] = 45_000
        values[50:74, 60:84] = dark
        values[0, 0] = len(self.verdicts)  # no two files alike
        part = self.export.parent / f"{dark}.png"
        assert cv2.imwrite(str(part), values)
        before = len(self.verdicts)
        shutil.move(part, self.export / f"{before}-{dark}.png")
        until(lambda: len(self.verdicts) > before)

    def acts(self, kind: str) -> list[dict[str, object]]:
        db = connect_read_only(self.data / FILE)
        try:
            return [json.loads(body) for (body,) in db.execute("SELECT body FROM act WHERE kind=?", (kind,))]
        finally:
            db.close()

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(60)
        self._heard.disconnect()
        self._heard.loop_stop()
        self.broker.stop()


@pytest.fixture(scope="module")
def lane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lane]:
    running = Lane(tmp_path_factory.mktemp("page"))
    yield running
    running.end()


@pytest.fixture
def visit(browser: Browser, lane: Lane) -> Iterator[Callable[..., Page]]:
    """Opens the page, and waits until it is live; what its policy forbids, or breaks, fails the test."""
    # While the appliance starts again its page is away for a moment, as it says; what was asked just then is lost.
    with visiting(browser, meant="ERR_CONNECTION|ERR_INCOMPLETE|ERR_EMPTY_RESPONSE") as open_page:

        def open_tab(tab: str = "lane", viewport: dict[str, int] = DESKTOP, **options: object) -> Page:
            page = open_page(f"{lane.url}#{tab}", viewport=viewport, **options)
            expect(page.locator("body[data-stream=open]")).to_be_attached()
            return page

        yield open_tab


def shoot(page: Page, name: str, tmp_path: Path) -> None:
    folder = Path(os.environ.get("JAITF_SCREENSHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=folder / f"page-{name}.png", animations="disabled", full_page=True)


def test_devices_are_rows_that_live_and_obey(lane: Lane, visit: Callable[..., Page], tmp_path: Path) -> None:
    page = visit()
    expect(page.locator("#devices li")).to_have_count(2)
    counter = page.locator("#devices li[data-key=counter-1]")
    expect(counter).to_contain_text("up · for")
    expect(counter.locator("svg")).to_have_attribute("aria-label", "counter-1: 3 observations in the last hour")
    counter.locator("summary").click()
    counter.get_by_role("button", name="Switch off").click()
    page.locator("dialog button.main").click()
    expect(counter).to_contain_text("switched off")
    counter.locator("summary").click()
    counter.get_by_role("button", name="Switch on").click()
    page.locator("dialog button.main").click()
    expect(counter).to_contain_text("up · for")
    shoot(page, "devices", tmp_path)
    away = lane.export.with_name("unmounted")
    lane.export.rename(away)
    scanner = page.locator("#devices li[data-key=xray-1]")
    expect(scanner).to_contain_text("down")
    expect(scanner.locator(".mend")).to_contain_text("make the folder or mount the share")
    expect(page.locator("#attention li.bad")).to_contain_text("xray-1 is down")
    away.rename(lane.export)
    expect(scanner).to_contain_text("up · for", timeout=60_000)
    expect(page.locator("#attention")).not_to_contain_text("xray-1")


def test_the_slider_says_what_the_last_scans_would_have_done(
    lane: Lane, visit: Callable[..., Page], tmp_path: Path
) -> None:
    page = visit()
    for dark in BAGS:
        lane.bag(dark)
    scores = [float(str(verdict["score"])) for verdict in lane.verdicts]
    answer = page.locator("#answer b")
    expect(page.locator("#answer")).to_contain_text(f"Of the last {len(scores)} scans")
    for threshold in (0.8, 0.3, 0.55, 0.99):
        page.locator("#threshold").fill(str(threshold))
        expect(answer).to_have_attribute("data-alarms", str(sum(score >= threshold for score in scores)))
    expect(page.locator("#scan .decision")).to_have_text("ALARM")
    expect(page.locator("#scan rect.box.faint")).to_have_count(1)  # at 0.99 it would have been none
    picture = page.locator("#scan image").get_attribute("href")
    assert page.request.get(lane.url + str(picture)[1:]).headers["content-type"] == "image/jpeg"
    shoot(page, "what-if", tmp_path)

    low = 0.5 + round((sorted(scores)[2] - 0.5) / 2, 2)
    page.locator("#threshold").fill(str(low))
    page.get_by_role("button", name="Use this threshold").click()
    page.locator("dialog input").fill("thin suitcases of this season")
    page.locator("dialog button.main").click()
    expect(page.locator("dialog")).to_be_hidden()
    page.locator("[data-tab=model]").click()
    expect(page.locator("#history")).to_contain_text("web:local")
    expect(page.locator("#history")).to_contain_text("thin suitcases of this season")
    lane.bag(29_000)
    assert lane.verdicts[-1]["decision"] == ("alarm" if float(str(lane.verdicts[-1]["score"])) >= low else "clear")
    shoot(page, "model", tmp_path)


def test_a_hit_on_its_way_and_its_evidence(lane: Lane, visit: Callable[..., Page], tmp_path: Path) -> None:
    lane.bag(2_000)
    page = visit("hits")
    page.locator("#hits-filter [name=device]").select_option("xray-1")
    newest = page.locator("#hits > li").first
    expect(newest).to_contain_text("dark thing")
    expect(newest.locator("[data-state]")).to_have_text("sent")  # nobody sends receipts here
    newest.locator("button").click()
    assert lane.acts("view") == []
    page.get_by_role("button", name="Show the picture").click()
    expect(page.locator("dialog canvas")).to_be_visible()
    expect(page.locator("dialog svg rect.box")).to_have_count(1)
    until(lambda: lane.acts("view"))
    assert [act["by"] for act in lane.acts("view")] == ["web:local"]
    with page.expect_download() as download:
        page.get_by_role("link", name="Evidence package").click()
    assert "SHA256SUMS.sig" in zipfile.ZipFile(download.value.path()).namelist()
    until(lambda: lane.acts("export"))
    shoot(page, "hit", tmp_path)
    table = page.request.get(f"{lane.url}hits.csv").text().splitlines()
    assert len(table) == 1 + page.evaluate("fetch('/api/hits?limit=200').then(r => r.json()).then(f => f.hits.length)")


def test_the_self_test_and_the_log_that_can_be_filtered(visit: Callable[..., Page], tmp_path: Path) -> None:
    page = visit("model")
    page.get_by_role("button", name="Self-test").click()
    expect(page.locator("#selftest-said [data-status=done]")).to_contain_text("golden pictures")
    page.locator("[data-tab=log]").click()
    lines = page.locator("#log li")
    expect(lines.filter(has_text="ready: lfw/edge-01")).to_have_count(1)
    everything = lines.count()
    page.locator("#log-filter [name=find]").fill("READY")
    expect(lines).to_have_count(1)
    page.locator("#log-filter [name=find]").fill("")
    page.locator("#log-filter [name=source]").select_option("jaitf.device")
    expect(lines.filter(has_not_text="jaitf.device")).to_have_count(0)
    until(lambda: 1 < lines.count() < everything)
    page.locator("#log-filter [name=level]").select_option("ERROR")
    expect(lines).to_have_count(0)
    shoot(page, "log", tmp_path)


@pytest.mark.parametrize("language", ["en", "fr", "es", "pt"])
def test_every_language_fits_a_phone(visit: Callable[..., Page], tmp_path: Path, language: str) -> None:
    page = visit(viewport=PHONE, locale=language)
    expect(page.locator("html")).to_have_attribute("lang", language)
    expect(page.locator("#devices li")).to_have_count(2)
    for tab in TABS:
        page.locator(f"[data-tab={tab}]").click()
        expect(page.locator(f"[data-page={tab}]")).to_be_visible()
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, f"{tab} is wider than the screen"
        tops = page.locator("nav a").evaluate_all("tabs => tabs.map((each) => each.getBoundingClientRect().top)")
        assert len(set(tops)) == 1, f"on {tab} the tabs take two lines"
        shoot(page, f"phone-{language}-{tab}", tmp_path)
    page.locator("#lang").select_option("pt")
    expect(page.locator("html")).to_have_attribute("lang", "pt")
    page.goto(page.url.split("?")[0])
    expect(page.locator("html")).to_have_attribute("lang", "pt")  # it is kept


def test_a_configuration_is_checked_and_put_on_trial(lane: Lane, visit: Callable[..., Page], tmp_path: Path) -> None:
    page = visit("config")
    page.locator("#file").select_option("devices/counter-1.toml")
    expect(page.locator("#text")).to_have_value(re.compile("hz = 1"))
    text = page.locator("#text").input_value()
    page.locator("#text").fill(text.replace("hz = 1", "herz = 1"))
    page.get_by_role("button", name="Check").click()
    expect(page.locator("#checked [data-status=failed]")).to_be_visible()
    wrong = page.locator("#checked li", has_text="devices/counter-1.toml:3")
    expect(wrong).to_contain_text("did you mean hz?")
    expect(page.locator("#numbers .bad")).to_have_text("3\n")
    expect(page.get_by_role("button", name="Put on trial")).to_be_disabled()
    wrong.locator("button.at").click()
    assert page.evaluate("text.value.slice(text.selectionStart, text.selectionEnd)") == "herz = 1"
    shoot(page, "config-error", tmp_path)

    page.locator("#text").fill(text.replace("hz = 1", "hz = 2"))
    page.get_by_role("button", name="Check").click()
    expect(page.locator("#checked [data-status=done]")).to_contain_text("Nothing has changed yet")
    expect(page.locator("#checked")).to_contain_text("counter-1 answers.")
    assert "hz = 1" in (lane.config / "devices" / "counter-1.toml").read_text()
    page.get_by_role("button", name="Put on trial").click()
    page.locator("dialog button.main").click()
    expect(page.locator("#checked [data-status=done]")).to_contain_text("The new configuration stays", timeout=90_000)
    assert "hz = 2" in (lane.config / "devices" / "counter-1.toml").read_text()
    assert [act["by"] for act in lane.acts("command") if act["name"] == "config.commit"][-1] == "web:local"
    expect(page.locator("body[data-stream=open]")).to_be_attached()
    shoot(page, "config", tmp_path)


def test_what_cannot_be_is_not_taken_by_a_form(visit: Callable[..., Page]) -> None:
    page = visit("config")
    expect(page.locator("#file option").first).to_be_attached()
    for name in ("../../etc/passwd", "Étiquette 1", "a" * 80):
        page.get_by_role("button", name="New device").click()
        page.locator("dialog input").fill(name)
        page.locator("dialog button.main").click()
        if len(name) < 63:
            expect(page.locator("dialog input:invalid")).to_be_visible()
            page.locator("dialog").get_by_role("button", name="Close").click()
    expect(page.locator("#file option", has_text="passwd")).to_have_count(0)
    page.get_by_role("button", name="Check").click()
    expect(page.locator("#checked [data-status=failed]")).to_be_visible()
    page.locator("#trial-s").fill("-1")
    assert not page.evaluate("document.getElementById('trial-s').reportValidity()")
    page.locator("#trial-s").fill("")
    assert not page.evaluate("document.getElementById('trial-s').reportValidity()")


def test_a_trial_that_was_taken_back_is_told_whoever_comes_later(visit: Callable[..., Page]) -> None:
    page = visit("config")
    expect(page.locator("#file option").first).to_be_attached()
    state = page.evaluate("import('/static/live.js').then(module => module.live.state)")
    told = {"code": "rolled-back", "detail": "not back within 20 s: tags-1"}
    state["trial"] = {"phase": "ended", "sha256": "ab" * 32, "trial_s": 20, "told": told}
    body = f"event: state\ndata: {json.dumps(state)}\n\n"
    page.route("**/events", lambda route: route.fulfill(content_type="text/event-stream", body=body))
    page.reload()
    expect(page.locator("#checked [data-past]")).to_have_text(
        "The configuration before is in force again: not back within 20 s: tags-1"
    )


def test_drift_and_detection_trials_are_drawn(visit: Callable[..., Page], tmp_path: Path) -> None:
    """What takes a lane days is told to the page here: a scanner that drifted, forty trials with three misses."""
    page = visit("model")
    expect(page.locator("#models")).to_contain_text("xray-1")
    state = page.evaluate("import('/static/live.js').then(module => module.live.state)")
    scores = [min(0.99, 0.02 + 0.9 * (number / 300) ** 2) for number in range(300)]
    next(each for each in state["devices"] if each["name"] == "xray-1")["model"] |= {
        "normal": 0.6,
        "edges": [0.04, 0.07, 0.1, 0.13, 0.17, 0.22, 0.28, 0.36, 0.48],
        "set": {"at": "2026-11-20T09:00:00.000Z", "by": "A. Diallo", "reason": "new tube"},
        "measured": {"bags": 400, "alarms": 40},
    }
    state["health"]["drift"]["xray-1"] = {
        "state": "drifted",
        "reason": "the scores do not lie as in the calibration (PSI 0.41)",
        "scans": 300,
        "psi": 0.41,
        "alarm_rate": 0.19,
        "expected_alarm_rate": 0.1,
        "alarm_limits": [0.05, 0.16],
    }
    state["health"]["assurance"]["xray-1"] = {
        "trials": 40,
        "detected": 37,
        "rate": 0.925,
        "interval": [0.801, 0.9742],
        "problem": "",
        "last_at": "2026-11-21T09:00:00.000Z",
        "missed": {"knife": 2, "cleaver": 1},
    }
    state["trials"]["xray-1"] = [
        {"at": "2026-11-21T09:00:00.000Z", "kind": "knife", "detected": number not in (7, 19, 33)}
        for number in range(40)
    ]
    told = f"event: state\ndata: {json.dumps(state)}\n\n"
    told += f"event: scores\ndata: {json.dumps({'device': 'xray-1', 'model': '', 'scores': scores})}\n\n"
    page.route("**/events", lambda route: route.fulfill(content_type="text/event-stream", body=told))
    page.reload()
    expect(page.locator("#models")).to_contain_text("on 400 ordinary bags, of which 10 % alarmed")
    plots = page.locator("#plots section[aria-label=xray-1]")
    expect(plots).to_contain_text("Drift: drifted")
    expect(plots).to_contain_text("19 % alarm; 5 % to 16 % would be chance.")
    expect(plots.locator("line.edge")).to_have_count(9)
    expect(plots.locator("circle.hit")).to_have_count(37)
    expect(plots.locator("path.miss")).to_have_count(3)
    expect(plots).to_contain_text("Missed: knife 2, cleaver 1.")
    page.locator("[data-tab=lane]").click()
    expect(page.locator("#attention li.bad").first).to_contain_text(
        "xray-1: scores are not what they were calibrated on"
    )
    expect(page.locator("#answer b")).to_have_attribute("data-alarms", str(sum(score >= 0.6 for score in scores)))
    page.locator("[data-tab=model]").click()
    shoot(page, "drift", tmp_path)
