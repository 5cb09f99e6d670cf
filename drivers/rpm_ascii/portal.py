"""What a portal's lines mean together, without any I/O: occupancies, alarms, faults, tampering."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from drivers.clock import Stamp
from drivers.rpm_ascii.codec import Counts, Ended, Line, Ray, Setup, Speed, Tamper, When

#: A gamma line of an occupied portal counts 0.2 s: five of them are one second.
LINES_A_SECOND = 5
#: What a hit keeps of the wire.
MAX_RAW_BYTES = 4096
#: Lines before the occupancy that a hit keeps: the backgrounds that its counts stand against.
BACKGROUND_LINES = 4
#: The portal's own count of occupancies has six digits; a larger step than this is a portal that began anew.
_WRAP, _BELIEVED_STEP = 1_000_000, 10_000

#: Code and words of each fault that stands until counts without it come again.
_FAULTS = {
    (Ray.GAMMA, When.FAULT_HIGH): ("gamma-high", "the gamma background is too high, or a detector is at fault"),
    (Ray.GAMMA, When.FAULT_LOW): ("gamma-low", "the gamma background is too low: a detector or its cable is at fault"),
    (Ray.NEUTRON, When.FAULT_HIGH): ("neutron-high", "the neutron background is too high, or a detector is at fault"),
}


@dataclass(slots=True)
class Occupancy:
    """Something stands in the portal; rates in counts a second over all detectors."""

    started: Stamp
    alarms: set[Ray] = field(default_factory=set)
    gamma_max_cps: float | None = None
    neutron_max_cps: int | None = None
    kmh: float | None = None
    _gamma: deque[int] = field(default_factory=lambda: deque(maxlen=LINES_A_SECOND))

    def see(self, counts: Counts) -> float:
        """Take counts and return the rate: for gamma rays that of the last second, or of as much as there is."""
        if counts.ray is Ray.NEUTRON:
            self.neutron_max_cps = max(counts.total, self.neutron_max_cps or 0)
            return float(counts.total)
        self._gamma.append(counts.total)
        rate = sum(self._gamma) * LINES_A_SECOND / len(self._gamma)
        self.gamma_max_cps = max(rate, self.gamma_max_cps or 0)
        return rate


@dataclass(frozen=True, slots=True)
class Alarm:
    """The first alarming line of this kind in an occupancy, the rate then, and the wire up to it."""

    ray: Ray
    rate_cps: float
    background_cps: int | None
    raw: bytes


@dataclass(frozen=True, slots=True)
class Passed:
    """An occupancy is over. `number` is the portal's own, None where its end was not heard: then it is `cut`.

    `missed` is how many occupancies before it were not heard of.
    """

    occupancy: Occupancy
    number: int | None = None
    missed: int = 0

    @property
    def cut(self) -> bool:
        """Whether the end of it is not known."""
        return self.number is None


@dataclass(frozen=True, slots=True)
class Background:
    """Counts of one second in an empty portal, by detector."""

    ray: Ray
    detectors: tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Tampered:
    """The cabinet was opened."""

    raw: bytes


Event = Alarm | Passed | Background | Tampered


class Portal:
    """Follows one portal, line by line. What it knows outlives the connection, but for the occupancy under way."""

    def __init__(self) -> None:
        self.occupancy: Occupancy | None = None
        self.opened = False
        self.faults: dict[Ray, tuple[str, str]] = {}
        self.facts: dict[str, str] = {}
        self.missed = 0
        self._number: int | None = None
        self._background: dict[Ray, int] = {}
        self._raw: deque[bytes] = deque()

    def see(self, line: Line, at: Stamp) -> list[Event]:
        """Take one line and return what it means."""
        self._raw.append(line.raw)
        self._trim()
        match line.message:
            case Counts() as counts:
                return self._occupied(counts, at) if counts.when.occupied else self._empty(counts)
            case Ended(number=number):
                return self._ended(number, at)
            case Tamper(opened=opened):
                was, self.opened = self.opened, opened
                return [Tampered(line.raw)] if opened and not was else []
            case Speed(kmh=kmh) if self.occupancy:
                self.occupancy.kmh = kmh
            case Setup(code="SG3", fields=fields):
                self.facts["firmware"] = fields[-1][:32]
            case Setup(code="SG1", fields=fields):
                self.facts["alarm_sigma"] = fields[4][:32]
        return []

    def lost(self) -> list[Event]:
        """Give up the occupancy under way, for its end will not be heard."""
        occupancy, self.occupancy = self.occupancy, None
        return [Passed(occupancy)] if occupancy else []

    def _occupied(self, counts: Counts, at: Stamp) -> list[Event]:
        if self.occupancy is None:
            self.occupancy = Occupancy(at)
        rate = self.occupancy.see(counts)
        if counts.when is not When.ALARM or counts.ray in self.occupancy.alarms:
            return []
        self.occupancy.alarms.add(counts.ray)
        return [Alarm(counts.ray, round(rate, 1), self._background.get(counts.ray), self._wire())]

    def _empty(self, counts: Counts) -> list[Event]:
        """Take counts of an empty portal: whatever stood in it has gone, though its end was not heard."""
        passed = self.lost()
        if counts.when is When.BACKGROUND:
            self.faults.pop(counts.ray, None)
            self._background[counts.ray] = counts.total
            return [*passed, Background(counts.ray, counts.detectors)]
        self.faults[counts.ray] = _FAULTS[counts.ray, counts.when]
        return passed

    def _ended(self, number: int, at: Stamp) -> list[Event]:
        step = 1 if self._number is None else (number - self._number) % _WRAP
        if step == 0 and self.occupancy is None:
            return []  # the same end, sent again
        self._number = number
        missed = step - 1 if 1 < step < _BELIEVED_STEP else 0
        # An end without a beginning: all of its lines were lost.
        missed += self.occupancy is None
        self.missed += missed
        (passed,) = self.lost() or [Passed(Occupancy(at))]
        assert isinstance(passed, Passed)
        return [Passed(passed.occupancy, number, missed)]

    def _trim(self) -> None:
        """Keep the lines of the occupancy, as far as they go into a hit, and a few of the background before it."""
        while len(self._raw) > BACKGROUND_LINES and self.occupancy is None:
            self._raw.popleft()
        while sum(len(raw) + 2 for raw in self._raw) > MAX_RAW_BYTES:
            self._raw.popleft()

    def _wire(self) -> bytes:
        return b"".join(raw + b"\r\n" for raw in self._raw)
