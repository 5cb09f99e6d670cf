"""Pictures for people: the scan with its findings drawn in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from drivers.contract import Picture
from drivers.errors import ModelError
from inference.judgement import Found, Judgement
from inference.look import Look, Shown, look_at, views
from inference.normalise import Plane

Box = tuple[float, float, float, float]
"""x, y, width and height in the pixels of the picture as the device gave it."""

Cut = tuple[slice, slice]
"""Rows and columns of a look's planes."""

THUMBNAIL_SIDE = 720
_QUALITIES = (88, 78, 66, 52, 38, 25)
_SMALLEST_SIDE = 96
_RED, _WHITE = (214, 28, 36), (255, 255, 255)
_DISPLAY_GAMMA = 0.6
_FACE = cv2.FONT_HERSHEY_SIMPLEX


def thumbnail(pictures: Sequence[Picture], judgement: Judgement, max_bytes: int) -> bytes:
    """Draw a thumbnail; see `inference.thumbnail`."""
    return _small(_draw(_decisive(pictures, judgement), judgement, THUMBNAIL_SIDE, close=True), max_bytes)


def plain(pictures: Sequence[Picture], view: int, boxes: Sequence[Box], max_bytes: int) -> tuple[bytes, Box]:
    """Draw a view without findings; see `inference.picture`."""
    look = _look_of(pictures, view)
    cut, place = _around(look, boxes)
    factor = min(THUMBNAIL_SIDE / max(place[2:]), 3.0)
    size = (max(1, round(place[2] * factor)), max(1, round(place[3] * factor)))
    return _small(_sized(_rendered(look, cut), size), max_bytes), place


