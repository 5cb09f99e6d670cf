"""Threat image projection: a threat put into a picture of a real, benign bag, as the scanner would have shown it.

Attenuations add; they do not multiply in colours. So the picture is first read back as matter: each pixel's attenuation
and place between organic and metal give g/cm2 of polyethylene, aluminium and iron that look alike. The threat's own
g/cm2 are added, and what the beam makes of the sum replaces the pixel, in counts or in the display's own colours. What
the reading-back could not explain (noise, texture, JPEG) stays as it was.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from simulators.xray import palette
from simulators.xray.bag import THINGS, Truth, extent
from simulators.xray.canvas import Canvas
from simulators.xray.palette import Look
from simulators.xray.physics import ALUMINIUM, IRON, POLYETHYLENE, Beam, Maps, Scan16, beam, transmission
from simulators.xray.solids import Part, moved, rotation
from simulators.xray.threats import THREATS, Kind

Rng = np.random.Generator
RGB = NDArray[np.uint8]
KINDS = {**{name: Kind(make, name, "OTHER") for name, make in THINGS.items()}, **THREATS}
"""What can be put into a picture: every threat, and every ordinary thing, which must not alarm."""


@dataclass(frozen=True, slots=True)
class Insert:
    """A thing alone: maps (g/cm2, [4, rows, columns]) the size of the picture, and its truth there."""

    maps: Maps
    truth: Truth


def make_insert(
    rng: Rng, kind: str, rows: int, columns: int, px_mm: float, where: NDArray[np.bool_] | None = None
) -> Insert:
    """Return a thing of a kind of `KINDS`, in any pose, somewhere in a picture, by preference within `where` (the bag).

    Raises KeyError for a kind that is not known.
    """
    best, least = None, np.inf
    inside = np.argwhere(where) if where is not None and where.any() else None
    for _ in range(12):
        parts = moved(KINDS[kind].make(rng), turn=_any_turn(rng))
        low, high = extent(parts)
        row, column = inside[rng.integers(len(inside))] if inside is not None else rng.random(2) * (rows, columns)
        spot = np.array([(column - columns / 2) * px_mm, (row - rows / 2) * px_mm, 0]) - (low + high) / 2
        insert = _drawn(kind, moved(parts, spot), rows, columns, px_mm)
        if insert is None:
            continue
        outside = 0.0 if where is None else float((insert.truth.mask & ~where).sum() / insert.truth.mask.sum())
        if outside < least:
            best, least = insert, outside
        if outside < 0.05:
            break
    if best is None:
        raise ValueError(f"a {kind} does not fit into {rows}x{columns} pixels of {px_mm} mm")
    return best


def _any_turn(rng: Rng) -> NDArray[np.float64]:
    return rotation(rng.uniform(0, 2 * np.pi), *rng.normal(0, rng.choice([0.12, 0.5]), 2))


def _drawn(kind: str, parts: list[Part], rows: int, columns: int, px_mm: float) -> Insert | None:
    canvas = Canvas.blank(rows, columns, px_mm, source_mm=1e6)
    shade = canvas.draw(parts)
    if shade is None:
        return None
    mask = np.zeros((rows, columns), bool)
    thickness, (top, left) = shade
    mask[top : top + thickness.shape[0], left : left + thickness.shape[1]] = thickness > 0.35
    if not mask.any():
        return None
    x, y, w, h = cv2.boundingRect(mask.astype(np.uint8))
    what = KINDS[kind]
    return Insert(canvas.maps, Truth(what.label, what.category, kind, (int(x), int(y), int(w), int(h)), mask))


def into_counts(
    low: Scan16 | None, high: Scan16, white: int, insert: Insert, kvp: float = 160.0, filter_cu_mm: float = 0.7
) -> tuple[Scan16 | None, Scan16]:
    """Return (low, high) with the threat in them. Without low the bag is taken for organic."""
    through = beam(kvp, filter_cu_mm)
    x, y, w, h = _around(insert, high.shape)
    window = np.s_[y : y + h, x : x + w]
    part_high = np.maximum(high[window], 1) / np.float32(white)
    part_low = part_high if low is None else np.maximum(low[window], 1) / np.float32(white)
    bag = _matter(-np.log(part_low), -np.log(part_high), through, organic=low is None)
    before = transmission(bag, through)
    after = transmission(bag + insert.maps[:, y : y + h, x : x + w], through)
    ratio = after / np.maximum(before, 1e-9)
    new_high = high.copy()
    new_high[window] = np.clip(high[window] * ratio[1] + 0.5, 0, None).astype(np.uint16)
    if low is None:
        return None, new_high
    new_low = low.copy()
    new_low[window] = np.clip(low[window] * ratio[0] + 0.5, 0, None).astype(np.uint16)
    return new_low, new_high


def into_colour(picture: RGB, insert: Insert, look: Look | None = None) -> RGB:
    """Return an RGB picture of a display with the threat in it; `look` is the display's, by default `likely_look`."""
    look = look or likely_look(picture)
    x, y, w, h = _around(insert, picture.shape)
    window = np.s_[y : y + h, x : x + w]
    kind, shade = _read(picture[window], look)
    through = beam(160.0, 0.7)
    attenuation = _display_to_matter(kind, shade)
    bag = np.zeros((4, h, w), np.float32)
    bag[:3] = attenuation
    own = insert.maps[:, y : y + h, x : x + w]
    low, high = -np.log(np.maximum(transmission(bag + own, through), 1e-4))
    bag_low, bag_high = -np.log(np.maximum(transmission(bag, through), 1e-4))
    # The bag's own hues are as the display smeared them; what is new gets the same.
    new_kind = palette.stuff_of(
        bag_low + palette.smoothed(low - bag_low, look.smear_px),
        bag_high + palette.smoothed(high - bag_high, look.smear_px),
    )
    added = (low + high - bag_low - bag_high) / 2
    # The unsharp mask makes halos: what lies beside the threat gets brighter.
    sharp = added + look.sharpen * (added - palette.smoothed(added, look.sharpen_px))
    new_shade = np.clip((bag_low + bag_high) / 2 + sharp, 0, palette.MOST - 0.01)
    table = palette.table(look)
    steps = (table.shape[1] - 1) / palette.MOST
    old = table[kind, shade].astype(np.int16)
    new = table[new_kind, (new_shade * steps).astype(np.intp)].astype(np.int16)
    touched = cv2.GaussianBlur((np.abs(sharp) > 0.02).astype(np.float32), (0, 0), 0.7)[..., None]
    rest = (picture[window].astype(np.int16) - old) * np.exp(-np.maximum(added, 0))[..., None]
    mixed = picture[window] * (1 - touched) + (new + rest) * touched
    out = picture.copy()
    out[window] = np.clip(mixed + 0.5, 0, 255).astype(np.uint8)
    return out


