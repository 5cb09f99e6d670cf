"""Puts simulated things into pictures of real bags, as this scanner would have shown them, in more ways than one.

A model can learn the insertion in place of the threat: an edge that is too clean, metal in a colour that this display
never shows. So there are several operators, to be used apart: what is fitted with some is judged with another. Whatever
a picture is compared with goes through the same hands, with nothing put in.

The simulator does the physics; it is imported by those who insert, and never by what judges scans.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import cv2
import numpy as np
from numpy.typing import NDArray

from drivers.contract import Energy, Picture, Polarity
from drivers.errors import ModelError
from inference.normalise import guess_polarity, pixels, reduced, transmission
from inference.scanner import METAL_LEVELS, Scanner
from simulators.xray import Insert, Look, bag_region, into_colour, into_counts, make_insert
from simulators.xray.palette import MOST, smoothed, stuff_of, table
from simulators.xray.physics import IRON, POLYETHYLENE, beam
from simulators.xray.physics import transmission as passing

Rng = np.random.Generator
Mask = NDArray[np.bool_]
Counts = NDArray[np.uint16]
Colours = NDArray[np.uint8]
Floats = NDArray[np.float32]

SIDE = 1024
"""Things are put into pictures of at most this many pixels a side."""

WHITE = 60_000
_BAG_MM = (430.0, 1000.0)
"""The longer side of what a picture shows, where the scanner does not say how large a pixel is: one bag, or two."""
_SEEN_COLOUR, _SEEN_COUNTS = 5.0, 0.008
_METAL_FROM = 96
_HALO_PX = 12
_EFFECTIVE_CM2_G = np.array([0.17, 0.18, 0.5, 3.0], np.float32)
"""Mass attenuation of the simulator's four basis materials at the mean of both detectors' energies, rounded."""


class Operator(StrEnum):
    """How a thing is put in: by physics; by physics and colours that the site's own metal has; by a plain blend."""

    PHYSICS = "physics"
    SITE = "site"
    BLEND = "blend"


