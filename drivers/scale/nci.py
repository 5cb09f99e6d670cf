"""NCI (Weigh-Tronix SCP-01, spoken by NCI, Brecknell and many postal scales): W CR asks, status bytes and ETX end.

No check stands over an answer; the status bytes have two bits that are always set, and a weight is believed once it was
said twice. 9600 baud; 7E1 in many scales, which is also read on a line of 8N1 where `strip_parity` is set.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import ClassVar

from drivers.links.serial import Line
from drivers.scale.frames import UNITS_KG, Family, Framer, Seen, Weight

_ETX = b"\x03"
_STATUS = rb"\n([\x30-\x3f][\x30-\x7f]{1,2})\r"
_WEIGHT = re.compile(rb"\n *(-? *\d+(?:\.\d+)?) *([A-Za-z]{1,2}) *\r" + _STATUS)
_POUNDS = re.compile(rb"\n *(\d+) *lb *(\d+(?:\.\d+)?) *oz *\r" + _STATUS, re.IGNORECASE)
_OTHER = re.compile(rb"(?:\n[ -~]*\r)?" + _STATUS)
_BOTH_ALWAYS = 0x30
_MOTION, _MEMORY = 0x01, 0x0C
_UNDER, _OVER = 0x01, 0x02
_NET, _ZERO_ERROR = 0x04, 0x08


class NciFramer(Framer):
    """Understands the answers to W."""

    def next(self) -> tuple[Seen, bytes] | None:
        """Return the next valid answer's meaning; see `Framer.next`."""
        while (end := self.buffer.find(_ETX)) >= 0:
            frame = bytes(self.buffer[:end])
            if (seen := _understand(frame)) is not None:
                del self.buffer[: end + 1]
                return seen, frame
            self.skip(end + 1)
        return None


def _understand(frame: bytes) -> Seen | None:
    if frame == b"\n?\r":
        return Seen(fault="the scale does not know the command; another protocol?")
    found = _WEIGHT.fullmatch(frame) or _POUNDS.fullmatch(frame)
    status = found[3] if found else (_OTHER.fullmatch(frame) or [b"", b""])[1]
    if not status or any(byte & _BOTH_ALWAYS != _BOTH_ALWAYS for byte in status):
        return None
    if fault := _fault(status):
        return Seen(fault=fault)
    if found is None:
        return Seen(busy=True)  # the display shows something else than a weight
    if found.re is _POUNDS:
        kg = Decimal(found[1].decode()) * UNITS_KG["lb"] + Decimal(found[2].decode()) * UNITS_KG["oz"]
    else:
        factor = UNITS_KG.get(found[2].decode().lower())
        if factor is None:
            return None
        kg = Decimal(found[1].decode().replace(" ", "")) * factor
    return Seen(Weight(kg, not status[0] & _MOTION, len(status) > 2 and bool(status[2] & _NET)))


def _fault(status: bytes) -> str | None:
    if status[0] & _MEMORY or status[1] & _MEMORY:
        return "the scale reports a fault of its memory or its calibration"
    if status[1] & _OVER:
        return "overload: the load is above the scale's range"
    if status[1] & _UNDER:
        return "underload: below zero; empty it, press zero"
    if len(status) > 2 and status[2] & _ZERO_ERROR:
        return "the scale was switched on with a load and has no zero; empty it, press zero"
    return None


class Nci(Family):
    """Asked for its weight (W)."""

    line: ClassVar[Line] = Line(baud=9600)
    ask: ClassVar[bytes] = b"W\r"

    def framer(self) -> Framer:
        """Return a new framer."""
        return NciFramer()
