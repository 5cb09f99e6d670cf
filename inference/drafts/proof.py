"""What a person needs before trusting an imported package: a picture judged, and what speaks against the manifest."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from drivers.contract import Picture
from inference.decoders import BOX_DECODERS
from inference.draw import overlay
from inference.judgement import Judgement
from inference.look import Shown
from inference.manifest import Anomaly, BoxesCxcywhConfCls, BoxesXyxyConfCls, Segmentation
from inference.model import Model

STRONGEST = 5
_OVERLAY_SIDE = 1200
_WEAKEST = 0.001
_TOP_ROWS = 30
_PEAK, _WHITE = (240, 160, 0), (255, 255, 255)
_FAR_OUTSIDE = 0.25
_SOLID = 1e-6


@dataclass(frozen=True, slots=True)
class Judged:
    """A picture with the findings drawn in; `weak`: nothing reached the threshold, these are the strongest."""

    drawn: Shown
    judgement: Judgement
    weak: bool


def judged(model: Model, pictures: Sequence[Picture]) -> Judged:
    """Return a scan judged and drawn, the peak as a cross, the strongest boxes where nothing reaches the threshold."""
    judgement = model.judge(pictures)
    weak = not judgement.findings
    if weak:
        maps = isinstance(model.manifest.output, Segmentation | Anomaly)
        (findings,) = model.sweep(pictures, (max(judgement.score * 0.99, _SOLID) if maps else _WEAKEST,))
        judgement = replace(judgement, findings=findings[:STRONGEST])
    drawn = np.ascontiguousarray(overlay(pictures, judgement, _OVERLAY_SIDE))
    factor = drawn.shape[1] / next(p.columns for p in pictures if p.view == judgement.view)
    peak = round(judgement.peak[0] * factor), round(judgement.peak[1] * factor)
    for colour, line in ((_WHITE, 5), (_PEAK, 2)):
        cv2.drawMarker(drawn, peak, colour, cv2.MARKER_CROSS, 28, line, cv2.LINE_AA)
    return Judged(drawn, judgement, weak)


def png(shown: Shown) -> bytes:
    """Return a picture (RGB) as PNG."""
    return bytes(cv2.imencode(".png", shown[..., ::-1])[1])


def doubts(model: Model) -> list[str]:
    """Return what the model's answers to the golden scans say against the manifest; nothing found proves nothing."""
    found: dict[str, None] = {}
    answers = [_arrays(model.package.files[golden.outputs]) for golden in model.manifest.golden]
    for outputs in answers:
        found |= dict.fromkeys(_rows(model, outputs))
    scores = {golden.score for golden in model.manifest.golden}
    if len(scores) == 1 and len(answers) > 1:
        found[f"every golden scan scores {scores.pop():g}: does the picture reach the model as it was trained?"] = None
    return list(found)


def _rows(model: Model, outputs: Mapping[str, NDArray[Any]]) -> list[str]:
    spec, size = model.manifest.output, model.manifest.image.size
    if isinstance(spec, Segmentation):
        values = outputs[spec.logits]
        outside = spec.activation == "none" and not bool(((values >= -0.01) & (values <= 1.01)).all())
        return ["values of the map lie outside of 0 to 1: it needs an activation"] if outside else []
    if isinstance(spec, Anomaly):
        return []
    table = BOX_DECODERS[type(spec)](spec, outputs, size, len(model.manifest.labels))
    top = np.argsort(-table.scores, kind="stable")[:_TOP_ROWS]
    top = top[table.scores[top] > 0]
    corners, scores = table.corners[top], table.scores[top]
    if not len(top):
        return ["no row has a score above 0"]
    said = []
    if float(scores.max()) > 1.01:
        said.append(f"scores up to {float(scores.max()):.3g}: they are no probabilities, or not where they are read")
    if isinstance(spec, BoxesXyxyConfCls | BoxesCxcywhConfCls):
        numbers = outputs[spec.output].reshape(-1, 6)[top, 5]
        if float(np.abs(numbers - np.rint(numbers)).max()) > 0.01 or float(numbers.max()) >= len(model.manifest.labels):
            said.append("label numbers are not whole, or have no label: are score and label where they are read?")
    return said + _geometry(corners, spec.box_units, size if spec.box_frame == "input" else None)


def _geometry(corners: NDArray[np.float32], units: str, size: tuple[int, int] | None) -> list[str]:
    """Return what the corners say against their units; `size` is the frame's rows, columns, where it is known."""
    reach = float(np.abs(corners).max())
    if units == "px" and reach <= 2:
        return [f'no box reaches beyond {reach:.2g}: box_units is rather "unit" than "px"']
    if units == "unit" and reach > 4:
        return [f'boxes reach up to {reach:.3g}: box_units is rather "px" than "unit"']
    said = []
    if float((corners[:, 2:] <= corners[:, :2]).any(axis=1).mean()) > 0.2:
        said.append("boxes end before they begin: their rows are rather centre and size than corners")
    if units == "px" and size is None:
        return said
    frame = np.array([1.0, 1.0] if units == "unit" or size is None else [size[1], size[0]])
    far = (corners[:, :2] < -_FAR_OUTSIDE * frame) | (corners[:, 2:] > (1 + _FAR_OUTSIDE) * frame)
    if float(far.any(axis=1).mean()) > 0.5:
        said.append("most boxes lie far outside of the picture: their rows are rather corners than centre and size")
    return said


def _arrays(data: bytes) -> dict[str, NDArray[Any]]:
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        return {name: file[name] for name in file.files}
