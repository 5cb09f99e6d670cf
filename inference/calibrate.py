"""Operating points fitted to a wanted false-alarm rate, on ordinary bags of one scanner. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from drivers.errors import ModelError
from inference.rates import exact

LEAST_BAGS = 20
DECIMALS = 4
"""Thresholds are kept to this many places, as verdicts show them."""
_STEP = 10**-DECIMALS
_PARTS = 10


@dataclass(frozen=True, slots=True)
class Point:
    """A threshold, and what it does on the bags that it was fitted on: `alarms` of `bags`.

    `low` and `high` are the exact 95 % interval of the false-alarm rate on other ordinary bags of the same scanner. It
    holds although the threshold was set on the same bags: it is that of an order statistic.
    """

    threshold: float
    alarms: int
    bags: int

    @property
    def pfa(self) -> float:
        """The part of these bags that alarm."""
        return self.alarms / self.bags

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of that rate."""
        return exact(self.alarms, self.bags)


@dataclass(frozen=True, slots=True)
class Fit:
    """Both operating points, and the deciles of the scores (nine inner edges) that drift is measured against."""

    normal: Point
    elevated: Point
    edges: tuple[float, ...]


def fit(scores: Sequence[float], pfa: float, pfa_elevated: float) -> Fit:
    """Return the operating points at which at most these parts of ordinary bags alarm.

    `scores` are those of ordinary bags. Raises ModelError for too few of them, or where the elevated point would be
    the less strict one.
    """
    if len(scores) < LEAST_BAGS:
        raise ModelError(f"{len(scores)} bags that could be judged: at least {LEAST_BAGS} are needed")
    if pfa_elevated < pfa:
        raise ModelError(
            "the elevated point is the stricter one: its false-alarm rate cannot be below the normal one's"
        )
    ranked = sorted(scores)
    edges = tuple(_quantile(ranked, part / _PARTS) for part in range(1, _PARTS))
    return Fit(_point(ranked, pfa), _point(ranked, pfa_elevated), edges)


def at(scores: Sequence[float], threshold: float) -> Point:
    """Return what a given threshold does on these bags."""
    return Point(threshold, sum(score >= threshold for score in scores), len(scores))


def _point(ranked: Sequence[float], pfa: float) -> Point:
    """Return the lowest threshold that at most `pfa` of the scores reach, halfway to the next score below."""
    bags = len(ranked)
    allowed = math.floor(pfa * bags + 1e-9)
    below = ranked[bags - allowed - 1] if allowed < bags else 0.0
    above = next((score for score in ranked[bags - allowed :] if score > below), 1.0)
    threshold = min(max(math.ceil((below + above) / 2 / _STEP) * _STEP, _STEP), 1.0)
    threshold = round(threshold, DECIMALS)
    return at(ranked, threshold)


def _quantile(ranked: Sequence[float], part: float) -> float:
    place = part * (len(ranked) - 1)
    first = math.floor(place)
    share = place - first
    return ranked[first] * (1 - share) + ranked[min(first + 1, len(ranked) - 1)] * share
