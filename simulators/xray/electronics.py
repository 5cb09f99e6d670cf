"""Ordinary electronics: computers, telephones, cables, chargers, cells, cameras, dryers, shavers."""

from __future__ import annotations

import numpy as np

from simulators.xray import texture
from simulators.xray.physics import material
from simulators.xray.solids import (
    ALONG_X,
    ALONG_Y,
    Part,
    Plate,
    Wire,
    ball,
    box,
    cylinder,
    moved,
    outline,
    ring,
    rotation,
    shifted,
    smooth,
)

Rng = np.random.Generator


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


def player(rng: Rng) -> list[Part]:
    """Make a flat device in sheet metal, or its works: player, console, switch, computer's drawer. It hides much."""
    width, length = rng.uniform(200, 400), rng.uniform(150, 300)
    parts: list[Part] = []
    for z in (-22.0, 22.0)[: int(rng.integers(1, 3))]:
        sheet = np.full((int(length), int(width)), rng.uniform(0.5, 1.3), np.float32)
        for _ in range(int(rng.integers(2, 14))):  # what is punched out, or doubled
            w, h = rng.integers(5, max(int(width * 0.4), 6)), rng.integers(5, max(int(length * 0.4), 6))
            x, y = rng.integers(0, int(width)), rng.integers(0, int(length))
            sheet[y : y + h, x : x + w] = float(rng.choice([0.0, 0.0, 1.8])) * sheet[0, 0]
        of = material(str(rng.choice(["steel", "steel", "aluminium"])))
        parts.append(Plate(sheet * (1.0 if of.name == "steel" else 2.0), of, 1.0, (0, 0, z)))
    for _ in range(int(rng.integers(1, 4))):
        w, h = width * rng.uniform(0.25, 0.9), length * rng.uniform(0.25, 0.8)
        at = (rng.uniform(-0.5, 0.5) * (width - w), rng.uniform(-0.5, 0.5) * (length - h), rng.uniform(-15, 5))
        parts += moved(board_at(rng, w, h, int(rng.integers(15, 90))), at)
    for _ in range(int(rng.integers(2, 9))):
        spot = (rng.uniform(-0.42, 0.42) * width, rng.uniform(-0.42, 0.42) * length, 0.0)
        kind = rng.integers(5)
        if kind == 0:  # a drive or a fan
            d = rng.uniform(40, 120)
            parts += [
                cylinder(d, rng.uniform(0.8, 12), material("aluminium"), spot, bore=d * rng.uniform(0.3, 0.96)),
                cylinder(rng.uniform(10, 26), 12, material("steel"), spot),
            ]
        elif kind == 1:  # a transformer
            w = rng.uniform(25, 60)
            parts += [
                box(w, w * 0.8, 25, material("steel"), spot),
                box(w * 0.5, w * 1.1, 28, material("copper"), spot),
            ]
        elif kind == 2:  # a heat sink
            w = rng.uniform(25, 90)
            parts += [box(w, 1.5, 25, material("aluminium"), (spot[0], spot[1] + 4.0 * i, 0)) for i in range(-4, 5)]
        elif kind == 3:
            parts += [cylinder(15, 25, material("aluminium"), (spot[0] + 20 * i, spot[1], 0)) for i in range(3)]
        else:
            line = smooth(np.array([rng.uniform(-0.45, 0.45, 3) * (width, length, 20) for _ in range(4)]))
            parts.append(Wire(line, rng.uniform(1, 3.5), material("copper"), 0.3))
    rim = [(x * width / 2, y * length / 2, 0) for x in (-1, 0, 1) for y in (-1, 1)]
    return [*parts, *(cylinder(5, 14, material("steel"), at) for at in rim)]


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


ELECTRONICS = {
    "laptop": laptop,
    "player": player,
    "phone": phone,
    "cable": cable,
    "charger": charger,
    "cells": cells,
    "camera": camera,
    "hairdryer": hairdryer,
    "headphones": headphones,
    "shaver": shaver,
}
