"""Hits committed a second beside bare SQLite, and a backlog drained beside bare paho.

Here the benchmarks import the project: no device brings twenty thousand hits in a moment (one that tries is held to 400
a second), so they are put in by the appliance's own ledger, as the core does it. The drain itself is seen from outside.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import box
from benchmarks.harness import Bar, Row, Say
from drivers.clock import SystemClock
from drivers.contract import Category, Measurement, Severity
from edge.clock import ClockQuality, ClockState, uuid7
from edge.event import EventWriter, Identity
from edge.ledger import Ledger, Record
from edge.nouns import Decision, Hit, Item, Threat, ThreatReport
from edge.signing import SigningKey

BACKLOG, BACKLOG_SHORT = 20_000, 2_000
GROUP = 512
ONE_BY_ONE_S = 4.0
DRAIN_S = 150.0
BARE_S = 90.0

_COLUMNS = "seq, hit_id, rev, device, scan_id, observed_ns, committed_ns, payload, report, raw, evidence, prev, hash"


def rows(folder: Path, short: bool, say: Say) -> list[Row]:
    """Return the two rows."""
    count = BACKLOG_SHORT if short else BACKLOG
    say(f"{count} hits committed, together and one by one")
    with box.broker(folder) as broker_port:
        config = box.configure(folder / "edge", broker_port, {})
        data = folder / "edge" / "data"
        data.mkdir()
        committed = asyncio.run(_committed(data, count, 1.0 if short else ONE_BY_ONE_S))
        say("bare SQLite, the same rows")
        bare = _bare_sqlite(data, folder, committed["commits"], 1.0 if short else ONE_BY_ONE_S)
        say("the backlog drained, with receipts")
        drained = _drained(config, broker_port, committed["hits"])
    payloads = _payloads(data)
    with box.broker(folder) as broker_port:
        say("bare paho, the same messages")
        paho_per_s = _bare_paho(folder, broker_port, payloads)
    return [_commits(committed, bare), _drain(drained, paho_per_s, committed["hits"])]


def _commits(ours: dict[str, Any], bare: dict[str, float]) -> Row:
    one, group = ours["one_per_s"] / bare["one_per_s"], ours["group_per_s"] / bare["group_per_s"]
    return Row(
        "ledger",
        "hits committed a second, `synchronous=FULL`",
        f"{ours['one_per_s']:,.0f} one by one, {ours['group_per_s']:,.0f} in groups",
        f"bare SQLite, the same rows: {bare['one_per_s']:,.0f} one by one, {bare['group_per_s']:,.0f} in groups",
        "at least 0.5 of bare",
        (
            Bar("one by one, of bare", one, 0.5, at_most=False),
            Bar("in groups, of bare", group, 0.5, at_most=False),
        ),
        f"ours makes the message, signs it (Ed25519 over RFC 8785) and chains it: {ours['cpu_us']:.0f} us of processor"
        f" time a hit; {bare['cpu_us']:.0f} us bare",
        {"ours": ours, "bare": bare},
    )


def _drain(drained: dict[str, float], paho_per_s: float, count: int) -> Row:
    return Row(
        "ledger",
        f"backlog of {count:,} hits drained, receipts on",
        f"{drained['per_s']:,.0f} hits a second; {drained['cpu_us']:.0f} us of the core's processor time a hit",
        f"bare paho, QoS 1, the same messages, broker and subscriber: {paho_per_s:,.0f} a second",
        "at least 0.7 of bare",
        (Bar("of bare", drained["per_s"] / paho_per_s, 0.7, at_most=False),),
        "from the first hit at the console to the last; the console receipts each, paho's subscriber none",
        {"ours": drained, "paho_per_s": paho_per_s},
    )


async def _committed(data: Path, count: int, one_by_one_s: float) -> dict[str, Any]:
    clock = SystemClock()
    state = ClockState(ClockQuality.SYNCED, 0.5)
    who = Identity("jaitf", box.SITE, "lane-1", box.EDGE, "passenger")
    ledger = Ledger(
        data,
        EventWriter(who, lambda: state),
        clock,
        quota_bytes=20_000_000_000,
        keep_days=30,
        on_commit=lambda hits, notes: None,
        key=SigningKey.of(data),
    )
    ledger.start()
    records = [_record(clock, number) for number in range(count)]
    before, began_s, cpu_s = ledger.commits, time.monotonic(), time.process_time()
    await asyncio.gather(*[ledger.commit(record) for record in records])
    took_s, cpu_s = time.monotonic() - began_s, time.process_time() - cpu_s
    commits = ledger.commits - before
    more, began_s = 0, time.monotonic()
    while (alone_s := time.monotonic() - began_s) < one_by_one_s:
        await ledger.commit(_record(clock, count + more))
        more += 1
    await ledger.close()
    return {
        "group_per_s": count / took_s,
        "one_per_s": more / alone_s,
        "cpu_us": cpu_s / count * 1e6,
        "hits": count + more,
        "commits": commits,
    }


def _record(clock: SystemClock, number: int) -> Record:
    now = clock.now()
    threat = Threat("counter", Category.OTHER, measurement=Measurement("counter", number))
    report = ThreatReport(Decision.ALARM, threats=(threat,), severity=Severity.MEDIUM)
    hit_id = uuid7(now.wall_ns)
    hit = Hit(hit_id, 0, "portal-1", "modbus", now, Item(hit_id), report, raw=number.to_bytes(4, "big"))
    return Record("portal-1", hit=hit)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    db = sqlite3.connect(path, isolation_level=None)
    try:
        yield db
    finally:
        db.close()


def _bare_sqlite(data: Path, folder: Path, commits: int, one_by_one_s: float) -> dict[str, float]:
    """Insert the rows that the ledger holds into a database of the same tables and settings, by SQLite alone."""
    with _opened(data / "ledger.db") as ours, _opened(folder / "bare.db") as db:
        rows = ours.execute(f"SELECT {_COLUMNS} FROM hit ORDER BY seq").fetchall()
        for pragma in ("page_size=4096", "journal_mode=WAL", "synchronous=FULL", "wal_autocheckpoint=0"):
            db.execute(f"PRAGMA {pragma}")
        for (sql,) in ours.execute("SELECT sql FROM sqlite_schema WHERE tbl_name IN ('hit', 'evidence') AND sql != ''"):
            db.execute(sql)
        insert = f"INSERT INTO hit ({_COLUMNS}) VALUES ({','.join('?' * 13)})"
        group = max(1, len(rows) // max(commits, 1))
        began_s, cpu_s = time.monotonic(), time.process_time()
        for start in range(0, len(rows), group):
            db.execute("BEGIN IMMEDIATE")
            for row in rows[start : start + group]:
                db.execute(insert, row)
            db.execute("COMMIT")
        took_s, cpu_s = time.monotonic() - began_s, time.process_time() - cpu_s
        db.execute("DELETE FROM hit")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        alone, began_alone = 0, time.monotonic()
        while (alone_s := time.monotonic() - began_alone) < one_by_one_s and alone < len(rows):
            db.execute(insert, rows[alone])
            alone += 1
    return {"group_per_s": len(rows) / took_s, "one_per_s": alone / alone_s, "cpu_us": cpu_s / len(rows) * 1e6}


def _drained(config: Path, broker_port: int, count: int) -> dict[str, float]:
    """Start a console, then the appliance on its backlog, and return how fast the hits came."""
    console = _listening("console", broker_port, count, DRAIN_S)
    try:
        with box.appliance(config) as process:
            said = json.loads(console.line('"took_s"', DRAIN_S)[1])
            cost = box.cost(process.pid)
            _until_received(config, process, count)
    finally:
        console.stop()
    return {"per_s": (said["messages"] - 1) / said["took_s"], "cpu_us": cost.cpu_s / count * 1e6}


def _until_received(config: Path, process: box.Process, count: int) -> None:
    """Wait until the ledger itself says that every hit is received: a drain that loses one is none."""
    ends = time.monotonic() + 30
    while time.monotonic() < ends:
        with _opened(config / "data" / "ledger.db") as db:
            (received,) = db.execute("SELECT count(*) FROM hit WHERE received_ns IS NOT NULL").fetchone()
        if received == count:
            return
        time.sleep(0.2)
    raise box.NotUp(f"{received} of {count} hits are received; it said: {process.tail()}")


def _payloads(data: Path) -> list[bytes]:
    with _opened(data / "ledger.db") as db:
        return [payload for (payload,) in db.execute("SELECT payload FROM hit ORDER BY seq")]


def _bare_paho(folder: Path, broker_port: int, payloads: list[bytes]) -> float:
    (folder / "payloads.json").write_text(json.dumps([payload.decode() for payload in payloads]))
    ears = _listening("plain", broker_port, len(payloads), BARE_S)
    try:
        words = [sys.executable, "-m", "benchmarks.plain", "send", str(broker_port), str(folder / "payloads.json")]
        subprocess.run(words, check=True, timeout=BARE_S)
        said = json.loads(ears.line('"took_s"', BARE_S)[1])
    finally:
        ears.stop()
    return float((said["messages"] - 1) / said["took_s"])


def _listening(kind: str, broker_port: int, count: int, deadline_s: float) -> box.Process:
    words = ("-m", "benchmarks.plain", kind, str(broker_port), str(count), str(deadline_s))
    process = box.Process(sys.executable, *words)
    process.line("listening")
    return process
