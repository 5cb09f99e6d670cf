"""From a picture as captured to the part that is followed: masks painted out first, then the region, turned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivers.screen.scroll import Frame
from drivers.screen.settings import Box, Direction

#: So many columns where new ones come in are left alone: there the video mixes the picture with its frame.
EDGE = 4
MASK_COLOUR = (0, 0, 0)


@dataclass(frozen=True, slots=True)
class Ingest:
    """What is done to every picture before anything else sees it; boxes are x, y, width, height in its pixels."""

    region: Box
    masks: tuple[Box, ...]
    direction: Direction

    def paint(self, picture: Frame) -> None:
        """Paint the masks out, in place."""
        for x, y, width, height in self.masks:
            picture[y : y + height, x : x + width] = MASK_COLOUR

    def part(self, picture: Frame) -> Frame:
        """Return the region of a picture turned so that it moves left; without the edge where columns come in."""
        x, y, width, height = self.region
        turned = _turned(picture[y : y + height, x : x + width], self.direction)
        return np.ascontiguousarray(turned[:, :-EDGE])

    def valid(self) -> NDArray[np.bool_]:
        """Return which pixels of `part` lie behind no mask."""
        x, y, width, height = self.region
        shown = np.zeros((y + height, x + width, 1), np.uint8)
        for left, top, across, down in self.masks:
            shown[top : top + down, left : left + across] = 1
        valid: NDArray[np.bool_] = self.part(shown)[..., 0] == 0
        return valid

    def back(self, part: Frame) -> Frame:
        """Return a cut of the turned region as the display shows it."""
        return np.ascontiguousarray(_turned_back(part, self.direction))


def _turned(picture: Frame, direction: Direction) -> Frame:
    if direction in (Direction.UP, Direction.DOWN):
        picture = picture.swapaxes(0, 1)
    return picture[:, ::-1] if direction in (Direction.RIGHT, Direction.DOWN) else picture


def _turned_back(part: Frame, direction: Direction) -> Frame:
    if direction in (Direction.RIGHT, Direction.DOWN):
        part = part[:, ::-1]
    return part.swapaxes(0, 1) if direction in (Direction.UP, Direction.DOWN) else part
