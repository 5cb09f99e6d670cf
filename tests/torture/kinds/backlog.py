"""A ledger full of hits, and a Modbus counter that goes on through kills of the appliance and the broker."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from drivers.clock import SystemClock
from drivers.contract import Category, Measurement, Severity
from edge.clock import ClockWatch, uuid7
from edge.event import EventWriter, Identity
from edge.ledger import Ledger, Record
from edge.nouns import Decision, Hit, Item, Threat, ThreatReport
from tests.torture.box import EDGE, SITE, wait_for
from tests.torture.rig import Rig
from tests.torture.trial import Bench, Broken, Kind

QUEUED = 100_000
KILLS_IN_A_ROUND = 12
ROUND_S = 30.0
DRAIN_DEADLINE_S = 600.0
BASELINE_SLACK_BYTES = 32 * 2**20
QUOTA_BYTES = 20_000_000_000

MODBUS = """
driver = "modbus"
[settings]
url = "{url}"
poll_ms = 20
[[settings.points]]
name = "counter"
table = "holding"
address = 0
type = "uint16"
alarm = "on_change"
"""


def fill(data_dir: Path, hits: int) -> None:
    """Write hits into a data directory's ledger, with the appliance's own ledger, as readings of a counter."""

    async def write() -> None:
        clock = SystemClock()
        events = EventWriter(Identity("jaitf", SITE, "t1", EDGE, "passenger"), ClockWatch().state)
        ledger = Ledger(data_dir, events, clock, quota_bytes=QUOTA_BYTES, keep_days=30, on_commit=lambda *_: None)
        ledger.start()
        for begun in range(0, hits, 2000):
            await asyncio.gather(*(ledger.commit(_record(clock, n)) for n in range(begun, min(hits, begun + 2000))))
        await ledger.close()

    data_dir.mkdir(parents=True, exist_ok=True)
    asyncio.run(write())


def _record(clock: SystemClock, number: int) -> Record:
    at = clock.now()
    threat = Threat("counter", Category.OTHER, measurement=Measurement("counter", f"queued-{number}"))
    report = ThreatReport(Decision.ALARM, threats=(threat,), severity=Severity.MEDIUM)
    hit_id = uuid7(at.wall_ns)
    return Record("counter-1", hit=Hit(hit_id, 0, "counter-1", "test", at, Item(hit_id), report, raw=b"\0\1\2\3"))


@contextlib.contextmanager
def modbus_counter(hz: float) -> Iterator[str]:
    """Run a simulated Modbus device whose counter rises `hz` times a second; yields its URL."""
    command = [sys.executable, "-c", "from simulators.cli import main; main()", "modbus"]
    process = subprocess.Popen(
        [*command, "--listen", "127.0.0.1:0", "--counter-hz", str(hz), "--json"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["listening"]
    finally:
        process.kill()
        process.wait(10)
        process.stdout.close()


def _round(rig: Rig) -> None:
    """A dozen kills of appliance and broker at random moments of half a minute."""
    bench = rig.bench
    moments = sorted(bench.chance.uniform(0, ROUND_S) for _ in range(KILLS_IN_A_ROUND))
    begun = time.monotonic()
    for moment in moments:
        time.sleep(max(0.0, begun + moment - time.monotonic()))
        if bench.chance.random() < 0.5:
            rig.box.kill()
            bench.tried("core killed")
            rig.box.start(ready=False)
        else:
            rig.broker.kill()
            bench.tried("broker killed")
            rig.broker.start()


def _judged(bench: Bench, queued: int) -> None:
    for _ in range(max(1, bench.trials // KILLS_IN_A_ROUND)):
        with (
            modbus_counter(25) as url,
            Rig(
                bench, {"portal-1": MODBUS.format(url=url), "counter-1": {"hz": 25}}, check_every=50 if queued else 1
            ) as rig,
        ):
            if queued:
                fill(rig.box.data_dir, queued)
            rig.box.start()
            for device in ("portal-1", "counter-1"):
                rig.console.next_hit_s(60.0, device)
            _round(rig)
            rig.box.wait_ready()
            begun = time.monotonic()
            for device in ("portal-1", "counter-1"):
                rig.console.next_hit_s(60.0, device)
            bench.figures.recoveries_s.append(time.monotonic() - begun)
            rig.drain(DRAIN_DEADLINE_S)
            rig.judge()


def judged(bench: Bench) -> None:
    """A dozen random kills of appliance and broker in half a minute, while a Modbus counter raises 25 hits a second."""
    _judged(bench, 0)


def judged_queued(bench: Bench) -> None:
    """The same on a ledger of a hundred thousand queued hits."""
    _judged(bench, QUEUED)


def drain(bench: Bench) -> None:
    """A hundred thousand queued hits drained while live ones go first: how fast, and what memory it takes."""
    queued = QUEUED if bench.trials >= 10 else QUEUED // 10
    with Rig(bench, {"counter-2": {"hz": 25}}, check_every=50) as rig:
        began = time.monotonic()
        fill(rig.box.data_dir, queued)
        notes = bench.figures.notes
        notes["hits committed a second, while filling"] = round(queued / (time.monotonic() - began))
        rig.box.start(ready=False)
        began = time.monotonic()
        rig.console.next_hit_s(30.0, "counter-2")
        notes["first live hit of a full ledger after, s"] = round(time.monotonic() - began, 1)
        live_began, peak = time.monotonic(), 0
        while rig.box.count("received_ns IS NULL AND device='counter-1'"):
            peak = max(peak, rig.box.rss_bytes())
            if time.monotonic() - began > DRAIN_DEADLINE_S:
                raise Broken(f"{rig.box.count('received_ns IS NULL')} hits still wait after {DRAIN_DEADLINE_S:.0f} s")
            time.sleep(0.25)
        notes["hits drained a second"] = round(queued / (time.monotonic() - began))
        notes["live hits' longest gap, s"] = round(
            rig.console.longest_gap_s("counter-2", live_began, time.monotonic()), 2
        )
        notes["core's largest memory, MiB"] = round(peak / 2**20)
        after = wait_for("the memory is read", rig.box.rss_bytes, 5.0)
        rig.box.stop()
        rig.box.start()
        rig.flowing()
        baseline = rig.box.rss_bytes()
        notes["core's memory afterwards and fresh, MiB"] = f"{after / 2**20:.0f} and {baseline / 2**20:.0f}"
        if after > baseline + BASELINE_SLACK_BYTES:
            raise Broken(f"memory: {after} bytes after the drain, {baseline} of a fresh start")
        bench.tried("backlog drained")
        rig.judge()


def outage(bench: Bench) -> None:
    """The console away while the broker is there, then back: what waits for receipts is bounded, nothing is lost."""
    with Rig(bench, {"counter-1": {"hz": 60}}) as rig:
        rig.box.start()
        rig.flowing()
        baseline = rig.box.rss_bytes()
        for _ in range(bench.trials):
            rig.console.silent = True
            rig.pause(8.0, 25.0)
            rig.console.silent = False
            begun = time.monotonic()
            wait_for("what waited is received", lambda: rig.box.count("received_ns IS NULL") < 100, 60.0, 0.1)
            bench.figures.recoveries_s.append(time.monotonic() - begun)
            bench.tried("console silent")
        grown = rig.box.rss_bytes() - baseline
        bench.figures.notes["memory grown, MiB"] = round(grown / 2**20, 1)
        if grown > BASELINE_SLACK_BYTES:
            raise Broken(f"memory grew by {grown} bytes over {bench.trials} outages")
        rig.judge()


KINDS = (
    Kind(
        "judged", "a dozen kills in half a minute under a Modbus counter of 25 hits a second", judged, weight=4, short=6
    ),
    Kind("judged-queued", "the same on a ledger of 100,000 queued hits", judged_queued, weight=9, short=0),
    Kind("drain", "100,000 queued hits drained, live ones first", drain, weight=100, short=1),
    Kind("outage", "the console gone while the broker stays", outage, weight=50, short=0),
)
