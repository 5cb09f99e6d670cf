"""Figures of merit from scores and truth. Pure: arrays in, numbers out.

Pictures carry weights, one each, or a table of them [resamples, pictures]: the bootstrap by bag is the same function
called with other weights. Where there is nothing to divide by, the figure is NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Boxes = NDArray[np.float64]

RESAMPLES = 1000
CONFIDENCE = 0.95
BINS = 10
_AT_ONCE = 100
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and its 95 % interval, which always holds the figure itself."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Roc:
    """The rates at each threshold that tells two scores apart, the strictest first: [..., thresholds].

    It begins with an infinite threshold, where nothing alarms. `pd` is the part of threats that alarm, `pfa` that of
    the rest. An alarm is a score that reaches the threshold.
    """

    thresholds: Floats
    pfa: Floats
    pd: Floats


def roc(scores: Floats, truth: Bools, weights: Floats | None = None) -> Roc:
    """Return the ROC curve of `scores` [n], at least one, where `truth` [n] says which are threats."""
    weights = np.ones(len(scores)) if weights is None else weights
    order = np.argsort(-scores, kind="stable")
    ranked, threat = scores[order], truth[order]
    last_of_a_tie = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
    ordered = weights[..., order]
    pd, pfa = (
        _from_zero(_share(np.cumsum(ordered * which, axis=-1)[..., last_of_a_tie])) for which in (threat, ~threat)
    )
    return Roc(np.append(np.inf, ranked[last_of_a_tie]), pfa, pd)


def auroc(curve: Roc) -> Floats:
    """Return the area under the curve: how often a threat outranks a non-threat, a tie counting half."""
    steps = np.diff(curve.pfa, axis=-1)
    return np.asarray((steps * (curve.pd[..., 1:] + curve.pd[..., :-1]) / 2).sum(axis=-1))


def pd_at_pfa(curve: Roc, most: float) -> Floats:
    """Return the highest PD that any threshold gives at a PFA of at most `most`; nothing is interpolated."""
    best = np.where(curve.pfa <= most + _ROUNDING, curve.pd, 0.0).max(axis=-1)
    return _where_known(curve, best)


def pfa_at_pd(curve: Roc, least: float) -> Floats:
    """Return the lowest PFA that any threshold gives at a PD of at least `least`; nothing is interpolated."""
    best = np.where(curve.pd >= least - _ROUNDING, curve.pfa, 1.0).min(axis=-1)
    return _where_known(curve, best)


def mean(values: Floats, weights: Floats | None = None) -> Floats:
    """Return the weighted mean of `values` [n]."""
    weights = np.ones(len(values)) if weights is None else weights
    total = weights.sum(axis=-1)
    return _divide((weights * values).sum(axis=-1), total)


@dataclass(frozen=True, slots=True)
class Bin:
    """Scores from `low` up to `high`: how many, their mean, and what part of them are threats (None: no scores)."""

    low: float
    high: float
    count: int
    score: float | None
    threats: float | None


def reliability(scores: Floats, truth: Bools, bins: int = BINS) -> tuple[Bin, ...]:
    """Return the reliability table of `scores` (0..1) in bins of equal width; the last one holds 1.0 too."""
    place = _places(scores, bins)
    table = []
    for number in range(bins):
        inside = place == number
        count = int(inside.sum())
        means = (float(scores[inside].mean()), float(truth[inside].mean())) if count else (None, None)
        table.append(Bin(number / bins, (number + 1) / bins, count, *means))
    return tuple(table)


def calibration_error(scores: Floats, truth: Bools, weights: Floats | None = None, bins: int = BINS) -> Floats:
    """Return the expected calibration error: the bins' |mean score - part of threats|, weighted by their counts."""
    weights = np.ones(len(scores)) if weights is None else weights
    member = np.eye(bins)[_places(scores, bins)]
    excess = (weights * (scores - truth)) @ member
    return _divide(np.abs(excess).sum(axis=-1), weights.sum(axis=-1))


