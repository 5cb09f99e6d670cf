"""Firearms, their parts, ammunition and blades as solids. Dimensions are those of common makes, varied freely."""

from __future__ import annotations

import numpy as np

from simulators.xray.hard import ring, shifted, smooth
from simulators.xray.physics import Material, material
from simulators.xray.solids import (
    ALONG_X,
    ALONG_Y,
    Part,
    Piece,
    Wire,
    ball,
    box,
    cylinder,
    moved,
    outline,
    prism,
    rotation,
)
from simulators.xray.texture import curved

Rng = np.random.Generator


def _metal(rng: Rng) -> Material:
    return material(str(rng.choice(["steel", "zinc", "titanium", "aluminium"], p=[0.82, 0.08, 0.04, 0.06])))


def cartridge(
    calibre: float, length: float, at: tuple[float, float, float] = (0, 0, 0), turn: np.ndarray | None = None
) -> list[Part]:
    """Return a round along its own x: brass case with powder, lead core."""
    case: list[Part] = [
        cylinder(calibre * 1.08, length * 0.62, material("brass"), (-length * 0.16, 0, 0), ALONG_X, bore=calibre * 0.9),
        cylinder(calibre * 1.1, 2.2, material("brass"), (-length * 0.46, 0, 0), ALONG_X),
        ball(length * 0.62, calibre, calibre, material("lead"), (length * 0.22, 0, 0)),
    ]
    return moved(case, at, turn)


def _magazine(rng: Rng, height: float, depth: float, calibre: float) -> list[Part]:
    """Make a box magazine, its top at the origin, down along -y: shell, spring, floor plate and rounds."""
    width = calibre * rng.choice([1.25, 2.1])
    shell = box(depth, height, width + 1.6, material("steel"), (0, -height / 2, 0))
    inside = box(depth - 1.6, height - 2, width, material("steel"), (0, -height / 2, 0))
    parts: list[Part] = [Piece(shell.half, shell.material, shell.planes, "", shell.at, holes=(inside,))]
    parts.append(box(depth + 4, 4, width + 6, material(str(rng.choice(["steel", "nylon"]))), (0, -height, 0)))
    room = int((height - 25) / (calibre * 1.1))
    rounds = int(rng.integers(0, room + 1)) if rng.random() < 0.8 else 0
    for i in range(rounds):
        parts += cartridge(calibre, depth * 0.92, (0, -6 - i * calibre * 1.08, (i % 2 - 0.5) * (width - calibre)))
    spring = ring(depth * 0.35, 0.3, 9, (height - rounds * calibre) / 10)
    if rounds < room:
        parts.append(Wire(spring @ ALONG_Y.T + [0, -(height + rounds * calibre) / 2, 0], 0.6, material("steel")))
    return parts


