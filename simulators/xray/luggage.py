"""The bag itself: shells, frames, zips, telescopic handles, wheels, and cartons; and where things go in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulators.xray import texture
from simulators.xray.hard import buckle, junk
from simulators.xray.physics import material
from simulators.xray.soft import zipper
from simulators.xray.solids import (
    ALONG_X,
    ALONG_Y,
    Matrix,
    Part,
    Plate,
    Wire,
    box,
    cylinder,
    moved,
    outline,
    ring,
    rotation,
    smooth,
)
from simulators.xray.texture import curved

Rng = np.random.Generator


@dataclass(frozen=True, slots=True)
class Bag:
    """An empty bag about the origin: its parts, and the room inside (full sides in mm, x, y, z)."""

    kind: str
    parts: list[list[Part]]
    room: tuple[float, float, float]


def rounded(width: float, length: float, corner: float, z: float = 0.0) -> Matrix:
    """Return a rectangle's line with round corners, closed."""
    angle = np.linspace(0, np.pi / 2, 8)
    points = []
    for i, (sx, sy) in enumerate(((1, 1), (-1, 1), (-1, -1), (1, -1))):
        turn = angle + i * np.pi / 2
        centre = np.array([sx * (width / 2 - corner), sy * (length / 2 - corner)])
        points.append(centre + corner * np.stack([np.cos(turn), np.sin(turn)], 1))
    flat = np.vstack([*points, points[0][:1]])
    return np.hstack([flat, np.full((len(flat), 1), z)])


def _shell(rng: Rng, width: float, length: float, corner: float, mm: float, of: str, z: float) -> Plate:
    px = 2.0
    rows, columns = int(length / px) + 4, int(width / px) + 4
    points = (rounded(width, length, corner)[:, :2] / px) + [columns / 2, rows / 2]
    shape = texture.fill(points, rows, columns)
    thick = shape * (1 + 0.12 * texture.noise(rng, rows, columns)) * mm
    if rng.random() < 0.4:  # ribs of a hard shell, or quilting
        step, strength = int(rng.integers(8, 30)), rng.uniform(0.1, 0.5) * mm
        thick[:, ::step] += shape[:, ::step] * strength
    return Plate(np.maximum(thick, 0).astype(np.float32), material(of), px, (0, 0, z))


def suitcase(rng: Rng) -> Bag:
    """Make a case for the cabin or the hold: shells, frame wire, zip, telescopic tubes, wheels on carriers, handles."""
    width, length, depth = rng.uniform(330, 400), rng.uniform(480, 555), rng.uniform(180, 240)
    if rng.random() < 0.4:  # one for the hold
        width, length, depth = np.array([width, length, depth]) * rng.uniform(1.1, 1.45)
    corner = rng.uniform(25, 60)
    of = str(rng.choice(["abs", "polyester", "nylon"]))
    groups: list[list[Part]] = [
        [_shell(rng, width, length, corner, rng.uniform(1.5, 4.0), of, z)] for z in (-depth / 2, depth / 2)
    ]
    wall = rng.uniform(1.2, 2.4)
    rim = [
        Wire(rounded(width, length, corner, z), 2.4 * wall, material(of), 0.6 * wall)
        for z in np.linspace(-depth / 2, depth / 2, 5)
    ]
    groups.append([*rim, Wire(rounded(width - 3, length - 3, corner), rng.uniform(0.8, 1.8), material("steel"))])
    groups.append(zipper(rng, [(x, y) for x, y, _ in rounded(width - 8, length - 8, corner)], rng.uniform(0.3, 0.8)))
    groups.append((_telescope if rng.random() < 0.5 else _rails)(rng, length, depth))
    for x in (-1, 1):
        at = (x * width * 0.41, length / 2 + rng.uniform(0, 18), -depth / 2 + 25)
        groups.append(moved(_wheel(rng), at, rotation(rng.uniform(0, 6.28) if rng.random() < 0.5 else 0)))
        if rng.random() < 0.5:
            groups.append(moved(_wheel(rng), (at[0], at[1], depth / 2 - 25), rotation(rng.uniform(0, 6.28))))
    for y in (-length / 2, length / 2) if rng.random() < 0.5 else (-length / 2,):
        groups.append(_grip(rng, y))
    if rng.random() < 0.6:
        groups.append(
            [
                cylinder(rng.uniform(8, 14), 9, material("steel"), (x * width * 0.4, y * length * 0.44, depth / 2))
                for x in (-1, 1)
                for y in (-1, 1)
            ]
        )
    if rng.random() < 0.5:
        groups.append(moved(junk(rng), (width / 2, rng.uniform(-80, 80), 0)))  # the lock
    return Bag("suitcase", groups, (width - 30, length - 30, depth - 20))


