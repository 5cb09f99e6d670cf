"""Pseudo-colour as screening displays show it: hue says material, darkness says how much there is.

Hue comes from where a pixel's low and high attenuation lie between those of polyethylene, aluminium and iron of any
thickness in the scanner's own beam, as a real scanner's calibration wedges give it. Orange is organic, green is mixed
or light metal, blue is metal.
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from simulators.xray.physics import ALUMINIUM, IRON, POLYETHYLENE, Scan16, beam, transmission

_LEVELS = 256
MOST = 7.0  # natural logarithms of attenuation on the tables' axis


@dataclass(frozen=True, slots=True)
class Look:
    """One display's style.

    Hues are parts of a turn, in order organic, mixed, metal; `edges` where mixed begins and metal begins (0 organic, 1
    aluminium, 2 iron), `soft` how gently one passes into the next; `gamma`, `depth`, `bright` and `bottom` shape
    darkness, `vivid` says how early full colour sets in; `sharpen` and `sharpen_px` are the unsharp mask, `smear_px`
    how far hue is smoothed; `starved` is what shows where nothing comes through (0 black, 1 pure metal); `jpeg` a
    quality, 0 for none.
    """

    hues: tuple[float, float, float] = (0.075, 0.34, 0.62)
    saturation: tuple[float, float, float] = (0.85, 0.8, 0.9)
    edges: tuple[float, float] = (0.55, 1.3)
    soft: float = 0.25
    gamma: float = 0.8
    vivid: float = 1.9
    bright: float = 0.55
    bottom: float = 0.1
    depth: float = 4.2
    sharpen: float = 1.2
    sharpen_px: float = 1.6
    smear_px: float = 1.2
    belt: tuple[int, int, int] = (255, 255, 255)
    starved: float = 0.3
    grey: bool = False
    inverse: bool = False
    jpeg: int = 0

    @staticmethod
    def random(rng: np.random.Generator) -> Look:
        """Return some vendor's look."""
        tint = 255 - rng.integers(0, 30) - rng.integers(0, 12, 3) if rng.random() < 0.45 else np.full(3, 255)
        vivid = rng.random() < 0.5
        return Look(
            hues=(float(rng.uniform(0.045, 0.11)), float(rng.uniform(0.25, 0.45)), float(rng.uniform(0.55, 0.68))),
            saturation=(float(rng.uniform(0.5, 1)), float(rng.uniform(0.5, 1)), float(rng.uniform(0.6, 1))),
            edges=(float(rng.uniform(0.3, 0.75)), float(rng.uniform(1.05, 1.55))),
            soft=float(rng.choice([0.02, rng.uniform(0.05, 0.6)])),
            gamma=float(rng.uniform(0.6, 1.1)),
            vivid=float(rng.uniform(2.5, 5) if vivid else rng.uniform(1.2, 2.5)),
            bright=float(rng.uniform(0.3, 0.65)),
            bottom=float(rng.uniform(0.2, 0.6) if vivid else rng.uniform(0, 0.2)),
            depth=float(rng.uniform(3.0, 6.0)),
            sharpen=float(rng.uniform(0.2, 3.0)),
            sharpen_px=float(rng.uniform(0.8, 3.0)),
            smear_px=float(rng.choice([0.0, rng.uniform(0.5, 1.2), rng.uniform(1.2, 2.5)])),
            belt=(int(tint[0]), int(tint[1]), int(tint[2])),
            starved=float(rng.choice([0.0, 0.15, 0.3, 1.0])),
            grey=bool(rng.random() < 0.04),
            inverse=bool(rng.random() < 0.015),
            jpeg=int(rng.choice([0, 0, rng.integers(60, 97)])),
        )


def colour(
    low: Scan16, high: Scan16, white: int, look: Look, kvp: float = 160.0, filter_cu_mm: float = 0.7
) -> NDArray[np.uint8]:
    """Return RGB uint8 [rows, columns, 3] of a scan in a look; `white` is clear air in counts."""
    air = np.float32(np.log(white))
    floor = np.float32(max(white * 2.5e-4, 0.5))
    dark_high = air - np.log(np.maximum(high, floor, dtype=np.float32))
    dark_low = air - np.log(np.maximum(low, floor, dtype=np.float32))
    kind = stuff_of(smoothed(dark_low, look.smear_px), smoothed(dark_high, look.smear_px), kvp, filter_cu_mm)
    seen = (dark_low + dark_high) * np.float32(0.5)
    soft = smoothed(seen, look.sharpen_px)
    seen += np.float32(look.sharpen) * (seen - soft)
    shade = np.clip(seen * np.float32((_LEVELS - 1) / MOST), 0, _LEVELS - 1).astype(np.uint8)
    picture = table(look)[kind, shade]
    if look.jpeg:
        _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, look.jpeg])  # three channels in any order
        picture = cv2.imdecode(data, cv2.IMREAD_COLOR).astype(np.uint8, copy=False)
    return picture


