"""What lies on a simulated scale at a moment: parcels come, rest, and go; the platform swings after each."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from decimal import Decimal

STEP = Decimal("0.01")
LIMIT_KG = 60


@dataclass(frozen=True, slots=True)
class Load:
    """What the scale shows: kilograms in steps of its own, and whether it stands still."""

    kg: Decimal
    moving: bool = False
    over: bool = False


@dataclass(frozen=True)
class Platform:
    """A parcel every `parcel_s`, on the platform for two thirds of that, swinging for `swing_s` after each change.

    Weights are around `around_kg`; every `heavy_every` parcels one is twice as heavy. The same `seed`, the same
    parcels.
    """

    seed: int = 1
    parcel_s: float = 6.0
    swing_s: float = 0.6
    around_kg: float = 12.0
    heavy_every: int = 0

    def parcel_kg(self, number: int) -> Decimal:
        """Return the weight of parcel `number`, in steps of 10 g."""
        kg = self.around_kg * random.Random(f"{self.seed} {number}").uniform(0.97, 1.03)
        if self.heavy_every and number % self.heavy_every == self.heavy_every - 1:
            kg *= 2
        return Decimal(kg).quantize(STEP)

    def at(self, seconds: float) -> Load:
        """Return what the scale shows `seconds` after the start."""
        number, into = divmod(seconds, self.parcel_s)
        there = into < self.parcel_s * 2 / 3
        kg = self.parcel_kg(int(number)) if there else Decimal(0)
        since = into if there else into - self.parcel_s * 2 / 3
        if since < self.swing_s:
            swing = Decimal(math.exp(-5 * since / self.swing_s) * math.cos(40 * since)).quantize(STEP)
            return Load(abs(kg + swing), moving=True)
        return Load(kg, over=kg > LIMIT_KG)
