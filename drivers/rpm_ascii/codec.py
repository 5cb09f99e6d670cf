"""The lines of a VM-250 radiation portal, pure: what each says, and the way back into step after noise.

Lines end in CR LF, their fields are separated by commas, the first is the code. Sources: the open driver of Botts
Innovative Research for these portals (MPL-2.0), and recordings of portals published by Rapiscan Labs (MIT).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from drivers.errors import ProtocolError

MAX_LINE_BYTES = 256
DETECTORS = 4

_CODE = re.compile(rb"[A-Z]{2}[0-9]?")
_COUNT = re.compile(rb"[0-9]{1,7}")
_DECIMAL = re.compile(rb"-?[0-9]{1,9}(?:\.[0-9]{1,9})?")
_PRINTABLE = re.compile(rb"[\x20-\x7e]+")


class Ray(Enum):
    """What is counted."""

    GAMMA = "gamma"
    NEUTRON = "neutron"


class When(Enum):
    """In what state of the portal counts were taken."""

    BACKGROUND = "background"
    SCAN = "scan"
    ALARM = "alarm"
    FAULT_HIGH = "high"
    FAULT_LOW = "low"

    @property
    def occupied(self) -> bool:
        """Whether something stands in the portal."""
        return self in (When.SCAN, When.ALARM)


@dataclass(frozen=True, slots=True)
class Counts:
    """Counts of the four detectors: of one second; of 0.2 s for gamma rays while the portal is occupied."""

    ray: Ray
    when: When
    detectors: tuple[int, int, int, int]

    @property
    def total(self) -> int:
        """The sum of the detectors."""
        return sum(self.detectors)


@dataclass(frozen=True, slots=True)
class Ended:
    """An occupancy is over: the portal's own count of occupancies, and the neutron background in counts a second."""

    number: int
    neutron_background_cps: float


@dataclass(frozen=True, slots=True)
class Tamper:
    """The cabinet's contact: opened, or closed again."""

    opened: bool


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast something passes, in km/h."""

    kmh: float


@dataclass(frozen=True, slots=True)
class Setup:
    """A line of the portal's own settings, as it stands."""

    code: str
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Other:
    """A whole line of a code that has no meaning here; portals with spectroscopy send many."""

    code: str


Message = Counts | Ended | Tamper | Speed | Setup | Other

_COUNTS = {
    b"GB": (Ray.GAMMA, When.BACKGROUND),
    b"GS": (Ray.GAMMA, When.SCAN),
    b"GA": (Ray.GAMMA, When.ALARM),
    b"GH": (Ray.GAMMA, When.FAULT_HIGH),
    b"GL": (Ray.GAMMA, When.FAULT_LOW),
    b"NB": (Ray.NEUTRON, When.BACKGROUND),
    b"NS": (Ray.NEUTRON, When.SCAN),
    b"NA": (Ray.NEUTRON, When.ALARM),
    b"NH": (Ray.NEUTRON, When.FAULT_HIGH),
}
#: How many fields follow the code of a line of settings.
_SETUP = {b"SG1": 6, b"SG2": 6, b"SG3": 5, b"SN1": 6, b"SN2": 5}


def parse(line: bytes) -> Message:
    """Return what one line says, given without its end.

    Further fields after the known ones are left out: loggers and serial servers append the time. Raises ProtocolError
    for a line that is not whole or not of this protocol.
    """
    code, *fields = line.split(b",")
    if not _CODE.fullmatch(code) or not _PRINTABLE.fullmatch(line):
        raise ProtocolError("no line of a portal")
    if code in _COUNTS:
        ray, when = _COUNTS[code]
        one, two, three, four = (int(field) for field in _fields(code, fields, DETECTORS, _COUNT))
        return Counts(ray, when, (one, two, three, four))
    if code == b"GX":
        number, thousandths = (int(field) for field in _fields(code, fields, 2, _COUNT))
        return Ended(number, thousandths / 1000)
    if code in (b"TC", b"TT"):
        return Tamper(code == b"TT")
    if code == b"SP":
        return Speed(float(_fields(code, fields, 3, _DECIMAL)[2]))
    if code in _SETUP:
        return Setup(code.decode(), tuple(field.decode() for field in _fields(code, fields, _SETUP[code], _PRINTABLE)))
    return Other(code.decode())


def _fields(code: bytes, fields: list[bytes], count: int, form: re.Pattern[bytes]) -> list[bytes]:
    found = [field.strip() for field in fields[:count]]
    if len(found) < count or not all(form.fullmatch(field) for field in found):
        raise ProtocolError(f"a {code.decode()} line with other than {count} fields as they should be")
    return found


@dataclass(frozen=True, slots=True)
class Line:
    """One line as it came, without its end, and what it says; None where it is damaged."""

    raw: bytes
    message: Message | None


class Lines:
    """Cuts a stream of bytes into lines; what is too long or no line is counted and left out."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._skipping = False

    def feed(self, data: bytes) -> Iterator[Line]:
        """Take bytes and yield the lines that they complete; empty ones are left out."""
        self._buffer += data
        while (end := self._buffer.find(b"\n")) >= 0:
            raw = bytes(self._buffer[:end]).rstrip(b"\r")
            del self._buffer[: end + 1]
            if self._skipping:
                self._skipping = False
                yield Line(b"", None)
            elif raw:
                yield _understood(raw)
        if len(self._buffer) > MAX_LINE_BYTES:
            self._buffer.clear()
            self._skipping = True


def _understood(raw: bytes) -> Line:
    if len(raw) > MAX_LINE_BYTES:
        return Line(b"", None)
    try:
        return Line(raw, parse(raw))
    except ProtocolError:
        return Line(raw, None)
