"""Decoders of detectors: rows of box, score and label, each exporter's in its own order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.decoders.common import MAX_CANDIDATES, Candidate, Decoded
from inference.manifest import (
    BoxesCxcywhConfCls,
    BoxesXyxyConfCls,
    DetrLogits,
    Label,
    LabelsBoxesScores,
    Nms,
    YoloRaw,
    YoloxGrid,
)
from inference.prepare import Placement

Floats = NDArray[np.float32]
Outputs = Mapping[str, NDArray[Any]]
Size = tuple[int, int]
MAX_BEFORE_NMS = 1000


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of a detector's answer: `corners` [n, 4] (left, top, right, bottom), `scores` [n], `labels` [n].

    Corners are in the units and the frame that the manifest states.
    """

    corners: Floats
    scores: Floats
    labels: NDArray[np.int64]


def yolo_raw(spec: YoloRaw, outputs: Outputs, size: Size, labels: int) -> Table:
    """Decode [1, 4 + labels, places]; each place counts with its strongest label."""
    rows = _two(outputs[spec.output])
    if spec.layout == "channels_first":
        rows = rows.T
    _demand(rows, 4 + labels)
    return _strongest_label(_corners(rows[:, :4]), rows[:, 4:])


def xyxy_conf_cls(spec: BoxesXyxyConfCls, outputs: Outputs, size: Size, labels: int) -> Table:
    """Decode [1, rows, 6] with corners."""
    rows = _two(outputs[spec.output])
    _demand(rows, 6)
    return Table(rows[:, :4], rows[:, 4], np.rint(rows[:, 5]).astype(np.int64))


def cxcywh_conf_cls(spec: BoxesCxcywhConfCls, outputs: Outputs, size: Size, labels: int) -> Table:
    """Decode [1, rows, 6] with centres."""
    rows = _two(outputs[spec.output])
    _demand(rows, 6)
    return Table(_corners(rows[:, :4]), rows[:, 4], np.rint(rows[:, 5]).astype(np.int64))


def detr_logits(spec: DetrLogits, outputs: Outputs, size: Size, labels: int) -> Table:
    """Decode logits and boxes of queries; the background's logit takes part in the softmax and is then dropped."""
    logits, boxes = _two(outputs[spec.logits]), _two(outputs[spec.boxes])
    _demand(logits, labels + (spec.background is not None))
    _demand(boxes, 4)
    if spec.activation == "softmax":
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        scores = powers / powers.sum(axis=1, keepdims=True)
    else:
        scores = 1 / (1 + np.exp(-np.clip(logits, -60, 60)))
    if spec.background is not None:
        scores = np.delete(scores, spec.background, axis=1)
    return _strongest_label(_corners(boxes), scores)


def labels_boxes_scores(spec: LabelsBoxesScores, outputs: Outputs, size: Size, labels: int) -> Table:
    """Decode the three tensors of RT-DETR's and D-FINE's own exporters."""
    boxes = _two(outputs[spec.boxes])
    _demand(boxes, 4)
    numbers = outputs[spec.labels].reshape(-1).astype(np.int64)
    scores = outputs[spec.scores].reshape(-1).astype(np.float32)
    if not len(boxes) == len(numbers) == len(scores):
        raise ValueError(f"{len(boxes)} boxes, {len(numbers)} labels, {len(scores)} scores")
    return Table(boxes, scores, numbers)