@dataclass(frozen=True, slots=True)
class Shot:
    """One view of a bag in a form that things can be put into: counts (clear air at WHITE), or a display's colours.

    `low` is None where there is one energy. `inverted` colours have dark air: `colour` here has bright air.
    """

    view: int
    low: Counts | None = None
    high: Counts | None = None
    colour: Colours | None = None
    inverted: bool = False
    px_mm: float | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns."""
        plane = self.colour if self.colour is not None else self.high
        assert plane is not None  # one of them is there, by construction
        return plane.shape[0], plane.shape[1]

    def pictures(self) -> tuple[Picture, ...]:
        """Return the view as pictures that a model judges."""
        if self.colour is not None:
            shown = 255 - self.colour if self.inverted else self.colour
            polarity = Polarity.AIR_LOW if self.inverted else Polarity.AIR_HIGH
            return (self._picture(shown, Energy.COLOUR, polarity),)
        assert self.high is not None
        if self.low is None:
            return (self._picture(self.high, Energy.SINGLE, Polarity.AIR_HIGH),)
        pair = ((self.low, Energy.LOW), (self.high, Energy.HIGH))
        return tuple(self._picture(counts, energy, Polarity.AIR_HIGH) for counts, energy in pair)

    def bag(self) -> Mask:
        """Return where the bag is."""
        return np.asarray(bag_region(self.colour if self.colour is not None else _grey(self.high)), np.bool_)

    def _picture(self, values: Counts | Colours, energy: Energy, polarity: Polarity) -> Picture:
        rows, columns = values.shape[:2]
        channels = 1 if values.ndim == 2 else 3
        data = np.ascontiguousarray(values).tobytes()
        return Picture(self.view, energy, rows, columns, channels, values.itemsize * 8, data, polarity)


@dataclass(frozen=True, slots=True)
class Inserted:
    """A view with a thing in it: its kind and where it is."""

    shot: Shot
    kind: str
    mask: Mask


def shot_of(group: Sequence[Picture]) -> Shot:
    """Return one view (a group of `inference.look.views`), reduced to SIDE.

    Raises ModelError where a picture cannot be judged, or the two of a pair differ in size.
    """
    first = group[0]
    px_mm = float(np.mean(first.pixel_mm)) if first.pixel_mm else None
    scale = max(1.0, max(first.rows, first.columns) / SIDE)
    px_mm = px_mm * scale if px_mm else None
    if first.channels == 3:
        values = reduced(pixels(first), SIDE)
        rgb = values if first.bits == 8 else (values / ((1 << first.bits) - 1) * 255).round().astype(np.uint8)
        transmission(first)  # refuses what cannot be judged
        polarity = first.polarity
        if polarity is Polarity.UNKNOWN:
            polarity = guess_polarity(np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.float32) / np.float32(255))
        inverted = polarity is Polarity.AIR_LOW
        return Shot(first.view, colour=255 - rgb if inverted else rgb.copy(), inverted=inverted, px_mm=px_mm)
    if len({(picture.rows, picture.columns) for picture in group}) > 1:
        raise ModelError(f"the low and the high energy of view {first.view} differ in size")
    counts = [(reduced(transmission(picture), SIDE) * WHITE + 0.5).astype(np.uint16) for picture in group]
    return Shot(first.view, low=counts[0] if len(counts) > 1 else None, high=counts[-1], px_mm=px_mm)


def insert(shot: Shot, kind: str, scanner: Scanner, how: Operator, rng: Rng) -> Inserted | None:
    """Return the view with a thing of a kind in it, somewhere in the bag, or None where it cannot be seen there."""
    where = shot.bag()
    try:
        thing = make_insert(rng, kind, *shot.size, _px_mm(shot, where, rng), where)
    except ValueError:
        return None  # larger than the picture
    thing = replace(thing, maps=_grainy(_soft(thing.maps, float(rng.uniform(0.3, 1.1))), rng))
    if shot.colour is not None:
        new = replace(shot, colour=_INTO_COLOUR[how](shot.colour, thing, scanner, rng))
        changed = np.abs(new.colour.astype(np.int16) - shot.colour)[thing.truth.mask].mean() > _SEEN_COLOUR  # type: ignore[union-attr]  # just made
    else:
        low, high = _INTO_COUNTS[how](shot, thing, rng)
        new = replace(shot, low=low, high=high)
        assert shot.high is not None
        changed = np.abs(high.astype(np.int32) - shot.high)[thing.truth.mask].mean() > _SEEN_COUNTS * WHITE
    return Inserted(new, kind, thing.truth.mask) if changed else None


def weathered(shot: Shot, rng: Rng) -> Shot:
    """Return a view a little worn all over: blurred, noisy, or compressed once more; edges of insertions with it."""
    how = rng.integers(4)
    if shot.colour is None:
        if how > 1:
            return shot
        blurred = [None if p is None else cv2.GaussianBlur(p, (0, 0), 0.5) for p in (shot.low, shot.high)]
        return replace(shot, low=blurred[0], high=blurred[1])
    if how == 0:
        return replace(shot, colour=cv2.GaussianBlur(shot.colour, (0, 0), float(rng.uniform(0.35, 0.7))))
    if how == 1:
        noisy = shot.colour + rng.normal(0, rng.uniform(0.5, 2.5), shot.colour.shape)
        return replace(shot, colour=np.clip(noisy + 0.5, 0, 255).astype(np.uint8))
    if how == 2:
        _, data = cv2.imencode(".jpg", shot.colour, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(75, 96))])
        return replace(shot, colour=np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8))
    return shot


def _display(scanner: Scanner, rng: Rng) -> Look:
    """Return one of the looks that the scanner may have."""
    return scanner.looks[int(rng.integers(len(scanner.looks)))]


def _px_mm(shot: Shot, where: Mask, rng: Rng) -> float:
    if shot.px_mm:
        return shot.px_mm
    ys, xs = np.flatnonzero(where.any(axis=1)), np.flatnonzero(where.any(axis=0))
    longest = max(int(np.ptp(ys)), int(np.ptp(xs)), 16) if ys.size else max(shot.size)
    return float(rng.uniform(*_BAG_MM)) / longest


def _soft(maps: Floats, sigma_px: float) -> Floats:
    """Return a thing with edges as soft as a detector shows them."""
    return np.stack([cv2.GaussianBlur(plane, (0, 0), sigma_px) if plane.any() else plane for plane in maps])


def _grainy(maps: Floats, rng: Rng) -> Floats:
    """Return a thing with the grain that few photons leave, as matter: more of it the less comes through.

    Low and high energy count different photons: the grain is one of hue, iron for plastic, as well as of darkness.
    """
    dark = np.tensordot(_EFFECTIVE_CM2_G, maps, 1)
    photons = np.exp(rng.uniform(np.log(8_000), np.log(150_000)))
    grain = np.where(dark > 0.01, np.exp(np.minimum(dark, 5.0) / 2) / np.sqrt(photons), 0).astype(np.float32)
    hue, level = (grain * rng.standard_normal(grain.shape, dtype=np.float32) for _ in range(2))
    out = maps.copy()
    out[IRON] += hue / _EFFECTIVE_CM2_G[IRON]
    out[POLYETHYLENE] += (level - hue) / _EFFECTIVE_CM2_G[POLYETHYLENE]
    return out


def _grey(counts: Counts | None) -> Colours:
    assert counts is not None
    return np.repeat((np.minimum(counts, WHITE) * (255 / WHITE)).astype(np.uint8)[..., None], 3, axis=2)


def _by_palette(picture: Colours, thing: Insert, scanner: Scanner, rng: Rng) -> Colours:
    return np.asarray(into_colour(picture, thing, _display(scanner, rng)), np.uint8)


@dataclass(frozen=True, slots=True)
class _Both:
    """Bag and thing in the `window` of the picture where the thing is, as parts of the belt's own light, 0..1.

    `metal` says how metallic the thing is, [rows, columns, 1].
    """

    window: tuple[slice, slice]
    belt: Floats
    bag: Floats
    alone: Floats
    metal: Floats

    def into(self, picture: Colours, shown: Floats) -> Colours:
        """Return the picture with what is shown in the window."""
        out = picture.copy()
        out[self.window] = np.clip(shown * self.belt + 0.5, 0, 255)
        return out


def _both(picture: Colours, thing: Insert, scanner: Scanner, rng: Rng) -> _Both:
    look = _display(scanner, rng)
    belt = np.asarray(look.belt, np.float32)
    window = _around(thing, picture.shape)
    low, high = -np.log(np.maximum(passing(thing.maps[(slice(None), *window)], beam()), 1e-4))
    kind = stuff_of(smoothed(low, look.smear_px), smoothed(high, look.smear_px))
    seen = (low + high) / 2
    sharp = seen + look.sharpen * (seen - smoothed(seen, look.sharpen_px))
    alone = table(look)[kind, np.clip(sharp / MOST * 255, 0, 255).astype(np.intp)].astype(np.float32) / belt
    # Thin matter has every hue: it is the clear air's. Beside the thing the unsharp mask makes a halo of light.
    alone = 1 - (1 - alone) * np.clip(seen / 0.03, 0, 1)[..., None]
    alone = np.where(sharp[..., None] < 0, np.exp(np.clip(-sharp, 0, 0.7))[..., None], np.clip(alone, 0.004, 1))
    metal = np.clip((kind.astype(np.float32) - 64) / (_METAL_FROM - 64), 0, 1)[..., None]
    bag = np.asarray(np.clip(picture[window] / belt, 0.004, 1), np.float32)
    return _Both(window, belt, bag, np.asarray(alone, np.float32), np.asarray(metal, np.float32))


def _around(thing: Insert, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Return where a thing and the halo of its unsharp mask are."""
    x, y, width, height = thing.truth.box
    return (
        slice(max(y - _HALO_PX, 0), min(y + height + _HALO_PX, shape[0])),
        slice(max(x - _HALO_PX, 0), min(x + width + _HALO_PX, shape[1])),
    )


