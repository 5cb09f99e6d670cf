"""What a body scanner finds: passages of nobody in particular, some with anomalies on a stylised figure."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

#: This scanner's words for a place, where that is on its stylised figure (x to the figure's left, y up, z to the back;
#: all from 0 to 1), and the zone of the dhs17 scheme that it means: the truth for tests.
PLACES: Final[dict[str, tuple[tuple[float, float, float], str]]] = {
    "R UPPER ARM": ((0.15, 0.75, 0.4), "right-biceps"),
    "R LOWER ARM": ((0.08, 0.62, 0.4), "right-forearm"),
    "L UPPER ARM": ((0.85, 0.75, 0.4), "left-biceps"),
    "L LOWER ARM": ((0.92, 0.62, 0.4), "left-forearm"),
    "CHEST": ((0.5, 0.74, 0.2), "upper-chest"),
    "R SIDE": ((0.35, 0.6, 0.3), "right-ribs-and-abdomen"),
    "L SIDE": ((0.65, 0.6, 0.3), "left-ribs-and-abdomen"),
    "R HIP": ((0.38, 0.47, 0.3), "right-hip-and-thigh"),
    "GROIN": ((0.5, 0.46, 0.2), "groin"),
    "L HIP": ((0.62, 0.47, 0.3), "left-hip-and-thigh"),
    "R KNEE": ((0.4, 0.3, 0.3), "lower-right-thigh"),
    "L KNEE": ((0.6, 0.3, 0.3), "lower-left-thigh"),
    "R CALF": ((0.4, 0.18, 0.5), "right-calf"),
    "L CALF": ((0.6, 0.18, 0.5), "left-calf"),
    "R ANKLE": ((0.4, 0.05, 0.4), "right-ankle"),
    "L ANKLE": ((0.6, 0.05, 0.4), "left-ankle"),
    "BACK": ((0.5, 0.72, 0.8), "upper-back"),
}


@dataclass(frozen=True, slots=True)
class Anomaly:
    """Something on a body: where, in the scanner's words and coordinates, and how sure it is."""

    words: str
    point: tuple[float, float, float]
    probability: float

    @property
    def zone(self) -> str:
        """Which zone that is, in truth."""
        return PLACES[self.words][1]


@dataclass(frozen=True, slots=True)
class Passage:
    """One person's passage; `aborted` where the person moved and the scan came to nothing."""

    number: int
    anomalies: tuple[Anomaly, ...] = ()
    aborted: bool = False

    @property
    def decision(self) -> str:
        """What the scanner says: ALARM, CLEAR or UNKNOWN."""
        return "UNKNOWN" if self.aborted else "ALARM" if self.anomalies else "CLEAR"


class BodyScanner:
    """Makes passages; the same seed makes the same ones."""

    def __init__(self, seed: int, alarm_rate: float, abort_rate: float = 0.0) -> None:
        self._random = random.Random(seed)
        self._alarm_rate = alarm_rate
        self._abort_rate = abort_rate
        self._number = 0

    def next(self) -> Passage:
        """Return the next passage."""
        self._number += 1
        alarms, aborts = self._random.random(), self._random.random()
        if aborts < self._abort_rate:
            return Passage(self._number, aborted=True)
        if alarms >= self._alarm_rate:
            return Passage(self._number)
        words = self._random.sample(sorted(PLACES), k=self._random.choice((1, 1, 1, 2, 3)))
        return Passage(self._number, tuple(self._anomaly(word) for word in words))

    def _anomaly(self, words: str) -> Anomaly:
        x, y, z = (at + self._random.uniform(-0.01, 0.01) for at in PLACES[words][0])
        return Anomaly(words, (x, y, z), round(self._random.uniform(0.5, 0.99), 2))
