"""What fills a bag that somebody travels with: folded clothes up to the rim, and the small metal that clothes carry.

Beside real pictures the simulated bags stood half empty. In a full one nearly every place has several layers of cloth
over it, and dozens of eyelets, hooks, pins and sliders that are no part of any one thing.
"""

from __future__ import annotations

import numpy as np

from simulators.xray import luggage, texture
from simulators.xray.hard import belt, buckle, umbrella
from simulators.xray.home import hanger
from simulators.xray.physics import Material, material
from simulators.xray.soft import bottle, cloth, fabric_bag, garment, shoe, toiletry
from simulators.xray.solids import Part, Plate, Wire, ball, box, cylinder, moved, ring, rotation, smooth

Rng = np.random.Generator
CLOTHES_A_M2 = (50.0, 230.0)
NOTIONS_A_M2 = (30.0, 330.0)
_BED_PX_MM = 1.6


def folded(rng: Rng) -> list[Part]:
    """Make a pile of folded clothes: thicker than a garment, and wider."""
    of = str(rng.choice(["cotton", "wool", "polyester", "leather"], p=[0.5, 0.22, 0.22, 0.06]))
    return [cloth(rng, rng.uniform(70, 250), rng.uniform(90, 300), rng.uniform(4, 26), of)]


def bed(rng: Rng, room: tuple[float, float, float]) -> list[list[Part]]:
    """Make layers of clothes that reach from wall to wall, here thicker and there thinner."""
    width, length, depth = room
    layers: list[list[Part]] = []
    for z in rng.uniform(-0.4, 0.4, int(rng.integers(1, 4))) * depth:
        rows, columns = int(length * 1.04 / _BED_PX_MM), int(width * 1.04 / _BED_PX_MM)
        points = luggage.rounded(columns, rows, float(rng.uniform(5, 30)))[:, :2] + [columns / 2, rows / 2]
        swell = np.clip(1 + rng.uniform(0.2, 0.7) * texture.noise(rng, rows, columns, rng.uniform(1, 3)), 0.1, 3)
        mm = texture.fill(points, rows, columns) * texture.folds(rng, rows, columns) * swell * rng.uniform(5, 40)
        of = material(str(rng.choice(["cotton", "wool", "polyester"])))
        layers.append([Plate(mm.astype(np.float32), of, _BED_PX_MM, (0.0, 0.0, float(z)))])
    return layers


def notion(rng: Rng) -> list[Part]:
    """Make one or some of the small metal things on clothes and in pockets."""
    of = material(str(rng.choice(["brass", "steel", "zinc", "steel", "aluminium"])))
    return _NOTIONS[rng.integers(len(_NOTIONS))](rng, of)


def _eyelets(rng: Rng, of: Material) -> list[Part]:
    size, step = rng.uniform(4, 11), rng.uniform(12, 40)
    one = cylinder(size, rng.uniform(0.8, 2), of, bore=size * 0.55)
    return [part for i in range(int(rng.choice([1, 1, 2, 4, 7]))) for part in moved([one], (i * step, 0, 0))]


def _studs(rng: Rng, of: Material) -> list[Part]:
    size, step = rng.uniform(5, 14), rng.uniform(15, 60)
    one = cylinder(size, rng.uniform(1, 3), of)
    return [part for i in range(int(rng.choice([1, 1, 2, 5]))) for part in moved([one], (i * step, 0, 0))]


def _hook(rng: Rng, of: Material) -> list[Part]:
    bend = np.cumsum(rng.normal(0, rng.uniform(4, 14), (int(rng.integers(3, 7)), 3)) * [1, 1, 0.3], axis=0)
    return [Wire(smooth(bend), rng.uniform(0.5, 1.6), of)]


def _slider(rng: Rng, of: Material) -> list[Part]:
    return [
        box(rng.uniform(6, 10), rng.uniform(8, 14), 4, of),
        box(rng.uniform(3, 6), rng.uniform(14, 34), 1.6, of, (0, rng.uniform(8, 16), 1)),
    ]


def _chain(rng: Rng, of: Material) -> list[Part]:
    line = smooth(np.cumsum(rng.normal(0, 16, (int(rng.integers(5, 14)), 3)) * [1, 1, 0.2], axis=0))
    if rng.random() < 0.5:
        return [Wire(line, rng.uniform(0.5, 1.3), of)]
    return [ball(3, 3, 3, of, tuple(spot)) for spot in line]


def _underwire(rng: Rng, of: Material) -> list[Part]:
    arc = np.linspace(0, np.pi * rng.uniform(0.7, 1.1), 20)
    size = rng.uniform(45, 70)
    bow = np.stack([size * np.cos(arc), size * np.sin(arc), np.zeros(20)], 1)
    second = (rng.normal(0, 30), rng.normal(0, 30), 4)
    return [Wire(bow, 0.8, of), *moved([Wire(bow, 0.8, of)], second, rotation(rng.normal(0, 0.6)))]


def _ring(rng: Rng, of: Material) -> list[Part]:
    return [Wire(ring(rng.uniform(5, 17), rng.uniform(0.5, 1)), rng.uniform(0.7, 1.8), of)]


_NOTIONS = (_eyelets, _eyelets, _studs, _studs, _hook, _slider, _slider, _chain, _underwire, _ring)

STUFFING = {
    "folded": folded,
    "garment": garment,
    "notion": notion,
    "screw": luggage.screw,
    "buckle": buckle,
    "hanger": hanger,
    "umbrella": umbrella,
    "belt": belt,
    "shoe": shoe,
    "bottle": bottle,
    "toiletry": toiletry,
    "pouch": fabric_bag,
}


def kinds(rng: Rng, room: tuple[float, float, float]) -> list[str]:
    """Return what fills a bag with this room, in the order it is packed."""
    area_m2 = room[0] * room[1] / 1e6
    clothes = int(rng.uniform(*CLOTHES_A_M2) * area_m2)
    notions = int(rng.uniform(*NOTIONS_A_M2) * area_m2)
    others = list(STUFFING)[3:]
    return [
        *(str(kind) for kind in rng.choice(["folded", "garment"], clothes, p=[0.75, 0.25])),
        *(str(kind) for kind in rng.choice(others, int(rng.poisson(5)))),
        *["notion"] * notions,
    ]