def pistol(rng: Rng) -> list[Part]:
    """Make a self-loading pistol: slide with its channel, barrel, spring, frame, guard, trigger, grip, magazine."""
    s = rng.uniform(0.72, 1.12)
    length, tall, wide = 185 * s, rng.uniform(20, 27) * s, rng.uniform(20, 27) * s
    calibre = float(rng.choice([5.6, 7.65, 9.0, 9.0, 11.4]))
    steel = _metal(rng)
    slide = box(length, tall, wide, steel, (0, 0, 0))
    channel = cylinder(calibre + 6.5, length * 0.98, steel, (2, tall * 0.08, 0), ALONG_X)
    well = box(length * 0.5, tall * 0.45, wide * 0.5, steel, (length * 0.2, -tall * 0.3, 0))
    parts: list[Part] = [Piece(slide.half, steel, slide.planes, "", slide.at, holes=(channel, well))]
    barrel = length * rng.uniform(0.48, 0.66)
    parts.append(
        cylinder(
            calibre + 5.5, barrel, material("steel"), (length / 2 - barrel / 2, tall * 0.08, 0), ALONG_X, bore=calibre
        )
    )
    parts.append(
        box(calibre * 2.4, calibre * 1.9, calibre * 1.6, material("steel"), (length / 2 - barrel, tall * 0.05, 0))
    )
    spring = ring(tall * 0.17, 1, 22, length * 0.42 / 22) @ ALONG_X.T
    parts.append(Wire(shifted(spring, length * 0.22, -tall * 0.3, 0), 0.65, material("steel")))
    parts.append(cylinder(5, length * 0.42, material("steel"), (length * 0.22, -tall * 0.3, 0), ALONG_X, bore=2))
    for x in (-0.46, 0.46):
        parts.append(box(7, 5, 4, steel, (length * x, tall / 2 + 2, 0)))
    polymer = rng.random() < 0.45
    frame = material("nylon") if polymer else _metal(rng)
    parts.append(box(length * rng.uniform(0.7, 0.95), tall * 0.5, wide * 0.85, frame, (length * 0.02, -tall * 0.75, 0)))
    slant = rng.uniform(0.05, 0.38)
    grip_turn = rotation(-slant)
    grip_tall, deep = rng.uniform(72, 108) * s, rng.uniform(42, 56) * s
    grip_at = np.array([-length * 0.30, -tall * 0.7, 0])
    shape = [
        (-deep / 2 - 4, 0),
        (-deep / 2, -grip_tall),
        (deep / 2 - 4, -grip_tall),
        (deep / 2, -grip_tall * 0.5),
        (deep / 2 - 3, 0),
    ]
    shell = prism(shape, wide * (1.2 if polymer else 0.95), frame)
    core = box(deep * 0.74, grip_tall * 2.2, wide * 0.75, frame)
    grip: list[Part] = [Piece(shell.half, frame, shell.planes, "", shell.at, holes=(core,))]
    if not polymer:
        for z in (-1, 1):
            grip.append(prism(shape, 4, material(str(rng.choice(["wood", "rubber", "abs"]))), (0, 0, z * wide * 0.56)))
    grip += [cylinder(6, wide, material("steel"), (0, -grip_tall * y, 0)) for y in (0.25, 0.8)]
    if rng.random() < 0.85:
        grip += moved(_magazine(rng, grip_tall * 1.02, deep * 0.66, calibre), (0, tall * 0.3, 0))
    parts += moved(grip, grip_at, grip_turn)
    guard = smooth(
        np.array(
            [
                (deep * 0.4, 0, 0),
                (deep * 0.55, -26 * s, 0),
                (deep * 1.1, -30 * s, 0),
                (deep * 1.42, -20 * s, 0),
                (deep * 1.45, 4, 0),
            ]
        )
        + grip_at
    )
    parts.append(Wire(guard, rng.uniform(2.6, 4.0) * s, frame if not polymer else material("nylon")))
    trigger = smooth(np.array([(deep * 0.9, 2, 0), (deep * 0.86, -10 * s, 0), (deep * 0.95, -21 * s, 0)]) + grip_at)
    parts.append(Wire(trigger, 2.4, material("steel")))
    parts.append(cylinder(12, wide * 0.4, material("steel"), (-length * 0.46, -tall * 0.55, 0)))
    for _ in range(int(rng.integers(3, 8))):  # pins, levers, catch
        spot = (rng.uniform(-0.4, 0.2) * length, -tall * rng.uniform(0.5, 0.95), 0)
        parts.append(cylinder(rng.uniform(3, 8), wide, material("steel"), spot))
    return parts


