"""The event of a hit: valid against the schema, at most 8 KiB, and true, whatever the hit is made of."""

import json
from importlib import resources

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.clock import Stamp
from drivers.contract import Category, Measurement, Severity
from edge.clock import ClockQuality, ClockState, uuid7
from edge.event import HISTORICAL_NS, EventWriter
from edge.messages import MAX_HIT_BYTES, EvidenceBody
from edge.nouns import Decision, Item, ModelName, ThreatReport
from tests.core import IDENTITY, FakeClock, events, hit, report, threat

SCHEMA = json.loads((resources.files("config") / "hit.v1.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
NOW = FakeClock().now()
EVIDENCE = EvidenceBody(sha256="ab" * 32, media_type="application/dicom", bytes=7, thumb=True)


def event(of, seq=1, committed=NOW, evidence=None, writer=None):
    raw = (writer or events()).hit(of, seq, committed, evidence)
    assert len(raw) <= MAX_HIT_BYTES
    parsed = json.loads(raw)
    VALIDATOR.validate(parsed)
    return parsed


def test_a_scans_hit():
    boxed = threat(box=(212.0, 96.0, 140.0, 88.0), view=1)
    parsed = event(hit(NOW, report=report(boxed), scan_type="TIP", tip_type="gun"), seq=4711, evidence=EVIDENCE)
    data = parsed["data"]
    assert parsed["id"] == f"{data['hit_id']}:0"
    assert parsed["source"] == "/jaitf/lfw/edge-01/xray-1"
    assert data["seq"] == 4711
    assert data["threats"] == [
        {
            "label": "organic mass",
            "category": "CONTRABAND",
            "score": 0.93,
            "box": [212.0, 96.0, 140.0, 88.0],
            "view": 1,
        }
    ]
    assert data["item"] == {"scan_id": "1.2.3", "bag_tag": "0220123456", "type": "BAGGAGE"}
    assert data["evidence"] == {"sha256": "ab" * 32, "media_type": "application/dicom", "bytes": 7, "thumb": True}
    assert (data["scan_type"], data["tip_type"]) == ("TIP", "gun")
    assert data["model"] == {"name": "baggage", "version": "1.0.0", "sha256": "ab" * 32}


@pytest.mark.parametrize("value", [4712, 3.5, True, "closed", 0, -1])
def test_a_readings_hit_has_its_value_and_no_picture(value):
    measured = threat(label="counter", score=None, measurement=Measurement("counter", value, ""))
    plain = ThreatReport(Decision.ALARM, threats=(measured,), severity=Severity.MEDIUM)
    data = event(hit(NOW, report=plain, item=Item("5e7b")))["data"]
    [found] = data["threats"]
    assert found == {
        "label": "counter",
        "category": "CONTRABAND",
        "measurement": {"name": "counter", "value": value, "unit": ""},
    }
    assert type(found["measurement"]["value"]) is type(value)
    assert (data["evidence"], data["model"], data["score"]) == (None, None, None)
    assert data["item"] == {"scan_id": "5e7b"}


def test_a_body_zone_in_place_of_a_box():
    [found] = event(hit(NOW, report=report(threat(zone="left forearm"))))["data"]["threats"]
    assert found["zone"] == "left forearm"
    assert "box" not in found
    assert "view" not in found


@pytest.mark.parametrize("count", [1, 16, 17, 64, 500])
def test_of_many_threats_the_strongest_are_named(count):
    many = tuple(threat(label=f"mass {n}", score=n / 1000, box=(1.5, 2.5, 3.5, 4.5)) for n in range(count))
    named = event(hit(NOW, report=report(*many)))["data"]["threats"]
    scores = [found["score"] for found in named]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] == (count - 1) / 1000
    assert len(named) == min(count, 16)


@pytest.mark.parametrize("character", ["x", "\x01", "é", "🧳", '"'])
def test_long_texts_do_not_make_it_larger_than_it_may_be(character):
    measured = Measurement(character * 128, character * 512, character * 128)
    large = threat(label=character * 128, zone=character * 128, measurement=measured)
    long_item = Item(character * 128, None, character * 128)
    data = event(
        hit(
            NOW,
            report=report(*[large] * 300),
            item=long_item,
            scan_type=character * 128,
            tip_type=character * 128,
        ),
        evidence=EVIDENCE.model_copy(update={"media_type": character * 128}),
    )["data"]
    assert data["threats"][0]["label"].startswith(character)
    assert data["item"]["scan_id"] == character * 128


@pytest.mark.parametrize(("age_ns", "historical"), [(0, False), (HISTORICAL_NS, False), (HISTORICAL_NS + 1, True)])
def test_historical_is_observed_more_than_a_minute_before_the_commit(age_ns, historical):
    seen = Stamp(NOW.wall_ns - age_ns, NOW.monotonic_ns - age_ns)
    assert event(hit(seen))["data"]["historical"] is historical


def test_a_wall_clock_set_by_hours_makes_no_live_hit_historical():
    jumped = Stamp(NOW.wall_ns + 7200 * 10**9, NOW.monotonic_ns + 10**9)
    assert event(hit(NOW), committed=jumped)["data"]["historical"] is False


def test_the_clocks_quality_goes_along():
    writer = EventWriter(IDENTITY, lambda: ClockState(ClockQuality.HOLDOVER, None))
    clock = event(hit(NOW), writer=writer)["data"]["clock"]
    assert (clock["quality"], clock["offset_ms"], clock["monotonic_s"]) == ("holdover", None, 1000.0)
    assert len(clock["boot_id"]) == 36


def test_a_count_and_a_rev_of_a_flapping_contact():
    parsed = event(hit(NOW, rev=3, count=120))
    assert (parsed["id"][-2:], parsed["data"]["rev"], parsed["data"]["count"]) == (":3", 3, 120)
    assert "count" not in event(hit(NOW))["data"]


texts = st.text(max_size=128)
numbers = st.floats(0, 1)
boxes = st.none() | st.tuples(*[st.floats(-1e6, 1e6)] * 4)
values = st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | texts
measurements = st.none() | st.builds(Measurement, texts, values, texts)
threats = st.builds(
    threat,
    label=texts,
    category=st.sampled_from(Category),
    score=st.none() | numbers,
    box=boxes,
    view=st.integers(0, 15),
    zone=st.none() | texts,
    measurement=measurements,
)
reports = st.builds(
    lambda found, **rest: report(*found, **rest),
    st.lists(threats, min_size=1, max_size=40),
    score=st.none() | numbers,
    threshold=st.none() | numbers,
    severity=st.none() | st.sampled_from(Severity),
    model=st.none() | st.builds(ModelName, texts, texts, texts),
)
hits = st.builds(
    hit,
    st.builds(Stamp, st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1)),
    hit_id=st.builds(uuid7, st.integers(0, 2**63 - 1)),
    rev=st.integers(0, 10**6),
    report=reports,
    item=st.builds(Item, texts, st.none() | st.from_regex(r"\A[0-9]{10}\Z"), st.none() | texts),
    count=st.none() | st.integers(1, 10**9),
    scan_type=st.none() | texts,
    tip_type=st.none() | texts,
)


