"""Blades of every kind, striking weapons: outlines ground to an edge, handles, tangs."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from simulators.xray.physics import Material, material
from simulators.xray.solids import (
    ALONG_X,
    ALONG_Y,
    Part,
    Piece,
    Wire,
    box,
    cylinder,
    moved,
    outline,
    ring,
    rotation,
    shifted,
)

Rng = np.random.Generator


def blade(line: list[tuple[float, float]], spine_mm: float, of: Material) -> list[Part]:
    """Return a blade of this outline (x along, edge at -y), thin to the edge, point and edge ground."""
    parts: list[Part] = []
    pieces = outline(line, spine_mm, of)
    low, high = min(y for _, y in line), max(y for _, y in line)
    # Two planes that meet at the edge make the wedge: half a spine thick at the top, a tenth at the edge.
    rise = (spine_mm * 0.45) / max(high - low, 1)
    for piece in pieces:
        edge = low - piece.at[1]
        wedge = np.array([[0, -rise, s, spine_mm * 0.05 - rise * edge] for s in (1, -1)])
        planes = np.vstack([piece.planes, wedge]) if piece.planes is not None else wedge
        parts.append(Piece(piece.half, of, planes, "", piece.at))
    return parts


def _handle(rng: Rng, length: float, wide: float, tang: float, of: Material) -> list[Part]:
    """Make a handle along -x from the origin: scales over a tang, rivets, or a hollow of metal."""
    scale = material(str(rng.choice(["wood", "abs", "nylon", "rubber", "steel", "acrylic"])))
    parts: list[Part] = [
        box(length * rng.uniform(0.5, 1.0), wide * rng.uniform(0.3, 0.9), tang, of, (-length * 0.45, 0, 0))
    ]
    if scale.name == "steel":
        return [*parts, cylinder(wide, length, scale, (-length / 2, 0, 0), ALONG_X, bore=wide - 2, flat=0.6)]
    parts.append(cylinder(wide, length, scale, (-length / 2, 0, 0), ALONG_X, flat=rng.uniform(0.5, 0.9)))
    for i in range(int(rng.integers(0, 4))):
        parts.append(
            cylinder(5, wide * 0.7, material(str(rng.choice(["brass", "steel"]))), (-length * (0.2 + 0.25 * i), 0, 0))
        )
    return parts


def _blade_line(rng: Rng, length: float, wide: float) -> list[tuple[float, float]]:
    """One of many blades' outlines, from the handle at x = 0 to the point, counter-clockwise from the edge's heel."""
    kind, h = rng.integers(7), wide / 2
    if kind == 0:  # cook's
        edge = [(length * t, -h + wide * 0.75 * t**3) for t in np.linspace(0, 1, 7)]
        return [*edge, (length * 0.6, h * 0.75), (0, h)]
    if kind == 1:  # dagger
        return [(0, -h), (length * 0.75, -h), (length, 0), (length * 0.75, h), (0, h)]
    if kind == 2:  # clip point
        return [(0, -h), (length * 0.7, -h), (length, h * 0.2), (length * 0.72, h), (0, h)]
    if kind == 3:  # straight, square end
        return [(0, -h), (length, -h), (length, h * 0.8), (0, h)]
    if kind == 4:  # tanto
        return [(0, -h), (length * 0.8, -h), (length, h), (0, h)]
    if kind == 5:  # curved up
        low = [(length * t, -h + wide * 0.9 * t**2) for t in np.linspace(0, 1, 6)]
        high = [(length * t, h + wide * 0.55 * t**2) for t in np.linspace(0.9, 0, 6)]
        return [*low, *high]
    return [(0, -h), (length * 0.5, -h * 1.5), (length, 0), (length * 0.5, h * 0.9), (0, h)]  # leaf


def knife(rng: Rng) -> list[Part]:
    """Make a fixed knife of any kind: kitchen, dagger, hunting."""
    of = (
        material("ceramic")
        if rng.random() < 0.06
        else material(str(rng.choice(["steel", "steel", "titanium"], p=[0.5, 0.44, 0.06])))
    )
    length, wide = rng.uniform(60, 250), rng.uniform(14, 52)
    spine = rng.uniform(1.0, 5.0)
    parts = blade(_blade_line(rng, length, min(wide, length * 0.35)), spine, of)
    if rng.random() < 0.35:
        parts.append(
            box(
                rng.uniform(5, 11),
                wide * rng.uniform(1.1, 2),
                spine * 3,
                material(str(rng.choice(["steel", "brass"]))),
                (0, 0, 0),
            )
        )
    return parts + _handle(rng, rng.uniform(85, 135), rng.uniform(18, 32), spine * 0.9, of)


def folding_knife(rng: Rng) -> list[Part]:
    """Make a pocket knife, shut, half or fully open: liners, spring, pivot; one blade or several."""
    length, steel = rng.uniform(80, 125), material("steel")
    parts: list[Part] = [box(length, 17, 1.3, steel, (0, 0, z)) for z in (-4, 4)]
    scale = material(str(rng.choice(["wood", "abs", "aluminium", "bone"])))
    parts += [cylinder(19, length + 6, scale, (0, 0, z), ALONG_X, flat=0.25) for z in (-6, 6)]
    parts.append(box(length * 0.9, 3.2, 5, steel, (0, 8, 0)))
    for x in (-0.46, 0.0, 0.46):
        parts.append(cylinder(5, 12, steel, (x * length, 0, 0)))
    for i in range(int(rng.choice([1, 1, 2, 5]))):
        open_by = float(rng.choice([0, 0.5, np.pi])) + rng.uniform(0, 0.5)
        leaf = blade(_blade_line(rng, length * 0.88, rng.uniform(13, 22)), rng.uniform(1.6, 3.4), steel)
        end = 1 if i % 2 == 0 else -1
        parts += moved(leaf, (end * length * 0.46, 0, (i - 1) * 1.5), rotation(np.pi - open_by if end > 0 else open_by))
    return parts


def cleaver(rng: Rng) -> list[Part]:
    """Make a cleaver, a machete or an axe."""
    kind, steel = rng.integers(3), material("steel")
    if kind == 0:
        length, wide = rng.uniform(140, 215), rng.uniform(65, 110)
        line = [(0, -wide * 0.6), (length, -wide * 0.6), (length, wide * 0.4), (0, wide * 0.4)]
        return blade(line, rng.uniform(1.6, 5), steel) + _handle(rng, 125, 28, 3, steel)
    if kind == 1:
        length = rng.uniform(250, 430)
        line = [(0, -18), (length * 0.7, -rng.uniform(25, 38)), (length, -5), (length * 0.9, 20), (0, 18)]
        return blade(line, rng.uniform(1.8, 3.2), steel) + _handle(rng, 130, 32, 2.5, steel)
    head = [(-18, -70), (0, -80), (14, -70), (16, -8), (18, 30), (-18, 30), (-16, -8)]
    shaft = rng.uniform(220, 360)
    handle = material(str(rng.choice(["wood", "steel", "nylon"])))
    return [
        *blade([(y, x) for x, y in reversed(head)], 24, steel),
        cylinder(27, shaft, handle, (10, shaft / 2 - 20, 0), ALONG_Y, flat=0.7),
    ]


def big_scissors(rng: Rng) -> list[Part]:
    """Make scissors or shears of more than 6 cm blades, open or shut."""
    length, opening, steel = rng.uniform(75, 170), rng.uniform(0.02, 0.5), material("steel")
    parts: list[Part] = []
    plastic = rng.random() < 0.6
    for side in (-1.0, 1.0):
        line = [(0, -9), (length, -1), (length, 1), (length * 0.3, 9), (0, 9)]
        half = blade(line, rng.uniform(1.6, 3), steel)
        loop = shifted(ring(rng.uniform(15, 27), 0.65), -length * 0.62, -15, 0)
        half.append(Wire(np.array([(0, 0, 0), (-25, -5, 0), (-length * 0.62 + 20, -12, 0.0)]), 3.2, steel))
        half.append(Wire(loop, 5.5 if plastic else 3.0, material("abs") if plastic else steel))
        parts += moved(half, (0, 0, side * 1.5), rotation(side * opening / 2) @ np.diag([1.0, side, side]))
    return [*parts, cylinder(9, 8, steel)]


def other_blade(rng: Rng) -> list[Part]:
    """Make box cutters, razors, throwing stars, saw blades, ice picks."""
    steel, kind = material("steel"), rng.integers(5)
    if kind == 0:
        length = rng.uniform(95, 165)
        cutter: list[Part] = [
            box(length, 18, 1.2, steel),
            box(length + 10, 24, 1.4, material(str(rng.choice(["abs", "zinc"]))), (0, 0, 4)),
            box(length + 10, 24, 1.4, material("abs"), (0, 0, -4)),
        ]
        return [*cutter, *blade([(0, -9), (rng.uniform(20, 75), -9), (35, 9), (0, 9)], 0.7, steel)[:2]]
    if kind == 1:
        return [
            *blade([(0, -10), (75, -10), (78, 8), (0, 8)], 4, steel),
            box(130, 15, 3, material("acrylic"), (-65, -4, 4)),
            box(130, 15, 3, material("acrylic"), (-65, -4, -4)),
        ]
    if kind == 2:
        spikes, outer = int(rng.choice([4, 5, 6, 8])), rng.uniform(35, 55)
        angle = np.arange(2 * spikes) * np.pi / spikes
        radius = np.where(np.arange(2 * spikes) % 2, outer * rng.uniform(0.25, 0.45), outer)
        return list(outline(np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1), rng.uniform(1.5, 4), steel))
    if kind == 3:
        length = rng.uniform(150, 330)
        teeth = [(x, -11 - (3 if i % 2 else 0)) for i, x in enumerate(np.linspace(0, length, int(length / 9)))]
        return [
            *outline([*teeth, (length, 10), (0, 10)], rng.uniform(0.9, 1.6), steel),
            *_handle(rng, 110, 28, 2, steel),
        ]
    length = rng.uniform(90, 190)
    return [cylinder(rng.uniform(4, 7), length, steel, (length / 2, 0, 0), ALONG_X), *_handle(rng, 95, 28, 4, steel)]


def knuckle(rng: Rng) -> list[Part]:
    """Make a knuckle duster or a folding baton."""
    of = material(str(rng.choice(["brass", "steel", "zinc", "aluminium"])))
    if rng.random() < 0.6:
        parts: list[Part] = []
        for i in range(4):
            loop = shifted(ring(rng.uniform(12, 14), 1.05), (i - 1.5) * 25, -abs(i - 1.5) * 3, 0)
            parts.append(Wire(loop, rng.uniform(3.5, 5), of))
        return [*parts, *outline([(-40, -35), (40, -35), (46, -14), (-46, -14)], 9, of)]
    length = rng.uniform(150, 240)
    return [
        cylinder(27 - 5 * i, length - 6 * i, material("steel"), (3 * i, 0, 0), ALONG_X, bore=24.5 - 5 * i)
        for i in range(3)
    ]


def club(rng: Rng) -> list[Part]:
    """Make a bat, a truncheon or a bar: tubes of light metal, wood, hard rubber or steel."""
    kind = rng.choice(3, p=[0.6, 0.25, 0.15])
    if kind == 1:
        of = material(str(rng.choice(["rubber", "nylon", "wood", "acrylic"])))
        length, wide = rng.uniform(300, 600), rng.uniform(26, 36)
        grip = cylinder(wide * 1.15, length * 0.24, material("rubber"), (-length * 0.38, 0, 0), ALONG_X, bore=wide)
        return [cylinder(wide, length, of, turn=ALONG_X), grip]
    if kind == 2:
        length, wide = rng.uniform(250, 600), rng.uniform(12, 34)
        of = material(str(rng.choice(["steel", "brass", "aluminium"])))
        return [cylinder(wide, length, of, turn=ALONG_X, bore=wide - rng.uniform(2.5, 10))]
    length, barrel, neck = rng.uniform(380, 860), rng.uniform(48, 68), rng.uniform(20, 27)
    of = material(str(rng.choice(["aluminium", "aluminium", "wood", "steel"], p=[0.4, 0.25, 0.25, 0.1])))
    wall = 0.0 if of.name == "wood" else rng.uniform(1.6, 3.6) * (0.5 if of.name == "steel" else 1.0)
    parts: list[Part] = [cylinder(neck * 1.75, rng.uniform(10, 22), of, (-length / 2, 0, 0), ALONG_X)]
    edges = np.linspace(0, 1, 19)
    for low, high in pairwise(edges):
        t = (low + high) / 2
        wide = neck + (barrel - neck) * float(np.clip((t - 0.3) / 0.38, 0, 1)) ** 1.3
        bore = wide - 2 * wall if wall else 0.0
        at = ((t - 0.5) * length, 0.0, 0.0)
        parts.append(cylinder(wide, (high - low) * length, of, at, ALONG_X, bore=bore))
    cap = material("rubber") if wall else of
    return [*parts, cylinder(barrel * 0.98, rng.uniform(4, 14), cap, (length / 2, 0, 0), ALONG_X)]
