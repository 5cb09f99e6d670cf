"""What a driver is told of its scan: the verdict, and the same one when the scan comes again."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from drivers.contract import Scan, Verdict
from edge.answer import MAX_THREATS, verdict, verdict_again
from edge.ledger import Ledger
from edge.ledger.reader import Reader
from edge.nouns import Decision, Item, ThreatReport
from tests.core import IDENTITY, FakeClock, events, record, report, scan_hit, threat

ITEM = Item("1.2.3", "0220123456", "BAGGAGE")
CLOCK = FakeClock()


def scan(**changes: object) -> Scan:
    return Scan(
        **{"at": CLOCK.now(), "key": "k", "original": b"bits", "media_type": "application/dicom", "name": "n"} | changes
    )


def test_the_verdict_on_an_alarm() -> None:
    said = report(threat(box=(1.0, 2.0, 3.0, 4.0), view=1), started=CLOCK.now(), ended=CLOCK.now())
    told = verdict(IDENTITY, scan(tip_type="FTI"), ITEM, said, "h", CLOCK.now())
    assert (told.decision, told.hit_id, told.scan_id, told.bag_tag, told.tip_type) == (
        *("alarm", "h", "1.2.3", "0220123456"),
        "FTI",
    )
    assert [(t.label, t.box, t.view) for t in told.threats] == [("organic mass", (1.0, 2.0, 3.0, 4.0), 1)]
    assert (told.site, told.lane, told.edge, told.model, told.version) == (
        "lfw",
        "t1-l3",
        "edge-01",
        "baggage",
        "1.0.0",
    )


def test_of_many_threats_the_strongest_are_told() -> None:
    many = [threat(score=n / 1000) for n in range(200)]
    told = verdict(IDENTITY, scan(), ITEM, report(*many), "h", CLOCK.now())
    assert len(told.threats) == MAX_THREATS and told.threats[0].score == 0.199


@pytest.mark.parametrize("alarm", [True, False])
async def test_a_repeat_is_told_the_verdict_that_was_committed(alarm: bool, tmp_path: Path) -> None:
    at = CLOCK.now()
    if alarm:
        hit = scan_hit(at)
        said = hit.report
    else:
        hit, said = None, ThreatReport(Decision.UNKNOWN, reason="overloaded")
    writer = events()
    message = writer.verdict(said, ITEM, at, hit, ("OPERATIONAL", None))
    ledger = Ledger(tmp_path, writer, CLOCK, quota_bytes=10**8, keep_days=1, on_commit=lambda *_: None)
    ledger.start()
    kept = record(hit, device="xray-1", verdict=message, key="k", answer_repeats=True)
    await asyncio.wait_for(ledger.commit(kept), 60)
    reader = Reader(tmp_path)
    try:
        again = verdict_again(IDENTITY, reader, "xray-1", "k")
        now = verdict(IDENTITY, scan(), ITEM, said, hit.hit_id if hit else None, at)
        assert isinstance(again, Verdict)
        assert (again.decision, again.reason, again.hit_id, again.threats, again.scan_id) == (
            *(now.decision, now.reason, now.hit_id, now.threats),
            now.scan_id,
        )
        assert verdict_again(IDENTITY, reader, "xray-1", "another") is None
    finally:
        reader.close()
        await ledger.close()
