"""Firearms, their parts and ammunition as solids. Dimensions are those of common makes, varied freely."""

from __future__ import annotations

import numpy as np

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
    ring,
    rotation,
    shifted,
    smooth,
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
