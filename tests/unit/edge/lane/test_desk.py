"""Findings on one item: what they make of each other, in the order in which they come, as it is committed."""

import asyncio
import contextlib
import json
from datetime import date

import pytest

from drivers.contract import (
    Category,
    Finding,
    Identity,
    IdKind,
    ItemHint,
    Measurement,
    Outcome,
    Reading,
    Scan,
    Severity,
)
from edge import intake as module
from edge.config import DeviceConfig
from edge.config.lane import Button, Certification, Team, TeamsToml
from edge.intake import Intake
from edge.lane import Lane, Layout, Place
from edge.lane.desk import Desk
from edge.lane.rules import names, rules
from edge.lane.teams import Teams
from edge.ledger import Ledger
from edge.ledger.reader import Reader
from edge.nouns import Decision, Targeted, ThreatReport
from tests.core import FakeClock, events, report

A, B = "0220000001", "0220000002"
LAYOUT = Layout(
    belt_mm_s=250,
    gap_mm=700,
    always_runs=True,
    places={
        "tags-1": Place(500, view_mm=450, within_ms=600),
        "xray-1": Place(1500, view_mm=100),
        "k9-1": Place(3000, view_mm=300, within_ms=1500),
        "tags-2": Place(4500, view_mm=450, within_ms=600),
    },
)
TEAMS = TeamsToml(
    team=(Team(name="K9 1", dog="Rex", handler="4711", epcs=("AA" * 12,),
               certification=Certification(valid_until=date(2020, 1, 1))),),
    button=(
        Button(device="k9-1", label="alert"),
        Button(device="k9-1", label="change", response="change_of_behaviour", alone=False),
    ),
)  # fmt: skip
DRIVERS = {"tags-1": "llrp", "tags-2": "llrp", "xray-1": "dicos", "k9-1": "llrp", "gauge-1": "rpm-ascii"}
ALARM = report(score=0.7, threshold=0.61, severity=Severity.MEDIUM)


class Judge:
    """Says what it is told to, and remembers at which point it was asked to."""

    def __init__(self):
        self.report = ALARM
        self.elevated = []

    async def judge_scan(self, scan, model, device, elevated=False):
        self.elevated.append(elevated)
        return self.report


class Box:
    """A lane whose belt runs in simulated time, with a ledger on the disk."""

    def __init__(self, folder, layout=LAYOUT, switched=()):
        self.clock, self.judge = FakeClock(), Judge()
        self.start_ns = self.clock.monotonic_ns
        self.ledger = Ledger(folder, events(), self.clock, quota_bytes=10**9, keep_days=1, on_commit=lambda *_: None)
        self.ledger.start()
        self.reader = Reader(folder)
        self.targets = {}
        self.news = []
        self.intake = Intake(
            self.judge, self.ledger, self.reader, events(), self.clock,
            lambda name, reading: self.news.append((name, reading)),
            lambda names: next((self.targets[n.value] for n in names if n.value in self.targets), None),
            lambda match, covert: Desk(Lane(layout), Teams(TEAMS), rules(dict(switched)), match, covert),
        )  # fmt: skip

    def at(self, seconds):
        self.clock.advance(seconds - (self.clock.monotonic_ns - self.start_ns) / 1e9)
        return self.clock.now()

    async def take(self, device, observation):
        config = DeviceConfig.model_construct(name=device, driver=DRIVERS[device], model="baggage", file=None)
        assert await self.intake.take(config, observation) is Outcome.COMMITTED

    async def tag(self, value, at_s, device="tags-1"):
        for later in (-0.5, 0, 0.5, 1.0):
            now = self.at(at_s + later)
            await self.take(device, Reading(now, {"tags": [{"epc": "CC" * 12}]}, identities=(_tag(value),)))

    async def scan(self, at_s, said=ALARM, hint=None, **changes):
        self.judge.report = said
        now = self.at(at_s)
        uid = f"1.2.{now.monotonic_ns}"
        item = hint or ItemHint(type="BAGGAGE")
        await self.take(
            "xray-1", Scan(now, uid, b"bits " + uid.encode(), "x/y", "n", scan_id=uid, item=item, **changes)
        )

    async def press(self, at_s, label="alert"):
        finding = Finding(label, Measurement("gpi 1", True), severity=Severity.HIGH)
        await self.take("k9-1", Reading(self.at(at_s), {}, (finding,), raw=b"press"))

    async def tell(self):
        """Do what the appliance does once a second; return the hits as published, the last word on each."""
        await self.intake._tell_changes(self.clock.now().monotonic_ns)
        return self.published()

    def published(self):
        rows = self.reader._db.execute("SELECT payload FROM hit ORDER BY seq").fetchall()
        last = {}
        for (payload,) in rows:
            data = json.loads(payload)["data"]
            assert data["rev"] == last.get(data["hit_id"], {"rev": -1})["rev"] + 1
            last[data["hit_id"]] = data
        return list(last.values())

    def thumbs(self):
        return [row[0] for row in self.reader._db.execute("SELECT topic FROM outbox WHERE class='thumb' ORDER BY id")]


