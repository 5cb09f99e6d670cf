"""Decoders of maps: a score at each place of the picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.decoders.common import MAX_CANDIDATES, Candidate, Decoded
from inference.manifest import Anomaly, Label, Normalise, Segmentation
from inference.normalise import Plane
from inference.prepare import Placement

Size = tuple[int, int]


def segmentation(
    spec: Segmentation,
    labels: Sequence[Label],
    outputs: Mapping[str, NDArray[Any]],
    size: Size,
    placement: Placement,
    threshold: float,
) -> Decoded:
    """Decode scores of each label at each place; the strongest place of any alarming label is the picture's score.

    `size` is the image input's rows and columns. Raises ValueError for a tensor of another shape.
    """
    scores = _activate(_channels(outputs[spec.logits]), spec.activation)
    if spec.background is not None:
        scores = np.delete(scores, spec.background, axis=0)
    if len(scores) != len(labels):
        raise ValueError(f"{len(scores)} channels for {len(labels)} labels")
    read = []
    for number, label in enumerate(labels):
        if label.alarm:
            plane = np.ascontiguousarray(scores[number])
            if spec.smooth > 1:
                plane = np.asarray(cv2.blur(plane, (spec.smooth, spec.smooth)))
            read.append(_read(plane, number, size, placement, threshold, spec.min_area, spec.box_share))
    best = max(read, key=lambda decoded: decoded.score)
    candidates = sorted((c for r in read for c in r.candidates), key=lambda c: -c.score)
    return Decoded(best.score, best.peak, tuple(candidates[:MAX_CANDIDATES]))


def anomaly(
    spec: Anomaly, outputs: Mapping[str, NDArray[Any]], size: Size, placement: Placement, threshold: float
) -> Decoded:
    """Decode a picture's score, a map, or both; where the map shows no place for an alarm, the whole item is it.

    `size` is the image input's rows and columns. Raises ValueError for a tensor of another shape.
    """
    mapped = None
    if spec.map is not None:
        plane = _normalised(_channels(outputs[spec.map])[0], spec.normalise)
        mapped = _read(np.ascontiguousarray(plane), 0, size, placement, threshold, spec.min_area)
    if spec.score is None:
        assert mapped is not None  # the manifest has at least one of them
        score = mapped.score
    else:
        score = float(_normalised(outputs[spec.score].astype(np.float32).reshape(1), spec.normalise)[0])
    candidates = mapped.candidates if mapped else ()
    if score >= threshold and not candidates:
        candidates = (Candidate(0, score, placement.box(*placement.used)),)
    if score < threshold:
        candidates = ()
    return Decoded(score, mapped.peak if mapped else None, candidates)


def _channels(values: NDArray[Any]) -> Plane:
    if values.ndim == 3:
        values = values[None]
    if values.ndim != 4 or values.shape[0] != 1:
        raise ValueError(f"a map of the shape {list(values.shape)}")
    return np.asarray(values[0], np.float32)


def _activate(logits: Plane, activation: str) -> Plane:
    if activation == "sigmoid":
        return np.asarray(1 / (1 + np.exp(-np.clip(logits, -60, 60))), np.float32)
    if activation == "softmax":
        powers = np.exp(logits - logits.max(axis=0, keepdims=True))
        return np.asarray(powers / powers.sum(axis=0, keepdims=True), np.float32)
    clipped: Plane = np.clip(logits, 0, 1)
    return clipped


def _normalised(values: Plane, how: Normalise | None) -> Plane:
    if how is not None:
        values = (values - np.float32(how.threshold)) / np.float32(how.maximum - how.minimum) + np.float32(0.5)
    return np.clip(values, 0, 1)


def _read(
    plane: Plane,
    label: int,
    size: Size,
    placement: Placement,
    threshold: float,
    min_area: float,
    box_share: float = 1.0,
) -> Decoded:
    """Return a map's strongest place and the connected places that reach `threshold`; what lies in padding is none."""
    sy, sx = size[0] / plane.shape[0], size[1] / plane.shape[1]
    left, top, right, bottom = placement.used
    inside = np.zeros_like(plane)
    rows = slice(int(top / sy), max(int(top / sy) + 1, round(bottom / sy)))
    columns = slice(int(left / sx), max(int(left / sx) + 1, round(right / sx)))
    inside[rows, columns] = plane[rows, columns]
    score = float(inside.max())
    y, x = np.unravel_index(int(inside.argmax()), inside.shape)
    peak = placement.point((int(x) + 0.5) * sx, (int(y) + 0.5) * sy)
    candidates = []
    if score >= threshold:
        mask = (inside >= threshold * box_share).astype(np.uint8)
        count, places, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
        strongest = np.zeros(count, np.float32)
        np.maximum.at(strongest, places.ravel(), inside.ravel())
        for part in range(1, count):
            px, py, width, height, cells = (int(v) for v in stats[part])
            best = float(strongest[part])
            if best >= threshold and (cells * sx * sy >= min_area or best == score):
                box = placement.box(px * sx, py * sy, (px + width) * sx, (py + height) * sy)
                candidates.append(Candidate(label, best, box))
    candidates.sort(key=lambda c: -c.score)
    return Decoded(score, peak, tuple(candidates[:MAX_CANDIDATES]))
