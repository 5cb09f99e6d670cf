"""Whether the display still lives: a clock that shows seconds ticks, or at least something changes. Pure."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from drivers.screen.scroll import Frame
from drivers.screen.settings import Box

Pulse = NDArray[np.float32]
_CLOCK_BLOCK, _WHOLE_BLOCK = 4, 16
#: A block's mean changes by so much when a digit or a bag does, and by less in a video of nothing but noise.
_TICK = 8.0


def pulse(picture: Frame, clock: Box | None) -> Pulse:
    """Return the means of a picture's blocks: of the clock's place where there is one, else of all of it, coarser.

    Too coarse to read a name by.
    """
    x, y, width, height = clock or (0, 0, picture.shape[1], picture.shape[0])
    block = _CLOCK_BLOCK if clock else _WHOLE_BLOCK
    grey = cv2.cvtColor(picture[y : y + height, x : x + width], cv2.COLOR_BGR2GRAY)
    size = (max(width // block, 1), max(height // block, 1))
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.float32)


class Heart:
    """For how long the pulse has stood still."""

    def __init__(self) -> None:
        self._last: Pulse | None = None
        self._ticked_s = 0.0

    def beat(self, pulse: Pulse, now_s: float) -> float:
        """Take the next pulse and return for how many seconds there was no change; `now_s` only ever rises."""
        if self._last is None or self._last.shape != pulse.shape or np.abs(self._last - pulse).max() >= _TICK:
            self._last, self._ticked_s = pulse, now_s
        return now_s - self._ticked_s
