"""What the simulated devices are, apart from their wire: values as functions of the time since they were started."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Image:
    """What a device's tables hold at one moment, by address; bits as 0 and 1."""

    holding: Mapping[int, int] = field(default_factory=dict)
    input: Mapping[int, int] = field(default_factory=dict)
    discrete: Mapping[int, int] = field(default_factory=dict)


class Model(Protocol):
    """One kind of device. Coils and the holding registers in `kept` keep what is written to them."""

    coils: int
    kept: range

    def at(self, seconds: float) -> Image:
        """Return the image `seconds` after the start; the addresses are the same at any time."""


@dataclass(frozen=True, slots=True)
class Values:
    """What the counter device shows at one moment; `bits` are eight contacts, the lowest first."""

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
    coils: int = 16
    kept: range = range(100, 132)

    def values(self, seconds: float) -> Values:
        """Return the values `seconds` after the start; the counter is counted from 0 and not yet wrapped."""
        passing = seconds % self.trolley_s
        return Values(
            # The small addition keeps 0.28 s x 25 Hz at 7, where the product of floats is 6.999...
            counter=int(seconds * self.counter_hz + 1e-9),
            bits=(passing < 2.0) | (passing < 0.5) << 1,
            level=round(12.5 + 2.5 * math.sin(seconds / 7), 3),
            tenths_degc=round(-25 + 50 * math.sin(seconds / 60)),
        )

    def at(self, seconds: float) -> Image:
        """See `Model.at`."""
        values = self.values(seconds)
        shown = dict(enumerate(registers(values)))
        return Image(shown, shown, {i: values.bits >> i & 1 for i in range(8)})


def registers(values: Values) -> list[int]:
    """Return the register map from address 0 on.

    0: counter, 16 bits, wrapping. 1: contacts. 2 and 3: level as float32, high word first. 4: temperature, tenths of a
    degree, signed. 5 and 6: counter, 32 bits, low word first.
    """
    high, low = struct.unpack(">HH", struct.pack(">f", values.level))
    count = values.counter & 0xFFFF_FFFF
    return [count & 0xFFFF, values.bits, high, low, values.tenths_degc & 0xFFFF, count & 0xFFFF, count >> 16]


def _low_first(form: str, value: float) -> list[int]:
    return list(struct.unpack(">HH", struct.pack(form, value)))[::-1]


