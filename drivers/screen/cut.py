"""Where one bag ends and the next begins: runs of columns that differ from the background, and the cut itself. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivers.screen.scroll import Frame

Counts = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Rules:
    """What makes a bag.

    Columns with fewer filled pixels than `min_filled` are belt; a belt of `min_gap` columns parts two bags; what is
    smaller than `min_bag` is none; one longer than `max_bag` is cut where it is lightest.
    """

    min_filled: int
    min_gap: int
    min_bag: int
    max_bag: int


@dataclass(frozen=True, slots=True)
class Run:
    """Columns of one bag, `stop` not among them. `closed`: belt follows; `cut`: it was too long and goes on."""

    start: int
    stop: int
    closed: bool
    cut: bool = False


def runs(filled: Counts, rules: Rules) -> list[Run]:
    """Return the bags in a row of columns, from left to right; the last one is open while too little belt follows."""
    on = np.flatnonzero(filled >= rules.min_filled)
    if not on.size:
        return []
    breaks = np.flatnonzero(np.diff(on) > rules.min_gap)
    starts, stops = on[np.r_[0, breaks + 1]], on[np.r_[breaks, on.size - 1]] + 1
    found: list[Run] = []
    for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
        while stop - start > rules.max_bag:
            at = _lightest(filled, start, rules.max_bag)
            found.append(Run(start, at, closed=True, cut=True))
            start = at
        found.append(Run(start, stop, closed=filled.size - stop >= rules.min_gap))
    return found


def _lightest(filled: Counts, start: int, longest: int) -> int:
    """Return the column with the least in it, in the last third of the longest bag there may be."""
    first = start + max(longest - longest // 3, 1)
    return first + int(np.argmin(filled[first : start + longest]))


def extent(off: NDArray[np.bool_]) -> tuple[int, int]:
    """Return the first row that is filled and the one after the last, both 0 where none is.

    A lone speck in a row does not fill it.
    """
    rows = np.flatnonzero(off.sum(axis=1) >= 2)
    return (int(rows[0]), int(rows[-1]) + 1) if rows.size else (0, 0)


def crop(pixels: Frame, known: NDArray[np.bool_], background: tuple[int, int, int], rows: tuple[int, int]) -> Frame:
    """Return the rows of a bag's columns with all that is not known painted in the background's colour; a copy."""
    top, bottom = rows
    picture = pixels[top:bottom].copy()
    picture[~known[top:bottom]] = background
    return picture
