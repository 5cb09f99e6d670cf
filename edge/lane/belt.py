"""How far the belt has moved: a count of millimetres from its speed and the contact that says whether it runs."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from enum import Enum
from math import inf

MAX_CHANGES = 512
"""So many starts and stops are remembered; what was before the oldest is not known."""


class Motion(Enum):
    """What is known of the belt at a moment."""

    RUNS = 1
    STANDS = 0
    UNKNOWN = None


@dataclass(frozen=True, slots=True)
class Span:
    """Where an item lies on the belt, in millimetres of belt travel when it passed the entry; as of a moment."""

    lo: float
    hi: float
    at_ns: int

    @property
    def width(self) -> float:
        """How much is not known of it, in millimetres."""
        return self.hi - self.lo


class Belt:
    """The travel of one belt that only ever runs forward. Times are monotonic nanoseconds of this boot.

    `speed_error` is the part by which the stated speed may be wrong, `stop_mm` how much each start and stop may add.
    A belt that `always_runs` needs no contact; any other is unknown until its contact is heard.
    """

    def __init__(self, speed_mm_s: float, *, speed_error: float, stop_mm: float, always_runs: bool) -> None:
        self.speed_mm_s = speed_mm_s
        self._speed_error = speed_error
        self._stop_mm = stop_mm
        first = Motion.RUNS if always_runs else Motion.UNKNOWN
        self._starts = [0]
        self._travel = [0.0]
        self._motion = [first]

    def tell(self, motion: Motion, at_ns: int) -> None:
        """Take what the contact says, or that it can no longer be heard; out of order, it counts from the last on."""
        if motion is self._motion[-1]:
            return
        at_ns = max(at_ns, self._starts[-1])
        self._travel.append(self.travel_mm(at_ns))
        self._starts.append(at_ns)
        self._motion.append(motion)
        if len(self._starts) > MAX_CHANGES:
            for kept in (self._starts, self._travel, self._motion):
                del kept[0]
            self._motion[0] = Motion.UNKNOWN

    def travel_mm(self, at_ns: int) -> float:
        """Return the travel at a moment; where the motion was not known it is counted as standing."""
        i = self._index(at_ns)
        if self._motion[i] is not Motion.RUNS:
            return self._travel[i]
        return self._travel[i] + (at_ns - self._starts[i]) * 1e-9 * self.speed_mm_s

    def known_at(self, at_ns: int) -> bool:
        """Return whether it was known then how the belt moved."""
        return self._motion[self._index(at_ns)] is not Motion.UNKNOWN

    def drift_mm(self, a_ns: int, b_ns: int) -> float:
        """Return how far apart the belt's true travel between two moments and the count may be; inf: anything."""
        a_ns, b_ns = min(a_ns, b_ns), max(a_ns, b_ns)
        first, last = self._index(a_ns), self._index(b_ns)
        if Motion.UNKNOWN in self._motion[first : last + 1]:
            return inf
        moved = self.travel_mm(b_ns) - self.travel_mm(a_ns)
        return self._speed_error * moved + self._stop_mm * (last - first)

    def span(self, place_mm: float, view_mm: float, from_ns: int, to_ns: int) -> Span:
        """Return where an item lies that was within a device's view at some moment between two."""
        lo = self.travel_mm(from_ns) - place_mm - view_mm / 2
        return Span(lo, self.travel_mm(to_ns) - place_mm + view_mm / 2, to_ns)

    def _index(self, at_ns: int) -> int:
        return max(bisect_right(self._starts, at_ns) - 1, 0)
