"""Ordinary things that are hard: electronics, cables, umbrellas, tools, belts, keys, metal like parts of threats."""

from __future__ import annotations

import cv2
import numpy as np

from simulators.xray import texture
from simulators.xray.physics import material
from simulators.xray.solids import (
    ALONG_X,
    ALONG_Y,
    Matrix,
    Part,
    Plate,
    Wire,
    ball,
    box,
    cylinder,
    moved,
    outline,
    rotation,
)

Rng = np.random.Generator


def ring(radius: float, squeeze: float = 1.0, turns: float = 1.0, rise: float = 0.0) -> Matrix:
    """Return points on a circle, an ellipse or a helix about z."""
    angle = np.linspace(0, 2 * np.pi * turns, max(int(26 * turns), 12))
    return np.stack(
        [radius * np.cos(angle), radius * squeeze * np.sin(angle), rise * (angle / (2 * np.pi) - turns / 2)], 1
    )


def shifted(points: Matrix, x: float, y: float, z: float) -> Matrix:
    """Return points moved."""
    return points + np.array([x, y, z])


def smooth(points: Matrix, steps: int = 12) -> Matrix:
    """Return a smooth line through points (Catmull-Rom)."""
    padded = np.vstack([2 * points[0] - points[1], points, 2 * points[-1] - points[-2]])
    t = np.linspace(0, 1, steps, endpoint=False)[:, None]
    out = []
    for a, b, c, d in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        out.append(0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3))
    return np.vstack([*out, points[-1:]])


def board_at(rng: Rng, width: float, length: float, chips: int, z: float = 0.0) -> list[Part]:
    """Make a circuit board of these sides with its chips."""
    px = 1.0
    rows, columns = max(int(length), 6), max(int(width), 6)
    laminate, plastic, copper = texture.board(rng, rows, columns, chips)
    return [
        Plate(laminate, material("circuit_board"), px, (0, 0, z)),
        Plate(plastic, material("abs"), px, (0, 0, z + 1)),
        Plate(copper, material("copper"), px, (0, 0, z + 1)),
    ]


def laptop(rng: Rng) -> list[Part]:
    """Make a laptop: case, board, fan, heat pipe, drive, cells, keyboard, hinges, screen."""
    width, length = rng.uniform(270, 370), rng.uniform(190, 255)
    case = material(str(rng.choice(["aluminium", "abs", "abs"])))
    wall = 1.0 if case.name == "aluminium" else 2.2
    parts: list[Part] = [box(width, length, wall, case, (0, 0, z)) for z in (-9, 9)]
    parts.append(box(width - 8, length - 8, 1.3, material("glass"), (0, 0, 11)))
    board = board_at(rng, width * rng.uniform(0.5, 0.9), length * rng.uniform(0.35, 0.5), int(rng.integers(30, 90)))
    parts += moved(board, (rng.uniform(-0.1, 0.1) * width, length * 0.2, 0))
    cells = int(rng.integers(3, 7))
    if rng.random() < 0.5:  # flat cells
        for i in range(cells):
            x = (i - (cells - 1) / 2) * width * 0.8 / cells
            parts.append(
                box(
                    width * 0.75 / cells,
                    length * 0.34,
                    rng.uniform(4, 7),
                    material("lithium_cell"),
                    (x, -length * 0.28, -2),
                )
            )
    else:  # round ones
        for i in range(cells):
            x = (i - (cells - 1) / 2) * 67
            if abs(x) < width / 2 - 34:
                for y in (-0.36, -0.27):
                    parts.append(cylinder(18, 64, material("lithium_cell"), (x, length * y, -1), ALONG_X))
                    parts.append(
                        cylinder(18.4, 65, material("steel"), (x, length * y, -1), ALONG_X, bore=17.9, floor=0.5)
                    )
    keys = np.zeros((int(length * 0.4), int(width * 0.85)), np.float32)
    for y in range(2, keys.shape[0] - 12, 17):
        for x in range(2, keys.shape[1] - 12, 18):
            keys[y : y + 14, x : x + 15] = 2.2
    parts.append(Plate(keys, material("abs"), 1.0, (0, length * 0.1, 6)))
    parts.append(box(width * 0.86, length * 0.42, 0.4, material("aluminium"), (0, length * 0.1, 5)))
    fan_at = (width * rng.choice([-0.36, 0.36]), length * 0.32, 0)
    parts += [cylinder(50, 7, material("abs"), fan_at, bore=46), cylinder(16, 6, material("copper"), fan_at, bore=9)]
    pipe = smooth(np.array([fan_at, (0.0, length * 0.25, 0), (width * 0.1, length * 0.15, 0)]))
    parts.append(Wire(pipe, 3.2, material("copper"), 2.3))
    parts.append(box(26, 26, 4, material("copper"), tuple(pipe[-1])))
    for x in (-0.3, 0.3):
        parts.append(cylinder(7, rng.uniform(20, 50), material("steel"), (x * width, length / 2 - 5, 0), ALONG_X))
    for x in (-0.47, 0.47):
        for y in (-0.46, 0, 0.46):
            parts.append(cylinder(5, 9, material("steel"), (x * width, y * length, 0)))
    return parts