def _telescope(rng: Rng, length: float, depth: float) -> list[Part]:
    apart, z = rng.uniform(90, 260), -depth / 2 + 14
    of, d = material(str(rng.choice(["aluminium", "steel"], p=[0.8, 0.2]))), rng.uniform(13, 24)
    wall = 1.4 if of.name == "aluminium" else 0.8
    reach = length * rng.uniform(0.7, 0.96)
    start = -length / 2
    parts: list[Part] = []
    for x in (-apart / 2, apart / 2):
        for i, part in enumerate((1.0, rng.uniform(0.7, 0.95), rng.uniform(0.5, 0.9))):
            size, run = d - i * 2 * (wall + 0.6), reach * part
            parts.append(cylinder(size, run, of, (x, start + run / 2, z), ALONG_Y, bore=size - 2 * wall, flat=0.75))
        parts.append(cylinder(2.2, reach * 0.7, material("steel"), (x, start + reach * 0.4, z), ALONG_Y))
        parts.append(Wire(ring(d * 0.3, 1, 9, 2.2) @ ALONG_Y.T + [x, start + reach * 0.8, z], 0.7, material("steel")))
        parts += moved(junk(rng), (x, start + reach, z), np.eye(3))
        parts.append(box(d * 1.6, 22, 16, material("nylon"), (x, start + reach, z)))
        if rng.random() < 0.6:
            parts += [
                cylinder(5, 10, material("steel"), (x + dx, start + reach * y, z))
                for dx in (-d, d)
                for y in (0.03, 0.97)
            ]
    parts.append(box(apart + 20, 20, 22, material("abs"), (0, start + 2, z)))
    parts.append(Wire(np.array([(-apart / 2, start + 4, z), (apart / 2, start + 4, z)]), 2, material("steel")))
    if rng.random() < 0.5:
        parts += [box(apart, 16, 1.2, of, (0, start + reach * t, z)) for t in (0.3, 0.98)]
    return parts


def _rails(rng: Rng, length: float, depth: float) -> list[Part]:
    """Make the flat steel or aluminium channels in which a handle runs: wide bands with ends of every shape."""
    of = material(str(rng.choice(["aluminium", "steel"], p=[0.45, 0.55])))
    wall = rng.uniform(1.0, 2.2) if of.name == "aluminium" else rng.uniform(0.5, 1.2)
    apart, wide, z = rng.uniform(90, 250), rng.uniform(16, 40), -depth / 2 + 10
    reach, start = length * rng.uniform(0.45, 0.97), -length / 2 + rng.uniform(0, 0.1) * length
    runs, bars = (1.0, *rng.uniform(0.5, 0.95, int(rng.integers(0, 2)))), (-apart / 2, apart / 2)
    parts: list[Part] = []
    for x in bars if rng.random() < 0.85 else (*bars, 0.0):
        for step, run in enumerate(runs):
            half, end = wide * (1 - 0.15 * step) / 2, start + reach * run
            tip, slope = rng.uniform(0, 1) * half, rng.uniform(0, 30) * float(rng.choice([0, 0, 1]))
            line = [(-half, start), (half, start), (half, end - slope), (tip, end), (-tip, end), (-half, end - slope)]
            line = [(x + dx, y) for dx, y in line]
            parts += outline(line, wall * 2, of, (0, 0, z))
            edges = [np.array([(x + side * half, start, z), (x + side * half, end - slope, z)]) for side in (-1, 1)]
            parts += [Wire(edge, rng.uniform(0.6, 1.6), of) for edge in edges]
        for y in rng.uniform(0.0, 1.0, int(rng.integers(2, 8))):
            parts += moved(screw(rng), np.array([x + rng.normal(0, 4), start + reach * y, z]))
        block = box(wide * rng.uniform(0.9, 1.6), rng.uniform(10, 40), rng.uniform(6, 18), material("nylon"))
        parts += moved([block], np.array([x, start + reach, z]))
        if rng.random() < 0.5:
            parts += moved(junk(rng), np.array([x, start + reach * float(rng.choice([0, 1])), z]))
    for y in rng.uniform(0, 1, int(rng.integers(0, 3))):
        parts.append(box(apart + wide, rng.uniform(10, 30), rng.uniform(0.6, 1.6), of, (0, start + reach * y, z)))
    return parts


