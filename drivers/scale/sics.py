"""MT-SICS (Mettler-Toledo Standard Interface Command Set, levels 0 and 1): lines that end in CR LF. 9600 baud, 8N1.

No check stands over a line, but a weight is ten characters, right-aligned: a byte too many or too few is seen.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import ClassVar

from drivers.links.serial import Line
from drivers.scale.frames import UNITS_KG, Family, Framer, Seen, Weight

_END = b"\r\n"
_WEIGHT = re.compile(r"SI? ([SD]) ( *-?[0-9]+(?:\.[0-9]+)?) ([a-z]{1,2}) {0,2}")
_WEIGHT_CHARS = 10
_SERIAL = re.compile(r'I4 A "([ -!#-~]{1,32})"')
_FAULTS = {
    "S +": "overload: the load is above the scale's range",
    "S -": "underload: the platform is missing or lifted",
    "ES": "the scale does not know the command (ES); another protocol?",
    "ET": "the scale reports a transmission error (ET); parity, cable?",
    "EL": "the scale cannot execute the command (EL)",
}


class SicsFramer(Framer):
    """Understands the answers to SI and I4."""

    def next(self) -> tuple[Seen, bytes] | None:
        """Return the next valid line's meaning; see `Framer.next`."""
        while (end := self.buffer.find(_END)) >= 0:
            line = bytes(self.buffer[:end])
            if (seen := _understand(line.decode("ascii", "replace"))) is not None:
                del self.buffer[: end + len(_END)]
                return seen, line
            self.skip(end + len(_END))
        return None


def _understand(line: str) -> Seen | None:
    found = _WEIGHT.fullmatch(line)
    if found and len(found[2]) == _WEIGHT_CHARS:
        factor = UNITS_KG.get(found[3])
        # SI says the net weight; without a tare that is the gross.
        return Seen(Weight(Decimal(found[2].strip()) * factor, found[1] == "S")) if factor else None
    if found := _SERIAL.fullmatch(line):
        return Seen(identity=found[1])
    line = line.replace("SI ", "S ", 1)  # some repeat the whole command
    if line == "S I":
        return Seen(busy=True)
    return Seen(fault=_FAULTS[line]) if line in _FAULTS else None


class Sics(Family):
    """Asked for the weight as it is (SI), whether or not it stands still."""

    line: ClassVar[Line] = Line(baud=9600)
    ask: ClassVar[bytes] = b"SI\r\n"
    ask_identity: ClassVar[bytes] = b"I4\r\n"

    def framer(self) -> Framer:
        """Return a new framer."""
        return SicsFramer()
