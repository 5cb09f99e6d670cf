"""Rough bags for measuring a model against: transmissions from random thicknesses, in many scanners' habits.

Not the X-ray simulator, on purpose: a model that is tried only on the pictures it was fitted to is not tried.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from drivers.contract import Energy, Picture, Polarity

Plane = NDArray[np.float32]

# Linear attenuation per millimetre at an effective 75 keV, roughly: (material, 1/mm).
ORGANIC, LIGHT_METAL, STEEL = 0.018, 0.06, 0.55


@dataclass(frozen=True, slots=True)
class Bag:
    """A bag's transmission (air 1), its pixel size, and the threat's box x, y, width, height where it has one."""

    plane: Plane
    mm: float
    threat: tuple[int, int, int, int] | None


@dataclass(frozen=True, slots=True)
class Habit:
    """How a scanner writes transmission down."""

    bits: int = 16
    air: int = 60_000
    polarity: Polarity = Polarity.AIR_HIGH
    says_polarity: bool = True
    logarithmic: bool = False
    noise: float = 0.003
    cropped: bool = False


HABITS: tuple[Habit, ...] = (
    Habit(),
    Habit(air=65_535, noise=0.001),
    Habit(air=4_095, noise=0.01),
    Habit(bits=12, air=3_900, noise=0.01),
    Habit(bits=8, air=250, noise=0.004),
    Habit(polarity=Polarity.AIR_LOW, air=65_535),
    Habit(polarity=Polarity.AIR_LOW, air=60_000, says_polarity=False),
    Habit(air=50_000, says_polarity=False, noise=0.015),
    Habit(logarithmic=True, polarity=Polarity.AIR_LOW, air=65_535),
    Habit(air=60_000, cropped=True),
)


def bag(chance: np.random.Generator, threat: bool, columns: int | None = None) -> Bag:
    """Return a random bag of 40 to 75 cm, `columns` pixels wide (256 to 1200 where not said)."""
    wide_mm = float(chance.uniform(400, 750))
    columns = columns or int(chance.integers(256, 1200))
    mm = wide_mm / 0.86 / columns
    rows = int(columns * chance.uniform(0.62, 0.95))
    depth = np.zeros((rows, columns), np.float32)
    inside = (int(columns * 0.07), int(rows * 0.08), int(columns * 0.93), int(rows * 0.92))
    _shell(chance, depth, inside, mm)
    for _ in range(int(chance.integers(6, 26))):
        kind = str(chance.choice(_KINDS, p=_SHARES))
        _THINGS[kind](chance, depth, inside, mm)
    # Nothing sticks out of a bag but its wheels, which lie on its corners.
    outside = np.ones(depth.shape, bool)
    margin = round(25 / mm)
    top, left = max(0, inside[1] - margin), max(0, inside[0] - margin)
    outside[top : inside[3] + margin, left : inside[2] + margin] = False
    depth[outside] = 0
    box = _pistol(chance, depth, inside, mm) if threat else None
    return Bag(np.exp(-depth), mm, box)


def write(bag: Bag, habit: Habit, chance: np.random.Generator) -> Picture:
    """Return the bag as a picture of a scanner with this habit; noise grows as the beam starves."""
    plane = bag.plane
    sigma = habit.noise * np.sqrt(plane + 0.02)
    plane = np.clip(plane + sigma * chance.standard_normal(plane.shape, np.float32), 1e-4, None)
    top = (1 << habit.bits) - 1
    full = top if habit.air > 4_095 or habit.bits < 16 else 4_095
    logarithm = np.clip(1 + np.log(plane) / np.log(full + 1), 0, 1)
    values = logarithm * full if habit.logarithmic else plane * habit.air
    if habit.polarity is Polarity.AIR_LOW:
        values = full - values
    dtype = np.uint8 if habit.bits <= 8 else np.uint16
    stored = np.clip(np.rint(values), 0, full).astype(dtype)
    if habit.cropped:
        rows, columns = stored.shape
        stored = np.ascontiguousarray(
            stored[int(rows * 0.09) : int(rows * 0.91), int(columns * 0.08) : int(columns * 0.92)]
        )
    return Picture(
        view=0,
        energy=Energy.SINGLE,
        rows=stored.shape[0],
        columns=stored.shape[1],
        channels=1,
        bits=habit.bits,
        data=stored.tobytes(),
        polarity=habit.polarity if habit.says_polarity else Polarity.UNKNOWN,
        logarithmic=habit.logarithmic,
    )


def own_box(bag: Bag, habit: Habit) -> tuple[int, int, int, int] | None:
    """Return the threat's box in the pixels that `write` gives."""
    if bag.threat is None or not habit.cropped:
        return bag.threat
    rows, columns = bag.plane.shape
    x, y, width, height = bag.threat
    return x - int(columns * 0.08), y - int(rows * 0.09), width, height