def _wheel(rng: Rng) -> list[Part]:
    d, w = rng.uniform(38, 62), rng.uniform(12, 24)
    turn = ALONG_X if rng.random() < 0.6 else rotation()
    parts: list[Part] = [
        cylinder(d, w, material(str(rng.choice(["rubber", "pvc"]))), turn=turn, bore=d * 0.68),
        cylinder(d * 0.68, w * 0.8, material("nylon"), turn=turn, bore=d * 0.3),
        cylinder(rng.uniform(5, 9), w * 1.8, material("steel"), turn=turn),
        cylinder(d * 0.32, w * 0.5, material("steel"), turn=turn, bore=d * 0.2),
    ]
    carrier = material(str(rng.choice(["nylon", "zinc", "steel", "abs"])))
    thick = 1.2 if carrier.name in ("steel", "zinc") else 5.0
    parts += [box(thick, d * 0.9, d * 0.6, carrier, (x * w * 0.8, -d * 0.25, 0)) for x in (-1, 1)]
    parts.append(box(w * 1.8, thick, d * 0.7, carrier, (0, -d * 0.65, 0)))
    if rng.random() < 0.5:  # a twin
        parts += moved(parts[:4], (rng.normal(0, 6), rng.normal(0, 6), w * 1.2))
    for _ in range(int(rng.integers(2, 7))):  # what holds the carrier
        spot = np.array([rng.uniform(-1.2, 1.2) * w, -d * rng.uniform(0.5, 1.0), rng.uniform(-8, 8)])
        parts += moved(screw(rng), spot, rotation(rng.uniform(0, 6.28), rng.choice([0.2, np.pi / 2])))
    return parts


def screw(rng: Rng) -> list[Part]:
    """Make a screw or rivet along z, head up."""
    d, length = rng.uniform(2.8, 4.5), rng.uniform(9, 24)
    shank = [
        cylinder(d * t, length / 3, material("steel"), (0, 0, -length * i / 3))
        for i, t in ((0, 1), (1, 0.95), (2, 0.6))
    ]
    return [*shank, cylinder(d * 2.1, 2.6, material("steel"), (0, 0, length / 6))]


def _grip(rng: Rng, y: float) -> list[Part]:
    w = rng.uniform(50, 90)
    line = np.array([(-w, y, 0), (-w * 0.7, y + np.sign(y) * 16, 0), (w * 0.7, y + np.sign(y) * 16, 0), (w, y, 0)])
    core = material(str(rng.choice(["steel", "nylon"])))
    parts: list[Part] = [Wire(line, 8, material("rubber"), 2), Wire(line, 1.6, core)]
    for x in (-w, w):
        parts += [
            box(16, 12, 4, material("zinc"), (x, y, 0)),
            cylinder(4, 14, material("steel"), (x - 4, y, 0)),
            cylinder(4, 14, material("steel"), (x + 4, y, 0)),
        ]
    return parts


