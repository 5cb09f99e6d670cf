"""X-rays through matter: Beer-Lambert over a real spectrum, and what a line detector makes of it.

A scene is four maps, float32 [4, rows, columns], in g/cm2 of polyethylene, aluminium, iron and lead along the ray.
Every other material is a mixture of these that attenuates alike (within 1 % from 30 to 140 keV for everything up to
iron). The tables come from `make_tables`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Maps = NDArray[np.float32]
Scan16 = NDArray[np.uint16]

POLYETHYLENE, ALUMINIUM, IRON, LEAD = range(4)
# Bins narrow where attenuation is steep and the light is: step wedges come out within 1 % of the full 1 keV sum.
_EDGES_KEV = (
    *(15, 22, 26, 30, 34, 38, 43, 48, 53, 58, 64, 70),
    *(76, 82, 88, 94, 100, 108, 116, 124, 133, 142, 152, 163, 181),
)
_CHUNK = 16_384


@dataclass(frozen=True, slots=True)
class Material:
    """What something is made of: g/cm2 of each basis material per millimetre of it."""

    name: str
    density_g_cm3: float
    per_mm: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class _Tables:
    energies_kev: NDArray[np.float32]
    kvps: NDArray[np.float32]
    filters_cu_mm: NDArray[np.float32]
    basis: NDArray[np.float32]
    materials: dict[str, Material]
    spectra: NDArray[np.float32]


@cache
def tables() -> _Tables:
    """Return the committed tables."""
    with np.load(Path(__file__).with_name("tables.npz")) as data:
        materials = {}
        for name, density, mixture in zip(data["materials"], data["densities_g_cm3"], data["mixtures"], strict=True):
            per_mm = tuple(float(part * density / 10) for part in mixture)
            materials[str(name)] = Material(str(name), float(density), per_mm)  # type: ignore[arg-type]  # four, by shape
        return _Tables(
            data["energies_kev"], data["kvps"], data["filters_cu_mm"], data["basis"], materials, data["spectra"]
        )


def material(name: str) -> Material:
    """Return a material by name. Raises KeyError."""
    return tables().materials[name]


@dataclass(frozen=True, slots=True)
class Beam:
    """What low and high detector see of each energy bin.

    `mu` cm2/g [bin, 4], `weight` [2, bin] with sums of one, low first.
    """

    mu: NDArray[np.float32]
    weight: NDArray[np.float32]


@cache
def beam(kvp: float = 160.0, filter_cu_mm: float = 0.7) -> Beam:
    """Return a beam between the tabulated tube voltages (140 to 180 kV) and sandwich filters (0.4 to 1 mm copper)."""
    low_high = spectrum(kvp, filter_cu_mm)
    data = tables()
    both = low_high.sum(axis=0)
    mu, weight = [], []
    for start, stop in pairwise(_EDGES_KEV):
        inside = (data.energies_kev >= start) & (data.energies_kev < stop)
        light = low_high[:, inside].sum(axis=1)
        if light.sum() > 0:
            mu.append(data.basis[:, inside] @ both[inside] / both[inside].sum())
            weight.append(light)
    return Beam(np.array(mu, np.float32), np.array(weight, np.float32).T)


def spectrum(kvp: float, filter_cu_mm: float) -> NDArray[np.float64]:
    """Return the weight of each tabulated energy in low and high detector, [2, energy], sums of one."""
    data = tables()
    k, f = _between(data.kvps, kvp), _between(data.filters_cu_mm, filter_cu_mm)
    out = np.einsum("k,f,kfde->de", k, f, data.spectra.astype(np.float64))
    return out / out.sum(axis=1, keepdims=True)


def _between(points: NDArray[np.float32], value: float) -> NDArray[np.float64]:
    return np.array([np.interp(value, points, np.eye(points.size)[i]) for i in range(points.size)])


def transmission(maps: Maps, through: Beam) -> NDArray[np.float32]:
    """Return the part of the light that comes through, float32 [2, rows, columns], low first, 1 in clear air."""
    rows, columns = maps.shape[1:]
    flat = maps.reshape(4, -1)
    out = np.empty((2, flat.shape[1]), np.float32)
    mu = -through.mu
    for start in range(0, flat.shape[1], _CHUNK):  # in pieces that fit the cache
        path = mu @ flat[:, start : start + _CHUNK]
        np.exp(path, out=path)
        np.matmul(through.weight, path, out=out[:, start : start + _CHUNK])
    return out.reshape(2, rows, columns)


@dataclass(frozen=True, slots=True)
class Detector:
    """A line of detectors and its faults.

    `photons` is how many a pixel counts in clear air, `electronic` the readout noise and `white` clear air in counts,
    `blur_px` the spread of a point (sigma), `gain` the part by which columns differ after calibration, `dead` the
    chance of a column to be dead and filled from its neighbours, `haze` the light that scatters everywhere,
    `jitter_px` how unevenly the belt runs.
    """

    photons: float = 60_000.0
    electronic: float = 12.0
    white: int = 60_000
    bits: int = 16
    blur_px: float = 0.6
    gain: float = 0.004
    dead: float = 0.001
    haze: float = 0.0004
    jitter_px: float = 0.2

    @staticmethod
    def random(rng: np.random.Generator) -> Detector:
        """Return some scanner's detector: 12 to 16 bits, good or worn."""
        bits = int(rng.choice([12, 14, 16, 16]))
        return Detector(
            photons=float(np.exp(rng.uniform(np.log(8_000), np.log(150_000)))),
            electronic=float(rng.uniform(4, 25)),
            white=int((2**bits - 1) * rng.uniform(0.85, 0.98)),
            bits=bits,
            blur_px=float(rng.uniform(0.4, 1.0)),
            gain=float(rng.uniform(0.001, 0.01)),
            dead=float(rng.choice([0, 0, 0.001, 0.004])),
            haze=float(rng.uniform(0.0001, 0.001)),
            jitter_px=float(rng.uniform(0, 0.5)),
        )