def revolver(rng: Rng) -> list[Part]:
    """Make a revolver: barrel, drum with chambers, frame, grip, guard, hammer."""
    s, calibre = rng.uniform(0.75, 1.15), float(rng.choice([5.6, 7.6, 9.1, 11.2]))
    barrel, drum, steel = rng.uniform(45, 160) * s, calibre * 4.1, _metal(rng)
    long = rng.uniform(33, 46) * s
    parts: list[Part] = [
        cylinder(calibre + 7, barrel, steel, (barrel / 2 + long / 2, drum * 0.3, 0), ALONG_X, bore=calibre),
        cylinder(calibre * 0.9, barrel * 0.7, steel, (barrel * 0.35 + long / 2, -drum * 0.02, 0), ALONG_X),
        box(barrel * 0.9, 5, 5, steel, (barrel / 2 + long / 2, drum * 0.3 + calibre * 0.9, 0)),
    ]
    chambers, loaded = int(rng.integers(5, 8)), rng.random() < 0.5
    holes = []
    for i in range(chambers):
        angle = 2 * np.pi * i / chambers
        spot = (0.0, float(drum * 0.31 * np.cos(angle)), float(drum * 0.31 * np.sin(angle)))
        holes.append(cylinder(calibre * 1.03, long * 1.1, steel, spot, ALONG_X))
        if loaded:
            parts += cartridge(calibre * 0.97, long * 0.9, spot)
    body = cylinder(drum, long, steel, turn=ALONG_X)
    parts.append(Piece(body.half, steel, None, "cylinder", body.at, body.turn, tuple(holes)))
    for y in (drum * 0.56, -drum * 0.56):
        parts.append(box(long + 18, 7, 12 * s, steel, (0, y, 0)))
    for x in (long / 2 + 5, -long / 2 - 7):
        parts.append(box(9, drum * 1.1, 13 * s, steel, (x, 0, 0)))
    grip = [(-8, 0), (-30, -12), (-42, -85), (-30, -96), (-6, -90), (2, -45), (10, -30)]
    parts += moved(outline(curved(np.array(grip) * s, 3), 9 * s, steel), (-long / 2, -drum * 0.3, 0))
    for z in (-1, 1):
        cheeks = outline(
            [(x * s, y * s) for x, y in grip], 11 * s, material(str(rng.choice(["wood", "rubber"]))), (0, 0, z * 9 * s)
        )
        parts += moved(cheeks, (-long / 2, -drum * 0.3, 0))
    guard = smooth(
        np.array(
            [
                (-long * 0.3, -drum * 0.6, 0),
                (-long * 0.2, -drum * 0.6 - 24 * s, 0),
                (long * 0.45, -drum * 0.6 - 24 * s, 0),
                (long * 0.7, -drum * 0.58, 0),
            ]
        )
    )
    parts.append(Wire(guard, 2.6 * s, steel))
    parts.append(
        Wire(
            smooth(np.array([(0, -drum * 0.6, 0), (-3, -drum * 0.6 - 11 * s, 0), (3, -drum * 0.6 - 20 * s, 0.0)])),
            2.2,
            steel,
        )
    )
    hammer = [(0, 0), (-14, 14), (-20, 14), (-12, -4)]
    return parts + moved(
        outline([(x * s, y * s) for x, y in hammer], 7 * s, material("steel")), (-long / 2 - 8, drum * 0.35, 0)
    )


def long_gun(rng: Rng) -> list[Part]:
    """Make a sawn-off or folding long gun: barrels, receiver, magazine, pistol grip, stub of a stock."""
    barrel, steel = rng.uniform(180, 330), material("steel")
    bore = float(rng.choice([5.7, 7.8, 9.2, 18.4]))
    double = bore > 15 and rng.random() < 0.6
    parts: list[Part] = []
    for z in (-0.55, 0.55) if double else (0.0,):
        parts.append(cylinder(bore + 6, barrel, steel, (barrel / 2 + 60, 6, z * (bore + 6)), ALONG_X, bore=bore))
    receiver = rng.uniform(110, 200)
    hollow = box(receiver - 10, 28, 18, steel, (0, 0, 0))
    body = box(receiver, 36, 28, _metal(rng), (0, 0, 0))
    parts.append(Piece(body.half, body.material, body.planes, "", body.at, holes=(hollow,)))
    parts.append(cylinder(15, receiver * 0.6, steel, (receiver * 0.1, 4, 0), ALONG_X))
    parts.append(box(barrel * 0.5, 26, 32, material(str(rng.choice(["wood", "nylon"]))), (barrel * 0.35 + 60, -6, 0)))
    grip = [(0, 0), (-26, -75), (-2, -82), (26, 0)]
    parts += moved(
        outline(curved(np.array(grip, float), 3), 26, material(str(rng.choice(["wood", "nylon", "rubber"])))),
        (-receiver * 0.3, -16, 0),
    )
    parts.append(
        Wire(
            smooth(
                np.array(
                    [
                        (-receiver * 0.2, -18, 0),
                        (-receiver * 0.12, -45, 0),
                        (receiver * 0.12, -42, 0),
                        (receiver * 0.14, -18, 0),
                    ]
                )
            ),
            2.6,
            steel,
        )
    )
    if not double:
        parts += moved(
            _magazine(rng, rng.uniform(90, 190), rng.uniform(28, 55), min(bore, 9)),
            (receiver * 0.22, -14, 0),
            rotation(rng.uniform(-0.1, 0.3)),
        )
    if rng.random() < 0.6:
        stock = [(0, 12), (-130, 8), (-140, -40), (-110, -42), (0, -14)]
        parts += moved(outline(stock, 30, material("wood")), (-receiver / 2, 0, 0))
    return parts