def phone(rng: Rng) -> list[Part]:
    """Make a telephone or tablet computer."""
    s = rng.choice([1.0, 1.0, 2.2])
    width, length = rng.uniform(66, 80) * s, rng.uniform(135, 165) * (1 + (s - 1) * 0.5)
    parts: list[Part] = [
        box(width, length, 2.0, material("glass"), (0, 0, 3)),
        box(width, length, 0.8, material("aluminium"), (0, 0, -3)),
    ]
    parts.append(
        Wire(
            np.array([(x * width / 2, y * length / 2, 0) for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1), (-1, -1))]),
            2.0,
            material("aluminium"),
        )
    )
    parts.append(box(width * 0.55, length * 0.6, 4, material("lithium_cell"), (-width * 0.12, -length * 0.12, 0)))
    parts += moved(board_at(rng, width * 0.85, length * 0.25, 22), (0, length * 0.32, 0))
    for x in (0.2, 0.33):
        parts.append(cylinder(10, 6, material("brass"), (x * width, length * 0.42, 0), bore=6))
    return parts


def cable(rng: Rng) -> list[Part]:
    """Make a cable, coiled or loose, with its plugs."""
    copper = rng.uniform(0.5, 1.5)
    if rng.random() < 0.65:
        radius, turns = rng.uniform(30, 75), rng.uniform(3, 9)
        line = ring(radius, rng.uniform(0.5, 1), turns, rng.uniform(1, 3))
        line[:, :2] *= (
            1 + 0.12 * np.interp(np.arange(len(line)), np.linspace(0, len(line), 14), rng.standard_normal(14))
        )[:, None]
    else:
        line = smooth(np.cumsum(rng.normal(0, 45, (int(rng.integers(5, 11)), 3)) * [1, 1, 0.15], axis=0))
        line -= line.mean(axis=0)
    sheath = material(str(rng.choice(["pvc", "pvc", "rubber", "nylon"])))
    parts: list[Part] = [
        Wire(line, copper + rng.uniform(0.8, 2), sheath, copper),
        Wire(line, copper * 0.8, material("copper")),
    ]
    for end in (line[0], line[-1]):
        turn = rotation(rng.uniform(0, 6.28))
        plug: list[Part] = [box(24, 11, 8, material("pvc")), box(13, 11, 4, material("steel"), (17, 0, 0))]
        if rng.random() < 0.3:
            plug = [
                cylinder(34, 30, material("pvc"), turn=ALONG_X),
                *(cylinder(4.8, 19, material("brass"), (24, y, 0), ALONG_X) for y in (-9.5, 9.5)),
            ]
        parts += moved(plug, end, turn)
    return parts