def _tag(value):
    return Identity(IdKind.BAG_TAG, value)


@pytest.fixture
async def box(tmp_path):
    one = Box(tmp_path)
    yield one
    await one.ledger.close()
    one.reader.close()


async def test_a_hit_names_the_bag_that_the_belt_brought(box):
    await box.tag(A, 10)
    await box.scan(14.1)
    [hit] = await box.tell()
    assert (hit["rev"], hit["item"]["bag_tag"], hit["item"]["match"]["by"]) == (0, A, "belt")
    assert 0 < hit["item"]["match"]["uncertainty_ms"] < 2800


async def test_a_tag_that_is_read_after_the_hit_raises_its_rev(box):
    await box.scan(14)
    [first] = await box.tell()
    assert first["item"]["match"] == {"by": "none", "reason": "no_tag"} and first["rev"] == 0
    await box.tag(A, 26, "tags-2")
    [hit] = await box.tell()
    assert (hit["rev"], hit["item"]["bag_tag"], hit["item"]["type"]) == (1, A, "BAGGAGE")
    assert hit["evidence"]["sha256"] == first["evidence"]["sha256"]
    assert await box.tell() == [hit]  # and not again


async def test_a_dogs_alert_and_an_xray_alarm_raise_each_other(box):
    await box.tag(A, 10)
    await box.scan(14.1)
    await box.press(21)
    xray, dog = await box.tell()
    assert (xray["severity"], xray["rev"]) == ("high", 1)  # medium as judged
    assert (dog["severity"], dog["rev"]) == ("critical", 0)  # high as its driver says
    [sign] = xray["corroboration"]
    assert (sign["device"], sign["kind"], sign["hit_id"]) == ("k9-1", "canine_alert", dog["hit_id"])
    [sign] = dog["corroboration"]
    assert (sign["device"], sign["kind"], sign["hit_id"]) == ("xray-1", "xray_alarm", xray["hit_id"])
    assert dog["item"]["bag_tag"] == xray["item"]["bag_tag"] == A
    assert dog["canine"]["dog"] is None and dog["canine"]["response"] == "trained_final_response"


@pytest.mark.parametrize("marks", [{"tip_type": "FTI"}, {"scan_type": "NON_OPERATIONAL"}])
async def test_a_projected_threat_and_a_test_run_corroborate_nothing(box, marks):
    await box.tag(A, 10)
    await box.scan(14.1, **marks)
    await box.press(21)
    xray, dog = await box.tell()
    assert (xray["severity"], xray["rev"], dog["severity"]) == ("medium", 0, "high")
    assert not xray.get("corroboration") and not dog.get("corroboration")
    assert {name: xray[name] for name in marks} == marks


async def test_a_rule_that_is_off_raises_nothing_and_hides_nothing(tmp_path):
    box = Box(tmp_path, switched={"dog-and-xray": False}.items())
    await box.tag(A, 10)
    await box.scan(14.1)
    await box.press(21)
    xray, dog = await box.tell()
    assert (xray["severity"], dog["severity"]) == ("medium", "high")
    assert xray["corroboration"] and dog["corroboration"]
    await box.ledger.close()


