"""What the simulated device is, apart from its wire: values as functions of the time since it was switched on."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Values:
    """What the device shows at one moment; `bits` are eight contacts, the lowest first."""

    counter: int
    bits: int
    level: float
    tenths_degc: int


@dataclass(frozen=True, slots=True)
class Device:
    """A counter that rises steadily, contacts that a passing trolley closes, a level and a temperature.

    `counter_hz` is how often a second the counter rises; bit 0 is closed for 2 s of every `trolley_s`, bit 1 for the
    first half second of that.
    """

    counter_hz: float = 25.0
    trolley_s: float = 10.0

    def at(self, seconds: float) -> Values:
        """Return the values `seconds` after the start; the counter is counted from 0 and not yet wrapped."""
        passing = seconds % self.trolley_s
        return Values(
            # The small addition keeps 0.28 s x 25 Hz at 7, where the product of floats is 6.999...
            counter=int(seconds * self.counter_hz + 1e-9),
            bits=(passing < 2.0) | (passing < 0.5) << 1,
            level=round(12.5 + 2.5 * math.sin(seconds / 7), 3),
            tenths_degc=round(-25 + 50 * math.sin(seconds / 60)),
        )


def registers(values: Values) -> list[int]:
    """Return the register map from address 0 on.

    0: counter, 16 bits, wrapping. 1: contacts. 2 and 3: level as float32, high word first. 4: temperature, tenths of a
    degree, signed. 5 and 6: counter, 32 bits, low word first.
    """
    high, low = struct.unpack(">HH", struct.pack(">f", values.level))
    count = values.counter & 0xFFFF_FFFF
    return [count & 0xFFFF, values.bits, high, low, values.tenths_degc & 0xFFFF, count & 0xFFFF, count >> 16]
