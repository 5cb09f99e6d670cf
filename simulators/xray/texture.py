"""What is flat and irregular: cloth with folds and seams, meshes, circuit boards, as rasters of thickness in mm."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Rng = np.random.Generator
_TILE = 512


@cache
def _tiles() -> tuple[Array, ...]:
    """Noise that wraps around, from rough to cloudy, mean 0 and deviation 1; the same in every process."""
    rng = np.random.default_rng(20_261_121)
    fy, fx = np.fft.fftfreq(_TILE)[:, None], np.fft.rfftfreq(_TILE)[None, :]
    tiles = []
    for slope in (1.2, 1.5, 1.8, 2.1):
        for stretch in (1.0, 2.5):
            distance = np.hypot(fy * stretch, fx)
            distance[0, 0] = np.inf
            shaped = np.fft.rfft2(rng.standard_normal((_TILE, _TILE))) / distance**slope
            tile = np.fft.irfft2(shaped, (_TILE, _TILE))
            tiles.append(((tile - tile.mean()) / tile.std()).astype(np.float32))
    return tuple(tiles)


def noise(rng: Rng, rows: int, columns: int, grain: float | None = None) -> Array:
    """Return cloudy noise of mean about 0 and deviation about 1; `grain` is the zoom (1: the tile's own)."""
    tile = _tiles()[rng.integers(len(_tiles()))]
    zoom = float(rng.uniform(0.5, 2.0)) if grain is None else grain
    angle = rng.uniform(0, 2 * np.pi)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / zoom
    move = np.hstack([turn, rng.uniform(0, _TILE, (2, 1))])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(tile, move, (columns, rows), flags=flags, borderMode=cv2.BORDER_WRAP)


def folds(rng: Rng, rows: int, columns: int) -> Array:
    """Return folds as thickness factors around 1: ridges where cloth doubles, soft plains, pleats, a weave."""
    ridged = np.maximum(1.0 - np.abs(noise(rng, rows, columns)) * rng.uniform(1, 3), 0)
    out = 0.75 + 0.22 * noise(rng, rows, columns) + rng.uniform(0.2, 1.2) * ridged * ridged
    kind = rng.random()
    if kind < 0.3:  # pleats and ribs, bent by the folds
        bend = noise(rng, rows, columns, 2.5) * rng.uniform(4, 14)
        across = np.arange(columns, dtype=np.float32)[None, :] + bend
        out += rng.uniform(0.06, 0.25) * np.sin(across * np.float32(2 * np.pi / rng.uniform(5, 22)))
    elif kind < 0.45:
        out += mesh(rows, columns, int(rng.integers(3, 7)), rng.uniform(0.05, 0.2))
    return np.maximum(out, 0.05).astype(np.float32)


def blob(rng: Rng, rows: int, columns: int, rough: float = 0.2, corners: int = 9) -> Array:
    """Return an irregular filled shape with soft corners, 0 to 1, that fills most of the raster."""
    angles = (np.arange(corners) + rng.uniform(-0.35, 0.35, corners)) * 2 * np.pi / corners
    square = 1 / np.maximum(np.abs(np.cos(angles)), np.abs(np.sin(angles))) ** rng.uniform(0.2, 0.9)
    reach = square * (1 - rough * rng.random(corners)) * 0.45
    points = np.stack([columns * (0.5 + reach * np.cos(angles)), rows * (0.5 + reach * np.sin(angles))], axis=1)
    return fill(curved(points), rows, columns)


def curved(points: NDArray[np.float64], steps: int = 6) -> NDArray[np.float64]:
    """Return a closed smooth line through points [n, k] (Catmull-Rom)."""
    t = np.linspace(0, 1, steps, endpoint=False)[None, :, None]
    a, b, c, d = (np.roll(points, shift, axis=0)[:, None, :] for shift in (1, 0, -1, -2))
    line = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
    return line.reshape(-1, points.shape[1])


def fill(points: NDArray[np.float64], rows: int, columns: int) -> Array:
    """Return a filled polygon, points in pixels (x, y), 0 to 1 with soft edges."""
    mask = np.zeros((rows, columns), np.uint8)
    cv2.fillPoly(mask, [np.round(points * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    return mask.astype(np.float32) / 255


def hem(shape: Array, width: int = 2) -> Array:
    """Return the rim of a shape: where cloth is turned over and sewn."""
    inside = cv2.erode(shape, np.ones((2 * width + 1, 2 * width + 1), np.uint8), borderValue=0)
    return shape - inside


def mesh(rows: int, columns: int, step: int, strength: float = 1.0) -> Array:
    """Return a woven grid of lines."""
    out = np.zeros((rows, columns), np.float32)
    out[::step] += strength
    out[:, ::step] += strength
    return out


def board(rng: Rng, rows: int, columns: int, chips: int) -> tuple[Array, Array, Array]:
    """Return a circuit board's laminate, its plastics (chips, sockets) and its copper and solder, thickness in mm."""
    laminate = np.full((rows, columns), 1.2, np.float32)
    plastic, copper = np.zeros_like(laminate), np.full_like(laminate, 0.04)
    for _ in range(chips):
        w, h = rng.integers(2, max(columns // 5, 4)), rng.integers(2, max(rows // 5, 4))
        x, y = rng.integers(0, max(columns - w, 1)), rng.integers(0, max(rows - h, 1))
        kind = rng.random()
        if kind < 0.5:
            plastic[y : y + h, x : x + w] = rng.uniform(0.8, 3)
            copper[y : y + h, x : x + w] += rng.uniform(0.02, 0.25)
            for side in (y - 1, y + h):
                if 0 <= side < rows:
                    copper[side, x : x + w : 2] += 0.25
        elif kind < 0.8:
            copper[y : y + max(h // 3, 1), x : x + max(w // 3, 1)] += rng.uniform(0.1, 0.9)
        else:
            cv2.rectangle(copper, (int(x), int(y)), (int(x + w), int(y + h)), float(rng.uniform(0.1, 0.4)), 1)
    for _ in range(chips):
        x, y = rng.integers(columns), rng.integers(rows)
        length = int(rng.integers(2, max(columns // 2, 3)))
        if rng.random() < 0.5:
            copper[y, x : x + length] += 0.05
        else:
            copper[y : y + length, x] += 0.05
    return laminate, plastic, copper