def _small(drawn: Shown, max_bytes: int) -> bytes:
    """Return a picture as JPEG, as good as fits into so many bytes."""
    while True:
        for quality in _QUALITIES:
            if len(data := jpeg(drawn, quality)) <= max_bytes:
                return data
        rows, columns = drawn.shape[:2]
        if max(rows, columns) < _SMALLEST_SIDE:
            raise ModelError(f"no thumbnail fits into {max_bytes} bytes")
        drawn = np.asarray(cv2.resize(drawn, (columns * 3 // 4 or 1, rows * 3 // 4 or 1), interpolation=cv2.INTER_AREA))


def jpeg(shown: Shown, quality: int) -> bytes:
    """Return a picture (RGB) as JPEG. Raises ModelError where OpenCV cannot encode it."""
    # Turned by OpenCV: NumPy's view of the channels backwards takes longer to read than the rest does.
    blue_first = cv2.cvtColor(shown, cv2.COLOR_RGB2BGR)
    good, data = cv2.imencode(".jpg", blue_first, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not good:
        raise ModelError("the picture could not be encoded")
    return bytes(data)


def overlay(pictures: Sequence[Picture], judgement: Judgement, side: int) -> Shown:
    """Return the view that decided, RGB, at most `side` pixels a side, with the findings of that view drawn in.

    Raises ModelError where that view is not among the pictures or cannot be read.
    """
    return _draw(_decisive(pictures, judgement), judgement, side, close=False)


def _decisive(pictures: Sequence[Picture], judgement: Judgement) -> Look:
    return judgement.look or _look_of(pictures, judgement.view, judged=True)


def _look_of(pictures: Sequence[Picture], view: int, judged: bool = False) -> Look:
    for group in views(pictures):
        if group[0].view == view:
            return look_at(group, judged)
    raise ModelError(f"view {view} is not among the pictures")


def _draw(look: Look, judgement: Judgement, side: int, *, close: bool) -> Shown:
    """Return the look with its findings; `close` cuts away the belt around the item, which shows nobody anything."""
    own = [f for f in judgement.findings if f.view == judgement.view]
    cut, (left, top, width, height) = _around(look, [finding.box for finding in own]) if close else _whole(look)
    own = [replace(f, box=(f.box[0] - left, f.box[1] - top, f.box[2], f.box[3])) for f in own]
    rows, columns = max(1, round(height)), max(1, round(width))
    # A small picture is enlarged, so that a label beside a box can be read; not beyond what looks like pixels.
    factor = min(side / max(rows, columns), 3.0)
    canvas = _sized(_rendered(look, cut), (max(1, round(columns * factor)), max(1, round(rows * factor))))
    for finding in reversed(own):
        _box(canvas, finding, factor)
    for finding in reversed(own):
        _label(canvas, finding, factor)
    return canvas


def _whole(look: Look) -> tuple[Cut, Box]:
    return (slice(None), slice(None)), (0, 0, look.columns, look.rows)


def _around(look: Look, boxes: Sequence[Box]) -> tuple[Cut, Box]:
    """Return the part of a look that has the item and all boxes, and where it lies in the picture's pixels."""
    left, top, right, bottom = look.region
    rows, columns = look.transmission.shape
    fx, fy = look.columns / columns, look.rows / rows
    for x, y, width, height in boxes:
        left, top = min(left, int(x / fx)), min(top, int(y / fy))
        right, bottom = max(right, round((x + width) / fx)), max(bottom, round((y + height) / fy))
    left, top, right, bottom = max(left, 0), max(top, 0), min(right, columns), min(bottom, rows)
    place = (left * fx, top * fy, (right - left) * fx, (bottom - top) * fy)
    return (slice(top, bottom), slice(left, right)), place


def _rendered(look: Look, cut: Cut) -> Shown:
    """Return a part of a view for the eye, RGB or of one channel.

    Grey pictures are brightened in the dark end, where linear intensity hides everything.
    """
    if not look.is_grey:
        return look.shown[cut]
    grey: Plane = np.power(look.low[cut], np.float32(_DISPLAY_GAMMA))
    return np.asarray(cv2.convertScaleAbs(grey, alpha=255))


def _sized(part: Shown, size: tuple[int, int]) -> Shown:
    """Return a picture in another size (columns, rows), RGB."""
    shrinks = size[0] < part.shape[1]
    sized = cv2.resize(part, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
    return np.ascontiguousarray(cv2.cvtColor(sized, cv2.COLOR_GRAY2RGB) if sized.ndim == 2 else sized, np.uint8)


def _corners(finding: Found, factor: float, canvas: Shown) -> tuple[int, int, int, int]:
    rows, columns = canvas.shape[:2]
    x, y, width, height = (v * factor for v in finding.box)
    # A little air around the thing: a frame on its outline hides the outline.
    return (
        max(1, round(x) - 3),
        max(1, round(y) - 3),
        min(columns - 2, round(x + width) + 3),
        min(rows - 2, round(y + height) + 3),
    )


def _box(canvas: Shown, finding: Found, factor: float) -> None:
    left, top, right, bottom = _corners(finding, factor, canvas)
    line = max(2, max(canvas.shape) // 400)
    cv2.rectangle(canvas, (left, top), (right, bottom), _WHITE, 2 * line, cv2.LINE_AA)
    cv2.rectangle(canvas, (left, top), (right, bottom), _RED, line, cv2.LINE_AA)


def _label(canvas: Shown, finding: Found, factor: float) -> None:
    rows, columns = canvas.shape[:2]
    left, top, _, bottom = _corners(finding, factor, canvas)
    text = f"{finding.label}  {min(finding.score, 0.99):.0%}"
    scale = max(0.4, max(rows, columns) / 1400)
    weight = 1 if scale < 0.8 else 2
    (width, height), below = cv2.getTextSize(text, _FACE, scale, weight)
    pad = round(10 * scale)
    high = height + below + 2 * pad
    x = max(0, min(left - 2, columns - width - 2 * pad))
    # Above the box, below it where there is no room, inside as the last resort.
    y = top - high if top >= high else bottom if bottom + high <= rows else top
    cv2.rectangle(canvas, (x, y), (x + width + 2 * pad, y + high), _RED, -1)
    cv2.putText(canvas, text, (x + pad, y + pad + height), _FACE, scale, _WHITE, weight, cv2.LINE_AA)
