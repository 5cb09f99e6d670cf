"""Hand tools that a cabin does not take: long enough to strike or to stab with."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from simulators.xray.physics import material
from simulators.xray.solids import ALONG_X, ALONG_Y, Part, Wire, box, cylinder, moved, outline, rotation, smooth

Rng = np.random.Generator
_STEEL = "steel"


def hand_tool(rng: Rng) -> list[Part]:
    """Make a screwdriver, a spanner, pliers or a hammer."""
    makes = list(_MAKES)
    return makes[int(rng.choice(len(makes), p=list(_MAKES.values())))](rng)


def _screwdriver(rng: Rng) -> list[Part]:
    shaft = rng.uniform(50, 150)
    return [
        cylinder(rng.uniform(4, 7), shaft, material(_STEEL), (shaft / 2, 0, 0), ALONG_X),
        cylinder(rng.uniform(22, 32), 95, material("abs"), (-45, 0, 0), ALONG_X, bore=6),
    ]


def _spanner(rng: Rng) -> list[Part]:
    """Make one with two open jaws, two rings, or one of each."""
    of, length, gap = material(_STEEL), rng.uniform(100, 260), rng.uniform(7, 17)
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
    open_end: list[Part] = list(outline(jaw, gap * 0.6, of, (length / 2, 0, 0)))
    ring_end: list[Part] = [cylinder(gap * 2.2, gap * 0.7, of, (length / 2 + gap * 0.6, 0, 0), bore=gap * 1.3)]
    near = open_end if rng.random() < 0.8 else ring_end
    far = ring_end if rng.random() < 0.6 else open_end
    shank = box(length, gap * rng.uniform(0.7, 1.1), gap * rng.uniform(0.3, 0.5), of)
    return [shank, *near, *moved(far, turn=rotation(np.pi))]


def _adjustable(rng: Rng) -> list[Part]:
    """Make one with a wide head, a fixed and a loose jaw and their screw, and a hole at the far end."""
    of, length, head, opening = material(_STEEL), rng.uniform(110, 240), rng.uniform(38, 62), rng.uniform(4, 24)
    fixed = [(0, -head / 2), (head, -head / 2), (head * 1.1, -opening / 2), (head * 0.4, -opening / 2), (0, head / 2)]
    loose = [(head * 0.35, opening / 2), (head * 1.05, opening / 2), (head * 0.95, head * 0.42), (head * 0.3, head / 2)]
    thick, grip = rng.uniform(8, 14), rng.uniform(14, 24)
    shank = box(length, grip, thick * 0.6, of)
    if rng.random() < 0.4:
        shank = replace(shank, holes=(box(length * 0.7, grip * 0.5, thick, of),))
    return [
        shank,
        *outline(fixed, thick, of, (length / 2, 0, 0)),
        *outline(loose, thick * 0.8, of, (length / 2, 0, 0)),
        cylinder(9, 18, of, (length / 2 + head * 0.2, head * 0.3, 0), ALONG_Y),
        cylinder(grip * 1.15, thick * 0.7, of, (-length / 2, 0, 0), bore=grip * 0.5),
    ]


def _pliers(rng: Rng) -> list[Part]:
    of, parts, s = material(_STEEL), [], rng.uniform(0.8, 1.3)
    for side in (-1.0, 1.0):
        grip = smooth(np.array([(0, 0, 0), (-30, 10 * side, 0), (-75, 16 * side, 0), (-120, 11 * side, 0)]) * s)
        half: list[Part] = [Wire(grip, 4.5, of), Wire(grip[12:], 7, material("pvc"), 4.5)]
        points = np.array([(0, 0), (12, 0), (48, 1), (46, 5), (10, 11), (0, 9)]) * [s, s * side]
        half += outline(points if side > 0 else points[::-1], 9, of)
        parts += moved(half, turn=rotation(side * rng.uniform(0, 0.25)))
    return [*parts, cylinder(15, 13, of)]


def _hammer(rng: Rng) -> list[Part]:
    """Make a block at the end of a shaft, or a face to one side and a claw's two prongs to the other."""
    of, reach, thick = material(_STEEL), rng.uniform(110, 150), rng.uniform(18, 28)
    shaft = material(str(rng.choice(["wood", "wood", "steel", "nylon"])))
    bore = 12 if shaft.name == "steel" else 0
    handle = cylinder(rng.uniform(16, 26), 2 * reach, shaft, (0, 0, 0), ALONG_X, bore=bore)
    if rng.random() < 0.5:
        return [handle, box(thick, rng.uniform(75, 110), thick, of, (reach, 0, 0))]
    claw = np.array([(-0.5, 0), (0.5, 0), (0.2, 1.8), (-0.7, 3.0), (-0.85, 2.9), (-0.4, 1.6)]) * thick
    prongs = [p for z in (-0.3, 0.3) for p in outline(claw, thick * 0.35, of, (reach, 0, thick * z))]
    return [handle, cylinder(thick, 45, of, (reach, -20, 0), ALONG_Y), *prongs]


#: How each is made, and how often.
_MAKES = {_screwdriver: 0.15, _spanner: 0.35, _adjustable: 0.15, _pliers: 0.22, _hammer: 0.13}
