"""Toledo's standard continuous output: STX, three status bytes, weight, tare, CR, checksum.

Status bits and checksum as in the maker's manuals (WILDCAT, tables 6-8 to 6-11). Only the low seven bits count: a scale
set to 7 bits with parity is also read on a line of 8 without.
"""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar

from drivers.links.serial import Line
from drivers.scale.frames import UNITS_KG, Family, Framer, Seen, Weight

_STX, _CR = 0x02, 0x0D
_FRAME_BYTES = 17
#: Status A: bits 0 to 2 the decimal point (2: none), bit 5 set and bit 6 not, in every frame; so for C; B has bit 5.
_A_MASK, _A_FIXED, _B_FIXED = 0x60, 0x20, 0x20
_NET, _NEGATIVE, _OUT_OF_RANGE, _MOTION, _KILOGRAMS, _NOT_ZEROED = 0x01, 0x02, 0x04, 0x08, 0x10, 0x40
#: Status C: bits 0 to 2, where not 0, replace pound and kilogram.
_OTHER_UNITS = {1: "g", 2: "t", 3: "oz"}


class ToledoFramer(Framer):
    """Cuts frames by their fixed length, marks and checksum; `checksum` False where the scale sends none."""

    def __init__(self, *, checksum: bool) -> None:
        super().__init__()
        self._size = _FRAME_BYTES + checksum

    def next(self) -> tuple[Seen, bytes] | None:
        """Return the next valid frame's meaning; see `Framer.next`."""
        while True:
            start = next((i for i, byte in enumerate(self.buffer) if byte & 0x7F == _STX), len(self.buffer))
            self.skip(start)
            if len(self.buffer) < self._size:
                return None
            frame = bytes(byte & 0x7F for byte in self.buffer[: self._size])
            if (seen := _understand(frame)) is not None:
                del self.buffer[: self._size]
                return seen, frame
            self.skip(1)


def _understand(frame: bytes) -> Seen | None:
    a, b, c = frame[1:4]
    if frame[16] != _CR or a & _A_MASK != _A_FIXED or c & _A_MASK != _A_FIXED or not b & _B_FIXED:
        return None
    if len(frame) > _FRAME_BYTES and sum(frame) & 0x7F:
        return None
    digits = frame[4:10].replace(b" ", b"0")
    if not digits.isdigit() or not frame[10:16].replace(b" ", b"0").isdigit():
        return None
    if b & _NOT_ZEROED:
        return Seen(fault="the scale was switched on with a load and has no zero; empty it, press zero")
    if b & _OUT_OF_RANGE:
        return Seen(fault="out of range: overload, or the platform is lifted")
    unit = _OTHER_UNITS.get(c & 0x07) if c & 0x07 else "kg" if b & _KILOGRAMS else "lb"
    if unit is None:
        return Seen(fault="the scale shows a unit that is not known here; set it to kg")
    kg = Decimal(int(digits)).scaleb(2 - (a & 0x07)) * UNITS_KG[unit]
    return Seen(Weight(-kg if b & _NEGATIVE else kg, not b & _MOTION, bool(b & _NET)))


class Toledo(Family):
    """Talks unasked, up to some twenty times a second."""

    line: ClassVar[Line] = Line(baud=9600)
    ask: ClassVar[bytes] = b""

    def __init__(self, *, checksum: bool) -> None:
        self._checksum = checksum

    def framer(self) -> Framer:
        """Return a new framer."""
        return ToledoFramer(checksum=self._checksum)
