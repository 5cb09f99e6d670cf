"""Judges heads against each other on bags and scenes that had no part in fitting them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from inference.adaptation.eye import Eye, Head
from inference.adaptation.lessons import Scene
from inference.evaluate.metrics import auroc, pfa_at_pd, resampled, roc
from inference.insertion import Inserted, Shot

Floats = NDArray[np.float64]
RESAMPLES = 1000
_MARGIN = 0.03
"""How far the box of a threat reaches for a peak to point at it, of the picture's longer side: the map is coarse."""


@dataclass(frozen=True, slots=True)
class Figures:
    """How good a head is on bags with and without a threat."""

    auroc: float
    pfa_at_pd90: float
    pointing: float


@dataclass(slots=True)
class Pairs:
    """Scores of several heads, [heads] each, on bags without a threat and with one, and which of them pointed at it.

    `bag` says of each threat in which of the ordinary bags it is.
    """

    ordinary: list[list[float]] = field(default_factory=list)
    threat: list[list[float]] = field(default_factory=list)
    pointed: list[list[bool]] = field(default_factory=list)
    bag: list[int] = field(default_factory=list)

    def add(self, eye: Eye, heads: Sequence[Head], ordinary: Shot, threats: Sequence[Inserted]) -> None:
        """Judge one bag by every head, as it is and with each of its threats."""
        plain = eye.see(ordinary)
        self.ordinary.append([eye.judge(plain, head).score for head in heads])
        for threat in threats:
            armed = eye.see(threat.shot)
            found = [eye.judge(armed, head) for head in heads]
            self.threat.append([decoded.score for decoded in found])
            self.pointed.append([_points(decoded.peak, threat) for decoded in found])
            self.bag.append(len(self.ordinary) - 1)

    def figures(self, head: int) -> Figures:
        """Return the figures of one head."""
        curve = roc(*self._scores(head))
        pointing = float(np.mean([row[head] for row in self.pointed]))
        return Figures(float(auroc(curve)), float(pfa_at_pd(curve, 0.9)), pointing)

    def gain(self, head: int, over: int, seed: int) -> tuple[float, float, float]:
        """Return by how much a head's AUROC is above another's, with the 95 % interval, bags being drawn anew."""
        bags = [str(number) for number in (*range(len(self.ordinary)), *self.bag)]
        weights = resampled(bags, RESAMPLES, seed)
        mine, theirs = (auroc(roc(*self._scores(h), weights)) for h in (head, over))
        # A drawing without a bag that holds a threat has no AUROC.
        drawn = (mine - theirs)[np.isfinite(mine - theirs)]
        low, high = np.quantile(drawn, (0.025, 0.975))
        return self.figures(head).auroc - self.figures(over).auroc, float(low), float(high)

    def _scores(self, head: int) -> tuple[Floats, NDArray[np.bool_]]:
        scores = np.array([row[head] for row in self.ordinary] + [row[head] for row in self.threat])
        return scores, np.arange(len(scores)) >= len(self.ordinary)


def add_scene(pairs: Pairs, eye: Eye, heads: Sequence[Head], scene: Scene) -> None:
    """Judge a scene by every head."""
    pairs.add(eye, heads, scene.ordinary, [scene.threat])


def _points(peak: tuple[float, float] | None, threat: Inserted) -> bool:
    if peak is None:
        return False
    margin = _MARGIN * max(threat.mask.shape)
    ys, xs = np.flatnonzero(threat.mask.any(axis=1)), np.flatnonzero(threat.mask.any(axis=0))
    return bool(xs[0] - margin <= peak[0] <= xs[-1] + 1 + margin and ys[0] - margin <= peak[1] <= ys[-1] + 1 + margin)
