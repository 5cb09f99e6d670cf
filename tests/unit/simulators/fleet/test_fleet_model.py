"""A fleet's appliance without its wire: valid hits, sent again until they are received."""

import json
from pathlib import Path

import jsonschema
import pytest

from simulators.fleet import model

pytestmark = pytest.mark.slow

SCHEMA = json.loads(Path("config/hit.v1.schema.json").read_text())
WALL = 1_795_000_000.0


@pytest.fixture
def lane():
    return model.fleet(1, "lfw", "jaitf", 10.0, 7, 0.0)[0]


def hits(lane, now_s):
    return [json.loads(each.body) for each in lane.due(now_s, WALL + now_s)]


def test_hits_are_the_contracts(lane):
    seen = [event for now_s in range(600) for event in hits(lane, float(now_s))]
    for event in seen:
        jsonschema.validate(event, SCHEMA, format_checker=jsonschema.FormatChecker())
    new = {event["data"]["hit_id"]: event["data"]["seq"] for event in seen}
    assert sorted(new.values()) == list(range(1, len(new) + 1))
    assert len(new) > 30 and lane.again == len(seen) - len(new) > 0


def test_a_hit_goes_again_at_growing_intervals_until_it_is_received(lane):
    lane.next_s = 0.0
    (owed,) = lane.due(0.0, WALL)
    lane.next_s = float("inf")
    times = [t / 10 for t in range(1, 1000) if lane.due(t / 10, WALL)]
    assert times == [5.0, 15.0, 35.0, 75.0]
    hit_id = json.loads(owed.body)["data"]["hit_id"]
    lane.received(json.dumps({"hit_id": hit_id, "rev": 0}).encode(), 80.0)
    lane.received(json.dumps({"hit_id": hit_id, "rev": 0}).encode(), 99.0)
    lane.all_again(200.0)
    assert not lane.due(200.0, WALL)
    assert lane.latencies_s == [80.0]


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"\xff", b'{"hit_id": 3}', b"7"])
def test_a_receipt_that_is_none_changes_nothing(lane, body):
    lane.next_s = 0.0
    assert lane.due(0.0, WALL)
    lane.received(body, 1.0)
    assert len(lane.owed) == 1


def test_the_same_seed_makes_the_same_finds():
    def scores(seed):
        return [
            [event["data"]["score"] for event in hits(lane, 100.0)]
            for lane in model.fleet(3, "s", "jaitf", 5.0, seed, 0.0)
        ]

    assert scores(1) == scores(1) != scores(2)


def test_a_summary_counts_all(lane):
    lane.latencies_s = [0.001 * n for n in range(1, 101)]
    said = model.summary([lane])
    assert (said["received"], said["receipt_p50_ms"], said["receipt_p99_ms"]) == (100, 51.0, 100.0)
