"""Ordinary things that are soft or organic: clothes, shoes, books, food, toiletries, bottles, toys, papers."""

from __future__ import annotations

import cv2
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
    outline,
    rotation,
)

Rng = np.random.Generator
_CLOTH_PX_MM = 1.6


def _pick(rng: Rng, *names: str) -> str:
    return names[rng.integers(len(names))]


def cloth(
    rng: Rng, width: float, length: float, mm: float, of: str, at: tuple[float, float, float] = (0, 0, 0)
) -> Plate:
    """Return folded cloth, `mm` thick or so."""
    rows, columns = max(int(length / _CLOTH_PX_MM), 8), max(int(width / _CLOTH_PX_MM), 8)
    shape = texture.blob(rng, rows, columns, rough=rng.uniform(0.05, 0.35), corners=int(rng.integers(8, 16)))
    thick = shape * texture.folds(rng, rows, columns) + texture.hem(shape) * rng.uniform(0.2, 1.2)
    return Plate((thick * np.float32(mm)).astype(np.float32), material(of), _CLOTH_PX_MM, at)


def garment(rng: Rng) -> list[Part]:
    """Make a folded shirt, pullover or trousers, at times with buttons, rivets or a zip."""
    width, length = rng.uniform(120, 320), rng.uniform(120, 380)
    of = _pick(rng, "cotton", "wool", "polyester", "cotton")
    parts: list[Part] = [cloth(rng, width, length, rng.uniform(3, 22), of)]
    extra = rng.random()
    if extra < 0.25:  # buttons
        column = rng.uniform(-0.2, 0.2) * width
        for i in range(int(rng.integers(3, 8))):
            y = (i - 3) * length / 9
            parts.append(cylinder(rng.uniform(8, 13), 2.2, material("acrylic"), (column, y, 5)))
    elif extra < 0.4:  # jeans
        for _ in range(int(rng.integers(2, 7))):
            spot = (rng.uniform(-0.4, 0.4) * width, rng.uniform(-0.4, 0.4) * length, 5)
            parts.append(cylinder(rng.uniform(6, 16), rng.uniform(1, 3), material("brass"), spot))
        parts += zipper(rng, [(0, 0), (rng.uniform(-20, 20), rng.uniform(80, 160))])
    elif extra < 0.5:
        parts += zipper(rng, [(0, -length * 0.4), (rng.uniform(-15, 15), 0), (0, length * 0.4)])
    return parts


def zipper(rng: Rng, line: list[tuple[float, float]], teeth_mm: float | None = None) -> list[Part]:
    """Make a zip along a line, with its slider."""
    points = np.array([(x, y, 0.0) for x, y in line], float)
    gauge = rng.uniform(0.35, 0.9) if teeth_mm is None else teeth_mm
    of = _pick(rng, "nylon", "brass", "zinc", "nylon")
    along = _resampled(points, 3.0)
    # A tooth every 3 mm: short bars across the line.
    steps = np.gradient(along, axis=0)
    across = np.stack([-steps[:, 1], steps[:, 0], np.zeros(len(along))], axis=1)
    across /= np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-9)
    side = np.where(np.arange(len(along)) % 2, 1.0, -1.0)[:, None]
    weave = along + across * side * 1.6
    parts: list[Part] = [Wire(weave, gauge, material(of))]
    end = along[rng.integers(len(along))]
    slider = [
        box(8, 11, 4, material("zinc")),
        *outline([(-2.5, 0), (2.5, 0), (3.5, 26), (-3.5, 26)], 1.6, material("zinc"), (0, 5, 2)),
    ]
    return parts + moved(slider, end, rotation(rng.uniform(0, 6.28), rng.normal(0, 0.4)))


def _resampled(points: np.ndarray, step: float) -> np.ndarray:
    lengths = np.r_[0, np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))]
    at = np.linspace(0, lengths[-1], max(int(lengths[-1] / step), 2))
    return np.stack([np.interp(at, lengths, points[:, i]) for i in range(3)], axis=1)


