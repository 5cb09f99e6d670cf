"""Hits committed a second beside bare SQLite, and a backlog drained beside bare paho.

Beside each stands also the floor of what is promised of a hit: SQLite whose rows are written as JSON, hashed and
signed, and paho that is sent a receipt of each message.

Here the benchmarks import the project: no device brings twenty thousand hits in a moment (one that tries is held to 400
a second), so they are put in by the appliance's own ledger, as the core does it. The drain itself is seen from outside.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
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
GROUP_TURNS = 4
TURNS, TURNS_SHORT, TURN_S = 8, 3, 0.5
DRAIN_S = 150.0
BARE_S = 90.0
_PRAGMAS = ("page_size=4096", "journal_mode=WAL", "synchronous=FULL")

_COLUMNS = "seq, hit_id, rev, device, scan_id, observed_ns, committed_ns, payload, report, raw, evidence, prev, hash"
_PAYLOAD = _COLUMNS.split(", ").index("payload")
_AS_IT_STANDS = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)
_SORTED = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, sort_keys=True)


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
    with box.broker(folder) as broker_port:
        say("bare paho that is sent receipts")
        receipted = _bare_paho(folder, broker_port, payloads, receipts=True)
    return [_commits(committed, bare), _drain(drained, paho, receipted, committed["hits"])]


def _commits(ours: dict[str, Any], bare: dict[str, Any]) -> Row:
    one, group = ours["one_per_s"] / bare["one_per_s"], ours["group_per_s"] / bare["group_per_s"]
    return Row(
        "ledger",
        "hits committed a second, `synchronous=FULL`",
        f"{ours['one_per_s']:,.0f} one by one, {ours['group_per_s']:,.0f} in groups",
        f"bare SQLite, the same rows: {bare['one_per_s']:,.0f} one by one, {bare['group_per_s']:,.0f} in groups;"
        f" the same, their JSON written, hashed and signed: {bare['signed_one_per_s']:,.0f} and"
        f" {bare['signed_group_per_s']:,.0f}",
        "at least 0.5 of bare",
        (
            Bar("one by one, of bare", one, 0.5, at_most=False),
            Bar("in groups, of bare", group, 0.5, at_most=False),
        ),
        _why(ours, bare),
        {"ours": ours, "bare": bare},
        guards=(Bar("processor time, of a bare row made and signed", ours["cpu_us"] / bare["signed_cpu_us"], 2.2),),
    )


def _why(ours: dict[str, Any], bare: dict[str, Any]) -> str:
    """Say what is held against what: where a hit's time goes, and a bare row's."""
    made, sign, one = ours["cpu_us"], ours["sign_us"], ours["one_cpu_us"]
    return (
        "a signed message is held against a row: bare inserts what is made already, ours makes each message, signs it"
        f" (Ed25519 over RFC 8785) and chains it: {made:.0f} us of processor time a hit, {sign:.0f} of them the"
        f" signature alone; bare: {bare['cpu_us']:.0f} us, signed {bare['signed_cpu_us']:.0f} us. In groups the"
        f" processor is what counts, and a signature alone takes {sign / bare['cpu_us']:.1f} times as long as a bare"
        f" row; one by one it is {one:.0f} us beside {bare['one_cpu_us']:.0f}, the way to the ledger's thread and back"
        " among them, and the same sync of the disk"
    )


def _drain(drained: dict[str, float], paho: dict[str, float], receipted: dict[str, float], count: int) -> Row:
    return Row(
        "ledger",
        f"backlog of {count:,} hits drained, receipts on",
        f"{drained['per_s']:,.0f} hits a second; {drained['cpu_us']:.0f} us of the core's processor time a hit",
        f"bare paho, QoS 1, the same messages, broker and subscriber: {paho['per_s']:,.0f} a second;"
        f" {paho['cpu_us']:.0f} us a message; with a receipt of each that it only hears: {receipted['per_s']:,.0f};"
        f" {receipted['cpu_us']:.0f} us",
        "at least 0.7 of bare",
        (Bar("of bare", drained["per_s"] / paho["per_s"], 0.7, at_most=False),),
        "from the first hit at the console to the last; the console receipts each, bare paho's subscriber none",
        {"ours": drained, "paho": paho, "paho_receipted": receipted},
        guards=(Bar("the core's processor time, of paho's", drained["cpu_us"] / paho["cpu_us"], 4),),
    )


async def _committed(folder: Path, data: Path, count: int, turns: int) -> tuple[dict[str, Any], dict[str, Any]]:
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
    ours, ours_group, one, one_signed = _Turns(), _Turns(), _Turns(), _Turns()
    plain, signed = _Bare(data, folder / "bare.db", None), _Bare(data, folder / "signed.db", key)
    for _ in range(GROUP_TURNS):
        records = [_record(clock, ours_group.done + number) for number in range(count // GROUP_TURNS)]
        with ours_group:
            await asyncio.gather(*[ledger.commit(record) for record in records])
            ours_group.done += len(records)
        for bare in (plain, signed):
            bare.in_groups(ours_group.done // ledger.commits)
    for _ in range(turns):
        with ours:
            while ours.goes_on(TURN_S):
                await ledger.commit(_record(clock, count + ours.done))
                ours.done += 1
        for bare, turn in ((plain, one), (signed, one_signed)):
            with turn:
                while turn.goes_on(TURN_S):
                    bare.one(turn.done)
                    turn.done += 1
    plain.close()
    signed.close()
    await ledger.close()
    mine = {
        "group_per_s": ours_group.per_s,
        "one_per_s": ours.per_s,
        "cpu_us": ours_group.cpu_us,
        "one_cpu_us": ours.cpu_us,
        "hits": ours_group.done + ours.done,
        "sign_us": sign_us,
    }
    return mine, {
        "group_per_s": plain.groups.per_s,
        "one_per_s": one.per_s,
        "cpu_us": plain.groups.cpu_us,
        "one_cpu_us": one.cpu_us,
        "signed_group_per_s": signed.groups.per_s,
        "signed_one_per_s": one_signed.per_s,
        "signed_cpu_us": signed.groups.cpu_us,
    }


class _Turns:
    """Counts what is done in turns, how long all of them took, and how much of this process's processor time."""

    def __init__(self) -> None:
        self.done = 0
        self.took_s = self.cpu_s = 0.0
        self._began_s = self._began_cpu_s = 0.0

    @property
    def per_s(self) -> float:
        return self.done / self.took_s

    @property
    def cpu_us(self) -> float:
        return self.cpu_s / self.done * 1e6

    def __enter__(self) -> _Turns:
        self._began_s, self._began_cpu_s = time.monotonic(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.took_s += time.monotonic() - self._began_s
        self.cpu_s += time.process_time() - self._began_cpu_s

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
    """A database of the ledger's own tables, and the rows that the ledger holds, by SQLite alone.

    Its log is SQLite's own affair: written back each thousand pages, begun anew and written over.

    With a key, each row's event is written as JSON first, in its own order and in that of RFC 8785, hashed and signed:
    the least that a signed message takes with Python's own encoder, nothing of it looked at or linked.
    """

    def __init__(self, data: Path, path: Path, key: SigningKey | None) -> None:
        self._data, self._key = data, key
        self._rows: list[tuple[Any, ...]] = []
        self._events: list[Any] = []
        self.groups = _Turns()
        with _opened(data / "ledger.db") as ours:
            tables = ours.execute("SELECT sql FROM sqlite_schema WHERE tbl_name IN ('hit', 'evidence') AND sql != ''")
            made = [sql for (sql,) in tables]
        self._insert = f"INSERT INTO hit ({_COLUMNS}) VALUES ({','.join('?' * 13)})"
        self._db = sqlite3.connect(path, isolation_level=None)
        for sql in (*(f"PRAGMA {pragma}" for pragma in _PRAGMAS), *made):
            self._db.execute(sql)

    def close(self) -> None:
        self._db.close()

    def in_groups(self, group: int) -> None:
        """Insert the rows that the ledger has got since the last call, so many to a commit, and empty the table."""
        last = self._rows[-1][0] if self._rows else 0
        with _opened(self._data / "ledger.db") as ours:
            rows = ours.execute(f"SELECT {_COLUMNS} FROM hit WHERE seq > ? ORDER BY seq", (last,)).fetchall()
        first = len(self._rows)
        self._rows += rows
        self._events += [json.loads(row[_PAYLOAD]) for row in rows] if self._key else []
        with self.groups:
            for start in range(first, len(self._rows), group):
                self._db.execute("BEGIN IMMEDIATE")
                for number in range(start, min(start + group, len(self._rows))):
                    self._make(number)
                    self._db.execute(self._insert, self._rows[number])
                self._db.execute("COMMIT")
            self.groups.done += len(rows)
        self._db.execute("DELETE FROM hit")
        self._db.execute("PRAGMA wal_checkpoint(RESTART)")

    def one(self, number: int) -> None:
        """Insert one row in a commit of its own."""
        again, at = divmod(number, len(self._rows))
        row = self._rows[at]
        self._make(at)
        self._db.execute(self._insert, (row[0] + again * len(self._rows), row[1], row[2] + again, *row[3:]))

    def _make(self, number: int) -> None:
        if self._key:
            hashlib.sha256(_AS_IT_STANDS.encode(self._events[number]).encode())
            self._key.sign(_SORTED.encode(self._events[number]).encode())


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


def _bare_paho(folder: Path, broker_port: int, payloads: list[bytes], *, receipts: bool = False) -> dict[str, float]:
    (folder / "payloads.json").write_text(json.dumps([payload.decode() for payload in payloads]))
    ears = _listening("console" if receipts else "plain", broker_port, len(payloads), BARE_S)
    try:
        words = [
            "-m",
            "benchmarks.plain",
            "hear" if receipts else "send",
            str(broker_port),
            str(folder / "payloads.json"),
        ]
        done = subprocess.run([sys.executable, *words], check=True, timeout=BARE_S, capture_output=True, text=True)
        said = json.loads(ears.line('"took_s"', BARE_S)[1])
    finally:
        ears.stop()
    return {"per_s": (said["messages"] - 1) / said["took_s"], "cpu_us": float(done.stdout) / len(payloads) * 1e6}


def _listening(kind: str, broker_port: int, count: int, deadline_s: float) -> box.Process:
    words = ("-m", "benchmarks.plain", kind, str(broker_port), str(count), str(deadline_s))
    process = box.Process(sys.executable, *words)
    process.line("listening")
    return process
