"""Bags as tiles of a screen: simulated scans, coloured and cut out, with what is in them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from simulators.xray import Look, SimScan, make_scan, render

Picture = NDArray[np.uint8]
_OFF = 20
_PARTED = 6
_MIN_COLUMNS = 60
_TRIES = 50


@dataclass(frozen=True, slots=True)
class Tile:
    """One bag: its picture (BGR, cut to the bag), its seed, and its threats with boxes in the tile's own pixels."""

    picture: Picture
    seed: int
    bag: str
    threats: tuple[dict[str, object], ...]


def tile(seed: int, threat: str | None, rows: int, columns: int, look: Look) -> Tile:
    """Return a bag in one piece, from a scan of so many pixels; other seeds are tried until one gives that."""
    for attempt in range(_TRIES):
        number = seed + attempt * 7_919
        scan = make_scan(number, threat, rows, columns)
        picture = render(scan, replace(look, jpeg=0))
        calm = cv2.medianBlur(picture, 5).astype(np.int16)  # the scanner's own noise on the empty belt is no bag
        off = np.abs(calm - np.array(look.belt, np.int16)).max(axis=2) > _OFF
        left, right = _longest(off)
        ys = np.flatnonzero(off[:, left:right].any(axis=1))
        if right - left < _MIN_COLUMNS:
            continue
        top, bottom = int(ys[0]), int(ys[-1]) + 1
        threats = tuple(_threats(scan, left, top))
        if all(t["box"][0] >= 0 and t["box"][0] + t["box"][2] <= right - left for t in threats):
            cut = np.ascontiguousarray(picture[top:bottom, left:right, ::-1])
            return Tile(cut, number, scan.bag, threats)
    raise ValueError(f"no bag of seed {seed} comes in one piece of {columns} x {rows} pixels")


def _threats(scan: SimScan, left: int, top: int) -> list[dict]:
    return [
        {"label": t.label, "category": t.category, "kind": t.kind, "box": _moved(t.box, left, top)} for t in scan.truth
    ]


def _moved(box: tuple[int, int, int, int], left: int, top: int) -> list[int]:
    return [int(box[0] - left), int(box[1] - top), int(box[2]), int(box[3])]


def _longest(off: NDArray[np.bool_]) -> tuple[int, int]:
    """Return the first column and the one after the last of the longest piece between which no belt shows."""
    on = np.flatnonzero(off.sum(axis=0) >= 3)
    if not on.size:
        return 0, 0
    breaks = np.flatnonzero(np.diff(on) > _PARTED)
    starts, stops = on[np.r_[0, breaks + 1]], on[np.r_[breaks, on.size - 1]] + 1
    best = int(np.argmax(stops - starts))
    return int(starts[best]), int(stops[best])