def yolox_grid(spec: YoloxGrid, outputs: Outputs, size: Size, labels: int) -> Table:
    """Decode cells of each stride, row by row: centre = (offset + cell) x stride, side = exp(log side) x stride."""
    rows = _two(outputs[spec.output])
    _demand(rows, 5 + labels)
    cells, strides = [], []
    for stride in spec.strides:
        ys, xs = np.mgrid[: size[0] // stride, : size[1] // stride]
        cells.append(np.stack([xs.ravel(), ys.ravel()], axis=1))
        strides.append(np.full((xs.size, 1), stride))
    grid, stride_of = np.concatenate(cells), np.concatenate(strides).astype(np.float32)
    if len(grid) != len(rows):
        raise ValueError(f"{len(rows)} cells where strides {list(spec.strides)} make {len(grid)}")
    centre = (rows[:, :2] + grid) * stride_of
    side = np.exp(np.clip(rows[:, 2:4], -20, 20)) * stride_of
    return _strongest_label(_corners(np.concatenate([centre, side], axis=1)), rows[:, 5:] * rows[:, 4:5])


AnyBoxes = YoloRaw | BoxesXyxyConfCls | BoxesCxcywhConfCls | DetrLogits | LabelsBoxesScores | YoloxGrid


def finish(
    table: Table, spec: AnyBoxes, labels: Sequence[Label], size: Size, placement: Placement, threshold: float
) -> Decoded:
    """Return the rows' outcome in the picture's own pixels: harmless labels out, overlaps suppressed, strongest first.

    The score is the strongest alarming row's, also below the threshold; rows with a label number that the manifest
    does not have (padding of fixed-size answers) are none.
    """
    alarming = np.array([label.alarm for label in labels])
    known = (table.labels >= 0) & (table.labels < len(labels))
    counts = known & alarming[np.where(known, table.labels, 0)]
    corners, numbers = table.corners[counts], table.labels[counts]
    scores = np.clip(table.scores[counts], 0, 1)
    if not scores.size:
        return Decoded(0.0, None, ())
    boxes = [_own(corner, spec, size, placement) for corner in (corners[int(scores.argmax())],)]
    x, y, width, height = boxes[0]
    order = np.argsort(-scores, kind="stable")
    order = order[scores[order] >= threshold][:MAX_BEFORE_NMS]
    order = order[_suppress(corners[order], numbers[order], spec.nms)]
    candidates = tuple(
        Candidate(int(numbers[i]), float(scores[i]), _own(corners[i], spec, size, placement))
        for i in order[:MAX_CANDIDATES]
    )
    return Decoded(float(scores.max()), (x + width / 2, y + height / 2), candidates)


def _own(corner: Floats, spec: AnyBoxes, size: Size, placement: Placement) -> tuple[float, float, float, float]:
    left, top, right, bottom = (float(v) for v in corner)
    width, height = (size[1], size[0]) if spec.box_frame == "input" else placement.size
    if spec.box_units == "unit":
        left, top, right, bottom = left * width, top * height, right * width, bottom * height
    to_own = placement.box if spec.box_frame == "input" else placement.orig_box
    return to_own(left, top, right, bottom)


def _suppress(corners: Floats, labels: NDArray[np.int64], how: Nms) -> list[int]:
    """Return the rows that stay, of rows sorted from strong to weak."""
    if how.mode == "none":
        return list(range(len(corners)))
    areas = np.prod(np.maximum(corners[:, 2:] - corners[:, :2], 0), axis=1)
    kept: list[int] = []
    for row in range(len(corners)):
        rivals = [k for k in kept if how.mode == "all" or labels[k] == labels[row]]
        if rivals:
            common = np.minimum(corners[rivals, 2:], corners[row, 2:]) - np.maximum(
                corners[rivals, :2], corners[row, :2]
            )
            overlap = np.prod(np.maximum(common, 0), axis=1)
            union = np.maximum(areas[rivals] + areas[row] - overlap, 1e-9)
            if float((overlap / union).max()) > how.iou:
                continue
        kept.append(row)
        if len(kept) == MAX_CANDIDATES:
            break
    return kept


def _two(values: NDArray[Any]) -> Floats:
    if values.ndim != 3 or values.shape[0] != 1:
        raise ValueError(f"a tensor of the shape {list(values.shape)}")
    return np.asarray(values[0], np.float32)


def _demand(rows: Floats, width: int) -> None:
    if rows.shape[1] != width:
        raise ValueError(f"rows of {rows.shape[1]} values where {width} belong")


def _corners(boxes: Floats) -> Floats:
    half = boxes[:, 2:4] / 2
    return np.concatenate([boxes[:, :2] - half, boxes[:, :2] + half], axis=1)


def _strongest_label(corners: Floats, scores: Floats) -> Table:
    best = scores.argmax(axis=1)
    return Table(corners, scores[np.arange(len(scores)), best], best.astype(np.int64))
