"""Figures, report and data set: true of the ledger that they are made of, and without a person in them."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from drivers.clock import SystemClock
from drivers.errors import StoreError
from edge import figures
from edge.dispositions import Apply
from edge.down import Disposition
from edge.evidence.dataset import make
from edge.figures import Figures, Outcome, Report
from edge.ledger import Ledger, inbox
from edge.nouns import Evidence
from inference.evaluate.labels import read_folder
from inference.rates import wilson
from tests.core import events, reading_hit, record, report, scan_hit, threat
from tests.pictures import coded, grey8

CLOCK = SystemClock()


def png(seed):
    return coded(".png", grey8(seed))


FOREVER = 2**63 - 1


@pytest.fixture
async def lane(tmp_path):
    """A ledger of hits, each with what was said of it; by the names of the hits."""
    folder = tmp_path / "data"
    ledger = Ledger(folder, events(), CLOCK, quota_bytes=10**9, keep_days=30, on_commit=lambda hits, notes: None)
    ledger.start()
    made = {}

    async def hit(name, *said, of=scan_hit, **changes):
        made[name] = of(CLOCK.now(), **changes)
        if made[name].evidence:
            made[name] = replace(made[name], evidence=Evidence(made[name].evidence.original, "image/png"))
        await ledger.commit(record(made[name]))
        for number, (outcome, more) in enumerate(said):
            words = {
                "disposition_id": f"d-{len(made)}-{number}",
                "hit_id": made[name].hit_id,
                "outcome": outcome,
                **more,
            }
            await ledger.commit(Apply(Disposition.model_validate(words), CLOCK))

    kilo = {"commodity": "cocaine", "quantity": {"value": 1.5, "unit": "KGM"}, "officer": "7", "witness": "9"}
    grams = {"commodity": "cocaine", "quantity": {"value": 250.0, "unit": "GRM"}}
    tablets = {"commodity": "medicine_falsified", "quantity": {"value": 49180.0, "unit": "H87"}}
    boxed = report(threat(box=(2.0, 3.0, 4.0, 5.0)))
    await hit("found", ("seizure", kilo), original=png(0), report=boxed)
    await hit("found too", ("pending_lab", {}), ("handed_over", grams), original=png(1))
    await hit("tablets", ("seizure", tablets), of=reading_hit)
    await hit("nothing", ("nothing_found", {"officer": "officer-7", "note": "a name"}), original=png(2))
    await hit("not searched", ("not_searched", {}))
    await hit("open")
    await hit("tip", ("tip", {}), original=png(3))
    await hit("projected", ("nothing_found", {}), tip_type="gun")
    await ledger.close()
    return SimpleNamespace(folder=folder, made=made, out=tmp_path / "out", config=tmp_path)


def table(lane):
    return figures.report(figures.outcomes(lane.folder, 0, FOREVER), 0, 10**18)


async def test_each_hit_counts_by_what_was_said_last_and_exercises_apart(lane):
    found = table(lane)
    assert found["exercises"] == 2
    low, high = wilson(3, 4)
    assert found["figures"] == {
        "alarms": 6,
        "found": 3,
        "nothing_found": 1,
        "not_searched": 1,
        "pending": 0,
        "open": 1,
        "searched": 4,
        "ppv": 0.75,
        "ppv_low": round(low, 4),
        "ppv_high": round(high, 4),
    }
    assert {name: each["alarms"] for name, each in found["by"]["device"].items()} == {"xray-1": 5, "portal-1": 1}
    assert {name: each["alarms"] for name, each in found["by"]["model"].items()} == {"baggage 1.0.0": 5, "rules": 1}


async def test_what_was_seized_is_summed_by_commodity_and_unit(lane):
    assert table(lane)["seizures"] == {
        "cocaine": {"count": 2, "quantity": {"KGM": 1.75}},
        "medicine_falsified": {"count": 1, "quantity": {"H87": 49180.0}},
    }


async def test_a_period_has_its_own_hits_alone(lane):
    assert list(figures.outcomes(lane.folder, 0, 1)) == []
    now = CLOCK.now().wall_ns
    assert list(figures.outcomes(lane.folder, now, FOREVER)) == []


async def test_no_person_is_in_a_report(lane):
    text = json.dumps(table(lane))
    assert "officer" not in text
    assert "a name" not in text


def test_a_dog_team_has_its_figures():
    made = Report()
    canine = {"canine": {"team": "k9-7"}, "device": "k9-1"}
    for word in ("seizure", "nothing_found", "not_searched"):
        made.add(Outcome(canine, {"outcome": word}))
    team = made.table()["by"]["dog_team"]["k9-7"]
    assert (team["found"], team["nothing_found"], team["not_searched"], team["ppv"]) == (1, 1, 1, 0.5)


def test_where_nothing_was_searched_there_is_no_value():
    assert Figures().table()["ppv"] is None


async def test_a_data_set_is_what_evaluate_reads(lane):
    made = make(lane.folder, lane.out, 0, FOREVER, CLOCK)
    assert (made.threats, made.benign) == (2, 1)
    assert made.left_out == {"an exercise": 2, "no picture": 1, "not searched": 1, "open": 1}
    scans = {scan.files[0].stem: scan for scan in read_folder(lane.out)}
    found = scans[lane.made["found"].hit_id]
    assert (found.threats[0].label, found.threats[0].box) == ("cocaine", (2.0, 3.0, 4.0, 5.0))
    assert not scans[lane.made["nothing"].hit_id].threats
    assert found.files[0].read_bytes() == bytes(lane.made["found"].evidence.original)
    text = (lane.out / "labels.jsonl").read_text()
    for private in ("officer", "a name", "0220123456"):
        assert private not in text
    [(_, note)] = inbox.waiting(lane.folder, CLOCK)
    assert note.left.kind == "dataset"
    with pytest.raises(StoreError, match="never written over"):
        make(lane.folder, lane.out, 0, FOREVER, CLOCK)


async def test_a_changed_picture_makes_no_data_set(lane):
    for path in (lane.folder / "evidence").glob("*/*"):
        path.write_bytes(b"another")
    with pytest.raises(StoreError, match="not the bytes"):
        make(lane.folder, lane.out, 0, FOREVER, CLOCK)