def _by_site(picture: Colours, thing: Insert, scanner: Scanner, rng: Rng) -> Colours:
    """Multiply light; metal gets the colour that the site's own metal of that lightness has."""
    both = _both(picture, thing, scanner, rng)
    product = both.bag * both.alone
    assert scanner.metal is not None
    light = product.mean(axis=2)
    place = np.clip(light * (METAL_LEVELS - 1), 0, METAL_LEVELS - 1)
    ramp = np.stack([np.interp(place, np.arange(METAL_LEVELS), scanner.metal[:, c]) for c in range(3)], axis=2)
    there = np.clip((1 - both.alone.mean(axis=2, keepdims=True)) * 4, 0, 1) * both.metal
    return both.into(picture, product * (1 - there) + light[..., None] * ramp * there)


def _by_blend(picture: Colours, thing: Insert, scanner: Scanner, rng: Rng) -> Colours:
    """Multiply light and mix hues, the denser one's more; nothing gets darker than the bag's darkest place."""
    both = _both(picture, thing, scanner, rng)
    depth_bag, depth_alone = (-np.log(part.mean(axis=2, keepdims=True)) for part in (both.bag, both.alone))
    share = depth_alone**2 / np.maximum(depth_alone**2 + depth_bag**2, 1e-6)
    hue = both.bag ** (1 - share) * both.alone**share
    darkest = max(0.004, float((picture @ (1 / (3 * both.belt))).min()))
    wanted = np.maximum(np.exp(-(depth_bag + depth_alone)), min(0.12, darkest))
    mixed = hue * wanted / np.maximum(hue.mean(axis=2, keepdims=True), 1e-3)
    return both.into(picture, np.where(np.abs(depth_alone) > 1e-3, mixed, both.bag))


