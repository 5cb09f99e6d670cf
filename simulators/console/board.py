"""The side of the page: appliances with their devices, counts, what is wrong. One picture of the store at a time."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from simulators.console.ingest import Standing
from simulators.console.store.reader import Gap, Reader
from simulators.console.view import parsed, stamp, text

DAY_MS = 24 * 3_600_000
VERDICTS = ("alarm", "clear", "unknown")


@dataclass(frozen=True, slots=True)
class Device:
    """A device and how it is; `stale` when its appliance is away, so that this is only what was last known."""

    name: str
    state: str
    reason: str
    since: str
    last_observation_at: str
    stale: bool

    @property
    def troubled(self) -> bool:
        """Say whether it does not work as it should, as far as is known now."""
        return self.state in ("down", "degraded") and not self.stale


@dataclass(frozen=True, slots=True)
class Appliance:
    """An appliance: whether it is there, what waits in it, what ails it, its devices."""

    site: str
    edge: str
    lane: str
    state: str
    since: str
    since_before: bool
    heard_at: str
    software: str
    waiting: int
    oldest_s: float
    blind: str
    storage: str
    clock: str
    devices: tuple[Device, ...]


@dataclass(frozen=True, slots=True)
class Count:
    """How many of a thing, of the last 24 hours and in all."""

    what: str
    day: int
    all: int


@dataclass(frozen=True, slots=True)
class Conflict:
    """A claim that contradicts what is kept."""

    kind: str
    hit_id: str
    rev: int
    sender: str
    times: int
    last_at: str


@dataclass(frozen=True, slots=True)
class BadMessage:
    """A message that could not be used."""

    topic: str
    reason: str
    bytes: int
    at: str


@dataclass(frozen=True, slots=True)
class Board:
    """Everything but the hits."""

    broker: Standing
    broker_since: str
    topic: str
    appliances: tuple[Appliance, ...]
    hits: Count
    verdicts: tuple[Count, ...]
    missing: int
    gaps: tuple[Gap, ...]
    conflicts: Count
    conflict_list: tuple[Conflict, ...]
    bad: Count
    bad_list: tuple[BadMessage, ...]

    @property
    def online(self) -> int:
        """Return how many appliances are online."""
        return sum(each.state == "online" for each in self.appliances)

    @property
    def troubled(self) -> int:
        """Return how many devices of appliances that are online do not work as they should."""
        return sum(device.troubled for each in self.appliances for device in each.devices)


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15 else 0.0


def _waiting(health: Mapping[str, Any]) -> int:
    queued = health.get("queued")
    return int(_number(queued.get("hit"))) if isinstance(queued, dict) else int(_number(queued))


def _blind(health: Mapping[str, Any]) -> str:
    if health.get("blind") is not True:
        return ""
    return text(health.get("blind_reason")) or "?"


def _storage(health: Mapping[str, Any]) -> str:
    state = text(health.get("storage"))
    return "" if state in ("", "ok") else " ".join(filter(None, (state, text(health.get("storage_reason")))))


def _appliance(row: sqlite3.Row, devices: tuple[Device, ...]) -> Appliance:
    health, birth = parsed(row["health"]), parsed(row["birth"])
    clock = health.get("clock")
    return Appliance(
        site=row["site"],
        edge=row["edge"],
        lane=text(row["lane"]),
        state=row["state"],
        since=stamp(row["since_ms"]) if row["since_ms"] else "",
        since_before=bool(row["since_before"]),
        heard_at=stamp(row["heard_ms"]) if row["heard_ms"] else "",
        software=text(birth.get("software")),
        waiting=_waiting(health),
        oldest_s=_number(health.get("oldest_unsent_hit_s")),
        blind=_blind(health),
        storage=_storage(health),
        clock=text(clock.get("quality")) if isinstance(clock, dict) else "",
        devices=devices,
    )


def _worst_first(each: Appliance) -> tuple[int, str, str]:
    if each.state == "offline":
        rank = 0
    elif each.blind or each.storage or any(device.troubled for device in each.devices):
        rank = 1
    else:
        rank = 2
    return rank, each.site, each.edge


def board(reader: Reader, broker: Standing, topic: str, now_ms: int) -> Board:
    """Return the board as the store stands now."""
    rows = reader.appliances()
    away = {(row["site"], row["edge"]) for row in rows if row["state"] != "online"}
    devices: dict[tuple[str, str], list[Device]] = {}
    for row in reader.devices():
        owner = (row["site"], row["edge"])
        devices.setdefault(owner, []).append(
            Device(
                row["device"],
                row["state"],
                text(row["reason"]),
                text(row["since"]),
                text(row["last_observation_at"]),
                owner in away,
            )
        )
    day, ever = (Counter(counts) for counts in reader.tallies(now_ms - DAY_MS))
    gaps = tuple(reader.gaps())
    appliances = [_appliance(row, tuple(devices.get((row["site"], row["edge"]), ()))) for row in rows]
    return Board(
        broker=broker,
        broker_since=stamp(broker.since_ms),
        topic=topic,
        appliances=tuple(sorted(appliances, key=_worst_first)),
        hits=Count("hit", day["hit"], ever["hit"]),
        verdicts=tuple(Count(what, day[what], ever[what]) for what in VERDICTS),
        missing=sum(gap.missing for gap in gaps),
        gaps=gaps,
        conflicts=Count("conflict", day["conflict"], ever["conflict"]),
        conflict_list=tuple(
            Conflict(
                row["kind"],
                row["hit_id"],
                row["rev"],
                f"{row['site']}/{row['edge']}",
                row["times"],
                stamp(row["last_ms"]),
            )
            for row in reader.conflicts(limit=5)
        ),
        bad=Count("bad", day["bad"], ever["bad"]),
        bad_list=tuple(
            BadMessage(text(row["topic"]), text(row["reason"]), row["bytes"], stamp(row["at_ms"]))
            for row in reader.bad(5)
        ),
    )