def gun_part(rng: Rng) -> list[Part]:
    """Make a slide, a barrel, a frame, a magazine or a drum by itself."""
    kind = rng.integers(5)
    if kind == 0:
        wide, tall, length = rng.uniform(21, 27), rng.uniform(20, 26), rng.uniform(130, 195)
        steel = material("steel")
        body = box(length, tall, wide, steel)
        holes = (
            cylinder(16, length * 0.97, steel, (2, 2, 0), ALONG_X),
            box(length * 0.55, tall, wide * 0.5, steel, (length * 0.18, -tall * 0.5, 0)),
        )
        return [
            Piece(body.half, steel, body.planes, "", body.at, holes=holes),
            box(7, 5, 4, steel, (length * 0.46, tall / 2, 0)),
        ]
    if kind == 1:
        calibre, length = float(rng.choice([5.6, 9.0, 11.4])), rng.uniform(80, 260)
        return [
            cylinder(calibre + 6, length, material("steel"), turn=ALONG_X, bore=calibre),
            box(24, 18, 14, material("steel"), (-length / 2 + 10, -2, 0)),
        ]
    if kind == 2:
        return _magazine(rng, rng.uniform(90, 190), rng.uniform(26, 50), float(rng.choice([5.6, 7.65, 9.0])))
    whole = pistol(rng)
    heavy = [p for p in whole if not isinstance(p, Piece) or p.at[1] < -8]  # without slide and barrel: the frame
    return heavy if kind == 3 else whole[: max(len(whole) // 2, 4)]


def ammunition(rng: Rng) -> list[Part]:
    """Make cartridges: loose, in a carton's grid, or in a strip."""
    calibre = float(rng.choice([5.6, 7.62, 9.0, 11.4, 18.5]))
    length = calibre * rng.uniform(2.4, 6.0) if calibre < 12 else 65.0
    kind, parts = rng.integers(3), []
    if kind == 0:
        for _ in range(int(rng.integers(8, 30))):
            parts += cartridge(
                calibre,
                length,
                tuple(rng.normal(0, 26, 3) * [1, 1, 0.4]),
                rotation(rng.uniform(0, 6.28), rng.normal(0, 0.4)),
            )
    elif kind == 1:
        across, down = int(rng.integers(3, 11)), int(rng.integers(2, 6))
        for i in range(across):
            for j in range(down):
                parts += cartridge(
                    calibre,
                    length,
                    ((i - across / 2) * calibre * 1.3, (j - down / 2) * calibre * 1.3, 0),
                    rotation(pitch=-np.pi / 2),
                )
        parts.append(box(across * calibre * 1.35, down * calibre * 1.35, 1, material("paper")))
    else:
        for i in range(int(rng.integers(5, 20))):
            parts += cartridge(
                calibre, length, (i * 0.0, i * calibre * 1.25, 3 * np.sin(i * 0.4)), rotation(rng.normal(0, 0.04))
            )
    return parts


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