def _counts_by_physics(shot: Shot, thing: Insert, rng: Rng) -> tuple[Counts | None, Counts]:
    assert shot.high is not None
    kvp, filter_cu_mm = round(float(rng.uniform(140, 180))), round(float(rng.uniform(0.4, 1.0)), 1)
    low, high = into_counts(shot.low, shot.high, WHITE, thing, kvp, filter_cu_mm)
    return (None if low is None else np.asarray(low, np.uint16)), np.asarray(high, np.uint16)


def _counts_alone(shot: Shot, thing: Insert, rng: Rng) -> tuple[Counts | None, Counts]:
    """Multiply by the thing's own transmission: the bag does not harden the beam for it."""
    through = passing(thing.maps, beam(float(round(rng.uniform(140, 180))), 0.7))
    return _times(shot, through[0], through[1])


def _counts_of_one_energy(shot: Shot, thing: Insert, rng: Rng) -> tuple[Counts | None, Counts]:
    """Attenuate at one mean energy a detector, with a little scattered light; nothing hardens the beam."""
    ray = beam()
    mean = (ray.weight / ray.weight.sum(axis=1, keepdims=True)) @ ray.mu
    factor = float(rng.uniform(0.8, 1.0))
    low, high = (np.exp(-factor * np.tensordot(mu, thing.maps, 1)) * 0.998 + 0.002 for mu in mean)
    return _times(shot, np.asarray(low, np.float32), np.asarray(high, np.float32))


def _times(shot: Shot, low: Floats, high: Floats) -> tuple[Counts | None, Counts]:
    assert shot.high is not None
    new_high = np.asarray(shot.high * high + 0.5, np.uint16)
    return (None if shot.low is None else np.asarray(shot.low * low + 0.5, np.uint16)), new_high


_INTO_COLOUR = {Operator.PHYSICS: _by_palette, Operator.SITE: _by_site, Operator.BLEND: _by_blend}
_INTO_COUNTS = {
    Operator.PHYSICS: _counts_by_physics,
    Operator.SITE: _counts_alone,
    Operator.BLEND: _counts_of_one_energy,
}
assert set(Operator) == _INTO_COLOUR.keys() == _INTO_COUNTS.keys()
