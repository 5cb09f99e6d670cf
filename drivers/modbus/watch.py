"""What one point's alarm remembers from read to read, and when it begins and ends: pure, time is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from drivers.modbus.codec import Number, Read, scaled
from drivers.modbus.points import Alarm, Point

#: Pulses that one read finds become a hit each up to here; more, after an outage, become one hit with their number.
EACH_PULSE: Final = 16
#: A counter that goes back has wrapped where that is no more than this part of its range; else it was switched off,
#: and counts from 0 again where it stands no higher than the second; else someone has set it.
MAX_WRAP: Final = 16
AFTER_RESET: Final = EACH_PULSE


@dataclass(frozen=True, slots=True)
class Raised:
    """An alarm that began: what was measured, and whether it is a hit of its own in any case."""

    name: str
    value: bool | int | float | str
    unit: str
    distinct: bool


class Watch:
    """Watches one point."""

    def __init__(self, point: Point) -> None:
        self.point = point
        self._last: Number | None = None
        self._standing = 0
        self._gone_at: float | None = None

    @property
    def on(self) -> bool:
        """Whether the alarm stands just now."""
        return self._standing != 0

    def see(self, read: Read, now_s: float, held: bool = False) -> list[Raised]:
        """Return the alarms that this read raises, in order; a read without a valid value raises and ends none.

        `now_s` is any monotonic time; `held` says that the point which holds the alarm is not 0.
        """
        point = self.point
        if point.alarm is None or read.raw is None or read.shown is None:
            return []
        if point.alarm is Alarm.ON_CHANGE:
            last, self._last = self._last, read.raw
            return [self._raised(read, True)] if last is not None and read.raw != last else []
        if point.alarm is Alarm.COUNTS:
            return self._pulses(int(read.raw), read)
        begun = self._conditions(read) & ~self._standing
        self._standing |= begun
        self._end(self._conditions(read, ending=True), now_s, held)
        return [self._raised(read, False)] if begun else []

    def agrees(self, one: Read, other: Read) -> bool:
        """Say whether two reads, after a doubtful moment of the line, tell the same of this point's alarm."""
        if one.raw is None or other.raw is None:
            return one.raw is other.raw
        match self.point.alarm:
            case None:
                return True
            case Alarm.COUNTS:
                return (int(other.raw) - int(one.raw)) % self._modulus <= EACH_PULSE
            case Alarm.ON_CHANGE:
                return one.raw == other.raw
            case _:
                return self._conditions(one) == self._conditions(other)

    @property
    def _modulus(self) -> int:
        return 1 << 16 * self.point.kind.words

    def _raised(self, read: Read, distinct: bool) -> Raised:
        shown = ", ".join(read.shown) if isinstance(read.shown, list) else read.shown
        assert shown is not None
        return Raised(self.point.name, shown, self.point.unit, distinct)

    def _pulses(self, count: int, read: Read) -> list[Raised]:
        last, self._last = self._last, count
        if last is None or count == last:
            return []
        new = (count - int(last)) % self._modulus
        if count < last and new > self._modulus // MAX_WRAP:
            new = count if count <= AFTER_RESET else 0
        elif new > self._modulus // 2:
            new = 0
        if new > EACH_PULSE:
            return [Raised(f"{self.point.name}: pulses at once", new, "", True)]
        values = [(count - new + i) % self._modulus for i in range(1, new + 1)]
        return [Raised(self.point.name, scaled(self.point, value) or 0, self.point.unit, True) for value in values]

    def _conditions(self, read: Read, ending: bool = False) -> int:
        """Return the condition's bits: one for all alarms but `bits`; with `ending`, what keeps it from ending."""
        point, value, shown = self.point, read.raw, read.shown
        if value is None or shown is None:
            return 0
        limit = point.limit or 0.0
        if ending and point.clear_limit is not None:
            limit = point.clear_limit
        match point.alarm:
            case Alarm.BITS:
                return int(value) & point.mask
            case Alarm.STATES:
                return int(shown in point.states)
            case Alarm.ABOVE:
                return int(not isinstance(shown, str | list) and shown > limit)
            case Alarm.BELOW:
                return int(not isinstance(shown, str | list) and shown < limit)
            case _:
                return int(value != 0)

    def _end(self, still: int, now_s: float, held: bool) -> None:
        if held or self._standing & ~still == 0:
            self._gone_at = None
        elif self._gone_at is None and self.point.clear_ms:
            self._gone_at = now_s
        elif self._gone_at is None or now_s - self._gone_at >= self.point.clear_ms / 1000:
            self._standing &= still
            self._gone_at = None
