"""From a look to the tensors that a graph takes, and the way back from the tensor's pixels to the picture's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.look import Look
from inference.manifest import ImageInput, Input, MaskInput, Resize, SizeInput
from inference.normalise import Plane

Tensor = NDArray[Any]
Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a part of the picture lies in the tensor: tensor = (picture - origin) x scale + offset, on each axis.

    `size` and `origin` are in the picture's own pixels: the part that was used. `used` is left, top, right, bottom of
    that part in the tensor.
    """

    origin: tuple[float, float]
    size: tuple[float, float]
    scale: tuple[float, float]
    offset: tuple[float, float]
    used: Box
    picture: tuple[int, int]

    def point(self, x: float, y: float) -> tuple[float, float]:
        """Return a point of the tensor in the picture's own pixels, moved into the picture where it lies outside."""
        px = (x - self.offset[0]) / self.scale[0] + self.origin[0]
        py = (y - self.offset[1]) / self.scale[1] + self.origin[1]
        return min(max(px, 0.0), float(self.picture[0])), min(max(py, 0.0), float(self.picture[1]))

    def box(self, left: float, top: float, right: float, bottom: float) -> Box:
        """Return a box of the tensor as x, y, width, height in the picture's own pixels."""
        (x0, y0), (x1, y1) = self.point(left, top), self.point(right, bottom)
        return x0, y0, x1 - x0, y1 - y0

    def orig_box(self, left: float, top: float, right: float, bottom: float) -> Box:
        """Return a box in pixels of the part that was used, as models given `orig_size` answer, as `box` does."""
        x, y = self.origin
        x0, x1 = (min(max(v + x, 0.0), float(self.picture[0])) for v in (left, right))
        y0, y1 = (min(max(v + y, 0.0), float(self.picture[1])) for v in (top, bottom))
        return x0, y0, x1 - x0, y1 - y0


def prepare(look: Look, inputs: tuple[Input, ...]) -> tuple[dict[str, Tensor], Placement]:
    """Return the tensors of each input by name, and where the picture lies in the image input."""
    image = next(i for i in inputs if isinstance(i, ImageInput))
    planes = look.planes(image.colour)
    rows, columns = planes.shape[:2]
    region = look.region if image.region == "bag" else (0, 0, columns, rows)
    canvas, placement = place(planes, region, image, (look.columns, look.rows))
    feeds: dict[str, Tensor] = {}
    for spec in inputs:
        if isinstance(spec, ImageInput):
            feeds[spec.name] = _tensor(canvas, spec)
        elif isinstance(spec, SizeInput):
            width, height = (round(v) for v in placement.size)
            feeds[spec.name] = np.array([[width, height] if spec.order == "wh" else [height, width]], spec.dtype)
        elif isinstance(spec, MaskInput):
            feeds[spec.name] = _mask(image.size, placement.used, spec.dtype)
    return feeds, placement


def place(
    planes: Plane, region: tuple[int, int, int, int], image: ImageInput, picture: tuple[int, int]
) -> tuple[Plane, Placement]:
    """Return the region of `planes` laid into the input's size, and where it lies.

    `picture` is columns, rows of the picture that `planes` were reduced from.
    """
    left, top, right, bottom = region
    rows, columns = image.size
    width, height = right - left, bottom - top
    fx, fy = columns / width, rows / height
    if image.resize is Resize.LETTERBOX:
        fx = fy = min(fx, fy)
    elif image.resize is Resize.CROP:
        fx = fy = max(fx, fy)
        keep_w, keep_h = min(width, round(columns / fx)), min(height, round(rows / fy))
        left, top = left + (width - keep_w) // 2, top + (height - keep_h) // 2
        width, height = keep_w, keep_h
    new_w, new_h = min(columns, max(1, round(width * fx))), min(rows, max(1, round(height * fy)))
    part = _resize(planes[top : top + height, left : left + width], new_w, new_h)
    dx, dy = (0, 0) if image.anchor == "top_left" else ((columns - new_w) // 2, (rows - new_h) // 2)
    canvas = np.full((rows, columns, planes.shape[2]), image.pad, np.float32)
    canvas[dy : dy + new_h, dx : dx + new_w] = part
    own_x, own_y = picture[0] / planes.shape[1], picture[1] / planes.shape[0]
    return canvas, Placement(
        origin=(left * own_x, top * own_y),
        size=(width * own_x, height * own_y),
        scale=(new_w / (width * own_x), new_h / (height * own_y)),
        offset=(dx, dy),
        used=(dx, dy, dx + new_w, dy + new_h),
        picture=picture,
    )


def _resize(planes: Plane, width: int, height: int) -> Plane:
    shrinks = width * height < planes.shape[0] * planes.shape[1]
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    resized = np.asarray(cv2.resize(planes, (width, height), interpolation=interpolation))
    return resized.reshape(height, width, planes.shape[2])


def _tensor(canvas: Plane, image: ImageInput) -> Tensor:
    # Channel by channel: along a last axis of three NumPy is several times as slow.
    values: Tensor = np.empty((image.colour.channels, *canvas.shape[:2]), np.float32)
    for channel, plane in enumerate(values):
        source = canvas[..., channel if canvas.shape[2] > 1 else 0]
        np.multiply(source, np.float32(image.scale), out=plane)
        if image.mean:
            plane -= np.float32(image.mean[channel])
        if image.std:
            plane /= np.float32(image.std[channel])
    if image.dtype == "uint8":
        values = np.clip(np.rint(values), 0, 255)
    if image.layout != "nchw":
        values = values.transpose(1, 2, 0)
    return np.ascontiguousarray(values[None], dtype=image.dtype)


def _mask(size: tuple[int, int], used: Box, dtype: str) -> Tensor:
    mask = np.zeros((1, *size), dtype)
    left, top, right, bottom = (int(v) for v in used)
    mask[:, top:bottom, left:right] = 1
    return mask
