"""From a graph's output tensors to a score, a peak and boxes: one function for each decoder of the closed set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.errors import ModelError
from inference.decoders import boxes, maps
from inference.decoders.common import Candidate, Decoded
from inference.manifest import (
    Anomaly,
    BoxesCxcywhConfCls,
    BoxesXyxyConfCls,
    DetrLogits,
    LabelsBoxesScores,
    Manifest,
    Segmentation,
    YoloRaw,
    YoloxGrid,
)
from inference.prepare import Placement

__all__ = ["BOX_DECODERS", "Candidate", "Decoded", "decode", "tensor_names"]

BOX_DECODERS: dict[type[Any], Any] = {
    YoloRaw: boxes.yolo_raw,
    BoxesXyxyConfCls: boxes.xyxy_conf_cls,
    BoxesCxcywhConfCls: boxes.cxcywh_conf_cls,
    DetrLogits: boxes.detr_logits,
    LabelsBoxesScores: boxes.labels_boxes_scores,
    YoloxGrid: boxes.yolox_grid,
}
_TENSOR_KEYS = ("logits", "score", "map", "output", "boxes", "labels", "scores")


def tensor_names(manifest: Manifest) -> list[str]:
    """Return the names of the output tensors that the manifest's decoder reads, in a fixed order."""
    values = (getattr(manifest.output, key, None) for key in _TENSOR_KEYS)
    return [name for name in values if isinstance(name, str)]


def decode(manifest: Manifest, outputs: Mapping[str, NDArray[Any]], placement: Placement, threshold: float) -> Decoded:
    """Return what the tensors say, in the picture's own pixels; candidates are those that reach `threshold`.

    Raises ModelError for tensors that are not of the decoder's shape or hold values that are not finite.
    """
    for name, values in outputs.items():
        if not np.isfinite(values).all():
            raise ModelError(f"the model answered with values that are not finite ({name})")
    spec, labels = manifest.output, manifest.labels
    try:
        if isinstance(spec, Segmentation):
            return maps.segmentation(spec, labels, outputs, manifest.image.size, placement, threshold)
        if isinstance(spec, Anomaly):
            return maps.anomaly(spec, outputs, manifest.image.size, placement, threshold)
        table = BOX_DECODERS[type(spec)](spec, outputs, manifest.image.size, len(labels))
    except (IndexError, ValueError, KeyError) as error:
        raise ModelError(f"the model's answer is not of the shape that {spec.decoder} reads: {error}") from error
    return boxes.finish(table, spec, labels, manifest.image.size, placement, threshold)