@dataclass(frozen=True, slots=True)
class Portal:
    """A radiation portal with the Aspect map: vehicles pass every `every_s`, each in it for `inside_s`.

    Every `gamma_every`th alarms for gamma, every `neutron_every`th for neutrons too, in the middle third of its way.
    """

    every_s: float = 10.0
    inside_s: float = 3.0
    gamma_every: int = 3
    neutron_every: int = 9
    coils: int = 0
    kept: range = range(0)

    def alarms(self, seconds: float) -> tuple[int, int]:
        """Return how many gamma and neutron alarms have begun by then."""
        passed = int((seconds - self.inside_s / 3) // self.every_s) + 1
        return passed // self.gamma_every, passed // self.neutron_every

    def at(self, seconds: float) -> Image:
        """See `Model.at`."""
        number, into = int(seconds // self.every_s) + 1, seconds % self.every_s
        inside = into < self.inside_s
        alarming = self.inside_s / 3 <= into < 2 * self.inside_s / 3
        gamma = alarming and number % self.gamma_every == 0
        neutron = alarming and number % self.neutron_every == 0
        background = 250 + 5 * math.sin(seconds / 30)
        count = int(background * (6 if gamma else 1))
        words = [
            *_low_first(">I", int(seconds)),
            int(inside) | 0x40 * inside,
            0x80 | int(gamma),
            *_low_first(">I", count),
            *_low_first(">f", background),
            *_low_first(">f", background / 100),
            0x80 | int(neutron),
            *_low_first(">I", 2 + 40 * neutron),
            *_low_first(">f", 2.0),
            *_low_first(">f", 0.5),
            number & 0xFFFF,
            0,
            8 if inside else 0,
            int(gamma or neutron),
        ]
        return Image(holding={100 + i: word for i, word in enumerate(words)})


@dataclass(frozen=True, slots=True)
class Contacts:
    """A remote I/O module with the ioLogik E1200 map, `inputs` contacts of it, and six relays.

    Contact 0 gives a pulse of `pulse_s` every `every_s`, contact 1 every third of those, contact 2 (a button) every
    seventh; its counters count them all, however short they are. At rest those
    of `resting` are closed: the walk-through detector and the emergency stop are wired so.
    """

    every_s: float = 2.0
    pulse_s: float = 0.005
    inputs: int = 16
    resting: int = 0b1001
    coils: int = 6
    kept: range = range(0)

    def pulses(self, seconds: float) -> tuple[int, int, int]:
        """Return how many pulses contacts 0 to 2 have given by then."""
        count = int(seconds / self.every_s + 1e-9)
        return count, count // 3, count // 7

    def at(self, seconds: float) -> Image:
        """See `Model.at`."""
        counts = self.pulses(seconds)
        into = seconds % self.every_s
        word = self.resting
        for contact, every in enumerate((1, 3, 7)):
            if counts[0] and into < self.pulse_s and counts[0] % every == 0:
                word ^= 1 << contact
        shown = dict.fromkeys(range(16, 48), 0)
        for contact, count in enumerate(counts):
            shown |= {16 + 2 * contact: count >> 16 & 0xFFFF, 17 + 2 * contact: count & 0xFFFF}
        return Image(input=shown | {48: word}, discrete={i: word >> i & 1 for i in range(self.inputs)})


@dataclass(frozen=True, slots=True)
class BodyScanner:
    """A body scanner's relays on sixteen contacts: a person every `every_s`, every third alarms.

    Contact 0 is closed while it alarms, 1 while it shows clear, 2 while it is ready, 4 to 11 are the body's zones.
    """

    every_s: float = 6.0
    coils: int = 0
    kept: range = range(0)

    def alarms(self, seconds: float) -> int:
        """Return how many persons have alarmed by then."""
        return (int((seconds - self.every_s / 2) // self.every_s) + 1) // 3

    def at(self, seconds: float) -> Image:
        """See `Model.at`."""
        number, into = int(seconds // self.every_s) + 1, seconds % self.every_s
        shown_now = into >= self.every_s / 2
        alarm, clear = shown_now and number % 3 == 0, shown_now and number % 3 != 0
        zone = 4 + number // 3 % 8
        word = alarm | clear << 1 | 1 << 2 | alarm << zone
        alarms = self.alarms(seconds)
        clears = int((seconds - self.every_s / 2) // self.every_s) + 1 - alarms
        shown = dict.fromkeys(range(16, 48), 0) | {17: alarms & 0xFFFF, 19: clears & 0xFFFF, 48: word}
        return Image(input=shown, discrete={i: word >> i & 1 for i in range(16)})


@dataclass(slots=True)
class Panel:
    """An alarm panel that no profile describes: somebody has to find out what it holds, and where.

    Holding 4100 to 4107: a clock that runs, the panel's number, its alarm in bit 5 of the third word, and how often it
    was tripped. Discrete 3 is its contact, closed at rest. `trip` trips the alarm for `held_s`.
    """

    held_s: float = 1.0
    coils: int = 0
    kept: range = range(0)
    tripped: int = 0
    until: float = float("-inf")

    def trip(self, seconds: float) -> None:
        """Trip the alarm now."""
        self.tripped += 1
        self.until = seconds + self.held_s

    def at(self, seconds: float) -> Image:
        """See `Model.at`."""
        alarm = seconds < self.until
        words = [int(seconds) & 0xFFFF, 17, 0b10 | alarm << 5, self.tripped & 0xFFFF, 0, 0, 0, 0]
        return Image(
            holding={4100 + i: word for i, word in enumerate(words)},
            discrete={i: int(i == 3 and not alarm) for i in range(8)},
        )


#: The models by the profile that reads them.
PROFILES: dict[str, type[Portal] | type[Contacts] | type[BodyScanner]] = {
    "aspect-rpm": Portal,
    "iologik-e1200": Contacts,
    "bodyscanner-contacts": BodyScanner,
}
