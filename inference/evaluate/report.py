"""The figures of a model on a labelled folder, beside those of no model at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.evaluate import metrics
from inference.evaluate.metrics import Bin, Bools, Estimate, Floats, FreeResponse, Roc
from inference.evaluate.run import Outcome
from inference.model import Model

PFAS = (0.01, 0.05, 0.10, 0.20)
PDS = (0.80, 0.90)
FALSE_BOXES = (0.1, 0.5, 1.0)
WORST = 8
_Figures = dict[str, Estimate | None]


@dataclass(frozen=True, slots=True)
class Ranking:
    """How well scores tell threats from ordinary bags. `reverse`: the lower score is the threat's."""

    auroc: Estimate | None
    pd_at_pfa: _Figures
    pfa_at_pd: _Figures
    pointing: Estimate | None
    curve: Roc | None
    reverse: bool = False


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """The rates at one of the package's own thresholds."""

    threshold: float
    pd: Estimate | None
    pfa: Estimate | None


@dataclass(frozen=True, slots=True)
class OfLabel:
    """Scans that hold a threat of one label: how many, how many alarm, and how many are pointed at (None: no boxes)."""

    label: str
    scans: int
    pd: float
    pointing: float | None


@dataclass(frozen=True, slots=True)
class Counts:
    """What the folder holds, and what could not be judged (by reason)."""

    scans: int
    bags: int
    threats: int
    ordinary: int
    boxed: int
    unjudged: int
    reasons: dict[str, int]


@dataclass(frozen=True, slots=True)
class Report:
    """All figures of one model on one folder; None where the folder cannot tell.

    `found_at` is the part of threats found at so many false boxes a scan, `chance` how often a random place in the
    item lies in a true box. `misses` and `false_alarms` are outcomes, the worst first.
    """

    name: str
    version: str
    sha256: str
    threads: int
    counts: Counts
    ranking: Ranking
    points: dict[str, OperatingPoint]
    ap50: Estimate | None
    found_at: _Figures
    chance: float | None
    calibration: Estimate | None
    reliability: tuple[Bin, ...]
    median_ms: float
    p95_ms: float
    labels: tuple[OfLabel, ...]
    baselines: dict[str, Ranking]
    resamples: int
    seed: int
    free: FreeResponse | None
    misses: tuple[Outcome, ...]
    false_alarms: tuple[Outcome, ...]


def report(model: Model, outcomes: Sequence[Outcome], threads: int, resamples: int, seed: int) -> Report:
    """Return the figures of scans that `run.judge` judged.

    Raises ValueError where not one of them could be judged.
    """
    judged = [outcome for outcome in outcomes if outcome.judged is not None]
    if not judged:
        raise ValueError("not one scan could be judged")
    whole = _Sample(judged, resamples, seed)
    placed = _Sample([o for o in judged if o.scan.localised], resamples, seed)
    ap50, free, found_at = _localised(placed)
    ms = [o.judged.ms for o in judged if o.judged]
    median, slow = np.percentile(ms, (50, 95))
    points = model.manifest.operating_points
    return Report(
        name=model.name,
        version=model.version,
        sha256=model.sha256,
        threads=threads,
        counts=_counts(outcomes),
        ranking=whole.ranking(whole.scores, whole.pointing([o.pointed for o in judged])),
        points={name: whole.at(getattr(points, name)) for name in ("normal", "elevated")},
        ap50=ap50,
        found_at=found_at,
        chance=_mean([o.facts.chance for o in judged if o.facts and o.facts.chance is not None]),
        calibration=whole.estimate(lambda w: metrics.calibration_error(whole.scores, whole.truth, w)),
        reliability=metrics.reliability(whole.scores, whole.truth),
        median_ms=float(median),
        p95_ms=float(slow),
        labels=_by_label(judged),
        baselines=_baselines([o for o in judged if o.facts], resamples, seed),
        resamples=resamples,
        seed=seed,
        free=free,
        misses=_worst([o for o in judged if o.scan.threat], lowest=True),
        false_alarms=_worst([o for o in judged if not o.scan.threat], lowest=False),
    )


