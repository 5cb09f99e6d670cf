"""One view of an item, read once: what the graph is fed from and what is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from drivers.contract import Energy, Picture
from drivers.errors import ModelError
from inference.manifest import Colour
from inference.normalise import Plane, bag_region, pixels, reduced, transmission

Shown = NDArray[np.uint8]

# Where the ratio of log-attenuations, low to high energy, turns from organic (orange) over light metal (green) to
# steel (blue); light elements lie near 1.2, aluminium near 1.5, iron above 2 for spectra of 140 to 160 kV.
_RATIO_STOPS = (1.15, 1.3, 1.5, 2.0)
_HUES = np.array([[0.95, 0.55, 0.10], [0.90, 0.60, 0.15], [0.25, 0.65, 0.25], [0.10, 0.30, 0.80]], np.float32)
_THIN = 0.03


@dataclass(frozen=True)
class Look:
    """A view: `low` and `high` are transmissions of one working size (the same plane where there is one energy).

    `colour` is the picture itself where the device gave colours; `rows`, `columns` are the picture's own size. What is
    made of it is made once.
    """

    view: int
    low: Plane
    high: Plane
    colour: Shown | None
    rows: int
    columns: int

    @property
    def transmission(self) -> Plane:
        """One plane for the view: the high energy's, which sees through more and is what a single energy resembles."""
        return self.high

    @property
    def is_grey(self) -> bool:
        """Whether there is one energy and no colour: nothing to show but brightness."""
        return self.colour is None and self.low is self.high

    @cached_property
    def region(self) -> tuple[int, int, int, int]:
        """Where the item lies in the planes; see `bag_region`."""
        return bag_region(self.transmission)

    def planes(self, colour: Colour) -> Plane:
        """Return the view as a model wants it: rows x columns x channels, 0..1; one channel where all are alike."""
        if colour is Colour.TRANSMISSION:
            return self.transmission[..., None]
        if colour is Colour.HI_LO:
            return np.asarray(np.stack([self.high, self.low], axis=2), np.float32)
        if self.is_grey:
            # In steps of a 255th like every shown picture: what models learned from was stored so.
            return np.asarray(np.rint(self.low * np.float32(255)) / np.float32(255))[..., None]
        shown: Plane = self.shown.astype(np.float32) / np.float32(255)
        if colour is Colour.GRAY:
            return np.asarray(cv2.cvtColor(shown, cv2.COLOR_RGB2GRAY), np.float32)[..., None]
        return shown if colour is Colour.RGB else np.ascontiguousarray(shown[..., ::-1])

    @cached_property
    def shown(self) -> Shown:
        """The view as a screen shows it, RGB: its own colours, colours by material, or grey."""
        if self.colour is not None:
            return self.colour
        if self.is_grey:
            return np.repeat((self.low * 255).round().astype(np.uint8)[..., None], 3, axis=2)
        return _pseudo_colour(self.low, self.high)


def views(pictures: Sequence[Picture]) -> list[tuple[Picture, ...]]:
    """Return the pictures of a scan as looks to take, by view: a single one, or a pair (low energy, high energy)."""
    waiting: dict[int, Picture] = {}
    found: list[tuple[Picture, ...]] = []
    for picture in pictures:
        if picture.energy not in (Energy.LOW, Energy.HIGH):
            found.append((picture,))
            continue
        other = waiting.pop(picture.view, None)
        if other is None or other.energy is picture.energy:
            waiting[picture.view] = picture
            if other is not None:
                found.append((other,))
        else:
            found.append((picture, other) if picture.energy is Energy.LOW else (other, picture))
    found.extend((picture,) for picture in waiting.values())
    return sorted(found, key=lambda group: group[0].view)


def look_at(group: tuple[Picture, ...], judged: bool = False) -> Look:
    """Return the look that one group of `views` gives; those that were `judged` before can be, that is known.

    Raises ModelError where a picture cannot be judged, or the two of a pair differ in size.
    """
    return _single(group[0], judged) if len(group) == 1 else _pair(group[0], group[1], judged)


def _single(picture: Picture, judged: bool) -> Look:
    plane = transmission(picture, judged)
    return Look(picture.view, plane, plane, _own_colours(picture), picture.rows, picture.columns)


def _own_colours(picture: Picture) -> Shown | None:
    if picture.channels != 3:
        return None
    values = reduced(pixels(picture))
    return values if picture.bits == 8 else (values / ((1 << picture.bits) - 1) * 255).round().astype(np.uint8)


def _pair(low: Picture, high: Picture, judged: bool) -> Look:
    if (low.rows, low.columns) != (high.rows, high.columns):
        raise ModelError(f"the low and the high energy of view {low.view} differ in size")
    return Look(low.view, transmission(low, judged), transmission(high, judged), None, low.rows, low.columns)


def _pseudo_colour(low: Plane, high: Plane) -> Shown:
    """Return hue by the ratio of attenuations (material), value by attenuation, as screeners know it."""
    # Channel by channel and in place: along a last axis of three NumPy is several times as slow.
    a_low, a_high = (np.negative(np.log(np.clip(p, 0.004, 1))) for p in (low, high))
    ratio = np.asarray(cv2.blur(a_low, (3, 3)) / np.maximum(cv2.blur(a_high, (3, 3)), _THIN))
    # How far the ratio has come into each stretch between two stops: a hue is the sum of its changes over them.
    ways = [np.clip(ratio, start, end) - np.float32(start) for start, end in pairwise(_RATIO_STOPS)]
    depth = (a_low + a_high) / 2
    # White where there is nothing, full hue at an attenuation of about 1, then darker to black.
    covered = np.clip(depth / np.float32(0.9), 0, 1)
    value = np.exp(np.maximum(depth - np.float32(0.9), 0) / np.float32(-1.6)) * np.float32(255)
    channels = []
    for hues in _HUES.T:
        hue = np.full_like(ratio, hues[0])
        for way, change, start, end in zip(ways, np.diff(hues), _RATIO_STOPS, _RATIO_STOPS[1:], strict=False):
            hue += way * np.float32(change / (end - start))
        hue -= 1
        hue *= covered
        hue += 1
        hue *= value
        channels.append(np.rint(np.clip(hue, 0, 255, out=hue), out=hue).astype(np.uint8))
    return np.asarray(cv2.merge(channels), np.uint8)