def shoe(rng: Rng) -> list[Part]:
    """Make a shoe on its sole or its side: sole, upper, heel, eyelets; a steel shank in some, a steel cap in few."""
    length, width, height = rng.uniform(230, 300), rng.uniform(85, 110), rng.uniform(60, 110)
    side = length / 2
    sole_line = np.array(
        [(-side, -0.3), (-side * 0.9, -0.42), (-side * 0.4, -0.3), (side * 0.4, -0.5), (side * 0.85, -0.38), (side, 0)]
    )
    sole_line = np.vstack([sole_line, sole_line[::-1] * [1, -0.85]])
    sole_line[:, 1] *= width
    of = _pick(rng, "rubber", "polyester", "leather")
    parts: list[Part] = [*outline(_unique(sole_line), rng.uniform(8, 22), material("rubber"), (0, 0, -height / 2))]
    grip = texture.mesh(int(width / 2), int(length / 2), int(rng.integers(4, 9)), rng.uniform(1, 3))
    grip *= texture.blob(rng, *grip.shape, rough=0.1)
    parts.append(Plate(grip, material("rubber"), 2.0, (0, 0, -height / 2)))
    upper = ball(length * 0.98, width * 0.92, height, material(of), (0, 0, 0))
    inside = ball(length * 0.95, width * 0.86, height * 0.96, material(of), (0, 0, 3))
    parts.append(Piece(upper.half, upper.material, None, "ellipsoid", upper.at, holes=(inside,)))
    parts.append(
        cylinder(width * 0.6, rng.uniform(8, 30), material("rubber"), (-side * 0.65, 0, -height / 2), flat=1.1)
    )
    if rng.random() < 0.35:
        parts.append(
            box(
                rng.uniform(80, 120),
                rng.uniform(10, 18),
                rng.uniform(0.9, 1.6),
                material("steel"),
                (-side * 0.2, 0, -height / 2),
            )
        )
    if rng.random() < 0.08:
        cap = ball(90, width * 0.85, height * 0.7, material("steel"), (side * 0.6, 0, 0))
        hollow = ball(87, width * 0.85 - 3, height * 0.7 - 3, material("steel"), (side * 0.6 - 3, 0, 0))
        parts.append(Piece(cap.half, cap.material, None, "ellipsoid", cap.at, holes=(hollow,)))
    if rng.random() < 0.6:
        for i in range(int(rng.integers(4, 8))):
            for row in (-1, 1):
                parts.append(
                    cylinder(
                        6, 1.5, material("brass"), (side * (0.1 + 0.08 * i), row * width * 0.12, height * 0.4), bore=3.5
                    )
                )
    return moved(parts, turn=rotation(roll=rng.choice([0, 0, np.pi / 2, -np.pi / 2])))


def _unique(points: np.ndarray) -> np.ndarray:
    keep = np.linalg.norm(points - np.roll(points, 1, axis=0), axis=1) > 0.5
    return points[keep]


def book(rng: Rng) -> list[Part]:
    """Make a book or a stack of papers; some with a spiral or a ring binder's mechanism."""
    width, length, thick = rng.uniform(105, 210), rng.uniform(150, 295), rng.uniform(5, 40)
    parts: list[Part] = [box(width, length, thick, material("paper"))]
    if rng.random() < 0.4:
        parts.append(box(width + 6, length + 6, 4, material("paper"), (0, 0, thick / 2)))
    kind = rng.random()
    if kind < 0.25:
        turns = int(length / 8)
        angle = np.linspace(0, 2 * np.pi * turns, turns * 12)
        radius = thick / 2 + 3
        spiral = np.stack(
            [
                radius * np.cos(angle) - width / 2,
                np.linspace(-length / 2, length / 2, angle.size),
                radius * np.sin(angle),
            ],
            1,
        )
        parts.append(Wire(spiral, rng.uniform(0.4, 0.8), material("steel")))
    elif kind < 0.35:
        parts.append(box(16, length * 0.85, 1.2, material("steel"), (-width / 2 + 18, 0, 0)))
        angle = np.linspace(0, 2 * np.pi, 24)
        for y in (-0.3, -0.1, 0.1, 0.3):
            ring = np.stack([14 * np.cos(angle) - width / 2 + 18, np.full(24, y * length), 14 * np.sin(angle)], 1)
            parts.append(Wire(ring, 1.4, material("steel")))
    return parts