class _Sample:
    """Judged scans with the weights of their bootstrap."""

    def __init__(self, outcomes: Sequence[Outcome], resamples: int, seed: int) -> None:
        self.outcomes = outcomes
        self.truth: Bools = np.array([o.scan.threat for o in outcomes], bool)
        self.scores: Floats = np.array([o.judged.score for o in outcomes if o.judged], np.float64)
        self.weights = metrics.resampled([o.scan.bag for o in outcomes], resamples, seed)

    def estimates(self, statistic: Callable[[Floats], Floats]) -> list[Estimate | None]:
        """Return figures with their intervals; there must be a scan."""
        return metrics.estimates(statistic, self.weights)

    def estimate(self, statistic: Callable[[Floats], Floats]) -> Estimate | None:
        """Return one figure with its interval; there must be a scan."""
        return metrics.estimate(statistic, self.weights)

    def ranking(self, scores: Floats, pointing: Estimate | None, reverse: bool = False) -> Ranking:
        """Return the ranking by `scores`, one a scan."""
        if self.truth.all() or not self.truth.any():
            return Ranking(None, dict.fromkeys(map(_key, PFAS)), dict.fromkeys(map(_key, PDS)), pointing, None)

        def figures(weights: Floats) -> Floats:
            curve = metrics.roc(scores, self.truth, weights)
            pds = [metrics.pd_at_pfa(curve, most) for most in PFAS]
            pfas = [metrics.pfa_at_pd(curve, least) for least in PDS]
            return np.stack([metrics.auroc(curve), *pds, *pfas], axis=-1)

        auroc, *rates = self.estimates(figures)
        return Ranking(
            auroc=auroc,
            pd_at_pfa=dict(zip(map(_key, PFAS), rates[: len(PFAS)], strict=True)),
            pfa_at_pd=dict(zip(map(_key, PDS), rates[len(PFAS) :], strict=True)),
            pointing=pointing,
            curve=metrics.roc(scores, self.truth),
            reverse=reverse,
        )

    def pointing(self, hits: Sequence[bool]) -> Estimate | None:
        """Return the part of scans with boxes whose hit is true."""
        boxed = np.array([o.scan.boxed for o in self.outcomes], bool)
        values = np.array(hits, np.float64)
        return self.estimate(lambda w: metrics.mean(values, w * boxed)) if boxed.any() else None

    def at(self, threshold: float) -> OperatingPoint:
        """Return the rates at a threshold."""
        alarms = (self.scores >= threshold).astype(np.float64)
        pd, pfa = self.estimates(
            lambda w: np.stack([metrics.mean(alarms, w * which) for which in (self.truth, ~self.truth)], axis=-1)
        )
        return OperatingPoint(threshold, pd, pfa)


def _localised(sample: _Sample) -> tuple[Estimate | None, FreeResponse | None, _Figures]:
    """Return AP50, the free-response curve, and the part of threats found at each of FALSE_BOXES."""
    truths: NDArray[np.int64] = np.array([len(o.truths) for o in sample.outcomes], np.int64)
    if not truths.any():
        return None, None, dict.fromkeys(map(_key, FALSE_BOXES))
    given = [(o.levels, o.truths) for o in sample.outcomes]
    strict, lenient = (metrics.steps(given, match) for match in (metrics.at_least_half, metrics.centred))

    def figures(weights: Floats) -> Floats:
        precise = metrics.average_precision(metrics.free_response(strict, truths, weights))
        curve = metrics.free_response(lenient, truths, weights)
        return np.stack([precise, *(metrics.found_at(curve, rate) for rate in FALSE_BOXES)], axis=-1)

    ap50, *rates = sample.estimates(figures)
    return ap50, metrics.free_response(lenient, truths), dict(zip(map(_key, FALSE_BOXES), rates, strict=True))


