"""Rates from counts, and how sure one may be of them. Pure, without a statistics library: counts here are small."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from statistics import NormalDist

CONFIDENCE = 0.95
_HALVINGS = 60


def wilson(hits: int, trials: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return Wilson's interval of a rate; all of 0 to 1 where nothing was tried."""
    if trials == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    rate, share = hits / trials, z * z / trials
    middle = (rate + share / 2) / (1 + share)
    half = z / (1 + share) * math.sqrt(rate * (1 - rate) / trials + share / (4 * trials))
    return (0.0 if hits == 0 else middle - half), (1.0 if hits == trials else middle + half)


def exact(hits: int, trials: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the interval of Clopper and Pearson: never narrower than it says.

    It also holds for the rate above a threshold that was set between two of the same values, `hits` of them above it:
    that rate lies between the quantiles of the order statistics on either side, whatever the values' distribution.
    """
    tail = (1 - confidence) / 2
    low = 0.0 if hits == 0 else _root(lambda rate: at_least(hits, trials, rate) - tail)
    high = 1.0 if hits == trials else _root(lambda rate: tail - (1 - at_least(hits + 1, trials, rate)))
    return low, high


def at_least(hits: int, trials: int, rate: float) -> float:
    """Return how likely `hits` or more of `trials` are, each with this rate."""
    if hits <= 0:
        return 1.0
    if hits > trials or rate <= 0:
        return 0.0
    if rate >= 1:
        return 1.0
    yes, no = math.log(rate), math.log1p(-rate)
    return min(
        1.0, math.fsum(math.exp(_ways(trials, k) + k * yes + (trials - k) * no) for k in range(hits, trials + 1))
    )


def predicted(trials: int, seen_hits: int, seen_trials: int) -> list[float]:
    """Return how likely 0, 1, ... `trials` hits are, where the rate is known from `seen_trials` only.

    It is the beta-binomial distribution with Jeffreys' prior: an uncertain rate makes for a wider one.
    """
    a, b = seen_hits + 0.5, seen_trials - seen_hits + 0.5
    total = _beta(a, b)
    return [math.exp(_ways(trials, k) + _beta(a + k, b + trials - k) - total) for k in range(trials + 1)]


@lru_cache(maxsize=256)
def predicted_limits(trials: int, seen_hits: int, seen_trials: int, tail: float) -> tuple[int, int]:
    """Return the least and the most hits that are not rarer than `tail` on their side, by `predicted`."""
    chances = predicted(trials, seen_hits, seen_trials)
    low, below = 0, chances[0]
    while below < tail and low < trials:
        low += 1
        below += chances[low]
    high, above = trials, chances[trials]
    while above < tail and high > low:
        high -= 1
        above += chances[high]
    return low, high


def _ways(trials: int, hits: int) -> float:
    return math.lgamma(trials + 1) - math.lgamma(hits + 1) - math.lgamma(trials - hits + 1)


def _beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def _root(rising: Callable[[float], float]) -> float:
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if rising(middle) > 0 else (middle, high)
    return (low + high) / 2