def expose(maps: Maps, through: Beam, detector: Detector, rng: np.random.Generator) -> tuple[Scan16, Scan16]:
    """Return (low, high), uint16 [rows, columns]: counts, clear air at about `detector.white`."""
    light = transmission(maps, through)
    columns = light.shape[2]
    dead = np.flatnonzero(rng.random(columns) < detector.dead)
    wobble = _belt(light.shape[1], detector.jitter_px, rng)
    out = []
    for energy in light:
        seen = cv2.GaussianBlur(energy, (0, 0), detector.blur_px) * (1 - detector.haze) + detector.haze
        if detector.jitter_px > 0:
            seen = _moved(seen, wobble)
        noise = rng.standard_normal(seen.shape, dtype=np.float32)
        # Poisson by its normal limit: counts are in the thousands wherever it could be told apart from readout noise.
        relative = detector.electronic / detector.photons
        seen = seen + noise * np.sqrt(seen / detector.photons + relative * relative)
        seen *= 1 + detector.gain * rng.standard_normal(columns, dtype=np.float32)
        for column in dead:
            seen[:, column] = (seen[:, max(column - 1, 0)] + seen[:, min(column + 1, columns - 1)]) / 2
        counts = np.clip(seen * detector.white + 0.5, 0, 2**detector.bits - 1)
        out.append(counts.astype(np.uint16))
    return out[0], out[1]


def _belt(rows: int, jitter_px: float, rng: np.random.Generator) -> NDArray[np.float32]:
    knots = rng.standard_normal(max(rows // 25, 4)).astype(np.float32).reshape(-1, 1)
    smooth = cv2.resize(knots, (1, rows), interpolation=cv2.INTER_CUBIC)
    return smooth * np.float32(jitter_px)


def _moved(picture: NDArray[np.float32], wobble: NDArray[np.float32]) -> NDArray[np.float32]:
    rows = picture.shape[0]
    at = np.clip(np.arange(rows, dtype=np.float32) + wobble[:, 0], 0, rows - 1.001)
    first = at.astype(np.intp)
    part = (at - first)[:, None]
    return picture[first] * (1 - part) + picture[first + 1] * part