def backpack(rng: Rng) -> Bag:
    """Make a rucksack or sports bag: thin crumpled cloth, zips, straps with buckles, piping."""
    width, length, depth = rng.uniform(260, 400), rng.uniform(360, 540), rng.uniform(110, 200)
    corner = rng.uniform(60, 120)
    cloth = str(rng.choice(["nylon", "polyester", "pvc"], p=[0.45, 0.4, 0.15]))
    shells: list[list[Part]] = [
        [_shell(rng, width, length, corner, rng.uniform(0.5, 2.0), cloth, z)] for z in (-depth / 2, depth / 2)
    ]
    groups = [*shells, _crumple(rng, width, length, depth, corner, cloth)]
    for scale in (0.95, *(rng.uniform(0.4, 0.8, int(rng.integers(0, 3))))):
        line = rounded(width * scale, length * scale, corner * scale)
        groups.append(zipper(rng, [(x, y) for x, y, _ in line[: int(rng.integers(14, 33))]]))
    groups += _straps(rng, width, length, depth)
    if rng.random() < 0.3:
        stay, size = rng.uniform(0.2, 0.35) * width, rng.uniform(6, 10)
        stays = [(x * stay, 0, -depth / 2) for x in (-1, 1)]
        groups.append(
            [cylinder(size, length * 0.85, material("aluminium"), at, ALONG_Y, bore=size - 2) for at in stays]
        )
    return Bag("backpack", groups, (width - 50, length - 50, depth - 10))


def _crumple(rng: Rng, width: float, length: float, depth: float, corner: float, cloth: str) -> list[Part]:
    """Make a soft bag's outline, which no two heights share, and creases over its face."""
    parts: list[Part] = []
    base = rounded(width, length, corner)[:-1:2]
    for z in np.linspace(-depth / 2, depth / 2, int(rng.integers(3, 6))):
        line = curved(base * rng.uniform(0.95, 1.03) + rng.normal(0, 4.5, base.shape) + [0, 0, z])
        parts.append(Wire(np.vstack([line, line[:1]]), rng.uniform(0.6, 2.6), material(cloth)))
    for _ in range(int(rng.integers(3, 16))):
        start = np.array([rng.uniform(-0.48, 0.48) * width, rng.uniform(-0.48, 0.48) * length, depth / 2])
        steps = rng.normal(0, 22, (int(rng.integers(3, 7)), 3)) * [1, 1, 0.1] + rng.normal(0, 14, 3) * [1, 1, 0]
        line = smooth(start + np.cumsum(steps, axis=0))
        inside = np.clip(line, [-width / 2, -length / 2, -depth], [width / 2, length / 2, depth])
        parts.append(Wire(inside, rng.uniform(0.4, 1.4), material(cloth)))
    return parts


def _straps(rng: Rng, width: float, length: float, depth: float) -> list[list[Part]]:
    groups: list[list[Part]] = []
    for x in (-1, 1):
        webbing, spot = rng.uniform(25, 55), (x * width * 0.22, 0, -depth / 2)
        strap = box(webbing, length * 0.8, rng.uniform(2, 8), material("polyester"), spot, rotation(x * 0.1))
        groups.append([strap])
        for _ in range(int(rng.integers(1, 4))):
            at = (x * width * 0.22 + rng.normal(0, 15), rng.uniform(-0.45, 0.5) * length, -depth / 2)
            groups.append(moved(buckle(rng), at, rotation(rng.normal(0, 0.3))))
    return groups


def handbag(rng: Rng) -> Bag:
    """Make a handbag or briefcase."""
    width, length, depth = rng.uniform(260, 420), rng.uniform(200, 330), rng.uniform(80, 150)
    groups: list[list[Part]] = [
        [_shell(rng, width, length, rng.uniform(15, 60), rng.uniform(1.0, 2.5), "leather", z)]
        for z in (-depth / 2, depth / 2)
    ]
    groups.append([Wire(rounded(width, length, 30, z), 2.5, material("leather")) for z in (-depth / 2, 0, depth / 2)])
    groups.append(zipper(rng, [(-width * 0.45, -length * 0.47), (width * 0.45, -length * 0.47)]))
    arch = np.linspace(0, np.pi, 16)
    groups.append(
        [
            Wire(
                np.stack([110 * np.cos(arch), -length / 2 - 80 * np.sin(arch), np.full(16, z)], 1),
                5,
                material("leather"),
            )
            for z in (-15, 15)
        ]
    )
    for _ in range(int(rng.integers(3, 9))):
        groups.append(
            moved(
                buckle(rng),
                (rng.uniform(-0.45, 0.45) * width, rng.choice([-0.48, 0.4]) * length, rng.normal(0, 20)),
                rotation(rng.uniform(0, 6.28)),
            )
        )
    return Bag("handbag", groups, (width - 25, length - 25, depth))