def bottle(rng: Rng) -> list[Part]:
    """Make a bottle of plastic, glass or steel, full, half full or empty, standing or lying."""
    diameter, height = rng.uniform(50, 95), rng.uniform(120, 290)
    wall_of, wall = [("polyethylene", 0.6), ("glass", 3.5), ("polyester", 0.5), ("steel", 0.5), ("aluminium", 0.9)][
        int(rng.choice(5, p=[0.35, 0.2, 0.25, 0.12, 0.08]))
    ]
    body, neck = height * 0.72, diameter * rng.uniform(0.28, 0.5)
    parts: list[Part] = [cylinder(diameter, body, material(wall_of), bore=diameter - 2 * wall, floor=max(wall, 1.2))]
    shoulder = [(body / 2 + height * 0.02 * i, diameter + (neck - diameter) * (i / 6) ** 0.8) for i in range(7)]
    for z, d in shoulder[1:]:
        parts.append(cylinder(d, height * 0.02, material(wall_of), (0, 0, z), bore=d - 2 * wall - 3))
    parts.append(
        cylinder(neck, height * 0.14, material(wall_of), (0, 0, body / 2 + height * 0.2), bore=neck - 2 * wall)
    )
    parts.append(
        cylinder(
            neck + 4,
            16,
            material(_pick(rng, "polyethylene", "aluminium", "abs")),
            (0, 0, body / 2 + height * 0.26),
            bore=neck + 1,
            floor=1,
        )
    )
    full = float(rng.choice([0, 0.5, 0.8, 1.0, 1.0]))
    if full:
        liquid = material(_pick(rng, "water", "water", "alcohol", "cream"))
        inner = diameter - 2 * wall - 0.5
        parts.append(cylinder(inner, body * full - 3, liquid, (0, 0, -body * (1 - full) / 2)))
    return moved(parts, turn=rotation(pitch=0 if rng.random() < 0.1 else np.pi / 2 + rng.normal(0, 0.12)))


def tin(rng: Rng) -> list[Part]:
    """Make a food or drink can."""
    diameter, height = rng.uniform(52, 100), rng.uniform(35, 140)
    of, wall = ("steel", 0.22) if rng.random() < 0.6 else ("aluminium", 0.2)
    parts: list[Part] = [
        cylinder(diameter, height, material(of), bore=diameter - 2 * wall, floor=wall * 1.3),
        cylinder(diameter - 1, height - 6, material(_pick(rng, "food", "water", "food"))),
    ]
    angle = np.linspace(0, 2 * np.pi, 40)
    for z in (-height / 2, height / 2):
        rim = np.stack([diameter / 2 * np.cos(angle), diameter / 2 * np.sin(angle), np.full(40, z)], 1)
        parts.append(Wire(rim, 1.1, material(of)))
    return moved(parts, turn=rotation(pitch=rng.choice([0, np.pi / 2, np.pi / 2]) + rng.normal(0, 0.15)))


