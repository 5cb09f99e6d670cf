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
from benchmarks.harness import Bar, Row, Say, Spread, timed
from drivers.clock import SystemClock
from drivers.contract import Category, Measurement, Severity
from edge.clock import ClockQuality, ClockState, uuid7
from edge.event import EventWriter, Identity
from edge.ledger import Ledger, Record
from edge.nouns import Decision, Hit, Item, Threat, ThreatReport
from edge.signing import SigningKey

BACKLOG, BACKLOG_SHORT = 20_000, 2_000
GROUP = 512
TURNS, TURNS_SHORT, TURN_S = 8, 3, 0.5
DRAIN_S = 150.0
BARE_S = 90.0
_PRAGMAS = ("page_size=4096", "journal_mode=WAL", "synchronous=FULL", "wal_autocheckpoint=0")

_COLUMNS = "seq, hit_id, rev, device, scan_id, observed_ns, committed_ns, payload, report, raw, evidence, prev, hash"


def rows(folder: Path, short: bool, say: Say) -> list[Row]:
    """Return the two rows."""
    count = BACKLOG_SHORT if short else BACKLOG
    say(f"{count} hits committed, together and one by one, and the same rows by bare SQLite, in turn")
    with box.broker(folder) as broker_port:
        config = box.configure(folder / "edge", broker_port, {})
        data = folder / "edge" / "data"
        data.mkdir()
        committed, bare = asyncio.run(_committed(folder, data, count, TURNS_SHORT if short else TURNS))
        say("the backlog drained, with receipts")
        drained = _drained(config, broker_port, committed["hits"])
    payloads = _payloads(data)
    with box.broker(folder) as broker_port:
        say("bare paho, the same messages")
        paho = _bare_paho(folder, broker_port, payloads)
    return [_commits(committed, bare), _drain(drained, paho, committed["hits"])]


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
        f" time a hit, {ours['sign_us']:.0f} of them the signature alone; bare: {bare['cpu_us']:.0f} us. In groups the"
        " processor is what counts, one by one the disk",
        {"ours": ours, "bare": bare},
        guards=(
            Bar(
                "processor time, of a signature and a bare row",
                ours["cpu_us"] / (ours["sign_us"] + bare["cpu_us"]),
                4.5,
            ),
        ),
    )


def _drain(drained: dict[str, float], paho: dict[str, float], count: int) -> Row:
    return Row(
        "ledger",
        f"backlog of {count:,} hits drained, receipts on",
        f"{drained['per_s']:,.0f} hits a second; {drained['cpu_us']:.0f} us of the core's processor time a hit",
        f"bare paho, QoS 1, the same messages, broker and subscriber: {paho['per_s']:,.0f} a second;"
        f" {paho['cpu_us']:.0f} us a message",
        "at least 0.7 of bare",
        (Bar("of bare", drained["per_s"] / paho["per_s"], 0.7, at_most=False),),
        "from the first hit at the console to the last; the console receipts each, paho's subscriber none",
        {"ours": drained, "paho": paho},
        guards=(Bar("the core's processor time, of paho's", drained["cpu_us"] / paho["cpu_us"], 4),),
    )


