"""What passes a simulated reader, apart from its wire: which tags it hears at a moment, and how strongly."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cached_property

#: The team that stays in the reader's reach: a dog's collar and its handler's badge.
TEAM = (bytes.fromhex("3074257BF7194E4000001A85"), bytes.fromhex("3074257BF7194E4000001A86"))


@dataclass(frozen=True, slots=True)
class Heard:
    """A tag that the reader hears: EPC, antenna from 1, RSSI in dBm."""

    epc: bytes
    antenna: int
    rssi_dbm: int


@dataclass(frozen=True)
class Gate:
    """Bags pass one after another, a new one every `bag_s`, each in view for `view_s`; a team stands beside.

    `missed` is the share of reads that fail; the same `seed` gives the same bags and the same failures. The button is
    pressed for a second every `button_s` (0: never).
    """

    seed: int = 1
    bag_s: float = 4.0
    view_s: float = 2.0
    missed: float = 0.1
    button_s: float = 0.0
    team: bool = True

    @cached_property
    def _prefix(self) -> bytes:
        return b"\xe2\x80" + random.Random(self.seed).randbytes(6)

    def bag(self, number: int) -> bytes:
        """Return the EPC of the bag of this number: not a GS1 code, and says nothing of anyone."""
        return self._prefix + number.to_bytes(4, "big")

    def at(self, seconds: float) -> list[Heard]:
        """Return what is heard `seconds` after the start."""
        number, into = divmod(seconds, self.bag_s)
        chance = random.Random(f"{self.seed} {seconds:.3f}")
        heard = []
        if into < self.view_s:
            nearness = 1 - abs(2 * into / self.view_s - 1)  # 0 at either end of the view, 1 in its middle
            heard.append(Heard(self.bag(int(number)), 1, round(-70 + 25 * nearness)))
        if self.team:
            heard += [Heard(epc, 2, -55 - i + chance.randint(-2, 2)) for i, epc in enumerate(TEAM)]
        return [one for one in heard if chance.random() >= self.missed]

    def pressed(self, seconds: float) -> bool:
        """Return whether the button is down: never in the first second."""
        return self.button_s > 0 and seconds >= 1 and seconds % self.button_s < 1