def _baselines(outcomes: Sequence[Outcome], resamples: int, seed: int) -> dict[str, Ranking]:
    """Return the trivial rankings; size counts in the direction that flatters it, darkness as dark = threat."""
    sample = _Sample(outcomes, resamples, seed)
    facts = [o.facts for o in outcomes if o.facts]
    size = np.array([f.size for f in facts])
    reverse = False
    if sample.truth.any() and not sample.truth.all():
        reverse = float(metrics.auroc(metrics.roc(size, sample.truth))) < 0.5
    darkest = sample.pointing([o.darkness_pointed for o in outcomes])
    return {
        "image size": sample.ranking(-size if reverse else size, None, reverse),
        "mean darkness": sample.ranking(np.array([f.mean_darkness for f in facts]), None),
        "max darkness": sample.ranking(np.array([f.max_darkness for f in facts]), darkest),
    }


def _counts(outcomes: Sequence[Outcome]) -> Counts:
    scans = [o.scan for o in outcomes]
    reasons = Counter(o.reason for o in outcomes if o.judged is None)
    return Counts(
        scans=len(scans),
        bags=len({scan.bag for scan in scans}),
        threats=sum(scan.threat for scan in scans),
        ordinary=sum(not scan.threat for scan in scans),
        boxed=sum(scan.boxed for scan in scans),
        unjudged=sum(reasons.values()),
        reasons=dict(reasons.most_common()),
    )


def _by_label(judged: Sequence[Outcome]) -> tuple[OfLabel, ...]:
    labels = Counter(label for o in judged for label in {t.label for t in o.scan.threats})
    rows = []
    for label, count in labels.most_common():
        own = [o for o in judged if any(t.label == label for t in o.scan.threats)]
        boxed = [float(o.pointed) for o in own if o.scan.boxed]
        rows.append(OfLabel(label, count, float(np.mean([o.judged.alarm for o in own if o.judged])), _mean(boxed)))
    return tuple(rows)


def _worst(outcomes: Sequence[Outcome], lowest: bool) -> tuple[Outcome, ...]:
    sign = 1 if lowest else -1
    return tuple(sorted(outcomes, key=lambda o: sign * o.judged.score if o.judged else 0.0)[:WORST])


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


def _key(rate: float) -> str:
    return f"{rate:g}"


def to_json(given: Report) -> dict[str, Any]:
    """Return the report as the command prints it: every figure as value, low and high, curves and pictures left out."""
    return {
        "model": {"name": given.name, "version": given.version, "sha256": given.sha256},
        "counts": asdict(given.counts),
        **_ranked(given.ranking),
        "points": {name: _plain(asdict(point)) for name, point in given.points.items()},
        "ap50": _number(given.ap50),
        "found_at_false_boxes": {key: _number(value) for key, value in given.found_at.items()},
        "pointing_chance": _round(given.chance),
        "calibration": {
            "error": _number(given.calibration),
            "bins": [_plain(asdict(row)) for row in given.reliability],
        },
        "speed": {
            "median_ms": round(given.median_ms, 1),
            "p95_ms": round(given.p95_ms, 1),
            "threads": given.threads,
        },
        "labels": [_plain(asdict(row)) for row in given.labels],
        "baselines": {
            name: _ranked(ranking) | {"reverse": ranking.reverse} for name, ranking in given.baselines.items()
        },
        "bootstrap": {"by": "bag", "resamples": given.resamples, "seed": given.seed, "confidence": metrics.CONFIDENCE},
    }


def _ranked(ranking: Ranking) -> dict[str, Any]:
    return {
        "auroc": _number(ranking.auroc),
        "pd_at_pfa": {key: _number(value) for key, value in ranking.pd_at_pfa.items()},
        "pfa_at_pd": {key: _number(value) for key, value in ranking.pfa_at_pd.items()},
        "pointing": _number(ranking.pointing),
    }


def _number(value: Estimate | None) -> dict[str, float] | None:
    return None if value is None else _plain(asdict(value))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    return _round(value) if isinstance(value, float) else value


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
