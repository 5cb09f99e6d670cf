"""The strip: everything that has scrolled through the picture's region, put together column by column.

Columns are counted from the start of the strip and keep their number. Each pixel is taken from the first frame that
shows it uncovered: what lies behind a mask when it comes in is filled in once it has scrolled out from behind it.
"""

from __future__ import annotations

from enum import IntEnum

import cv2
import numpy as np
from numpy.typing import NDArray

from drivers.screen.scroll import Frame

Bits = NDArray[np.bool_]


def solid(pixels: Frame, background: tuple[int, int, int], threshold: int) -> Bits:
    """Return which BGR pixels differ from the background, by more than `threshold` in any value, with the one above.

    A lone pixel is the scanner's noise.
    """
    differs = cv2.absdiff(np.ascontiguousarray(pixels), (*background, 0))
    off: Bits = cv2.max(cv2.max(differs[..., 0], differs[..., 1]), differs[..., 2]) > threshold
    off[1:] &= off[:-1].copy()
    off[0] = False
    return off


class Seen(IntEnum):
    """How well a pixel of the strip is known: not at all, as an enhancement showed it, or as it is normally shown."""

    NOT = 0
    ENHANCED = 1
    NORMAL = 2


class Strip:
    """A strip of frames of one size; `valid` says which of their pixels are behind no mask (bool [rows, columns])."""

    def __init__(self, valid: Bits) -> None:
        self._valid = valid
        self.rows, self.width = valid.shape
        self.hidden: Bits = np.logical_not(valid.any(axis=1))
        """Rows that a mask covers over the whole width: nothing is ever seen there."""
        self._keep = 6 * self.width
        self._pixels = np.zeros((self.rows, self._keep, 3), np.uint8)
        self._seen = np.zeros((self.rows, self._keep), np.uint8)
        self._full = np.zeros(self._keep, np.bool_)
        self._filled = np.zeros(self._keep, np.int32)
        self.begin = self.end = 0
        self._base = 0

    def restart(self) -> int:
        """Forget every column and return the number of the next one, which no earlier one had."""
        self._base = self.begin = self.end = self.end + self.width
        self._clear(0, self._keep)
        return self.begin

    def truncate(self, end: int) -> None:
        """Forget the columns from `end` on: they went back into the tunnel, and something else comes out."""
        if self.begin <= end < self.end:
            self._clear(end - self._base, self.end - self._base)
            self.end = end

    def forget(self, before: int) -> None:
        """Let go of the columns below `before`."""
        self.begin = max(self.begin, min(before, self.end))

    def place(
        self, frame: Frame, left: int, background: tuple[int, int, int], quality: Seen, threshold: int
    ) -> tuple[int, int]:
        """Put in what a BGR frame shows whose left column is number `left`; return the range of changed columns.

        A pixel differs from the background where any of its values does by more than `threshold`.
        """
        start, stop = max(left, self.begin), left + self.width
        if stop <= start:
            return stop, stop
        self._make_room(stop)
        open_columns = np.flatnonzero(~self._done(start, stop, quality))
        if not open_columns.size:
            return stop, stop
        first, last = start + int(open_columns[0]), start + int(open_columns[-1]) + 1
        here = slice(first - self._base, last - self._base)
        there = slice(first - left, last - left)
        seen = self._seen[:, here]
        take = (seen < quality) & self._valid[:, there]
        self._pixels[:, here][take] = frame[:, there][take]
        seen[take] = quality
        off = solid(self._pixels[:, here], background, threshold) & (seen > Seen.NOT)
        self._filled[here] = np.where(take.any(axis=0), off.sum(axis=0), self._filled[here])
        self._full[here] = ((seen == Seen.NORMAL) | self.hidden[:, None]).all(axis=0)
        self.end = max(self.end, stop)
        return first, last

    def _done(self, start: int, stop: int, quality: Seen) -> Bits:
        full = self._full[start - self._base : stop - self._base]
        if quality is Seen.NORMAL:
            return full
        known = self._seen[:, start - self._base : stop - self._base] >= quality
        done: Bits = full | (known | self.hidden[:, None]).all(axis=0)
        return done

    def filled(self, start: int, stop: int) -> NDArray[np.int32]:
        """Return for each column how many of its pixels differ from the background."""
        return self._filled[start - self._base : stop - self._base]

    def pixels(self, start: int, stop: int) -> tuple[Frame, NDArray[np.uint8]]:
        """Return the columns as BGR pixels and how well each is known (`Seen`); views, not copies."""
        here = slice(start - self._base, stop - self._base)
        return self._pixels[:, here], self._seen[:, here]

    def whole(self, start: int, stop: int) -> bool:
        """Return whether everything in these columns that can be seen was seen as it is normally shown."""
        return bool(self._full[start - self._base : stop - self._base].all())

    def enhanced(self, start: int, stop: int) -> bool:
        """Return whether anything in these columns was seen only as an enhancement showed it."""
        return bool((self._seen[:, start - self._base : stop - self._base] == Seen.ENHANCED).any())

    def _make_room(self, stop: int) -> None:
        if stop - self._base <= self._keep:
            return
        keep_from = max(self.begin, stop - self._keep + 2 * self.width)
        move = keep_from - self._base
        for array in (self._pixels, self._seen):
            array[:, : self._keep - move] = array[:, move:]
        for line in (self._full, self._filled):
            line[: self._keep - move] = line[move:]
        self._clear(self._keep - move, self._keep)
        self._base = self.begin = keep_from

    def _clear(self, start: int, stop: int) -> None:
        self._pixels[:, start:stop] = 0
        self._seen[:, start:stop] = Seen.NOT
        self._full[start:stop] = False
        self._filled[start:stop] = 0