async def test_findings_on_two_items_say_nothing_of_each_other(box):
    await box.tag(A, 10)
    await box.scan(14.1)
    await box.tag(B, 16)
    await box.scan(20.1, report(score=0.1, decision=Decision.CLEAR, severity=None))
    await box.press(27)
    xray, dog = await box.tell()
    assert (xray["item"]["bag_tag"], dog["item"]["bag_tag"]) == (A, B)
    assert xray["corroboration"] == dog["corroboration"] == []
    assert xray["severity"] == "medium"


async def test_who_reported_it_is_said(box):
    await box.take("k9-1", Reading(box.at(20), {"tags": [{"epc": "aa" * 12}]}))
    await box.press(21)
    [dog] = await box.tell()
    said = dog["canine"]
    assert (said["team"], said["dog"], said["handler"], said["certification_lapsed"]) == ("K9 1", "Rex", "4711", True)
    assert ("k9-1", {"teams": ["K9 1"], "unknown_tags": 0}) in [(name, r.values) for name, r in box.news]


async def test_an_alert_asks_for_a_picture_of_what_was_clear(box):
    clear = ThreatReport(Decision.CLEAR, score=0.1, threshold=0.61, thumb=b"jpeg")
    await box.tag(A, 10)
    await box.scan(14.1, clear)
    await box.press(21)
    [dog] = await box.tell()
    [picture] = dog["pictures"]
    assert (picture["device"], picture["decision"], picture["score"]) == ("xray-1", "clear", 0.1)
    assert dog["corroboration"] == [] and dog["severity"] == "high"
    assert box.thumbs() == [f"up/thumb/{dog['hit_id']}"]
    await box.tell()
    assert len(box.thumbs()) == 1


async def test_an_item_that_a_dog_reacted_to_is_looked_at_more_strictly(tmp_path):
    places = {**LAYOUT.places, "k9-1": Place(1000, view_mm=300, within_ms=500), "xray-1": Place(3000, view_mm=100)}
    box = Box(tmp_path, Layout(250, 700, always_runs=True, places=places))
    await box.tag(A, 10)
    await box.press(12.5)
    await box.scan(20.1)
    await box.tag(B, 30)
    await box.scan(40.1)
    assert box.judge.elevated == [True, False]
    await box.ledger.close()


async def test_two_faint_findings_make_a_hit(box):
    faint = ThreatReport(Decision.CLEAR, score=0.5, threshold=0.61, thumb=b"jpeg")
    await box.tag(A, 10)
    await box.scan(14.1, faint)
    await box.press(21, "change")
    [hit] = await box.tell()
    assert (hit["device"], hit["rule"], hit["severity"]) == ("xray-1", "faint-xray-and-change", "medium")
    assert (hit["score"], hit["threshold"], hit["item"]["bag_tag"]) == (0.5, 0.61, A)
    [found] = hit["threats"]
    assert (found["label"], found["category"]) == ("faint picture and change of behaviour", "ANOMALY")
    [sign] = hit["corroboration"]
    assert (sign["device"], sign["kind"], sign["hit_id"]) == ("k9-1", "canine_change", None)
    assert hit["canine"]["response"] == "change_of_behaviour"
    assert hit["evidence"]["bytes"] and box.thumbs()
    assert await box.tell() == [hit]


@pytest.mark.parametrize(("score", "label"), [(0.3, "change"), (0.5, None)])
async def test_one_faint_finding_makes_none(box, score, label):
    await box.tag(A, 10)
    await box.scan(14.1, ThreatReport(Decision.CLEAR, score=score, threshold=0.61))
    if label:
        await box.press(21, label)
    assert await box.tell() == []


async def test_faint_findings_on_two_items_make_none(box):
    faint = ThreatReport(Decision.CLEAR, score=0.5, threshold=0.61)
    for tag, at_s in ((A, 10), (B, 16)):
        await box.tag(tag, at_s)
        await box.scan(at_s + 4.1, faint if tag == A else ThreatReport(Decision.CLEAR, score=0.1, threshold=0.61))
    await box.press(27, "change")
    assert await box.tell() == []


