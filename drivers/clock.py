"""Time as a measurement: wall clock and monotonic clock, always together, always injected."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Stamp:
    """When something happened, on both clocks of this boot: wall (Unix epoch) and CLOCK_MONOTONIC, in nanoseconds."""

    wall_ns: int
    monotonic_ns: int

    def rfc3339(self) -> str:
        """Return the wall time as RFC 3339 UTC with milliseconds, the form of every time in the contract."""
        return rfc3339(self.wall_ns)


def rfc3339(wall_ns: int) -> str:
    """Return Unix nanoseconds as RFC 3339 UTC with milliseconds, rounded down."""
    seconds, rest = divmod(wall_ns, 1_000_000_000)
    return f"{_to_the_second(seconds)}.{rest // 1_000_000:03d}Z"


@lru_cache(maxsize=64)
def _to_the_second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


class Clock(Protocol):
    """Where time comes from; tests bring their own."""

    def now(self) -> Stamp:
        """Return this moment on both clocks."""


class SystemClock:
    """The machine's clocks."""

    def now(self) -> Stamp:
        """Return this moment on both clocks."""
        return Stamp(time.time_ns(), time.monotonic_ns())