Area = tuple[int, int, int, int]


def _spot(chance: np.random.Generator, area: Area) -> tuple[float, float]:
    return float(chance.uniform(area[0], area[2])), float(chance.uniform(area[1], area[3]))


def _add(depth: Plane, outline: NDArray[np.float64], amount: float) -> None:
    mask = np.zeros(depth.shape, np.uint8)
    cv2.fillPoly(mask, [np.rint(outline).astype(np.int32)], 1, lineType=cv2.LINE_8)
    depth += mask * np.float32(amount)


def _turned(points: list[tuple[float, float]], angle: float, x: float, y: float) -> NDArray[np.float64]:
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.asarray(np.array(points) @ turn.T + (x, y))


def _slab(width: float, height: float) -> list[tuple[float, float]]:
    return [(-width / 2, -height / 2), (width / 2, -height / 2), (width / 2, height / 2), (-width / 2, height / 2)]


def _shell(chance: np.random.Generator, depth: Plane, area: Area, mm: float) -> None:
    left, top, right, bottom = area
    depth[top:bottom, left:right] += np.float32(chance.uniform(3, 8) * ORGANIC)
    # Cloth: smooth waves of 1 to 8 cm, in sum.
    cloth = np.zeros((bottom - top, right - left), np.float32)
    for size in (8, 16, 32):
        coarse = chance.uniform(0, 1, (size, size)).astype(np.float32)
        cloth += cv2.resize(coarse, (right - left, bottom - top), interpolation=cv2.INTER_CUBIC) / size * 8
    depth[top:bottom, left:right] += cloth * np.float32(chance.uniform(8, 45) * ORGANIC)
    if chance.random() < 0.5:
        width = max(1, round(3 / mm))
        cv2.rectangle(depth, (left, top), (right, bottom), float(depth[top + 5, left + 5] + 2 * LIGHT_METAL), width)


def _block(chance: np.random.Generator, depth: Plane, area: Area, mm: float) -> None:
    x, y = _spot(chance, area)
    sides = chance.uniform(40, 230, 2) / mm
    _add(depth, _turned(_slab(*sides), chance.uniform(0, np.pi), x, y), chance.uniform(8, 45) * ORGANIC)


def _bottle(chance: np.random.Generator, depth: Plane, area: Area, mm: float) -> None:
    x, y = _spot(chance, area)
    radius, length, angle = chance.uniform(20, 40), chance.uniform(90, 220), chance.uniform(0, np.pi)
    for step in np.linspace(-0.95, 0.95, 13):
        chord = 2 * radius * (1 - step**2) ** 0.5
        shift = np.array([np.sin(angle), -np.cos(angle)]) * step * radius / mm
        strip = _slab(length / mm, 2 * radius / 13 / mm)
        _add(depth, _turned(strip, angle, x + shift[0], y + shift[1]), chord * ORGANIC)


def _wire(chance: np.random.Generator, depth: Plane, area: Area, mm: float) -> None:
    x, y = _spot(chance, area)
    steps = np.cumsum(chance.normal(0, 14, (30, 2)), axis=0) / mm
    mask = np.zeros(depth.shape, np.uint8)
    cv2.polylines(
        mask, [np.rint(steps + np.array([x, y])).astype(np.int32)], False, 1, max(1, round(chance.uniform(1, 4) / mm))
    )
    depth += mask * np.float32(chance.uniform(0.5, 3) * STEEL)


def _coin(chance: np.random.Generator, depth: Plane, area: Area, mm: float) -> None:
    for _ in range(int(chance.integers(1, 6))):
        x, y = _spot(chance, area)
        angles = np.linspace(0, 2 * np.pi, 24)
        radius = chance.uniform(8, 13) / mm
        _add(depth, np.stack([x + radius * np.cos(angles), y + radius * np.sin(angles)], axis=1), 2.2 * STEEL)


def _cell(chance: np.random.Generator, depth: Plane, area: Area, mm: float) -> None:
    x, y = _spot(chance, area)
    angle = chance.uniform(0, np.pi)
    for place in range(int(chance.integers(1, 5))):
        shift = np.array([-np.sin(angle), np.cos(angle)]) * place * 15 / mm
        _add(depth, _turned(_slab(48 / mm, 13 / mm), angle, x + shift[0], y + shift[1]), chance.uniform(2.0, 4.5))


