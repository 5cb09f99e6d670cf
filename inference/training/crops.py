"""Crops of simulated bags as some screen might show them: the default model's lessons, one more each time it asks."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.look import _pseudo_colour
from simulators.xray import Look
from simulators.xray.palette import colour

SIDE = 256
STRIDE = 4
BAG_SIDE = 448
"""The side that the appliance brings a bag to before the network sees it."""

Rng = np.random.Generator
Crop = tuple[NDArray[np.uint8], NDArray[np.uint8]]


def crops(folder: Path, seed: int, groups: int) -> Iterator[Crop]:
    """Yield (picture, target) for ever: RGB uint8 [SIDE, SIDE, 3] and uint8 [groups, SIDE/4, SIDE/4]."""
    rng = np.random.default_rng(seed)
    files: list[Path] = []
    for number in itertools.count():
        if number % 500 == 0:  # scenes may still be coming
            files = sorted(folder.glob("???????.npz"))
        scene = np.load(files[rng.integers(len(files))])
        low, high, mask = scene["low"], scene["high"], scene["mask"]
        white, kvp, filter_cu_mm, _ = (float(v) for v in scene["about"])
        if rng.random() < 0.15:
            low, high = _plain(low, high, white, rng)
        top, left, side = _where(high, mask, white, rng)
        low, high, mask = (_cut(p, top, left, side, fill) for p, fill in ((low, white), (high, white), (mask, 0)))
        low, high, mask = _turned(rng, low, high, mask)
        size = (SIDE, SIDE)
        how = cv2.INTER_AREA if side > SIDE else cv2.INTER_LINEAR
        low, high = cv2.resize(low, size, interpolation=how), cv2.resize(high, size, interpolation=how)
        yield _shown(low, high, white, kvp, filter_cu_mm, rng), _target(mask, groups)


def _where(high: NDArray[Any], mask: NDArray[Any], white: float, rng: Rng) -> tuple[int, int, int]:
    """Return top, left and side of a square to cut, at a scale near the one that the appliance brings bags to."""
    stuff = cv2.blur(high, (5, 5)) < 0.9 * white
    ys, xs = np.flatnonzero(stuff.any(1)), np.flatnonzero(stuff.any(0))
    rows, columns = high.shape
    bag = max(np.ptp(ys), np.ptp(xs)) if ys.size and xs.size else max(rows, columns)
    side = int(SIDE / BAG_SIDE * max(bag, 100) * np.exp(rng.uniform(-0.5, 0.55)))
    if mask.any() and rng.random() < 0.75:
        my, mx = np.nonzero(mask)
        pick = rng.integers(my.size)
        y, x = int(my[pick]), int(mx[pick])
    elif ys.size and xs.size:
        y, x = int(rng.integers(ys[0], ys[-1] + 1)), int(rng.integers(xs[0], xs[-1] + 1))
    else:
        y, x = rows // 2, columns // 2
    spread = 0.35 * side
    return int(y + rng.uniform(-spread, spread) - side / 2), int(x + rng.uniform(-spread, spread) - side / 2), side


def _cut(plane: NDArray[Any], top: int, left: int, side: int, fill: float) -> NDArray[Any]:
    """Return a square of a plane; what lies outside it is `fill`."""
    out = np.full((side, side), fill, plane.dtype)
    rows, columns = plane.shape
    y0, y1, x0, x1 = max(top, 0), min(top + side, rows), max(left, 0), min(left + side, columns)
    if y1 > y0 and x1 > x0:
        out[y0 - top : y1 - top, x0 - left : x1 - left] = plane[y0:y1, x0:x1]
    return out


def _turned(rng: Rng, *planes: NDArray[Any]) -> list[NDArray[Any]]:
    turns, flip = int(rng.integers(4)), bool(rng.random() < 0.5)
    out = [np.rot90(plane, turns) for plane in planes]
    return [np.ascontiguousarray(plane[:, ::-1] if flip else plane) for plane in out]


def _plain(low: NDArray[Any], high: NDArray[Any], white: float, rng: Rng) -> tuple[NDArray[Any], NDArray[Any]]:
    """Add an even cloth or board over everything, so that the darkness of a thing alone decides nothing."""
    share = float(rng.uniform(0.55, 0.95))
    return (low * share).astype(low.dtype), (high * share ** float(rng.uniform(0.75, 0.95))).astype(high.dtype)


def _shown(
    low: NDArray[Any], high: NDArray[Any], white: float, kvp: float, filter_cu_mm: float, rng: Rng
) -> NDArray[np.uint8]:
    """Return the crop as one of many screens shows it, or as the appliance colours raw energies itself."""
    style = rng.random()
    if style < 0.12:
        own_low, own_high = (np.clip(p.astype(np.float32) / white, 0, 1) for p in (low, high))
        picture = _pseudo_colour(own_low, own_high)
    elif style < 0.27:
        gamma = float(rng.choice([1.0, 1.0, 0.6, 0.45]))
        grey = np.clip(high.astype(np.float32) / white, 0, 1) ** gamma
        picture = np.repeat((grey * 255).astype(np.uint8)[..., None], 3, axis=2)
    else:
        look = replace(Look.random(rng), inverse=False)
        picture = colour(low, high, round(white), look, kvp, filter_cu_mm)
    return _as_exported(picture, rng)


def _as_exported(picture: NDArray[np.uint8], rng: Rng) -> NDArray[np.uint8]:
    """Return a picture after an export: contrast and tint off, softened or not, compressed or not."""
    values: NDArray[Any] = picture.astype(np.float32)
    values = (values - 255) * rng.uniform(0.8, 1.2) + 255 - rng.uniform(0, 12)
    values *= 1 + rng.normal(0, 0.025, 3)
    if rng.random() < 0.25:
        values = cv2.GaussianBlur(values, (0, 0), float(rng.uniform(0.4, 1.1)))
    values += rng.normal(0, rng.uniform(0, 4), values.shape)
    out = np.clip(values, 0, 255).astype(np.uint8)
    if rng.random() < 0.5:
        quality = int(rng.integers(45, 95))
        _, data = cv2.imencode(".jpg", out, [cv2.IMWRITE_JPEG_QUALITY, quality])
        out = cv2.imdecode(data, cv2.IMREAD_COLOR)
    return np.ascontiguousarray(out)


def _target(mask: NDArray[np.uint8], groups: int) -> NDArray[np.uint8]:
    small = SIDE // STRIDE
    out = np.zeros((groups, small, small), np.uint8)
    for group in np.unique(mask):
        if group:
            share = cv2.resize((mask == group).astype(np.float32), (small, small), interpolation=cv2.INTER_AREA)
            out[group - 1] = share > 0.3
    return out
