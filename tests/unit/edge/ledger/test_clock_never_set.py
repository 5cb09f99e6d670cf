"""A machine that boots without a clock: what it keeps is not old because the clock is set later."""

import json

import pytest

from edge.ledger import Mark
from edge.ledger.entries import Record
from edge.ledger.revision import Revision
from edge.nouns import Evidence
from tests.core import record, scan_hit, until

DAY_S = 86_400
NOW_NS = 1_795_000_000_000_000_000


def files(folder):
    return {path.name for path in (folder / "evidence").glob("*/*")}


@pytest.fixture
def clock(clock):
    """Five minutes after the epoch, as a machine without a battery finds itself."""
    clock.wall_ns = 300_000_000_000
    return clock


def set_clock(clock):
    clock.advance(60)
    clock.wall_ns = NOW_NS


async def looked_after(ledger, clock):
    """Return once the ledger has looked for what is old."""
    before = ledger._housekept_ns
    clock.advance(3600)
    await until(lambda: ledger._housekept_ns > before)


async def test_evidence_from_before_the_clock_was_set_is_as_old_as_that_moment(make_ledger, clock, folder, ask):
    ledger = make_ledger(keep_days=30)
    ledger.start()
    await ledger.commit(record(scan_hit(clock.now()), key="a"))
    await ledger.commit(Record(device="xray-1", hit=None, kept=Evidence(b"unjudged", "application/dicom"), key="b"))
    ledger.mark(Mark(received=[1], proven=[1]))
    await until(lambda: ledger._asked.empty() and not ledger._marks)
    await looked_after(ledger, clock)
    assert ask("SELECT min(created_ns) < 1e15 FROM evidence") == [(1,)]  # nothing is known better yet
    set_clock(clock)
    await looked_after(ledger, clock)
    await looked_after(ledger, clock)
    assert len(files(folder)) == 2
    assert ask("SELECT count(*) FROM seen") == [(2,)]
    clock.advance(29 * DAY_S)
    await looked_after(ledger, clock)
    assert len(files(folder)) == 2
    clock.advance(2 * DAY_S)
    await until(lambda: not files(folder))


async def test_a_hit_known_better_after_the_clock_was_set_is_no_older_than_it_is(make_ledger, clock, ask):
    ledger = make_ledger()
    ledger.start()
    made = scan_hit(clock.now())
    await ledger.commit(record(made))
    clock.advance(2)
    clock.wall_ns = NOW_NS
    await ledger.commit(Revision(made.hit_id, {"corroboration": [], "severity": "low"}))
    [(first,), (second,)] = ask("SELECT payload FROM hit ORDER BY seq")
    assert json.loads(first)["data"]["observed_at"].startswith("1970-01-01")
    assert (json.loads(second)["data"]["rev"], json.loads(second)["data"]["historical"]) == (1, False)