def bag_region(picture: RGB) -> NDArray[np.bool_]:
    """Return where a display's picture shows a bag and not the bare belt, bool [rows, columns]."""
    grey = cv2.blur(picture.min(axis=2), (7, 7)).astype(np.float32)  # specks of noise on the belt go under
    belt = np.percentile(grey, 90)
    filled = (grey < belt - 12).astype(np.uint8)
    filled = cv2.morphologyEx(
        cv2.morphologyEx(filled, cv2.MORPH_OPEN, np.ones((5, 5))), cv2.MORPH_CLOSE, np.ones((15, 15))
    )
    outlines, _ = cv2.findContours(filled, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    if not outlines:
        return np.ones(grey.shape, bool)
    whole = np.zeros(grey.shape, np.uint8)
    cv2.drawContours(whole, [max(outlines, key=cv2.contourArea)], -1, 1, -1)
    return whole.astype(bool)


def likely_look(picture: RGB, tries: int = 400, seed: int = 0) -> Look:
    """Return, of many displays' looks, the one whose colours come nearest to all that the picture has.

    Every colour counts alike, however few its pixels: metal is rare and matters most.
    """
    rng = np.random.default_rng(seed)
    packed = (picture >> 3).astype(np.int32) @ np.array([1024, 32, 1])
    values, counts = np.unique(packed, return_counts=True)
    commonest = picture[packed == values[counts.argmax()]].mean(axis=0)
    belt = tuple(int(v + 0.5) for v in commonest) if commonest.min() > 170 else (255, 255, 255)
    values = values[counts > packed.size * 2e-5]
    sample = np.stack([values >> 10, (values >> 5) & 31, values & 31], 1).astype(np.float32) * 8 + 4
    sample = sample[rng.permutation(len(sample))[:400]]
    best, least = Look(belt=belt), _misfit(Look(belt=belt), sample)
    for attempt in range(tries):
        look = replace(Look.random(rng) if attempt < tries / 2 else _near(best, rng), belt=belt)
        error = _misfit(look, sample)
        if error < least and not look.inverse:
            best, least = look, error
    return replace(best, jpeg=0)


def _misfit(look: Look, sample: NDArray[np.float32]) -> float:
    colours = palette.paint(look, np.arange(0, 129, 8), np.linspace(0, palette.MOST, 40)).reshape(-1, 3)
    colours = colours.astype(np.float32)
    away = (sample**2).sum(1)[:, None] - 2 * sample @ colours.T + (colours**2).sum(1)[None, :]
    return float(np.sqrt(np.maximum(away.min(axis=1), 0)).mean())


def _near(look: Look, rng: Rng) -> Look:
    """Return a look a little beside another."""
    other = Look.random(rng)
    fields = ("hues", "saturation", "edges", "soft", "gamma", "vivid", "bright", "bottom", "depth", "starved")
    chosen = [str(name) for name in rng.choice(fields, int(rng.integers(1, 4)), replace=False)]
    changes = {}
    for name in chosen:
        old, new = getattr(look, name), getattr(other, name)
        part = float(rng.choice([0.15, 0.4, 1.0]))
        if isinstance(old, tuple):
            changes[name] = tuple(type(a)(a + part * (b - a)) for a, b in zip(old, new, strict=True))
        else:
            changes[name] = old + part * (new - old)
    return replace(look, **changes)


def _around(insert: Insert, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    x, y, w, h = insert.truth.box
    left, top = max(x - 8, 0), max(y - 8, 0)
    return left, top, min(x + w + 8, shape[1]) - left, min(y + h + 8, shape[0]) - top


def _read(picture: RGB, look: Look) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return kind and shade of each pixel, by the nearest colour of the look, from a cube of 32 colours a side."""
    # What a display does to edges is nothing to its colours.
    kinds, shades = _cube(replace(look, sharpen=1.0, sharpen_px=1.0, smear_px=0.0, jpeg=0))
    r, g, b = (picture[..., i] >> 3 for i in range(3))
    return kinds[r, g, b], shades[r, g, b]


@lru_cache(maxsize=16)
def _cube(look: Look) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    kinds, shades = np.arange(0, 129, 8), np.arange(0, 256, 3)
    colours = palette.table(look)[np.ix_(kinds, shades)].reshape(-1, 3).astype(np.float32)
    axis = np.arange(32, dtype=np.float32) * 8 + 4
    cube = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    nearest = np.empty(len(cube), np.intp)
    for start in range(0, len(cube), 2048):
        away = (colours**2).sum(1)[None, :] - 2 * cube[start : start + 2048] @ colours.T
        nearest[start : start + 2048] = away.argmin(axis=1)
    shape = (32, 32, 32)
    return (
        kinds[nearest // len(shades)].astype(np.uint8).reshape(shape),
        shades[nearest % len(shades)].astype(np.uint8).reshape(shape),
    )


def _display_to_matter(kind: NDArray[np.uint8], shade: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return g/cm2 of polyethylene, aluminium and iron [3, rows, columns] for palette coordinates."""
    table = _matter_table()
    return np.moveaxis(table[np.minimum(kind, 128), shade], -1, 0)


@lru_cache(maxsize=1)
def _matter_table() -> NDArray[np.float32]:
    """Return g/cm2 of the three at [kind 0..128, shade 0..255]; between two, each gives its part of the attenuation."""
    through, seen = beam(160.0, 0.7), np.linspace(0, palette.MOST, 256)
    grams = []
    for basis, most in ((POLYETHYLENE, 70.0), (ALUMINIUM, 60.0), (IRON, 60.0)):
        maps = np.zeros((4, 1, 900), np.float32)
        maps[basis] = np.r_[0, np.geomspace(1e-3, most, 899)]
        both = -np.log(np.maximum(transmission(maps, through)[:, 0], 1e-12)).mean(axis=0)
        grams.append(np.interp(seen, both, maps[basis, 0]))
    place = np.arange(129)[:, None] / 64
    parts = [np.clip(1 - place, 0, 1), 1 - np.abs(place - 1), np.clip(place - 1, 0, 1)]
    return np.stack([part * gram[None, :] for part, gram in zip(parts, grams, strict=True)], -1).astype(np.float32)


def _matter(low: NDArray[np.float32], high: NDArray[np.float32], through: Beam, organic: bool) -> Maps:
    """Return maps that attenuate like the picture."""
    kind = np.zeros(high.shape, np.uint8) if organic else np.minimum(palette.stuff_of(low, high), 128)
    seen = high if organic else (low + high) / 2
    shade = np.clip(seen * (255 / palette.MOST), 0, 255).astype(np.uint8)
    maps = np.zeros((4, *high.shape), np.float32)
    maps[:3] = _display_to_matter(kind, shade)
    return maps
