"""Ordinary things that are hard: umbrellas, tools, belts, keys, metal like parts of threats."""

from __future__ import annotations

import cv2
import numpy as np

from simulators.xray.electronics import ELECTRONICS
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
    **ELECTRONICS,
    "umbrella": umbrella,
    "belt": belt,
    "buckle": buckle,
    "keys": keys,
    "coins": coins,
    "scissors": scissors,
    "tool": tool,
    "junk": junk,
    "wallet": wallet,
}