async def test_a_target_that_is_known_too_late_is_said_and_raises(box):
    box.targets[A] = Targeted("T-1", "high", covert=True)
    await box.scan(14)
    await box.tag(A, 26, "tags-2")
    [hit] = await box.tell()
    assert (hit["targeted"], hit["covert"], hit["severity"]) == ({"risk": "high", "target_id": "T-1"}, True, "high")
    assert box.judge.elevated == [False]


async def test_a_target_that_the_belt_brought_is_looked_at_more_strictly(box):
    box.targets[A] = Targeted("T-1", "high")
    await box.tag(A, 10)
    await box.scan(14.1)
    [hit] = await box.tell()
    assert box.judge.elevated == [True] and hit["targeted"]["target_id"] == "T-1"
    assert (hit["rev"], hit["severity"]) == (0, "high")


async def test_trials_and_training_say_nothing_of_an_item(box):
    await box.tag(A, 10)
    await box.scan(14.1, scan_type="TIP", tip_type="gun")
    await box.press(21)
    tip, dog = await box.tell()
    assert tip["corroboration"] == dog["corroboration"] == [] and "pictures" not in dog


async def test_a_name_that_turns_out_to_be_anothers_is_taken_back(box):
    await box.tag(A, 10)
    await box.scan(14.1)
    [hit] = await box.tell()
    assert hit["item"]["bag_tag"] == A
    await box.scan(22, report(score=0.1, decision=Decision.CLEAR, severity=None))
    await box.tag(A, 34, "tags-2")  # A is where the second item was: someone has changed them
    [hit] = await box.tell()
    assert hit["rev"] == 1 and "bag_tag" not in hit["item"]
    assert hit["item"]["match"] == {"by": "none", "reason": "moved"}


async def test_a_button_that_bounces_counts_and_keeps_what_others_said(box):
    await box.tag(A, 10)
    await box.scan(14.1)
    await box.press(21)
    for later in range(1, 8):
        await box.press(21 + later)
        await box.tell()
    box.clock.advance(6)
    for flap in box.intake._collapse.due(box.clock.now().monotonic_ns):
        await box.intake._until_written(box.intake._revision(flap))
    _, dog = await box.tell()
    assert dog["count"] == 8 and dog["canine"] and dog["severity"] == "critical"
    assert dog["item"]["bag_tag"] == A and dog["corroboration"]


async def test_a_scan_that_is_refused_leaves_nothing_behind(box, monkeypatch):
    async def refuse(record):
        raise module.StoreError("eio")

    await box.tag(A, 10)
    monkeypatch.setattr(box.ledger, "commit", lambda record: asyncio.ensure_future(refuse(record)))
    with contextlib.suppress(AssertionError):
        await box.scan(14.1)
    monkeypatch.undo()
    await box.scan(14.2)
    [hit] = await box.tell()
    assert hit["item"]["bag_tag"] == A


async def test_a_belt_that_is_not_as_stated_is_said_once(box):
    told = []
    box.intake.on_notice = lambda outcome, detail: told.append((outcome, detail))
    for number in range(9):
        await box.tag(f"{number:010d}", 10 + 40 * number)
        await box.tag(f"{number:010d}", 30 + 40 * number, "tags-2")  # 20 s for what should take 16
        await box.tell()
    [(outcome, detail)] = told
    assert outcome == "failed" and "speed" in detail


async def test_a_tag_that_lies_beside_the_belt_is_said_once(box):
    told = []
    box.intake.on_notice = lambda outcome, detail: told.append(detail)
    for half in range(60):
        await box.take("tags-1", Reading(box.at(10 + half / 2), {}, identities=(_tag(A),)))
        await box.tell()
    [detail] = told
    assert detail.startswith("tags-1 hears a tag that lies beside the belt")


def test_every_rule_has_a_reason_and_can_be_switched():
    assert len(set(names())) == len(names()) >= 5
    assert not rules(dict.fromkeys(names(), False)).raises
    assert not rules(dict.fromkeys(names(), False)).together
    every = rules(dict.fromkeys(names(), True))
    assert len(every.raises) + len(every.together) == len(names())
    assert all(isinstance(rule.category, Category) for rule in every.together)