def stuff_of(
    dark_low: NDArray[np.float32], dark_high: NDArray[np.float32], kvp: float = 160.0, filter_cu_mm: float = 0.7
) -> NDArray[np.uint8]:
    """Return what matter attenuates like this: 0 polyethylene, 64 aluminium, 128 iron and above.

    The two are natural logarithms of clear air over counts, of the same shape.
    """
    row = np.clip(dark_high * np.float32((_LEVELS - 1) / MOST), 0, _LEVELS - 1).astype(np.uint8)
    excess = (dark_low / np.maximum(dark_high, np.float32(0.01)) - 1) * np.float32(_LEVELS / 2)
    return _stuff(round(kvp), round(filter_cu_mm, 1))[row, np.clip(excess, 0, _LEVELS - 1).astype(np.uint8)]


def smoothed(picture: NDArray[np.float32], px: float) -> NDArray[np.float32]:
    """Return a picture blurred by so many pixels (sigma)."""
    return cv2.GaussianBlur(picture, (0, 0), px) if px > 0.2 else picture


@lru_cache(maxsize=64)
def _stuff(kvp: int, filter_cu_mm: float) -> NDArray[np.uint8]:
    """Return what lies where: 0 polyethylene, 64 aluminium, 128 iron and above; [high attenuation, low/high excess]."""
    through = beam(float(kvp), float(filter_cu_mm))
    levels = np.linspace(0, MOST, _LEVELS)
    curves = []
    for basis, most in ((POLYETHYLENE, 80.0), (ALUMINIUM, 60.0), (IRON, 60.0)):
        maps = np.zeros((4, 1, 800), np.float32)
        maps[basis] = np.geomspace(1e-3, most, 800, dtype=np.float32)
        low, high = -np.log(np.maximum(transmission(maps, through)[:, 0], 1e-12))
        curves.append(np.interp(levels, high, low / high))
    organic, light, metal = curves
    ratio = 1 + np.arange(_LEVELS)[None, :] / (_LEVELS / 2)
    first = (ratio - organic[:, None]) / (light - organic)[:, None]
    second = 1 + (ratio - light[:, None]) / np.maximum(metal - light, 0.05)[:, None]
    kind = np.where(first < 1, first, second)
    kind[levels > 5.6] = 2.0  # starved of light: the ratio says nothing, and only metal is that dense
    return np.clip(kind * 64, 0, 255).astype(np.uint8)


@lru_cache(maxsize=64)
def table(look: Look) -> NDArray[np.uint8]:
    """Return RGB of [kind 0..255 as `stuff_of` has it, shade 0..255 for logarithms of 0 to MOST]."""
    return paint(look, np.arange(_LEVELS), np.linspace(0, MOST, _LEVELS))


def paint(look: Look, kinds: NDArray[np.intp], darks: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return the colours of some kinds (as `stuff_of` has them) at some attenuations: RGB [kind, dark, 3]."""
    kind, dark = kinds[:, None] / 64, darks[None, :]
    width = max(look.soft, 0.02)
    mixed = 1 / (1 + np.exp(-(kind - look.edges[0]) / (width / 4)))
    metal = 1 / (1 + np.exp(-(kind - look.edges[1]) / (width / 4)))
    weights = np.stack([1 - mixed, mixed * (1 - metal), mixed * metal], axis=-1)
    pure = np.array([colorsys.hsv_to_rgb(h, s, 1.0) for h, s in zip(look.hues, look.saturation, strict=True)])
    if look.grey:
        pure = np.ones((3, 3))
    hue = weights @ pure
    light = np.exp(-((dark / look.depth) ** look.gamma) * 2.6)[..., None]
    # White through the hue to black: thin matter is pale, thick matter dark and full of colour.
    full = np.clip((1 - light) * look.vivid, 0, 1)
    value = look.bottom + (1 - look.bottom) * light**look.bright
    rgb = value * ((1 - full) + full * hue)
    starved = np.clip((dark - 4.6) / 1.2, 0, 1)[..., None]
    rgb = rgb * (1 - starved) + starved * look.starved * 0.45 * hue
    rgb = rgb * (np.array(look.belt) / 255)
    if look.inverse:
        rgb = 1 - rgb
    return (np.clip(rgb, 0, 1) * 255 + 0.5).astype(np.uint8)