def charger(rng: Rng) -> list[Part]:
    """Make a charger or power brick: plastic around a transformer, capacitors and a heat sink."""
    width, length, thick = rng.uniform(35, 70), rng.uniform(45, 135), rng.uniform(22, 36)
    parts: list[Part] = [
        box(width, length, thick, material("abs")),
        box(width - 5, length - 5, thick - 5, material("pvc")),
    ]
    parts[1] = box(width - 6, length - 6, 3, material("circuit_board"), (0, 0, -thick / 3))
    parts.append(
        box(width * 0.5, length * 0.24, thick * 0.65, material("steel"), (0, rng.uniform(-0.1, 0.1) * length, 0))
    )
    parts.append(box(width * 0.3, length * 0.28, thick * 0.5, material("copper"), (0, 0, 0)))
    parts.append(box(1.8, length * 0.7, thick * 0.6, material("aluminium"), (width * 0.36, 0, 0)))
    for _ in range(int(rng.integers(2, 7))):
        spot = (rng.uniform(-0.35, 0.35) * width, rng.uniform(-0.4, 0.4) * length, 0)
        parts.append(cylinder(rng.uniform(6, 16), thick * 0.6, material("aluminium"), spot))
    parts += board_at(rng, width * 0.8, length * 0.85, 18, -thick / 3)
    return parts


