"""What a scanner's own pictures say about its display, so that things can be drawn as it would draw them.

Which colours a display has is seen in any picture: of many displays' looks the likely one is that which has them all.
Which matter gets which colour, and how edges are sharpened and hues smeared, is not: there the look is taken with which
simulated bags give the statistics that the site's bags have: which hue at which lightness, and how fine it all is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from simulators.xray import Look, likely_look, make_scene
from simulators.xray.palette import colour, paint
from simulators.xray.physics import Detector, Scan16, beam, expose

Rng = np.random.Generator
Colours = NDArray[np.uint8]
Floats = NDArray[np.float32]

LOOKS = 6
METAL_LEVELS = 32

_LIKELY = 3
_TRIES = 300
GUESSES = 110
_FAR_GUESSES = 45
_SCENES = 8
_FIRST_SCENE = 39_000_000
_SCENE_ROWS, _SCENE_COLUMNS = 560, 432
_SOFTNESS = (0.02, 0.05, 0.1, 0.15, 0.22, 0.3, 0.4, 0.55)
_LIGHTNESS = (0.12, 0.22, 0.33, 0.45, 0.58, 0.7, 0.82)
_BELT = 0.93
_GREY = 0.06
_FINE_WEIGHT = 0.5
_LIGHT_EDGE, _METAL_EDGE, _SOFT = (0.3, 0.75), (1.05, 1.55), (0.02, 0.6)


@dataclass(frozen=True, slots=True)
class Scanner:
    """What was learned of a scanner.

    `looks` are displays that show bags as it does; `metal` the colour of its metal by lightness, [METAL_LEVELS, 3],
    0..1. A scanner that gives no colours has none.
    """

    looks: tuple[Look, ...] = ()
    metal: Floats | None = None


@dataclass(frozen=True, slots=True)
class _Statistics:
    """`hues` [lightness, hue] and `weights` [lightness] are parts of one, `fine` are logarithms."""

    hues: NDArray[np.float64]
    weights: NDArray[np.float64]
    fine: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Counts:
    low: Scan16
    high: Scan16
    white: int
    kvp: float
    filter_cu_mm: float


def learn(pictures: Sequence[Colours], seed: int, tell: Callable[[], None]) -> Scanner:
    """Return what RGB pictures of ordinary bags say about the scanner; the same for the same pictures and seed.

    Takes about half a minute, and calls `tell` after each of GUESSES. Pictures have bright air; without any there is
    nothing to learn.
    """
    if not pictures:
        return Scanner()
    sample = _sample(pictures)
    likely = (likely_look(sample, _TRIES, seed + number) for number in range(_LIKELY))
    first = list(dict.fromkeys(_as_soft(look, sample) for look in likely))
    return Scanner(_matched(first, pictures, seed, tell), _metal_of(sample.reshape(-1, 3)))


def glance(pictures: Sequence[Colours], seed: int, tries: int) -> Scanner:
    """Return what shows at a glance, in a fraction of a second: the likely look alone."""
    if not pictures:
        return Scanner()
    sample = _sample(pictures)
    return Scanner((_as_soft(likely_look(sample, tries, seed), sample),), _metal_of(sample.reshape(-1, 3)))


def _sample(pictures: Sequence[Colours]) -> Colours:
    values = np.concatenate([picture[::3, ::3].reshape(-1, 3) for picture in pictures])
    values = values[:: max(1, len(values) // 360_000)]
    side = int(len(values) ** 0.5)
    return values[: side * side].reshape(side, side, 3)


def _as_soft(look: Look, picture: Colours) -> Look:
    """Return the look with hues that pass into each other as gently as the picture's do.

    A look that has every colour of the picture may have many more; here those count that the picture has not.
    """
    packed, counts = np.unique((picture >> 4).astype(np.int32) @ np.array([256, 16, 1]), return_counts=True)
    packed = packed[counts > picture.size * 1e-5]
    has = np.stack([packed >> 8, (packed >> 4) & 15, packed & 15], axis=1).astype(np.float32) * 16 + 8

    def strange(soft: float) -> float:
        shown = paint(replace(look, soft=soft), np.arange(0, 129, 8), np.linspace(0.2, 4.0, 20)).reshape(-1, 3)
        away = (shown[:, None, :].astype(np.float32) - has[None, :, :]) ** 2
        return float(np.sqrt(away.sum(axis=2).min(axis=1)).mean())

    return replace(look, soft=min(_SOFTNESS, key=strange))


def _matched(
    first: Sequence[Look], pictures: Sequence[Colours], seed: int, tell: Callable[[], None]
) -> tuple[Look, ...]:
    """Return the LOOKS looks in which simulated bags are most like the pictures: a search from the first ones."""
    wanted = _statistics(pictures)
    bags = [_simulated(_FIRST_SCENE + number) for number in range(_SCENES)]

    def misfit(look: Look) -> float:
        shown = [colour(b.low, b.high, b.white, replace(look, jpeg=0), b.kvp, b.filter_cu_mm) for b in bags]
        return _distance(wanted, _statistics(shown))

    rng = np.random.default_rng([seed, 0x100C])
    tried = [(misfit(look), look) for look in first]
    for number in range(GUESSES):
        far = number < _FAR_GUESSES
        near = first[number % len(first)] if far else sorted(tried, key=lambda t: t[0])[rng.integers(4)][1]
        look = _beside(near, rng, 1.0 if far else 0.4)
        tried.append((misfit(look), look))
        tell()
    tried.sort(key=lambda t: t[0])
    return tuple(look for _, look in tried[:LOOKS])


def _beside(look: Look, rng: Rng, step: float) -> Look:
    """Return a look beside another: where metal begins, how soft hues pass, and at times other edges."""
    other = Look.random(rng)
    light = float(np.clip(look.edges[0] + step * rng.normal(0, 0.12), *_LIGHT_EDGE))
    metal = float(np.clip(look.edges[1] + step * rng.normal(0, 0.25), *_METAL_EDGE))
    soft = float(np.clip(look.soft * np.exp(step * rng.normal(0, 0.8)), *_SOFT))
    look = replace(look, edges=(light, metal), soft=soft)
    if rng.random() < 0.2 + 0.5 * step:
        look = replace(look, sharpen=other.sharpen, sharpen_px=other.sharpen_px)
    if rng.random() < 0.2 + 0.5 * step:
        look = replace(look, smear_px=other.smear_px)
    return look


def _simulated(seed: int) -> _Counts:
    rng = np.random.default_rng(seed)
    kvp, filter_cu_mm = float(round(rng.uniform(140, 180))), round(float(rng.uniform(0.4, 1.0)), 1)
    detector = Detector.random(rng)
    maps = make_scene(seed, None, _SCENE_ROWS, _SCENE_COLUMNS).maps
    low, high = expose(maps, beam(kvp, filter_cu_mm), detector, rng)
    return _Counts(low, high, detector.white, kvp, filter_cu_mm)


def _statistics(pictures: Sequence[Colours]) -> _Statistics:
    """Return which part of the pixels of each lightness is red, green, blue or grey, and how fine the structure is."""
    levels = len(_LIGHTNESS) + 1
    counts = np.zeros((levels, 4))
    fine = []
    for picture in pictures:
        red, green, blue = cv2.split(picture.astype(np.float32) / np.float32(255))
        light = (red + green + blue) / 3
        inside = light < _BELT
        if not inside.any():
            continue
        most = np.maximum(np.maximum(red, green), blue)
        grey = most - np.minimum(np.minimum(red, green), blue) < _GREY
        strongest = np.where(grey, 3, np.where(red == most, 0, np.where(green == most, 1, 2)))
        cells = np.digitize(light[inside], _LIGHTNESS) * 4 + strongest[inside]
        counts += np.bincount(cells, minlength=levels * 4).reshape(levels, 4)
        fine.append([_fineness(plane, inside) for plane in (light, blue - red, green - red)])
    total = counts.sum(axis=1)
    return _Statistics(
        counts / np.maximum(total, 1)[:, None],
        total / max(float(total.sum()), 1.0),
        np.mean(fine, axis=0) if fine else np.zeros(3),
    )


def _fineness(plane: Floats, inside: NDArray[np.bool_]) -> float:
    """Return the logarithm of how strong the finest structure is beside the next coarser one."""
    once, more = cv2.GaussianBlur(plane, (0, 0), 1), cv2.GaussianBlur(plane, (0, 0), 3)
    return float(np.log((np.abs(plane - once)[inside].mean() + 1e-6) / (np.abs(once - more)[inside].mean() + 1e-6)))


def _distance(a: _Statistics, b: _Statistics) -> float:
    hues = (np.abs(a.hues - b.hues).sum(axis=1) * np.sqrt(a.weights)).sum()
    return float(hues + _FINE_WEIGHT * np.abs(a.fine - b.fine).sum())


def _metal_of(sample: Colours) -> Floats:
    """Return the colour of the bluest pixels of each lightness, smoothed: what a display shows metal in."""
    values = sample.astype(np.float32) / np.float32(255)
    light = values.mean(axis=1)
    blue = values[:, 2] - values[:, :2].max(axis=1)
    level = np.minimum((light * METAL_LEVELS).astype(np.intp), METAL_LEVELS - 1)
    known, colours = [], []
    for number in range(METAL_LEVELS):
        inside = np.flatnonzero(level == number)
        if inside.size >= 50:
            best = inside[np.argsort(blue[inside])[-max(5, inside.size // 20) :]]
            known.append(number)
            colours.append(np.median(values[best], axis=0) / max(float(light[best].mean()), 1e-3))
    if not known:
        return np.ones((METAL_LEVELS, 3), np.float32)
    hues = np.array(colours)
    ramp = np.stack([np.interp(np.arange(METAL_LEVELS), known, hues[:, c]) for c in range(3)], axis=1)
    return np.asarray(cv2.blur(ramp.astype(np.float32), (1, 3)), np.float32)