def toiletry(rng: Rng) -> list[Part]:
    """Make a tube, a jar, an aerosol can, a soap, a roll-on or a razor."""
    kind = rng.integers(5)
    if kind == 0:
        parts: list[Part] = [
            ball(rng.uniform(35, 55), rng.uniform(110, 180), rng.uniform(22, 40), material("cream")),
            cylinder(22, 22, material("polyethylene"), (0, 90, 0), ALONG_Y),
            box(rng.uniform(35, 52), 6, 1.5, material("polyethylene"), (0, -85, 0)),
        ]
    elif kind == 1:
        d, h = rng.uniform(40, 80), rng.uniform(25, 60)
        parts = [
            cylinder(d, h, material("glass"), bore=d - 7, floor=4),
            cylinder(d - 8, h - 12, material("cream")),
            cylinder(d + 3, 14, material("abs"), (0, 0, h / 2), bore=d - 1, floor=1.5),
        ]
    elif kind == 2:
        d, h = rng.uniform(35, 66), rng.uniform(90, 210)
        parts = [
            cylinder(d, h, material("aluminium" if rng.random() < 0.6 else "steel"), bore=d - 0.8, floor=0.5),
            cylinder(d - 1, h * 0.55, material("alcohol"), (0, 0, -h * 0.2)),
            ball(d, d, d * 0.5, material("aluminium"), (0, 0, h / 2)),
            cylinder(d * 0.55, 26, material("polyethylene"), (0, 0, h / 2 + 18), bore=d * 0.4),
        ]
        parts = moved(parts, turn=rotation(pitch=np.pi / 2))
    elif kind == 3:
        parts = [box(rng.uniform(50, 90), rng.uniform(35, 60), rng.uniform(20, 32), material("soap"))]
    else:
        parts = [
            cylinder(11, 130, material("abs"), turn=ALONG_X),
            box(40, 10, 8, material("abs"), (68, 0, 0), rotation(np.pi / 2)),
            box(38, 5, 0.4, material("steel"), (68, 0, 3), rotation(np.pi / 2)),
        ]
    return parts


def food(rng: Rng) -> list[Part]:
    """Make fruit, a sandwich, sweets in a bag, a chocolate bar, cheese."""
    kind = rng.integers(5)
    if kind == 0:
        return [
            ball(*(rng.uniform(55, 85, 3)), material("food"), (rng.uniform(-60, 60), rng.uniform(-60, 60), 0))
            for _ in range(int(rng.integers(1, 5)))
        ]
    if kind == 1:
        return [box(110, 110, 14, material("cotton"), (0, 0, z)) for z in (-14, 0, 14)]
    if kind == 2:
        spots = rng.normal(0, 28, (int(rng.integers(20, 60)), 3)) * [1, 1, 0.5]
        return [ball(*rng.uniform(10, 20, 3), material("sugar"), spot) for spot in spots]
    if kind == 3:
        rows = [(x * 22 - 33, y * 22 - 66, 0.0) for x in range(4) for y in range(7)]
        return [
            box(80, 160, 5, material("chocolate")),
            *(box(18, 18, 5, material("chocolate"), (x, y, 4)) for x, y, _ in rows),
        ]
    return [box(rng.uniform(60, 130), rng.uniform(50, 110), rng.uniform(25, 45), material("food"))]


def toy(rng: Rng) -> list[Part]:
    """Make a stuffed animal, or a box of plastic bricks."""
    if rng.random() < 0.6:
        of, s = material("polyester"), rng.uniform(0.6, 1.4)
        light = 0.35
        parts: list[Part] = []
        for x, y, d in (
            (0, 0, 110),
            (0, 95, 85),
            (-60, -50, 55),
            (60, -50, 55),
            (-65, 40, 45),
            (65, 40, 45),
            (-35, 135, 32),
            (35, 135, 32),
        ):
            parts.append(ball(d * s, d * s * 1.1, d * s * light, of, (x * s, y * s, 0)))
        parts += [
            ball(7, 7, 7, material("glass" if rng.random() < 0.3 else "abs"), (x * s, 105 * s, 20)) for x in (-16, 16)
        ]
        return parts
    parts = []
    for _ in range(int(rng.integers(10, 30))):
        spot = rng.normal(0, 35, 3) * [1, 1, 0.4]
        parts.append(box(32, 16, 10, material("abs"), spot, rotation(*rng.uniform(0, 6.28, 3))))
    return parts


def fabric_bag(rng: Rng) -> list[Part]:
    """Make a pouch with a zip, perhaps with small things in it."""
    width, length = rng.uniform(120, 240), rng.uniform(80, 180)
    parts: list[Part] = [cloth(rng, width, length, rng.uniform(1.5, 4), "polyester")]
    parts += zipper(rng, [(-width * 0.45, length * 0.4), (width * 0.45, length * 0.4)])
    for _ in range(int(rng.integers(0, 4))):
        spot = (rng.uniform(-0.3, 0.3) * width, rng.uniform(-0.3, 0.3) * length, 0)
        parts += moved(toiletry(rng), spot, rotation(rng.uniform(0, 6.28)))
    return parts