def carton(rng: Rng) -> Bag:
    """Make a parcel: corrugated board, tape, staples, padding; the goods come as contents."""
    width, length, depth = rng.uniform(200, 420), rng.uniform(240, 540), rng.uniform(90, 300)
    groups: list[list[Part]] = [
        [box(width, length, rng.uniform(0.8, 2), material("paper"), (0, 0, z))] for z in (-depth / 2, depth / 2)
    ]
    groups.append([box(2.5, length, depth, material("paper"), (x * width / 2, 0, 0)) for x in (-1, 1)])
    groups.append([box(width, 2.5, depth, material("paper"), (0, y * length / 2, 0)) for y in (-1, 1)])
    groups.append(
        [
            box(50, length, 0.1, material("polyethylene"), (0, 0, depth / 2)),
            box(width, length * 0.5, 1.4, material("paper"), (0, 0, depth / 2)),
        ]
    )
    if rng.random() < 0.4:
        groups.append(
            [
                box(rng.uniform(10, 18), 1.0, 1.0, material("steel"), (rng.normal(0, 8), y, depth / 2))
                for y in np.linspace(-0.45, 0.45, 6) * length
            ]
        )
    return Bag("carton", groups, (width - 15, length - 15, depth - 10))


def tray(rng: Rng) -> Bag:
    """Make a lane's plastic tray, what passengers take out of their bags loose in it."""
    width, length, depth = rng.uniform(330, 420), rng.uniform(480, 580), rng.uniform(70, 130)
    of = material("polyethylene")
    floor = _shell(rng, width, length, 40, rng.uniform(2, 3.5), "polyethylene", -depth / 2)
    rims: list[Part] = [
        Wire(rounded(width * s, length * s, 40, depth * (s - 0.97) * 12), rng.uniform(2, 4), of)
        for s in (0.94, 0.97, 1.0)
    ]
    ribs: list[Part] = [box(width * 0.9, 3, 6, of, (0, y * length, -depth / 2)) for y in np.linspace(-0.4, 0.4, 7)]
    return Bag("tray", [[floor], rims, ribs if rng.random() < 0.6 else []], (width - 50, length - 50, depth))


def loose(rng: Rng) -> Bag:
    """Make no bag at all: things on the belt."""
    return Bag("loose", [], (rng.uniform(180, 380), rng.uniform(240, 500), rng.uniform(40, 140)))


def crate(rng: Rng) -> Bag:
    """Make a cargo box: boards, nails, strapping."""
    width, length, depth = rng.uniform(300, 430), rng.uniform(400, 560), rng.uniform(200, 350)
    groups: list[list[Part]] = []
    boards = int(rng.integers(3, 7))
    for z in (-depth / 2, depth / 2):
        groups.append(
            [
                box(
                    width / boards - rng.uniform(2, 12),
                    length,
                    rng.uniform(8, 18),
                    material("wood"),
                    ((i - (boards - 1) / 2) * width / boards, 0, z),
                )
                for i in range(boards)
            ]
        )
    groups.append(
        [
            box(width, 35, 18, material("wood"), (0, y * length * 0.44, z))
            for y in (-1, 1)
            for z in (-depth / 2 + 18, depth / 2 - 18)
        ]
    )
    nails: list[Part] = []
    for y in (-0.44, 0.44):
        for x in np.linspace(-0.46, 0.46, boards * 2) * width:
            spot = np.array([x, y * length, depth / 2])
            nails += moved(
                [cylinder(2.8, 45, material("steel"), (0, 0, -20)), cylinder(7, 1.4, material("steel"))],
                spot,
                rotation(rng.uniform(0, 6.28), rng.normal(0, 0.1)),
            )
    groups.append(nails)
    groups.append(
        [
            box(width + 4, 13, 0.6, material("steel"), (0, y * length, z))
            for y in (-0.25, 0.25)
            for z in (-depth / 2 - 10, depth / 2 + 10)
        ]
    )
    return Bag("crate", groups, (width - 40, length - 60, depth - 40))


BAGS = {
    "suitcase": (suitcase, 0.34),
    "backpack": (backpack, 0.28),
    "handbag": (handbag, 0.13),
    "carton": (carton, 0.09),
    "crate": (crate, 0.04),
    "tray": (tray, 0.09),
    "loose": (loose, 0.03),
}
"""Each bag and how often it comes."""
