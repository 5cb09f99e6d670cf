"""Contraband that is a mass more than a shape: bricks, sheets, pellets, currency, ivory, medicines, shields.

Two pictures at two energies cannot tell cocaine from sugar; what they show is density, thickness and form. The kinds
here are therefore named by form, and their labels promise no substance.
"""

from __future__ import annotations

import numpy as np

from simulators.xray import texture
from simulators.xray.physics import material
from simulators.xray.solids import (
    ALONG_X,
    ALONG_Y,
    Part,
    Piece,
    Plate,
    Wire,
    ball,
    box,
    cylinder,
    moved,
    ring,
    rotation,
    smooth,
)

Rng = np.random.Generator
_NARCOTICS = ["cocaine", "heroin", "methamphetamine", "cannabis"]
_EXPLOSIVES = ["rdx", "petn", "tnt", "ammonium_nitrate", "black_powder"]


def brick(rng: Rng) -> list[Part]:
    """Make one pressed and wrapped brick or a few, with tape and at times a foil wrapping."""
    of = material(str(rng.choice(_NARCOTICS)))
    width, length, thick = rng.uniform(80, 160), rng.uniform(120, 240), rng.uniform(28, 70)
    parts: list[Part] = []
    for i in range(int(rng.choice([1, 1, 2, 4]))):
        spot = np.array([(i % 2) * (width + 4), (i // 2) * (length + 4), 0]) + rng.normal(0, 2, 3)
        one: list[Part] = [box(width, length, thick, of)]
        rows, columns = int(length / 2), int(width / 2)
        rough = texture.noise(rng, rows, columns) * rng.uniform(0.3, 2.5)
        one.append(Plate(np.maximum(rough, 0).astype(np.float32), of, 2.0))
        one += [box(width + 1, 48, 0.25, material("pvc"), (0, y * length, thick / 2)) for y in (-0.3, 0.3)]
        if rng.random() < 0.25:
            one += [box(width + 2, length + 2, 0.05, material("aluminium"), (0, 0, z)) for z in (-thick / 2, thick / 2)]
        parts += moved(one, spot, rotation(rng.normal(0, 0.03)))
    return parts


def explosive(rng: Rng) -> list[Part]:
    """Make a block, sticks, a pipe or a bottle of explosive, as a rule with detonator, wires and a battery."""
    of, kind = material(str(rng.choice(_EXPLOSIVES))), rng.integers(4)
    if kind == 0:
        size = (rng.uniform(50, 90), rng.uniform(100, 220), rng.uniform(25, 55))
        parts: list[Part] = [box(*size, of)]
        reach = size[1] / 2
    elif kind == 1:
        count = int(rng.integers(2, 8))
        parts = [cylinder(31, 200, of, ((i % 4) * 32 - 48, 0, (i // 4) * 28), ALONG_Y) for i in range(count)]
        parts += [box(136, 40, 0.3, material("pvc"), (0, y, 16)) for y in (-50, 50)]
        reach = 100.0
    elif kind == 2:
        d, length = rng.uniform(28, 62), rng.uniform(120, 280)
        steel = material(str(rng.choice(["steel", "steel", "pvc", "copper"])))
        parts = [cylinder(d, length, steel, turn=ALONG_Y, bore=d - 7), cylinder(d - 7.5, length - 10, of, turn=ALONG_Y)]
        parts += [cylinder(d + 9, 24, steel, (0, y * length / 2, 0), ALONG_Y, bore=d - 7, floor=5) for y in (-1, 1)]
        reach = length / 2
    else:
        d, h = rng.uniform(60, 95), rng.uniform(120, 230)
        parts = [
            cylinder(d, h, material("polyethylene"), turn=ALONG_Y, bore=d - 3, floor=1.5),
            cylinder(d - 3.4, h * rng.uniform(0.6, 0.95), of, turn=ALONG_Y),
        ]
        reach = h / 2
    return parts + (_trigger(rng, reach) if rng.random() < 0.75 else [])


def _trigger(rng: Rng, reach: float) -> list[Part]:
    """Make detonator, leads, battery and a small board."""
    parts: list[Part] = [
        cylinder(7, 55, material("aluminium"), (0, reach - 15, 0), ALONG_Y, bore=6),
        cylinder(5.5, 25, material("petn"), (0, reach - 25, 0), ALONG_Y),
    ]
    away = np.array([rng.uniform(-70, 70), reach + rng.uniform(35, 80), 0])
    for shift in (-2, 2):
        middle = away / 2 + rng.normal(0, 18, 3)
        lead = smooth(np.array([(shift, reach + 12, 0), tuple(middle), tuple(away)]))
        parts += [Wire(lead, 0.9, material("pvc"), 0.4), Wire(lead, 0.4, material("copper"))]
    battery: list[Part] = [box(26, 48, 17, material("alkaline_cell")), box(26, 48, 0.6, material("steel"), (0, 0, 8))]
    if rng.random() < 0.5:
        battery = [cylinder(14.5, 50, material("alkaline_cell"), (x, 0, 0), ALONG_Y) for x in (-8, 8)]
    parts += moved(battery, away, rotation(rng.uniform(0, 6.28)))
    laminate, plastic, copper = texture.board(rng, 45, 60, 20)
    spot = tuple(away + np.array([rng.choice([-50, 50]), 0, 0]))
    return [
        *parts,
        Plate(laminate, material("circuit_board"), 1.0, spot),
        Plate(plastic, material("abs"), 1.0, spot),
        Plate(copper, material("copper"), 1.0, spot),
    ]


def sheet(rng: Rng) -> list[Part]:
    """Make a pressed sheet, as in a false bottom or a lining: wide, thin, even, and denser than cloth."""
    of = material(str(rng.choice([*_NARCOTICS, "rdx", "petn"])))
    width, length, thick = rng.uniform(140, 320), rng.uniform(180, 460), rng.uniform(6, 22)
    px = 2.0
    rows, columns = int(length / px), int(width / px)
    body = np.full((rows, columns), thick, np.float32) * (1 + 0.04 * texture.noise(rng, rows, columns))
    if rng.random() < 0.5:
        body *= texture.blob(rng, rows, columns, rough=0.15, corners=14)
    return [
        Plate(body.astype(np.float32), of, px),
        box(width + 3, length + 3, 0.4, material("polyethylene"), (0, 0, thick / 2)),
    ]


def pellets(rng: Rng) -> list[Part]:
    """Make many wrapped pellets of the size that is swallowed, in a heap or a row."""
    of = material(str(rng.choice(_NARCOTICS)))
    count, spread = int(rng.integers(12, 60)), rng.uniform(22, 60)
    size = (rng.uniform(32, 58), rng.uniform(14, 24))
    parts: list[Part] = []
    for _ in range(count):
        spot = rng.normal(0, spread, 3) * [1, 1, 0.35]
        turn = rotation(*rng.uniform(0, 6.28, 2))
        parts.append(ball(size[0], size[1], size[1], of, spot, turn))
    return parts


def currency(rng: Rng) -> list[Part]:
    """Make bundles of banknotes with bands, stacked."""
    width, length = rng.uniform(62, 82), rng.uniform(130, 165)
    across, down = int(rng.integers(1, 5)), int(rng.integers(1, 4))
    parts: list[Part] = []
    for i in range(across):
        for j in range(down):
            high = int(rng.integers(1, 6)) * rng.uniform(9, 13)
            spot = np.array(
                [(i - (across - 1) / 2) * (width + 2), (j - (down - 1) / 2) * (length + 2), 0]
            ) + rng.normal(0, 1.5, 3)
            rows, columns = int(length), int(width)
            lines = np.full((rows, columns), high, np.float32) * (1 + 0.02 * texture.noise(rng, rows, columns, 0.3))
            lines[int(rows * 0.3) : int(rows * 0.3) + 2] += high * 0.06  # the thread of the notes, all in one place
            bundle: list[Part] = [
                Plate(lines, material("banknote"), 1.0),
                box(width + 1, 30, 0.5, material("paper"), (0, 0, high / 2)),
            ]
            parts += moved(bundle, spot, rotation(rng.normal(0, 0.03)))
    return parts


def ivory(rng: Rng) -> list[Part]:
    """Make a tusk, pieces of one, bangles, beads or a carving."""
    of, kind = material("ivory"), rng.integers(4)
    if kind == 0:
        length, thick = rng.uniform(150, 420), rng.uniform(28, 65)
        bend = np.linspace(0, rng.uniform(0.5, 1.6), 9)
        line = np.stack([np.cumsum(np.cos(bend)), np.cumsum(np.sin(bend)), np.zeros(9)], 1) * length / 9
        parts: list[Part] = []
        for i in range(8):
            d = thick * (1 - i / 9)
            step = line[i + 1] - line[i]
            turn = rotation(np.arctan2(step[1], step[0])) @ ALONG_X
            parts.append(
                cylinder(
                    d,
                    np.linalg.norm(step) * 1.06,
                    of,
                    tuple((line[i] + line[i + 1]) / 2),
                    turn,
                    bore=d * max(0.55 - i * 0.12, 0),
                )
            )
        return parts
    if kind == 1:
        return [
            cylinder(
                d := rng.uniform(25, 60),
                rng.uniform(30, 90),
                of,
                rng.normal(0, 55, 3) * [1, 1, 0.3],
                rotation(*rng.uniform(0, 6.28, 3)),
                bore=d * rng.choice([0, 0.4]),
            )
            for _ in range(int(rng.integers(2, 6)))
        ]
    if kind == 2:
        parts = [
            Wire(ring(rng.uniform(30, 36)) + rng.normal(0, 25, 3) * [1, 1, 0.4], rng.uniform(4, 7), of)
            for _ in range(int(rng.integers(2, 9)))
        ]
        return parts
    body: list[Part] = [
        ball(rng.uniform(30, 55), rng.uniform(60, 120), rng.uniform(25, 45), of),
        ball(*rng.uniform(22, 36, 3), of, (0, 70, 0)),
        cylinder(50, 14, of, (0, -60, 0), ALONG_Y),
    ]
    return body + [
        cylinder(
            rng.uniform(8, 14),
            rng.uniform(40, 70),
            of,
            (x, rng.uniform(-20, 30), 0),
            rotation(rng.normal(0, 0.7)) @ ALONG_Y,
        )
        for x in (-30, 30)
    ]


def pharmaceuticals(rng: Rng) -> list[Part]:
    """Make medicines as no traveller carries them: stacks of blisters, tablets by the kilogram, cases of vials."""
    kind = rng.integers(3)
    if kind == 0:
        parts: list[Part] = []
        raster = np.zeros((40, 95), np.float32)
        yy, xx = np.mgrid[0:40, 0:95]
        size = rng.uniform(3.5, 6)
        for i in range(6):
            for j in range(3):
                raster[np.hypot(xx - 8 - 15.6 * i, yy - 7 - 13 * j) < size] = 4.2
        layers = int(rng.integers(5, 14))
        for i in range(int(rng.integers(2, 5))):
            for j in range(int(rng.integers(2, 6))):
                slip = rng.normal(0, 1.2, 3)
                stack: list[Part] = [
                    Plate(raster * layers, material("tablets"), 1.0),
                    box(95, 40, 0.35 * layers, material("pvc")),
                    box(95, 40, 0.025 * layers, material("aluminium")),
                ]
                parts += moved(stack, slip + np.array([i * 98, j * 43, 0]))
        return parts
    if kind == 1:
        px = 1.0
        side = rng.uniform(110, 210)
        rows = columns = int(side / px)
        heap = np.zeros((rows, columns), np.float32)
        centres = rng.integers(6, rows - 6, (int(rng.integers(300, 900)), 2))
        dy, dx = np.mgrid[-5:6, -5:6]
        pill = np.sqrt(np.maximum(rng.uniform(12, 25) - dx**2 - dy**2, 0)).astype(np.float32)
        for y, x in centres:
            heap[y - 5 : y + 6, x - 5 : x + 6] += pill
        heap *= texture.blob(rng, rows, columns, rough=0.3)
        return [Plate(heap, material("tablets"), px), box(side, side, 0.2, material("polyethylene"), (0, 0, 5))]
    parts, across, down = [], int(rng.integers(4, 9)), int(rng.integers(3, 8))
    for i in range(across):
        for j in range(down):
            spot = ((i - across / 2) * 18.5, (j - down / 2) * 18.5, 0)
            parts += [
                cylinder(16, 45, material("glass"), spot, bore=13.6, floor=1.5),
                cylinder(13.4, 26, material(str(rng.choice(["water", "tablets"]))), (spot[0], spot[1], -7)),
                cylinder(13, 7, material("aluminium"), (spot[0], spot[1], 25), bore=12),
            ]
    return parts


def shield(rng: Rng) -> list[Part]:
    """Make lead or thick metal that lets nothing through: foil, a box, a vessel."""
    heavy, kind = material(str(rng.choice(["lead", "lead", "steel"]))), rng.integers(3)
    mm = rng.uniform(1.6, 5) if heavy.name == "lead" else rng.uniform(14, 30)
    width, length = rng.uniform(70, 220), rng.uniform(90, 280)
    if kind == 0:
        px = 2.0
        rows, columns = int(length / px), int(width / px)
        foil = (
            texture.blob(rng, rows, columns, rough=0.35, corners=12)
            * mm
            * (1.2 + 0.25 * np.abs(texture.noise(rng, rows, columns)))
        )
        return [Plate(foil.astype(np.float32), heavy, px)]
    if kind == 1:
        tall = rng.uniform(30, 90)
        outer = box(width, length, tall, heavy)
        inner = box(width - 2 * mm, length - 2 * mm, tall - 2 * mm, heavy)
        return [Piece(outer.half, heavy, outer.planes, "", holes=(inner,))]
    return [cylinder(width * 0.7, length, heavy, turn=ALONG_X, bore=max(width * 0.7 - 2 * mm, 1), floor=mm)]