def glasses(rng: Rng) -> list[Part]:
    """Make spectacles, at times in their case."""
    angle = np.linspace(0, 2 * np.pi, 30)
    of = material(_pick(rng, "titanium", "steel", "abs"))
    parts: list[Part] = []
    for x in (-34, 34):
        ring = np.stack([26 * np.cos(angle) + x, 20 * np.sin(angle), np.zeros(30)], 1)
        parts.append(Wire(ring, 1.3, of))
        parts.append(cylinder(50, 2, material("acrylic"), (x, 0, 0), flat=0.8))
        parts.append(Wire(np.array([[x * 1.76, 8, 0], [x * 1.8, 8, -6], [-x * 0.2, -4, -10]]), 1.2, of))
    parts.append(Wire(np.array([[-9, 4, 0], [0, 7, 2], [9, 4, 0]]), 1.3, of))
    if rng.random() < 0.5:
        case = cylinder(62, 165, material("abs"), turn=ALONG_X, bore=58, floor=2, flat=0.7)
        parts.append(case)
    return parts


def pens(rng: Rng) -> list[Part]:
    """Make a handful of pens."""
    parts: list[Part] = []
    for _ in range(int(rng.integers(1, 8))):
        turn = rotation(rng.normal(0, 0.4)) @ ALONG_X
        spot = (rng.normal(0, 10), rng.normal(0, 18), rng.normal(0, 5))
        steel = rng.random() < 0.25
        parts.append(cylinder(9, 138, material("aluminium" if steel else "abs"), spot, turn, bore=7))
        parts.append(
            Wire(np.array([[50, 0, 0], [64, 0, 0]]) @ rotation(rng.normal(0, 0.1)).T + spot, 1.1, material("brass"))
        )
    return parts


def cosmetics(rng: Rng) -> list[Part]:
    """Make powder compacts with mirrors, lipsticks."""
    parts: list[Part] = []
    for _ in range(int(rng.integers(1, 5))):
        spot = (rng.normal(0, 35), rng.normal(0, 35), rng.normal(0, 8))
        if rng.random() < 0.5:
            parts += [
                cylinder(rng.uniform(45, 75), 12, material("abs"), spot, bore=40, floor=2),
                cylinder(44, 5, material("ceramic"), spot),
                cylinder(48, 1.5, material("glass"), spot),
            ]
        else:
            turn = rotation(rng.uniform(0, 6.28)) @ ALONG_X
            parts += [
                cylinder(19, 72, material("aluminium"), spot, turn, bore=16),
                cylinder(12, 40, material("soap"), spot, turn),
            ]
    return parts


def tablets(rng: Rng) -> list[Part]:
    """Make a blister or two of tablets: what anyone carries."""
    parts: list[Part] = []
    for _ in range(int(rng.integers(1, 4))):
        turn, spot = rotation(rng.uniform(0, 6.28), rng.normal(0, 0.2)), rng.normal(0, 15, 3)
        sheet: list[Part] = [box(95, 40, 0.4, material("pvc")), box(95, 40, 0.03, material("aluminium"))]
        raster = np.zeros((40, 95), np.float32)
        size = int(rng.integers(3, 6))
        for i in range(6):
            for j in range(3):
                cv2.circle(raster, (8 + i * 15, 7 + j * 13), size, 4.0, -1)
        sheet.append(Plate(raster, material("tablets"), 1.0))
        parts += moved(sheet, spot, turn)
    return parts


SOFT = {
    "garment": garment,
    "shoe": shoe,
    "book": book,
    "bottle": bottle,
    "tin": tin,
    "toiletry": toiletry,
    "food": food,
    "toy": toy,
    "pouch": fabric_bag,
    "glasses": glasses,
    "pens": pens,
    "cosmetics": cosmetics,
    "tablets": tablets,
}