@given(hits, st.integers(1, 2**40), st.booleans())
@settings(max_examples=150, deadline=None)
def test_every_hit_is_valid_and_small_enough(made, seq, with_evidence):
    event(made, seq, evidence=EVIDENCE if with_evidence else None)


def test_a_verdict_says_what_was_screened_and_why_it_is_unknown():
    unknown = ThreatReport(Decision.UNKNOWN, reason="overloaded")
    verdict = json.loads(events().verdict(unknown, Item("1.2.3", "0220123456"), NOW, None, ("OPERATIONAL", None)))
    assert verdict == {
        "scan_id": "1.2.3",
        "decision": "unknown",
        "reason": "overloaded",
        "item": {"scan_id": "1.2.3", "bag_tag": "0220123456"},
        "score": None,
        "threshold": None,
        "at": NOW.rfc3339(),
    }


def test_a_hits_verdict_names_the_hit():
    made = hit(NOW)
    verdict = json.loads(events().verdict(made.report, made.item, NOW, made, ("TIP", "knife")))
    assert (verdict["hit_id"], verdict["scan_type"], verdict["tip_type"]) == (made.hit_id, "TIP", "knife")


def test_what_a_verdict_and_a_hit_rest_on_is_said_where_it_is_not_the_scanners_own_data():
    made = hit(NOW, driver="screen")
    kind = ("OPERATIONAL", None)
    assert json.loads(events().verdict(made.report, made.item, NOW, made, kind, source="screen"))["source"] == "screen"
    assert event(made)["data"]["source"] == "screen"
    assert "source" not in json.loads(events().verdict(made.report, made.item, NOW, made, kind))
    assert "source" not in event(hit(NOW))["data"]