@dataclass(frozen=True, slots=True)
class Steps:
    """How the findings of pictures grow as the threshold falls, in any order.

    At `threshold` [n], `picture` [n] gains `found` [n] threats and `false` [n] other boxes; a map's boxes merge as the
    threshold falls, so either can be negative.
    """

    picture: NDArray[np.int64]
    threshold: Floats
    found: NDArray[np.int64]
    false: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class FreeResponse:
    """Found threats and false boxes at each threshold, from strict to lax, [..., thresholds], as weighted counts.

    `threats` and `pictures` [...] are how many there are in all.
    """

    thresholds: Floats
    found: Floats
    false: Floats
    threats: Floats
    pictures: Floats


Level = tuple[float, Boxes]
"""A threshold, and the boxes (x, y, width, height) [n, 4] that it gives, the strongest first."""
Match = Callable[[Boxes, Boxes], Floats]
"""How well boxes [n, 4] fit true boxes [m, 4]: [n, m], 0 for not at all."""


def iou(boxes: Boxes, truths: Boxes) -> Floats:
    """Return intersection over union of boxes [n, 4] and true boxes [m, 4]: [n, m]."""
    corner = np.maximum(boxes[:, None, :2], truths[None, :, :2])
    far = np.minimum((boxes[:, :2] + boxes[:, 2:])[:, None], (truths[:, :2] + truths[:, 2:])[None])
    common = np.prod(np.maximum(far - corner, 0), axis=2)
    union = np.prod(boxes[:, 2:], axis=1)[:, None] + np.prod(truths[:, 2:], axis=1)[None] - common
    return np.asarray(common / np.maximum(union, _ROUNDING))


def at_least_half(boxes: Boxes, truths: Boxes) -> Floats:
    """Fit by intersection over union, where it is at least 0.5: the rule of AP50."""
    overlap = iou(boxes, truths)
    return np.where(overlap >= 0.5 - _ROUNDING, overlap, 0.0)


def centred(boxes: Boxes, truths: Boxes) -> Floats:
    """Fit where a box has its centre in the true box, the better the more they overlap: the rule of the FROC curve."""
    centre = (boxes[:, :2] + boxes[:, 2:] / 2)[:, None]
    low, high = truths[None, :, :2], (truths[:, :2] + truths[:, 2:])[None]
    inside = ((centre >= low) & (centre <= high)).all(axis=2)
    return np.where(inside, _ROUNDING + iou(boxes, truths), 0.0)


def found(boxes: Boxes, truths: Boxes, match: Match) -> int:
    """Return how many true boxes are found: each box, the strongest first, takes the free one that it fits best."""
    if not len(boxes) or not len(truths):
        return 0
    fit = match(boxes, truths)
    hits = 0
    for row in fit:
        best = int(row.argmax())
        if row[best] > 0:
            hits += 1
            fit[:, best] = 0
    return hits


def steps(pictures: Sequence[tuple[Sequence[Level], Boxes]], match: Match) -> Steps:
    """Return the steps of pictures, each given as its levels and its true boxes [m, 4] (none for an ordinary bag)."""
    rows: list[tuple[int, float, int, int]] = []
    for number, (levels, truths) in enumerate(pictures):
        before = (0, 0)
        for threshold, boxes in sorted(levels, key=lambda level: -level[0]):
            hits = found(boxes, truths, match)
            now = (hits, len(boxes) - hits)
            if now != before:
                rows.append((number, threshold, now[0] - before[0], now[1] - before[1]))
            before = now
    table = np.array(rows, np.float64).reshape(-1, 4)
    whole = table.astype(np.int64)
    return Steps(whole[:, 0], table[:, 1], whole[:, 2], whole[:, 3])


def free_response(given: Steps, truths: NDArray[np.int64], weights: Floats | None = None) -> FreeResponse:
    """Return the free-response curve of pictures that hold `truths` [pictures] threats each."""
    weights = np.ones(len(truths)) if weights is None else weights
    order = np.argsort(-given.threshold, kind="stable")
    ranked = given.threshold[order]
    last = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True)) if len(ranked) else np.zeros(0, np.intp)
    ordered = weights[..., given.picture[order]]
    hits, false = (np.cumsum(ordered * which[order], axis=-1)[..., last] for which in (given.found, given.false))
    return FreeResponse(ranked[last], hits, false, (weights * truths).sum(axis=-1), weights.sum(axis=-1))