async def _committed(folder: Path, data: Path, count: int, turns: int) -> tuple[dict[str, Any], dict[str, float]]:
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
    key = SigningKey.of(data)
    sign_us = Spread.of(timed(lambda: key.sign(bytes(1024)), 0.1)).p50 * 1e6
    ledger.start()
    records = [_record(clock, number) for number in range(count)]
    before, began_s, cpu_s = ledger.commits, time.monotonic(), time.process_time()
    await asyncio.gather(*[ledger.commit(record) for record in records])
    took_s, cpu_s = time.monotonic() - began_s, time.process_time() - cpu_s
    commits = ledger.commits - before
    ours, bare = _Turns(), _Turns()
    with _Bare(data, folder) as plain:
        group = plain.in_groups(max(1, count // commits))
        for _ in range(turns):
            with ours:
                while ours.goes_on(TURN_S):
                    await ledger.commit(_record(clock, count + ours.done))
                    ours.done += 1
            with bare:
                while bare.goes_on(TURN_S):
                    plain.one(bare.done)
                    bare.done += 1
    await ledger.close()
    more = ours.done
    mine = {
        "group_per_s": count / took_s,
        "one_per_s": ours.per_s,
        "cpu_us": cpu_s / count * 1e6,
        "hits": count + more,
        "commits": commits,
        "sign_us": sign_us,
    }
    return mine, {**group, "one_per_s": bare.per_s}


class _Turns:
    """Counts what is done in turns of some length, and how long all of them took."""

    def __init__(self) -> None:
        self.done = 0
        self.took_s = 0.0
        self._began_s = 0.0

    @property
    def per_s(self) -> float:
        return self.done / self.took_s

    def __enter__(self) -> _Turns:
        self._began_s = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        self.took_s += time.monotonic() - self._began_s

    def goes_on(self, seconds: float) -> bool:
        return time.monotonic() - self._began_s < seconds


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


class _Bare:
    """A database of the ledger's own tables and settings, and the rows that the ledger holds, by SQLite alone."""

    def __init__(self, data: Path, folder: Path) -> None:
        with _opened(data / "ledger.db") as ours:
            self._rows = ours.execute(f"SELECT {_COLUMNS} FROM hit ORDER BY seq").fetchall()
            tables = ours.execute("SELECT sql FROM sqlite_schema WHERE tbl_name IN ('hit', 'evidence') AND sql != ''")
            made = [sql for (sql,) in tables]
        self._insert = f"INSERT INTO hit ({_COLUMNS}) VALUES ({','.join('?' * 13)})"
        self._db = sqlite3.connect(folder / "bare.db", isolation_level=None)
        for sql in (*(f"PRAGMA {pragma}" for pragma in _PRAGMAS), *made):
            self._db.execute(sql)

    def __enter__(self) -> _Bare:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def in_groups(self, group: int) -> dict[str, float]:
        """Insert every row, so many to a commit, and empty the table again."""
        began_s, cpu_s = time.monotonic(), time.process_time()
        for start in range(0, len(self._rows), group):
            self._db.execute("BEGIN IMMEDIATE")
            for row in self._rows[start : start + group]:
                self._db.execute(self._insert, row)
            self._db.execute("COMMIT")
        took_s, cpu_s = time.monotonic() - began_s, time.process_time() - cpu_s
        self._db.execute("DELETE FROM hit")
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return {"group_per_s": len(self._rows) / took_s, "cpu_us": cpu_s / len(self._rows) * 1e6}

    def one(self, number: int) -> None:
        """Insert one row in a commit of its own."""
        row = self._rows[number % len(self._rows)]
        again = number // len(self._rows)
        self._db.execute(self._insert, (row[0] + again * len(self._rows), row[1], row[2] + again, *row[3:]))


def _drained(config: Path, broker_port: int, count: int) -> dict[str, float]:
    """Start a console, then the appliance on its backlog, and return how fast the hits came."""
    console = _listening("console", broker_port, count, DRAIN_S)
    try:
        with box.appliance(config) as process:
            before = box.cost(process.pid)
            said = json.loads(console.line('"took_s"', DRAIN_S)[1])
            cost = box.cost(process.pid)
            _until_received(config, process, count)
    finally:
        console.stop()
    return {"per_s": (said["messages"] - 1) / said["took_s"], "cpu_us": (cost.cpu_s - before.cpu_s) / count * 1e6}


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


def _bare_paho(folder: Path, broker_port: int, payloads: list[bytes]) -> dict[str, float]:
    (folder / "payloads.json").write_text(json.dumps([payload.decode() for payload in payloads]))
    ears = _listening("plain", broker_port, len(payloads), BARE_S)
    try:
        words = [sys.executable, "-m", "benchmarks.plain", "send", str(broker_port), str(folder / "payloads.json")]
        sent = subprocess.run(words, check=True, timeout=BARE_S, capture_output=True, text=True).stdout
        said = json.loads(ears.line('"took_s"', BARE_S)[1])
    finally:
        ears.stop()
    return {"per_s": (said["messages"] - 1) / said["took_s"], "cpu_us": float(sent) / len(payloads) * 1e6}


def _listening(kind: str, broker_port: int, count: int, deadline_s: float) -> box.Process:
    words = ("-m", "benchmarks.plain", kind, str(broker_port), str(count), str(deadline_s))
    process = box.Process(sys.executable, *words)
    process.line("listening")
    return process