def cells(rng: Rng) -> list[Part]:
    """Make loose or packed batteries, a power bank."""
    if rng.random() < 0.4:
        w, h = rng.uniform(60, 80), rng.uniform(100, 150)
        parts: list[Part] = [
            box(w, h, 1.5, material(str(rng.choice(["abs", "aluminium"]))), (0, 0, z)) for z in (-10, 10)
        ]
        parts += [cylinder(18, 64, material("lithium_cell"), (x * 19.5, 0, 0), ALONG_Y) for x in (-1, 0, 1)]
        return [*parts, *moved(board_at(rng, w * 0.8, 20, 10), (0, h * 0.4, 0))]
    d, h = [(14.3, 50.0), (10.3, 44.0), (33.0, 60.0), (25.5, 49.0)][rng.integers(4)]
    parts = []
    for i in range(int(rng.integers(1, 9))):
        spot = ((i % 4) * (d + 0.5), (i // 4) * (h + 1), 0)
        parts += [
            cylinder(d, h, material("alkaline_cell"), spot, ALONG_Y, bore=d * 0.3),
            cylinder(d * 0.35, 2, material("steel"), (spot[0], spot[1] + h / 2, 0), ALONG_Y),
        ]
    return parts


def camera(rng: Rng) -> list[Part]:
    """Make a camera with its lens, or a lens alone."""
    d, depth = rng.uniform(55, 85), rng.uniform(50, 140)
    lens: list[Part] = [cylinder(d, depth, material("aluminium"), bore=d - 6)]
    for i in range(int(rng.integers(4, 8))):
        lens.append(
            ball(
                d * rng.uniform(0.55, 0.85),
                d * rng.uniform(0.55, 0.85),
                rng.uniform(5, 14),
                material("glass"),
                (0, 0, (i / 6 - 0.5) * depth * 0.8),
            )
        )
    lens.append(cylinder(d - 4, 9, material("brass"), (0, 0, -depth * 0.3), bore=d - 12))
    if rng.random() < 0.4:
        return moved(lens, turn=rotation(pitch=rng.choice([0, np.pi / 2])))
    body: list[Part] = [
        box(135, 90, 2, material("abs"), (0, 0, -30)),
        box(135, 90, 1.2, material("aluminium"), (0, 0, 20)),
        box(38, 55, 30, material("lithium_cell"), (48, -10, -5)),
        box(50, 30, 24, material("glass"), (0, 42, -5)),
    ]
    body += board_at(rng, 110, 70, 40, -20)
    return [*body, *moved(lens, (0, -5, 20 + depth / 2))]


def hairdryer(rng: Rng) -> list[Part]:
    """Make a hair dryer: barrel, motor, heater coil, grip. From the side it has a pistol's outline, and is none."""
    parts: list[Part] = [
        cylinder(75, 180, material("abs"), turn=ALONG_X, bore=70),
        cylinder(30, 42, material("steel"), (35, 0, 0), ALONG_X, bore=14),
        cylinder(12, 60, material("copper"), (35, 0, 0), ALONG_X),
        *outline([(20, -30), (55, -30), (40, -150), (10, -150)], 30, material("abs"), (0, 0, 0)),
    ]
    for radius in (14, 24):
        coil = ring(radius, 1, 14, 6) @ ALONG_X.T
        parts.append(Wire(shifted(coil, -35, 0, 0), 0.5, material("steel")))
    parts += [box(14, 24, 10, material("copper"), (30, -80, 0)), box(60, 62, 0.5, material("ceramic"), (-35, 0, 0))]
    return parts


def umbrella(rng: Rng) -> list[Part]:
    """Make a folded umbrella: shaft, bundled ribs, springs, handle, cloth."""
    length = rng.choice([rng.uniform(180, 290), rng.uniform(450, 620)], p=[0.9, 0.1])
    parts: list[Part] = [cylinder(10, length, material("steel"), turn=ALONG_X, bore=8.6)]
    parts.append(cylinder(8.4, length * 0.6, material("steel"), (-length * 0.1, 0, 0), ALONG_X, bore=7))
    of = material(str(rng.choice(["steel", "aluminium"])))
    for i in range(int(rng.integers(6, 11))):
        angle = i * 0.8 + rng.normal(0, 0.1)
        r0, r1 = rng.uniform(5, 9), rng.uniform(9, 17)
        a = np.array([-length * 0.45, r0 * np.cos(angle), r0 * np.sin(angle)])
        b = np.array([length * rng.uniform(0.25, 0.42), r1 * np.cos(angle), r1 * np.sin(angle)])
        parts.append(Wire(np.array([a, (a + b) / 2 + rng.normal(0, 1.5, 3), b]), rng.uniform(0.7, 1.5), of))
        parts.append(ball(5, 4, 4, material("steel"), tuple(b)))
    parts.append(Wire((ring(6, 1, 12, 3) @ ALONG_X.T) + [length * 0.2, 0, 0], 0.6, material("steel")))
    parts.append(cylinder(34, length * 0.8, material("polyester"), (-length * 0.02, 0, 0), ALONG_X, bore=18))
    parts.append(cylinder(rng.uniform(24, 34), 70, material("rubber"), (length * 0.5, 0, 0), ALONG_X, bore=9))
    return parts


def belt(rng: Rng) -> list[Part]:
    """Make a belt, rolled, with its buckle."""
    turns = rng.uniform(2, 4)
    angle = np.linspace(0, 2 * np.pi * turns, 90)
    radius = 22 + angle * rng.uniform(1.0, 2.0)
    width = rng.uniform(22, 40)
    parts: list[Part] = []
    for z in np.linspace(-width / 2, width / 2, 8):
        line = np.stack([radius * np.cos(angle), radius * np.sin(angle), np.full(90, z)], 1)
        parts.append(Wire(line, 2.0, material("leather")))
    end = (float(radius[-1]), 0.0, 0.0)
    parts += moved(buckle(rng), end, rotation(np.pi / 2, 0, np.pi / 2))
    return moved(parts, turn=rotation(roll=rng.choice([0, np.pi / 2, 0.6])))


def buckle(rng: Rng) -> list[Part]:
    """Make a buckle, a slide adjuster, a snap hook or a D ring of a strap."""
    of = material(str(rng.choice(["zinc", "steel", "brass", "nylon"])))
    kind, w = rng.integers(4), rng.uniform(20, 48)
    if kind == 0:
        frame = np.array(
            [
                (-w / 2, -w * 0.4, 0),
                (w / 2, -w * 0.4, 0),
                (w / 2, w * 0.4, 0),
                (-w / 2, w * 0.4, 0),
                (-w / 2, -w * 0.4, 0),
            ]
        )
        return [
            Wire(frame, rng.uniform(1.4, 3), of),
            Wire(np.array([(-w / 2, 0, 0), (w / 2 + 2, 0, 2)]), rng.uniform(1.2, 2), of),
        ]
    if kind == 1:
        return [box(w, 4, 3, of, (0, y * w * 0.35, 0)) for y in (-1, 0, 1)] + [
            box(3, w * 0.8, 3, of, (x * w / 2, 0, 0)) for x in (-1, 1)
        ]
    if kind == 2:
        hook = smooth(np.array([(0, -20, 0), (0, -8, 0), (9, 6, 0), (4, 20, 0), (-7, 16, 0), (-8, 2, 0.0)]))
        return [
            Wire(hook, rng.uniform(2, 3.4), of),
            Wire(shifted(ring(8, 0.8), 0, -26, 0), 2, of),
            cylinder(9, 14, of, (0, -14, 0), ALONG_Y),
        ]
    return [Wire(ring(w * 0.4, 0.8), rng.uniform(1.5, 2.6), of)]


def keys(rng: Rng) -> list[Part]:
    """Make a bunch of keys."""
    parts: list[Part] = [
        Wire(ring(13), 0.9, material("steel")),
        Wire(shifted(ring(12.4), 0, 0, 1.5), 0.9, material("steel")),
    ]
    for _ in range(int(rng.integers(2, 8))):
        length = rng.uniform(22, 36)
        of = material(str(rng.choice(["brass", "steel", "zinc"])))
        teeth = [(12 + length * t, -4 + (1.8 if i % 2 else 0)) for i, t in enumerate(np.linspace(0, 1, 7))]
        key: list[Part] = [
            cylinder(rng.uniform(18, 26), 2.2, of, bore=6),
            *outline([*teeth, (12 + length, 3), (12, 3)], 2.2, of),
        ]
        turn = rotation(rng.uniform(0, 6.28), rng.normal(0, 0.3))
        parts += moved(key, turn @ np.array([19.0, 0, 0]), turn)
    return parts


def coins(rng: Rng) -> list[Part]:
    """Make some coins."""
    parts: list[Part] = []
    for _ in range(int(rng.integers(3, 16))):
        turn = rotation(rng.uniform(0, 6.28), rng.normal(0, 0.35))
        parts.append(
            cylinder(
                rng.uniform(16, 27), rng.uniform(1.4, 2.3), material("brass"), rng.normal(0, 16, 3) * [1, 1, 0.3], turn
            )
        )
    return parts


def headphones(rng: Rng) -> list[Part]:
    """Make headphones."""
    arch = np.linspace(0, np.pi, 24)
    band = np.stack([78 * np.cos(arch), 95 * np.sin(arch), np.zeros(24)], 1)
    parts: list[Part] = [Wire(band, 1.8, material("steel")), Wire(band, 6, material("polyester"), 3)]
    for x in (-78, 78):
        cup: list[Part] = [
            cylinder(78, 24, material("abs"), bore=72, floor=2),
            cylinder(40, 5, material("steel"), bore=22),
            cylinder(20, 8, material("steel")),
        ]
        parts += moved(cup, (x, -12, 0), rotation(0, rng.choice([0, np.pi / 2])))
    return parts


def scissors(rng: Rng) -> list[Part]:
    """Make nail scissors, tweezers, a nail file or clippers: what may fly."""
    kind, s = rng.integers(3), rng.uniform(0.8, 1.2)
    of = material("steel")
    if kind == 0:
        parts: list[Part] = []
        for side in (-1, 1):
            half: list[Part] = [
                *outline([(0, -3), (38, -0.6), (38, 0.6), (0, 3)], 1.6, of),
                Wire(np.array([(0, 0, 0), (-32, -5, 0.0)]), 1.8, of),
                Wire(shifted(ring(10, 0.75), -42, -8, 0), 1.8, of),
            ]
            parts += moved(half, (0, 0, side), rotation(side * 0.14) @ np.diag([1.0, side, 1.0]))
        return moved(parts, turn=np.eye(3) * s)
    if kind == 1:
        return [Wire(np.array([(-45, 0, 0), (0, 7 * side, 0), (45, 1 * side, 0)]), 1.5, of) for side in (-1, 1)]
    return [
        box(58, 12, 1.6, of, (0, 0, 0)),
        box(54, 9, 1.4, of, (0, 0, 4), rotation(0, 0.1)),
        cylinder(4, 12, of, (22, 0, 2)),
    ]


def hand_tool(rng: Rng) -> list[Part]:
    """Make a screwdriver, a spanner, pliers or a hammer: long enough to be a striking or stabbing weapon in a cabin."""
    of, kind = material("steel"), rng.choice(4, p=[0.15, 0.5, 0.25, 0.1])
    if kind == 0:
        shaft = rng.uniform(50, 150)
        return [
            cylinder(rng.uniform(4, 7), shaft, of, (shaft / 2, 0, 0), ALONG_X),
            cylinder(rng.uniform(22, 32), 95, material("abs"), (-45, 0, 0), ALONG_X, bore=6),
        ]
    if kind == 1:
        length, gap = rng.uniform(100, 220), rng.uniform(8, 17)
        jaw = [
            (0, -gap),
            (gap * 1.6, -gap * 1.1),
            (gap * 1.9, -gap * 0.45),
            (gap * 0.5, -gap * 0.4),
            (gap * 0.5, gap * 0.4),
            (gap * 1.9, gap * 0.45),
            (gap * 1.6, gap * 1.1),
            (0, gap),
        ]
        return [
            box(length, gap * 0.95, gap * 0.4, of),
            *outline(jaw, gap * 0.6, of, (length / 2, 0, 0)),
            cylinder(gap * 2.2, gap * 0.7, of, (-length / 2 - gap * 0.6, 0, 0), bore=gap * 1.3),
        ]
    if kind == 2:
        parts: list[Part] = []
        for side in (-1.0, 1.0):
            grip = smooth(np.array([(0, 0, 0), (-30, 10 * side, 0), (-75, 16 * side, 0), (-120, 11 * side, 0)]))
            parts += [Wire(grip, 4.5, of), Wire(grip[12:], 7, material("pvc"), 4.5)]
            jaw = np.array([(0, 0), (12, 0), (48, 1), (46, 5), (10, 11), (0, 9)])
            points = jaw * [1, side]
            parts += outline(points if side > 0 else points[::-1], 9, of)
        return [*parts, cylinder(15, 13, of)]
    reach = rng.uniform(110, 150)
    return [
        cylinder(rng.uniform(16, 26), 2 * reach, material("wood"), (0, 0, 0), ALONG_X),
        box(rng.uniform(20, 28), rng.uniform(75, 110), rng.uniform(20, 28), of, (reach, 0, 0)),
    ]


def tool(rng: Rng) -> list[Part]:
    """Make a socket set or a drill's bits: dense benign metal in rows."""
    of = material("steel")
    if rng.random() < 0.5:
        parts: list[Part] = [box(220, 120, 2, material("abs"), (0, 0, z)) for z in (-18, 18)]
        for i in range(int(rng.integers(8, 20))):
            d = 8 + i * 1.1
            spot = ((i % 9) * 23 - 95, (i // 9) * 34 - 30, 0)
            parts.append(cylinder(d, 25, of, spot, ALONG_Y if rng.random() < 0.5 else None, bore=d * 0.62))
        return [*parts, cylinder(14, 150, of, (0, 45, 0), ALONG_X), cylinder(28, 18, of, (75, 45, 0))]
    return [
        cylinder(2 + i * 0.8, 55 + i * 6, of, (0, (i - 4) * 10, 0), ALONG_X) for i in range(int(rng.integers(4, 9)))
    ]


def junk(rng: Rng) -> list[Part]:
    """Make joined metal in one cluster: brackets, hinges, locks. It looks like a part of anything, and is nothing."""
    parts: list[Part] = []
    of = material(str(rng.choice(["steel", "zinc", "aluminium", "brass"])))
    size = rng.uniform(9, 32)
    for _ in range(int(rng.integers(2, 8))):
        spot = tuple(rng.normal(0, size * 0.7, 3) * [1, 1, 0.5])
        turn = rotation(
            rng.choice([0, np.pi / 2, rng.uniform(0, 6.28)]), rng.choice([0, np.pi / 2, rng.normal(0, 0.3)])
        )
        kind = rng.integers(5)
        if kind == 0:
            parts.append(
                box(size * rng.uniform(0.5, 2.5), size * rng.uniform(0.2, 0.8), rng.uniform(1, 9), of, spot, turn)
            )
        elif kind == 1:
            parts.append(
                cylinder(
                    size * rng.uniform(0.3, 1.1),
                    size * rng.uniform(0.2, 1.5),
                    of,
                    spot,
                    turn,
                    bore=size * rng.uniform(0, 0.25),
                )
            )
        elif kind == 2:
            parts.append(Wire(ring(size * rng.uniform(0.4, 1)) @ turn.T + spot, rng.uniform(0.8, 2.5), of))
        elif kind == 3:
            parts.append(
                Wire(
                    (ring(size * 0.25, 1, rng.uniform(5, 14), rng.uniform(1.2, 3)) @ turn.T) + spot,
                    rng.uniform(0.4, 1),
                    of,
                )
            )
        else:
            parts.append(
                Wire(np.array([rng.normal(0, size, 3) * [1, 1, 0.4] for _ in range(3)]) + spot, rng.uniform(1, 3), of)
            )
    return parts


def shaver(rng: Rng) -> list[Part]:
    """Make a shaver or an electric toothbrush."""
    length = rng.uniform(110, 190)
    parts: list[Part] = [
        cylinder(rng.uniform(32, 52), length, material("abs"), turn=ALONG_X, bore=28, floor=2),
        cylinder(14, 50, material("alkaline_cell"), (-length * 0.2, 0, 0), ALONG_X),
        cylinder(20, 30, material("steel"), (length * 0.22, 0, 0), ALONG_X, bore=8),
        cylinder(4, length * 0.5, material("steel"), (length * 0.5, 0, 0), ALONG_X),
    ]
    if rng.random() < 0.5:
        parts += [cylinder(22, 6, material("steel"), (length * 0.5, y, 0), ALONG_X, bore=12) for y in (-13, 13)]
    return [*parts, *moved(board_at(rng, length * 0.6, 18, 12), (0, 0, 8))]


def wallet(rng: Rng) -> list[Part]:
    """Make a wallet with cards and a few coins."""
    parts: list[Part] = [
        box(95, 75, rng.uniform(3, 8), material("leather")),
        box(86, 54, rng.uniform(0.8, 4), material("pvc"), (0, 0, 4)),
    ]
    parts.append(
        Plate(
            cv2.resize(np.float32([[0, 0.08], [0.08, 0]]), (11, 12), interpolation=cv2.INTER_NEAREST),
            material("copper"),
            1.0,
            (-22, 5, 4),
        )
    )
    return parts + (moved(coins(rng), (20, -15, 0)) if rng.random() < 0.4 else [])


HARD = {
    "laptop": laptop,
    "phone": phone,
    "cable": cable,
    "charger": charger,
    "cells": cells,
    "camera": camera,
    "hairdryer": hairdryer,
    "umbrella": umbrella,
    "belt": belt,
    "buckle": buckle,
    "keys": keys,
    "coins": coins,
    "headphones": headphones,
    "scissors": scissors,
    "tool": tool,
    "junk": junk,
    "shaver": shaver,
    "wallet": wallet,
}