def average_precision(curve: FreeResponse) -> Floats:
    """Return the area under precision over recall, each recall counting with the best precision at it or beyond."""
    boxes = curve.found + curve.false
    precision = np.divide(curve.found, boxes, out=np.zeros_like(boxes), where=boxes > 0)
    recall = _divide(curve.found, curve.threats[..., None])
    if not recall.shape[-1]:
        return np.where(curve.threats > 0, 0.0, np.nan)
    # Merging boxes can lose a threat that was found: recall does not always rise as the threshold falls.
    order = np.argsort(recall, axis=-1, kind="stable")
    recall = _from_zero(np.take_along_axis(recall, order, axis=-1))
    precision = np.take_along_axis(precision, order, axis=-1)
    best = np.maximum.accumulate(precision[..., ::-1], axis=-1)[..., ::-1]
    return np.asarray((np.diff(recall, axis=-1) * best).sum(axis=-1))


def found_at(curve: FreeResponse, false_boxes: float) -> Floats:
    """Return the highest part of threats found at no more than `false_boxes` false boxes a picture."""
    rate = _divide(curve.false, curve.pictures[..., None])
    recall = _divide(curve.found, curve.threats[..., None])
    best = np.where(rate <= false_boxes + _ROUNDING, recall, 0.0).max(axis=-1, initial=0.0)
    return np.where(curve.threats > 0, best, np.nan)


def resampled(bags: Sequence[str], resamples: int = RESAMPLES, seed: int = 0) -> Floats:
    """Return weights [resamples, pictures]: how often each picture's bag was drawn, bags being drawn with replacement.

    Pictures of one bag come and go together: they are no independent witnesses.
    """
    names = {name: number for number, name in enumerate(dict.fromkeys(bags))}
    if not names:
        return np.zeros((resamples, 0))
    of_picture = np.array([names[bag] for bag in bags], np.intp)
    share = np.full(len(names), 1 / len(names))
    draws = np.random.default_rng(seed).multinomial(len(names), share, size=resamples)
    return np.asarray(draws[:, of_picture], np.float64)


def estimates(statistic: Callable[[Floats], Floats], weights: Floats) -> list[Estimate | None]:
    """Return figures with their percentile bootstrap intervals; None for a figure that is not defined.

    `statistic` takes weights [..., pictures] and gives [..., figures]. Resamples in which a figure is not defined do
    not count for it.
    """
    values = statistic(np.ones(weights.shape[1]))
    parts = [statistic(weights[start : start + _AT_ONCE]) for start in range(0, len(weights), _AT_ONCE)]
    drawn = np.concatenate(parts) if parts else np.zeros((0, len(values)))
    return [_interval(float(value), drawn[:, number]) for number, value in enumerate(values)]


def estimate(statistic: Callable[[Floats], Floats], weights: Floats) -> Estimate | None:
    """Return one figure as `estimates` does; `statistic` gives [...]."""
    return estimates(lambda w: np.asarray(statistic(w))[..., None], weights)[0]


def _interval(value: float, drawn: Floats) -> Estimate | None:
    if not np.isfinite(value):
        return None
    drawn = drawn[np.isfinite(drawn)]
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(drawn, (tail, 1 - tail)) if drawn.size else (value, value)
    # A percentile interval can miss its own figure where few values are possible.
    return Estimate(value, min(value, float(low)), max(value, float(high)))


def _places(scores: Floats, bins: int) -> NDArray[np.intp]:
    return np.clip((scores * bins).astype(np.intp), 0, bins - 1)


def _share(counts: Floats) -> Floats:
    return _divide(counts, counts[..., -1:])


def _divide(part: Floats, whole: Floats) -> Floats:
    part, whole = np.broadcast_arrays(np.asarray(part, np.float64), np.asarray(whole, np.float64))
    rates: Floats = np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
    return rates


def _from_zero(rates: Floats) -> Floats:
    first = np.where(np.isnan(rates[..., -1:]), np.nan, 0.0)
    return np.concatenate([first, rates], axis=-1)


def _where_known(curve: Roc, values: Floats) -> Floats:
    return np.where(np.isnan(curve.pfa[..., -1]) | np.isnan(curve.pd[..., -1]), np.nan, values)
