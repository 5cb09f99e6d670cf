"""What a radiation portal counts, apart from its wire: a background, what passes and shields it, and what radiates.

Rates and rhythm are those of recorded portals: near 390 counts a second and detector in an empty portal, a background
every 5 s, gamma counts every 0.2 s while it is occupied, neutrons every second.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

DETECTORS = 4
BACKGROUND_S, GAMMA_S, NEUTRON_S = 5.0, 0.2, 1.0
#: How long before its light barrier a portal remembers; these lines come at once when it is occupied.
PRELUDE = 5
_UPPER_LOWER = (1.0, 1.02, 1.1, 1.09)


@dataclass(frozen=True, slots=True)
class Line:
    """A line that is due `at_s` seconds after the start: its code and its fields."""

    at_s: float
    code: str
    fields: tuple[str, ...]

    def encode(self) -> bytes:
        """Return the line as it goes over the wire."""
        return ",".join((self.code, *self.fields)).encode("ascii") + b"\r\n"


@dataclass(frozen=True, slots=True)
class Truth:
    """What passed, to hold a driver's word against: its number and whether the portal alarmed."""

    number: int
    gamma_alarm: bool
    neutron_alarm: bool


@dataclass(frozen=True, slots=True)
class Traffic:
    """What happens at the portal; shares are of the passages, `every_s` is the quiet time between two of them.

    `tamper_every` and `fault_every` count passages: after so many the cabinet is opened, or a background is too high.
    """

    every_s: float = 20.0
    gamma_share: float = 0.2
    neutron_share: float = 0.05
    tamper_every: int = 0
    fault_every: int = 0
    gamma_cps: float = 390.0
    neutron_cps: float = 0.6
    sigma: float = 5.0


class Portal:
    """A portal and its traffic, the same for the same seed; `truths` grows while `lines` is drawn."""

    def __init__(self, traffic: Traffic, seed: int = 1) -> None:
        self._traffic = traffic
        self._chance = np.random.default_rng([seed, 0x52504D])
        self.truths: list[Truth] = []

    def lines(self) -> Iterator[Line]:
        """Yield lines for ever, in the order in which they are due."""
        now = 0.0
        yield from self._setup(now)
        number = 0
        while True:
            number += 1
            quiet = max(round(self._chance.uniform(0.6, 1.4) * self._traffic.every_s / BACKGROUND_S), 1)
            faulty = self._due(self._traffic.fault_every, number)
            for turn in range(quiet):
                now += BACKGROUND_S
                yield Line(now, "NB", self._counts(self._traffic.neutron_cps))
                high = faulty and turn == 0
                yield Line(now, "GH" if high else "GB", self._counts(self._traffic.gamma_cps * (6 if high else 1)))
            if self._due(self._traffic.tamper_every, number):
                yield Line(now, "TT", ())
                yield Line(now + 2.0, "TC", ())
                now += 2.0
            now = yield from self._passage(now, number)

    def _due(self, every: int, number: int) -> bool:
        return every > 0 and number % every == 0

    def _setup(self, now: float) -> Iterator[Line]:
        yield Line(now, "SG1", ("002000", "000068", "05", "10", f"{self._traffic.sigma:.1f}", "P"))
        yield Line(now, "SG2", ("1111", "0.069", "0.455", "01", "1010", "A"))
        yield Line(now, "SG3", ("0.069", "0.455", "020", "000", "SIM-1"))
        yield Line(now, "SN1", ("000050", "03", "0004", "1200", "01", "120"))
        yield Line(now, "SN2", ("0.504", "5.040", "0.504", "5.040", "PP"))

    def _counts(self, rate: float) -> tuple[str, ...]:
        drawn = self._chance.poisson([rate * each for each in _UPPER_LOWER])
        return tuple(f"{int(count):06d}" for count in drawn)

    def _passage(self, now: float, number: int) -> Iterator[Line]:
        """Yield one passage and return when it is over."""
        chance, traffic = self._chance, self._traffic
        seconds, kmh = chance.uniform(3, 9), chance.uniform(4, 9)
        gamma_cps = traffic.gamma_cps * chance.uniform(1.5, 8) if chance.random() < traffic.gamma_share else 0.0
        neutron_cps = chance.uniform(8, 40) if chance.random() < traffic.neutron_share else 0.0
        shield = chance.uniform(0.05, 0.3)
        yield Line(now, "SP", ("0.1281", f"{kmh / 1.609:06.3f}", f"{kmh:06.2f}", "000000"))
        alarmed = {"G": False, "N": False}
        mean_second = traffic.gamma_cps * sum(_UPPER_LOWER)
        limit = mean_second + traffic.sigma * math.sqrt(mean_second)
        second: list[int] = []
        steps = PRELUDE + round(seconds / GAMMA_S)
        for step in range(steps):
            at = now + max(step - PRELUDE, 0) * GAMMA_S
            near = math.exp(-(((step / steps - 0.5) / 0.18) ** 2))
            if step % round(NEUTRON_S / GAMMA_S) == 0:
                counts = self._counts(traffic.neutron_cps + neutron_cps * near)
                alarmed["N"] = alarmed["N"] or sum(map(int, counts)) >= 12
                yield Line(at, "NA" if alarmed["N"] else "NS", counts)
            counts = self._counts((traffic.gamma_cps * (1 - shield * near) + gamma_cps * near) * GAMMA_S)
            second = [*second, sum(map(int, counts))][-5:]
            alarmed["G"] = alarmed["G"] or (len(second) == 5 and sum(second) > limit)
            yield Line(at, "GA" if alarmed["G"] else "GS", counts)
        over = now + seconds + GAMMA_S
        self.truths.append(Truth(number, alarmed["G"], alarmed["N"]))
        background = round(traffic.neutron_cps * DETECTORS * 1000)
        yield Line(over, "GX", (f"{number % 1_000_000:06d}", f"{background:06d}", "000000", "000000"))
        return over
