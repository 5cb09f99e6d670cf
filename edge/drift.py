"""Drift: whether a device's scores and alarms are still those that its thresholds were calibrated on. Pure.

Two questions about the last scans of a device. Do their scores lie as the calibration's did? The population stability
index over the calibration's tenths, PSI = sum of (p - q) ln(p / q), says how far they do not; times n m / (n + m) it
is, for scans that did not drift, chi-squared with nine degrees of freedom, which says whether that can be chance. And
do as many alarm as then? Their count is held against what the calibration's own count predicts (beta-binomial).
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from inference.rates import predicted_limits

KEPT = 500
LEAST = 60
_PSI = {"watch": 0.1, "drifted": 0.25}
"""The index below which nobody would act, whatever chance says: the field's customary marks."""
_CHI2_9 = {"watch": 27.88, "drifted": 37.3}
"""Quantiles of chi-squared with 9 degrees of freedom: 0.999 and 0.99998; the scans are looked at again and again."""
_TAIL = {"watch": 1e-3, "drifted": 2e-5}


class DriftState(StrEnum):
    """`unknown`: not calibrated here, or too few scans yet."""

    OK = "ok"
    WATCH = "watch"
    DRIFTED = "drifted"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Reference:
    """What a calibration saw: the nine inner edges of its scores' tenths, its alarms of its bags, its threshold."""

    edges: tuple[float, ...]
    alarms: int
    bags: int
    threshold: float


@dataclass(frozen=True, slots=True)
class Drift:
    """How a device's last `scans` compare; rates are parts of one, `expected` with the limits of chance around it."""

    state: DriftState
    reason: str
    scans: int
    psi: float | None = None
    alarm_rate: float | None = None
    expected: float | None = None
    limits: tuple[float, float] | None = None


class DriftWatch:
    """Keeps the last KEPT scores of each device, of one model at a time; another model begins anew.

    `before` are those of an earlier run.
    """

    def __init__(self, before: Mapping[str, tuple[str, Sequence[float]]] | None = None) -> None:
        self._scores = {name: (sha256, deque(kept, maxlen=KEPT)) for name, (sha256, kept) in (before or {}).items()}

    def saw(self, device: str, model_sha256: str, score: float) -> None:
        """Count one judged scan."""
        known = self._scores.get(device)
        if known is None or known[0] != model_sha256:
            known = self._scores[device] = (model_sha256, deque(maxlen=KEPT))
        known[1].append(score)

    def devices(self) -> list[tuple[str, str]]:
        """Return the devices that judged scans came from, each with the SHA-256 of its model."""
        return [(device, sha256) for device, (sha256, _) in self._scores.items()]

    def scores(self, device: str) -> tuple[str, list[float]]:
        """Return the SHA-256 of a device's model and its last scores, the oldest first; "" where there are none."""
        sha256, scores = self._scores.get(device, ("", ()))
        return sha256, list(scores)

    def state(self, device: str, reference: Reference | None) -> Drift:
        """Return how a device's last scans compare with its calibration."""
        scores = self._scores[device][1] if device in self._scores else deque()
        return compare(scores, reference)


def compare(scores: Sequence[float], reference: Reference | None) -> Drift:
    """Return how scores compare with a calibration."""
    scans = len(scores)
    if reference is None:
        return Drift(DriftState.UNKNOWN, "not calibrated on this site's bags", scans)
    if scans < LEAST:
        return Drift(DriftState.UNKNOWN, f"{scans} scans; {LEAST} are needed", scans)
    index = psi(scores, reference.edges, reference.bags)
    chi2 = index * scans * reference.bags / (scans + reference.bags)
    alarms = sum(score >= reference.threshold for score in scores)
    limits = {level: predicted_limits(scans, reference.alarms, reference.bags, tail) for level, tail in _TAIL.items()}
    for state in (DriftState.DRIFTED, DriftState.WATCH):
        reasons = []
        if index > _PSI[state] and chi2 > _CHI2_9[state]:
            reasons.append(f"the scores do not lie as in the calibration (PSI {index:.2f})")
        low, high = limits[state]
        if not low <= alarms <= high:
            reasons.append(f"{alarms} of {scans} scans alarm, {low} to {high} would be chance")
        if reasons:
            break
    else:
        state, reasons = DriftState.OK, []
    low, high = limits["watch"]
    return Drift(
        state,
        "; ".join(reasons),
        scans,
        round(index, 4),
        round(alarms / scans, 4),
        round(reference.alarms / reference.bags, 4),
        (round(low / scans, 4), round(high / scans, 4)),
    )


def psi(scores: Sequence[float], edges: Sequence[float], bags: int) -> float:
    """Return the population stability index of scores over a calibration's parts, each of which had as many bags."""
    counts = [0] * (len(edges) + 1)
    for score in scores:
        counts[bisect_right(edges, score)] += 1
    parts = len(counts)
    # Half a scan more in each part: an empty one says "few", not "infinitely far".
    found = [(count + 0.5) / (len(scores) + parts / 2) for count in counts]
    then = 1 / parts
    return math.fsum((now - then) * math.log(now / then) for now in found)