def _buckle(chance: np.random.Generator, depth: Plane, area: Area, mm: float) -> None:
    x, y = _spot(chance, area)
    outline = _turned(_slab(chance.uniform(25, 50) / mm, chance.uniform(20, 40) / mm), chance.uniform(0, np.pi), x, y)
    mask = np.zeros(depth.shape, np.uint8)
    cv2.polylines(mask, [np.rint(outline).astype(np.int32)], True, 1, max(1, round(chance.uniform(3, 6) / mm)))
    depth += mask * np.float32(4 * STEEL)


def _tube(chance: np.random.Generator, depth: Plane, area: Area, mm: float) -> None:
    x, y = _spot(chance, area)
    length, width = chance.uniform(250, 450) / mm, chance.uniform(9, 16) / mm
    angle = float(chance.choice([0, np.pi / 2]))
    _add(depth, _turned(_slab(length, width), angle, x, y), 2 * STEEL)


def _board(chance: np.random.Generator, depth: Plane, area: Area, mm: float) -> None:
    x, y = _spot(chance, area)
    angle = chance.uniform(0, np.pi)
    sides = chance.uniform(80, 330) / mm, chance.uniform(60, 230) / mm
    _add(depth, _turned(_slab(*sides), angle, x, y), chance.uniform(0.3, 0.9))
    for _ in range(int(chance.integers(4, 20))):
        px, py = chance.uniform(-0.45, 0.45) * sides[0], chance.uniform(-0.45, 0.45) * sides[1]
        part = [(a + px, b + py) for a, b in _slab(*(chance.uniform(4, 20, 2) / mm))]
        _add(depth, _turned(part, angle, x, y), chance.uniform(0.2, 1.6))


def _wheel(chance: np.random.Generator, depth: Plane, area: Area, mm: float) -> None:
    x, y = (float(area[i]) if chance.random() < 0.5 else float(area[j]) for i, j in ((0, 2), (1, 3)))
    angles = np.linspace(0, 2 * np.pi, 40)
    for radius, amount in ((22, 20 * ORGANIC), (4, 12 * STEEL)):
        ring = np.stack([x + radius / mm * np.cos(angles), y + radius / mm * np.sin(angles)], axis=1)
        _add(depth, ring, amount)
    _add(depth, _turned(_slab(40 / mm, 8 / mm), chance.uniform(0, np.pi), x, y), 3 * STEEL)


_THINGS = {
    "block": _block,
    "bottle": _bottle,
    "wire": _wire,
    "coin": _coin,
    "cell": _cell,
    "buckle": _buckle,
    "tube": _tube,
    "board": _board,
    "wheel": _wheel,
}
_KINDS = list(_THINGS)
_SHARES = np.array([8, 3, 4, 2, 2, 2, 1, 2, 1]) / 25


def _pistol(chance: np.random.Generator, depth: Plane, area: Area, mm: float) -> tuple[int, int, int, int]:
    """Add a pistol, slide and grip, and return its box; it lies wholly inside the bag."""
    length, slide = chance.uniform(130, 215) / mm, chance.uniform(22, 34) / mm
    grip, drop = chance.uniform(26, 36) / mm, chance.uniform(75, 115) / mm
    lean = chance.uniform(0.0, 0.3)
    side = float(chance.choice([-1, 1]))
    body = [(-length / 2, -slide / 2), (length / 2, -slide / 2), (length / 2, slide / 2), (-length / 2, slide / 2)]
    start = -length / 2
    handle = [
        (start, 0.0),
        (start + grip, 0.0),
        (start + grip - drop * lean, drop),
        (start - drop * lean, drop),
    ]
    angle = chance.uniform(0, 2 * np.pi)
    outlines = [np.array([(a, b * side) for a, b in part]) for part in (body, handle)]
    turned = [_turned([(float(a), float(b)) for a, b in part], angle, 0, 0) for part in outlines]
    corners = np.concatenate(turned)
    low, high = corners.min(axis=0), corners.max(axis=0)
    x = chance.uniform(area[0] - low[0], max(area[0] - low[0] + 1, area[2] - high[0]))
    y = chance.uniform(area[1] - low[1], max(area[1] - low[1] + 1, area[3] - high[1]))
    _add(depth, turned[0] + np.array([x, y]), chance.uniform(8, 18) * STEEL)
    _add(depth, turned[1] + np.array([x, y]), chance.uniform(5, 12) * STEEL)
    left, top = low + np.array([x, y])
    width, height = high - low
    return int(left), int(top), int(width), int(height)
