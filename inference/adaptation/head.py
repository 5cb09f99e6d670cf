"""Fits a last layer so that threats outrank ordinary bags. Pure: places in, a head out, the same for the same places.

A bag scores as its strongest place does, so that is what is fitted: pairs of a threat and an ordinary bag, each with
its strongest place under the present head, and the logistic loss of their difference (a smooth AUROC). The head is held
to the shipped one by `hold` times the squared distance, in standard deviations of each feature.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.adaptation.eye import Head

Floats = NDArray[np.float32]

STEPS = 250
_RATE = 0.02
_HOLD_BIAS = 0.1
_MOMENTUM, _SCALE = 0.9, 0.99


class Places:
    """Places of many pictures, [places, channels] each; with `groups` each picture's own group is what counts there."""

    def __init__(self, pictures: Sequence[Floats], groups: Sequence[int] | None = None) -> None:
        if any(not len(picture) for picture in pictures):
            raise ValueError("a picture without places")
        self.features = np.concatenate(pictures)
        self._starts = np.cumsum([0, *(len(picture) for picture in pictures)])
        self._of_place = None if groups is None else np.repeat(np.array(groups, np.intp), np.diff(self._starts))

    def __len__(self) -> int:
        return len(self._starts) - 1

    def strongest(self, head: Head, alarming: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp], Floats]:
        """Return of each picture the group and the number of its strongest place, and that place's logit."""
        logits = self.features @ head.weight.T + head.bias
        if self._of_place is None:
            shown = np.where(alarming, logits, -np.inf)
            groups = shown.argmax(axis=1)
        else:
            groups = self._of_place
        values = np.take_along_axis(logits, groups[:, None], axis=1)[:, 0]
        at = np.array(
            [a + int(values[a:b].argmax()) for a, b in zip(self._starts[:-1], self._starts[1:], strict=True)], np.intp
        )
        return groups[at], at, values[at]


@dataclass(frozen=True, slots=True)
class Contest:
    """Pictures with threats that are to outrank pictures without, and how much that counts."""

    threats: Places
    ordinary: Places
    weight: float


def fit(
    shipped: Head, contests: Sequence[Contest], alarming: NDArray[np.bool_], hold: float, steps: int = STEPS
) -> Head:
    """Return the head that wins the contests best without going far from the shipped one."""
    spread = np.concatenate([c.ordinary.features[::7] for c in contests]).std(axis=0) + 1e-3
    weight, bias = shipped.weight.astype(np.float64), shipped.bias.astype(np.float64)
    first_weight, first_bias = weight.copy(), bias.copy()
    mean, square = np.zeros(weight.size + bias.size), np.zeros(weight.size + bias.size)
    for step in range(1, steps + 1):
        slope_weight = hold * (weight - first_weight) * spread**2
        slope_bias = hold * _HOLD_BIAS * (bias - first_bias)
        head = Head(weight.astype(np.float32), bias.astype(np.float32))
        for contest in contests:
            _add_slope(contest, head, alarming, slope_weight, slope_bias)
        # Adam, on weights counted in standard deviations of their features.
        slope = np.concatenate([(slope_weight / spread).ravel(), slope_bias])
        mean = _MOMENTUM * mean + (1 - _MOMENTUM) * slope
        square = _SCALE * square + (1 - _SCALE) * slope**2
        move = mean / (1 - _MOMENTUM**step) / (np.sqrt(square / (1 - _SCALE**step)) + 1e-8)
        move *= _RATE * (1 - (step - 1) / steps)
        weight -= move[: weight.size].reshape(weight.shape) / spread
        bias -= move[weight.size :]
    return Head(weight.astype(np.float32), bias.astype(np.float32))


def _add_slope(
    contest: Contest, head: Head, alarming: NDArray[np.bool_], weight: NDArray[np.float64], bias: NDArray[np.float64]
) -> None:
    (group, at, high), (other_group, other_at, low) = (
        places.strongest(head, alarming) for places in (contest.threats, contest.ordinary)
    )
    lost = 1 / (1 + np.exp(np.clip(high[:, None] - low[None, :], -30, 30)))
    lost *= contest.weight / lost.size
    for sign, axis, groups, places, features in (
        (-1.0, 1, group, at, contest.threats.features),
        (1.0, 0, other_group, other_at, contest.ordinary.features),
    ):
        share = sign * lost.sum(axis=axis)
        np.add.at(weight, groups, share[:, None] * features[places])
        np.add.at(bias, groups, share)
