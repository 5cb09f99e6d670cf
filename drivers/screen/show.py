"""What the display shows, from one picture: its background, its palette, whether it is part of another, magnified."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, repeat

import cv2
import numpy as np
from numpy.typing import NDArray

from drivers.screen.scroll import Frame

Colour = tuple[int, int, int]

#: A background is the colour that a sample has most of; an empty belt in the light is at least this bright.
LIGHT = 110
#: So far (of 255, any of B, G, R) a pixel may lie from the background and still be background.
NEAR = 12
#: A known background stays while so much of the picture has its colour.
STAYS = 0.05
#: A picture of one colour: this part of it lies within NEAR of one value.
UNIFORM = 0.995
_STEP = 4
_TELLING = 50
_ZOOM_SIDE = 120
_ZOOM_SCALES = tuple(accumulate(repeat(1.06, 33), lambda scale, by: scale * by, initial=1.2))
_ZOOM_AGREES = 0.88
_ZOOM_MIN_SPREAD = 8.0


def background(frame: Frame, valid: NDArray[np.bool_], known: Colour | None) -> tuple[Colour, float]:
    """Return the colour (B, G, R) of the empty belt and the part of the picture that has it.

    It is the known one while that is still to be seen, else the commonest.
    """
    sample = frame[::_STEP, ::_STEP][valid[::_STEP, ::_STEP]]
    if not sample.size:
        return known or (255, 255, 255), 0.0
    if known is not None and (share := _share(sample, known)) >= STAYS:
        return known, share
    luma = (sample @ np.array([0.114, 0.587, 0.299])).astype(np.int32)
    peak = int(np.argmax(np.bincount(luma // 8, minlength=32)))
    most = np.median(sample[luma // 8 == peak], axis=0)
    colour = (int(most[0]), int(most[1]), int(most[2]))
    return colour, _share(sample, colour)


def _share(sample: NDArray[np.uint8], colour: Colour) -> float:
    return 1 - float(_off(sample, colour, NEAR).mean())


def _off(sample: NDArray[np.uint8], colour: Colour, by: int) -> NDArray[np.bool_]:
    """Return which of a row of colours lie further than `by` from one, in any of B, G, R."""
    low, high = (tuple(value + sign * by for value in colour) for sign in (-1, 1))
    near: NDArray[np.bool_] = cv2.inRange(np.ascontiguousarray(sample)[None], low, high)[0] == 0
    return near


def is_light(colour: Colour) -> bool:
    """Return whether a background is that of a display in its normal mode, and not of one with colours inverted."""
    return 0.114 * colour[0] + 0.587 * colour[1] + 0.299 * colour[2] >= LIGHT


def is_lost(frame: Frame) -> bool:
    """Return whether a whole picture is of one colour that no display in its normal mode has: black, blue."""
    sample = frame[::8, ::8].reshape(-1, 3)
    middle = np.median(sample, axis=0)
    colour = (int(middle[0]), int(middle[1]), int(middle[2]))
    return not is_light(colour) and _share(sample, colour) >= UNIFORM


@dataclass(frozen=True, slots=True)
class Palette:
    """How often which hue and strength of colour occurs in what is no background; empty where too little is."""

    share: NDArray[np.float32]
    size: int

    @staticmethod
    def of(frame: Frame, valid: NDArray[np.bool_], background: Colour) -> Palette:
        """Return the palette of a picture."""
        sample = frame[::_STEP, ::_STEP][valid[::_STEP, ::_STEP]]
        sample = sample[_off(sample, background, 2 * NEAR)]
        if not sample.size:
            return Palette(np.zeros(0, np.float32), 0)
        hsv = cv2.cvtColor(sample.reshape(1, -1, 3), cv2.COLOR_BGR2HSV)[0]
        bins = (hsv[:, 0].astype(np.int32) * 12 // 180) * 4 + hsv[:, 1] // 64
        bins = np.where(hsv[:, 1] < 40, 48, bins)  # grey has no hue worth the name
        count = np.bincount(bins, minlength=49).astype(np.float32)
        return Palette(count / count.sum(), int(sample.shape[0]))

    @property
    def grey(self) -> float:
        """The part of it that has no colour."""
        return float(self.share[-1]) if self.size else 0.0

    def blended(self, before: Palette | None) -> Palette:
        """Return a slow mean of palettes, this one the latest."""
        if before is None or not before.size:
            return self
        if not self.size:
            return before
        return Palette(0.8 * before.share + 0.2 * self.share, max(before.size, self.size))

    @property
    def telling(self) -> bool:
        """Whether there is enough of it to compare it with another."""
        return self.size >= _TELLING

    def like(self, other: Palette) -> float:
        """Return how much two palettes have in common, 0 to 1."""
        return float(np.minimum(self.share, other.share).sum())


def is_magnified(picture: Frame, of: Frame, valid: NDArray[np.bool_], background: Colour) -> bool:
    """Return whether `picture` shows a part of `of` magnified, 1.2 to 8 times, inverted or not.

    What is not `valid`, behind a mask, counts as `background`.
    """
    picture, of = (np.where(valid[..., None], each, np.array(background, np.uint8)) for each in (picture, of))
    rows, columns = of.shape[:2]
    small = _ZOOM_SIDE / max(rows, columns)
    whole = _grey(of, (round(columns * small), round(rows * small)))
    for scale in _ZOOM_SCALES:
        size = (round(columns * small / scale), round(rows * small / scale))
        part = _grey(picture, size)
        if min(size) < 8 or float(part.std()) < _ZOOM_MIN_SPREAD:
            continue
        agrees = cv2.matchTemplate(whole, part, cv2.TM_CCOEFF_NORMED)
        if max(agrees.max(), -agrees.min()) >= _ZOOM_AGREES:  # an inverted part agrees too, the other way round
            return True
    return False


def _grey(picture: Frame, size: tuple[int, int]) -> Frame:
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)
