"""Small export files of every kind, made by OpenCV."""

from __future__ import annotations

import cv2
import numpy as np


def grey16(seed: int = 1, rows: int = 40, columns: int = 60) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 65536, (rows, columns), dtype=np.uint16)


def grey8(seed: int = 1, rows: int = 40, columns: int = 60) -> np.ndarray:
    return (grey16(seed, rows, columns) >> 8).astype(np.uint8)


def colour8(seed: int = 1, rows: int = 40, columns: int = 60) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (rows, columns, 3), dtype=np.uint8)


def coded(extension: str, rgb_or_grey: np.ndarray) -> bytes:
    """Return an array as a file; colour arrays are RGB."""
    array = rgb_or_grey[..., ::-1] if rgb_or_grey.ndim == 3 else rgb_or_grey
    ok, data = cv2.imencode(extension, np.ascontiguousarray(array))
    assert ok
    return data.tobytes()


FILES = {
    "grey16.png": coded(".png", grey16()),
    "grey8.png": coded(".png", grey8()),
    "colour.png": coded(".png", colour8()),
    "colour16.png": coded(".png", colour8().astype(np.uint16) * 257),
    "grey.jpg": coded(".jpg", grey8()),
    "colour.jpg": coded(".jpg", colour8()),
    "grey16.tif": coded(".tif", grey16()),
    "grey8.tif": coded(".tif", grey8()),
    "colour.tif": coded(".tif", colour8()),
    "colour16.tif": coded(".tif", colour8().astype(np.uint16) * 257),
}
