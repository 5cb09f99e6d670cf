"""What a line detector sees of a belt with bags on it, line by line, apart from its wire.

Bags and attenuation are the X-ray simulator's; here are the detector's own faults (dark level, uneven gain, dead
pixels, noise) and the belt's (it stops, it runs back).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from simulators.xray.bag import make_scene
from simulators.xray.physics import beam, transmission

BITS = 16
XRAYS_ON, BELT_RUNS = 1, 2


@dataclass(frozen=True, slots=True)
class Taken:
    """One line: its number, the belt's position, flags, and counts of both energies, uint16 [2, pixels], low first."""

    number: int
    position: int
    flags: int
    counts: NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class Truth:
    """One bag: when its lines begin and end (belt positions), its transmission [2, rows, pixels], and its threats."""

    number: int
    first: int
    last: int
    light: NDArray[np.float32]
    threats: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Traffic:
    """What passes: bags of `rows` lines with `gap` lines between, of which the X-rays are off for a third.

    `stop_every`: every so many bags the belt stops within the bag, for `stop` lines; `back_every`: it runs back there.
    """

    pixels: int = 640
    rows: int = 832
    gap: int = 150
    prelude: int = 300
    threat_rate: float = 0.3
    stop_every: int = 0
    stop: int = 60
    back_every: int = 0
    back: int = 50


@dataclass
class Detector:
    """A detector and its belt, the same for the same seed; `truths` grows while `lines` is drawn."""

    traffic: Traffic = field(default_factory=Traffic)
    seed: int = 1
    dead: int = 3
    photons: float = 60_000.0
    white: float = 52_000.0
    dark_counts: float = 900.0

    def __post_init__(self) -> None:
        self.truths: list[Truth] = []
        self._chance = np.random.default_rng([self.seed, 0x4C53])
        shape = (2, self.traffic.pixels)
        self._dark = (self.dark_counts * self._chance.uniform(0.6, 1.4, shape)).astype(np.float32)
        profile = 1 - 0.25 * np.linspace(-1, 1, self.traffic.pixels) ** 2  # the beam is weaker at its edges
        self._gain = (self.white * profile * self._chance.normal(1, 0.04, shape)).astype(np.float32)
        where = self._chance.choice(np.arange(2, self.traffic.pixels - 2), (2, self.dead), replace=False)
        self.dead_pixels: list[list[int]] = [sorted(row.tolist()) for row in where]
        for row, pixels in enumerate(self.dead_pixels):
            self._gain[row, pixels] = 0
        self._number = self._position = 0

    def lines(self) -> Iterator[Taken]:
        """Yield lines for ever: the belt empty first, X-rays off and on, then bag after bag."""
        air = np.ones((2, self.traffic.pixels), np.float32)
        yield from (self._line(air, xrays=False) for _ in range(self.traffic.prelude))
        yield from (self._line(air) for _ in range(self.traffic.prelude))
        number = 0
        while True:
            number += 1
            yield from self._bag(number)
            third = self.traffic.gap // 3
            for turn in range(self.traffic.gap):
                yield self._line(air, xrays=not third <= turn < 2 * third)

    def _bag(self, number: int) -> Iterator[Taken]:
        traffic = self.traffic
        threat = "any" if self._chance.random() < traffic.threat_rate else None
        scene = make_scene(self.seed * 1_000_003 + number, threat, traffic.rows, traffic.pixels)
        light = transmission(scene.maps, beam())
        first = self._position + 1
        middle = traffic.rows // 2
        for row in range(traffic.rows):
            yield self._line(light[:, row])
            if row == middle and _due(traffic.stop_every, number):
                yield from (self._line(light[:, row], moved=0) for _ in range(traffic.stop))
            if row == middle and _due(traffic.back_every, number):
                there = list(range(row - 1, row - 1 - traffic.back, -1))
                yield from (self._line(light[:, each], moved=-1) for each in there)
                yield from (self._line(light[:, each]) for each in [*there[-2::-1], row])
        threats = tuple(truth.label for truth in scene.truth)
        self.truths.append(Truth(number, first, self._position, light, threats))

    def _line(self, light: NDArray[np.float32], xrays: bool = True, moved: int = 1) -> Taken:
        self._number = (self._number + 1) % (1 << 32)
        self._position = (self._position + moved) % (1 << 32)
        lit = light if xrays else np.zeros_like(light)
        noise = np.sqrt(lit / self.photons) * self._chance.standard_normal(lit.shape, np.float32)
        counts = self._dark + self._gain * (lit + noise) + 12 * self._chance.standard_normal(lit.shape, np.float32)
        flags = XRAYS_ON * xrays | BELT_RUNS * (moved != 0)
        return Taken(self._number, self._position, flags, np.clip(counts, 0, 2**BITS - 1).astype(np.uint16))


def _due(every: int, number: int) -> bool:
    return every > 0 and number % every == 0
