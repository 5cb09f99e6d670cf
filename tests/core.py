"""What tests of the core share: a clock that a test moves, and makers of hits, records and messages."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from drivers.clock import Stamp
from drivers.contract import Category, Finding, Measurement, Reading, Severity
from edge.clock import ClockQuality, ClockState, uuid7
from edge.event import EventWriter, Identity
from edge.ledger import Record
from edge.nouns import Decision, Evidence, Hit, Item, ModelName, Threat, ThreatReport

IDENTITY = Identity("jaitf", "lfw", "t1-l3", "edge-01", "passenger")
MODEL = ModelName("baggage", "1.0.0", "ab" * 32)
#: What has not come by then does not come. No measure of anything: a busy machine may take its time.
DEADLINE_S = 60.0
_numbers = itertools.count(1)


class FakeClock:
    """Stands still until it is told to go on; both clocks start at a known moment."""

    def __init__(self, wall_ns: int = 1_795_000_000_000_000_000, monotonic_ns: int = 1_000_000_000_000) -> None:
        self.wall_ns = wall_ns
        self.monotonic_ns = monotonic_ns

    def now(self) -> Stamp:
        return Stamp(self.wall_ns, self.monotonic_ns)

    def advance(self, seconds: float) -> None:
        self.wall_ns += int(seconds * 1e9)
        self.monotonic_ns += int(seconds * 1e9)


def events(identity: Identity = IDENTITY) -> EventWriter:
    return EventWriter(identity, lambda: ClockState(ClockQuality.SYNCED, 0.5))


def threat(**changes: Any) -> Threat:
    return Threat(**{"label": "organic mass", "category": Category.CONTRABAND, "score": 0.93, **changes})


def report(*threats: Threat, **changes: Any) -> ThreatReport:
    given = {"decision": Decision.ALARM, "score": 0.93, "threshold": 0.61, "severity": Severity.HIGH, "model": MODEL}
    return ThreatReport(**{**given, "threats": threats or (threat(box=(1.0, 2.0, 30.0, 40.0)),), **changes})


def hit(at: Stamp, **changes: Any) -> Hit:
    given = {
        "hit_id": uuid7(at.wall_ns),
        "rev": 0,
        "device": "xray-1",
        "driver": "dicos",
        "observed": at,
        "item": Item("1.2.3", "0220123456", "BAGGAGE"),
        "report": report(),
    }
    return Hit(**{**given, **changes})


def reading_hit(at: Stamp, **changes: Any) -> Hit:
    """A hit without evidence: a counter's."""
    number = next(_numbers)
    measured = threat(label="counter", score=None, measurement=Measurement("counter", number, ""))
    plain = report(measured, score=None, threshold=None, model=None)
    return hit(at, **{"device": "portal-1", "driver": "modbus", "report": plain, "raw": b"\x00\x01", **changes})


def scan_hit(at: Stamp, original: bytes | None = None, **changes: Any) -> Hit:
    """A hit with evidence, its bytes as given or unlike any other's."""
    bits = original if original is not None else b"scan %d" % next(_numbers)
    return hit(at, evidence=Evidence(bits, "application/dicom"), **changes)


def record(of: Hit | None, **changes: Any) -> Record:
    return Record(**{"device": of.device if of else "xray-1", "hit": of, **changes})


def reading(at: Stamp, value: int = 1, label: str = "counter", **changes: Any) -> Reading:
    finding = Finding(label, Measurement(label, value))
    return Reading(at, **{"values": {label: value}, "findings": (finding,), "raw": b"raw", **changes})


def alive(pid: int) -> bool:
    """Whether there is such a process, and it has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # gone before the opening, or between that and the reading
        return False


def descriptors(pid: int) -> dict[int, str]:
    """What a process holds open: the name behind each number. What it closes while we look is left out."""
    held = {}
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            held[int(path.name)] = str(path.readlink())
    return held


async def until(condition: Callable[[], object], deadline_s: float = DEADLINE_S) -> None:
    """Wait for what another thread or process does and tells nobody about."""
    deadline = time.monotonic() + deadline_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("it did not come")
        await asyncio.sleep(0.005)
