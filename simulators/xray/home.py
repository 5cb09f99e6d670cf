"""More ordinary things: kitchen, workshop, travel and play, and the goods that look like masses and are none."""

from __future__ import annotations

import numpy as np

from simulators.xray import texture
from simulators.xray.electronics import board_at
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
    ring,
    rotation,
    shifted,
    smooth,
)

Rng = np.random.Generator


def _one(rng: Rng, *names: str) -> str:
    return names[rng.integers(len(names))]


def packet(rng: Rng) -> list[Part]:
    """Make a packet of coffee, flour, rice, washing powder, butter or cheese: organic, dense or loose, and benign."""
    of = material(_one(rng, "food", "sugar", "cotton", "soap", "chocolate"))
    width, length, thick = rng.uniform(60, 130), rng.uniform(80, 200), rng.uniform(25, 70)
    px = 2.0
    rows, columns = int(length / px), int(width / px)
    edge = np.minimum(
        np.minimum.outer(np.arange(rows), np.full(columns, 99)), np.minimum.outer(np.full(rows, 99), np.arange(columns))
    )
    edge = np.minimum(edge, edge[::-1, ::-1]) * px
    pillow = thick * np.sqrt(np.clip(edge / (thick * rng.uniform(0.3, 1.2)), 0, 1))
    grain = 1 + rng.uniform(0, 0.08) * texture.noise(rng, rows, columns, rng.uniform(0.2, 1.0))
    parts: list[Part] = [Plate((pillow * grain).astype(np.float32), of, px)]
    if rng.random() < 0.4:
        parts.append(box(width, length, 0.03, material("aluminium")))
    return parts


def crockery(rng: Rng) -> list[Part]:
    """Make a mug, a bowl, a plate or a vase."""
    of, d = material(_one(rng, "ceramic", "glass", "ceramic")), rng.uniform(70, 110)
    if rng.random() < 0.6:
        h = rng.uniform(70, 120)
        handle = shifted(ring(h * 0.28, 0.8) @ rotation(roll=np.pi / 2).T, d * 0.55, 0, 0)
        mug: list[Part] = [cylinder(d, h, of, bore=d - 8, floor=5), Wire(handle, 5, of)]
        return moved(mug, turn=rotation(pitch=rng.choice([0, np.pi / 2])))
    plate = ball(d * 2, d * 2, 44, of)
    hollow = ball(d * 2 - 6, d * 2 - 6, 42, of, (0, 0, 6))
    return [
        Piece(plate.half, of, None, "ellipsoid", plate.at, holes=(hollow,)),
        cylinder(d, 5, of, (0, 0, -19), bore=d - 8),
    ]


def cutlery(rng: Rng) -> list[Part]:
    """Make forks, spoons, a corkscrew or a tin opener."""
    steel, parts = material("steel"), []
    for i in range(int(rng.integers(1, 6))):
        one: list[Part] = [*outline([(-90, -5), (20, -2.5), (20, 2.5), (-90, 5)], rng.uniform(1.4, 2.6), steel)]
        if rng.random() < 0.5:
            one.append(cylinder(38, 1.6, steel, (42, 0, 0), flat=0.7))
        else:
            one.append(box(22, 22, 1.8, steel, (30, 0, 0)))
            one += [box(36, 3, 1.8, steel, (58, y, 0)) for y in (-9.5, -3, 3, 9.5)]
        parts += moved(one, (rng.normal(0, 10), i * 14.0, 0), rotation(rng.normal(0, 0.25)))
    if rng.random() < 0.25:
        worm = ring(4, 1, 6, 8) @ ALONG_X.T
        parts += [Wire(worm, 1.2, steel), cylinder(18, 90, material("wood"), (-32, 0, 0), ALONG_Y)]
    return parts


def pan(rng: Rng) -> list[Part]:
    """Make a pan, a pot or a thermos flask."""
    of, d = material(_one(rng, "steel", "aluminium")), rng.uniform(110, 210)
    wall = 1.0 if of.name == "steel" else 2.5
    if rng.random() < 0.45:
        h, w = rng.uniform(180, 280), rng.uniform(60, 85)
        flask: list[Part] = [cylinder(x, h, material("steel"), bore=x - 1, floor=1) for x in (w, w - 9)]
        flask += [
            cylinder(w - 11, h * rng.uniform(0, 0.95) + 5, material("water")),
            cylinder(w * 0.8, 35, material("abs"), (0, 0, h / 2)),
        ]
        return moved(flask, turn=rotation(pitch=np.pi / 2))
    h = rng.uniform(40, 110)
    parts: list[Part] = [cylinder(d, h, of, bore=d - 2 * wall, floor=wall * 2)]
    handle = [(d / 2, -11), (d / 2 + 150, -9), (d / 2 + 150, 9), (d / 2, 11)]
    return [
        *parts,
        *outline(handle, 13, material(_one(rng, "abs", "wood", "steel")), (0, 0, h / 3)),
        cylinder(6, 20, material("steel"), (d / 2 + 6, 0, h / 3)),
    ]


def torch(rng: Rng) -> list[Part]:
    """Make an electric torch, a vaporiser or a laser pointer: a metal tube with cells."""
    d, length = rng.uniform(16, 38), rng.uniform(85, 230)
    return [
        cylinder(d, length, material(_one(rng, "aluminium", "abs", "steel")), turn=ALONG_X, bore=d - 4, floor=2),
        *(
            cylinder(min(d - 6, 14), 48, material("alkaline_cell"), (x, 0, 0), ALONG_X)
            for x in np.arange(-length / 2 + 30, length / 2 - 35, 50)
        ),
        cylinder(d * 1.35, 26, material("aluminium"), (length / 2 - 4, 0, 0), ALONG_X, bore=d),
        cylinder(d * 1.2, 3, material("glass"), (length / 2 + 7, 0, 0), ALONG_X),
        Wire(shifted(ring(d * 0.3, 1, 6, 2.5) @ ALONG_X.T, -length / 2 + 10, 0, 0), 0.6, material("steel")),
    ]


def gadget(rng: Rng) -> list[Part]:
    """Make a small appliance: controller, mouse, router, remote, speaker, hard disk, power strip, radio."""
    width, length, thick = rng.uniform(45, 150), rng.uniform(80, 200), rng.uniform(16, 48)
    shell = material(_one(rng, "abs", "abs", "aluminium"))
    wall = 2.2 if shell.name == "abs" else 1.2
    outer, inner = box(width, length, thick, shell), box(width - 2 * wall, length - 2 * wall, thick - 2 * wall, shell)
    parts: list[Part] = [Piece(outer.half, shell, outer.planes, "", outer.at, holes=(inner,))]
    parts += board_at(rng, width * 0.85, length * rng.uniform(0.3, 0.9), int(rng.integers(8, 50)))
    for _ in range(int(rng.integers(1, 5))):
        spot = (rng.uniform(-0.35, 0.35) * width, rng.uniform(-0.4, 0.4) * length, 0)
        kind = rng.integers(5)
        if kind == 0:  # a speaker's magnet
            parts += [
                cylinder(d := rng.uniform(20, 45), 9, material("steel"), spot, bore=d * 0.4),
                cylinder(d * 0.35, 12, material("steel"), spot),
            ]
        elif kind == 1:
            parts.append(cylinder(rng.uniform(10, 18), rng.uniform(20, 50), material("lithium_cell"), spot, ALONG_Y))
        elif kind == 2:
            parts.append(box(rng.uniform(10, 40), rng.uniform(10, 60), rng.uniform(1, 5), material("steel"), spot))
        elif kind == 3:
            parts.append(
                cylinder(rng.uniform(12, 26), rng.uniform(15, 35), material("steel"), spot, ALONG_X, bore=5)
            )  # a motor
        else:
            parts.append(box(rng.uniform(12, 40), 1.5, thick * 0.7, material("aluminium"), spot))
    corners = [(x * width * 0.44, y * length * 0.46, 0) for x in (-1, 1) for y in (-1, 1)]
    return [*parts, *(cylinder(2.6, thick * 0.6, material("steel"), at) for at in corners)]


def disk(rng: Rng) -> list[Part]:
    """Make a hard disk or a drive: cast aluminium, platters, magnet, board."""
    s = rng.choice([0.7, 1.0])
    parts: list[Part] = [
        box(100 * s, 145 * s, 20 * s, material("abs")),
        box(100 * s, 145 * s, 7 * s, material("aluminium")),
    ]
    parts += [cylinder(92 * s, 1.3, material("aluminium"), (0, 20 * s, z), bore=25 * s) for z in (-3, 3)]
    parts += [
        cylinder(25 * s, 14 * s, material("steel"), (0, 20 * s, 0)),
        box(34 * s, 26 * s, 10 * s, material("steel"), (-22 * s, -50 * s, 0), rotation(0.4)),
    ]
    return parts[1:] + board_at(rng, 90 * s, 50 * s, 25)


def lock(rng: Rng) -> list[Part]:
    """Make a padlock, a bicycle lock or a chain."""
    of = material(_one(rng, "brass", "steel", "zinc"))
    if rng.random() < 0.5:
        s = rng.uniform(0.7, 1.6)
        shackle = smooth(np.array([(-12, 0, 0), (-12, 24, 0), (0, 36, 0), (12, 24, 0), (12, 0, 0.0)]) * s)
        return [box(38 * s, 32 * s, 14 * s, of, (0, -14 * s, 0)), Wire(shackle, 3.6 * s, material("steel"))]
    links = int(rng.integers(8, 36))
    path = smooth(np.cumsum(rng.normal(0, 34, (7, 3)) * [1, 1, 0.1], axis=0), 40)
    parts: list[Part] = []
    for i in range(links):
        at = path[(i * len(path)) // links]
        step = path[min((i * len(path)) // links + 1, len(path) - 1)] - at
        turn = rotation(float(np.arctan2(step[1], step[0])), 0, (i % 2) * np.pi / 2)
        parts.append(Wire(ring(9, 0.6) @ turn.T + at, 2.0, of))
    return parts


def tripod(rng: Rng) -> list[Part]:
    """Make a tripod, folding stick, selfie stick or music stand: nested tubes, joints, crossings."""
    length, of = rng.uniform(220, 430), material(_one(rng, "aluminium", "carbon_fibre", "steel"))
    parts: list[Part] = []
    for i in range(int(rng.integers(1, 5))):
        turn = rotation(rng.normal(0, 0.06)) @ ALONG_X
        at = (rng.normal(0, 5), i * rng.uniform(14, 26), rng.normal(0, 6))
        for d in (22, 18, 14):
            run = length * rng.uniform(0.6, 1)
            parts.append(cylinder(d, run, of, at, turn, bore=d - (1.0 if of.name == "steel" else 2.6)))
        parts.append(cylinder(28, 22, material("abs"), (at[0] + length * 0.3, at[1], at[2]), turn, bore=20))
        parts.append(cylinder(5, 32, material("steel"), (at[0] - length * 0.4, at[1], at[2])))
    return [
        *parts,
        cylinder(36, 30, material("aluminium"), (-length / 2, 30, 0), bore=18),
        ball(26, 26, 26, material("aluminium"), (-length / 2, 30, 22)),
    ]


def hanger(rng: Rng) -> list[Part]:
    """Make coat hangers, a wire basket or a rack of rods."""
    steel, gauge = material("steel"), rng.uniform(0.9, 1.7)
    if rng.random() < 0.6:
        parts: list[Part] = []
        for _ in range(int(rng.integers(1, 4))):
            line = np.array(
                [
                    (0, 40, 0),
                    (-190, -60, 0),
                    (190, -60, 0),
                    (0, 40, 0),
                    (0, 70, 0),
                    (22, 90, 0),
                    (0, 112, 0),
                    (-18, 98, 0.0),
                ]
            )
            parts += moved([Wire(line, gauge, steel)], rng.normal(0, 14, 3) * [1, 1, 0.3], rotation(rng.normal(0, 0.2)))
        return parts
    w, h = rng.uniform(90, 200), rng.uniform(70, 160)
    rods = [np.array([(-w / 2, y, 0), (w / 2, y, 0)]) for y in np.linspace(-h / 2, h / 2, int(rng.integers(4, 10)))]
    bars = [np.array([(x, -h / 2, 2), (x, h / 2, 2)]) for x in np.linspace(-w / 2, w / 2, int(rng.integers(2, 8)))]
    return [Wire(line, gauge, steel) for line in (*rods, *bars)]


def stationery(rng: Rng) -> list[Part]:
    """Make a stapler, a punch, a ruler, clips, a calculator."""
    steel, kind = material("steel"), rng.integers(3)
    if kind == 0:
        return [
            box(130, 22, 1.6, steel, (0, 0, -8)),
            box(135, 18, 1.4, steel, (0, 0, 4), rotation(0, 0.08)),
            box(120, 12, 6, material("zinc"), (0, 0, 0)),
            Wire(shifted(ring(3, 1, 14, 3) @ ALONG_X.T, 10, 0, 0), 0.5, steel),
        ]
    if kind == 1:
        body: list[Part] = [box(110, 55, 1.5, steel), box(110, 40, 1.5, steel, (0, 6, 14), rotation(0, 0, 0.3))]
        return body + [cylinder(9, 34, steel, (x, -8, 6)) for x in (-40, 40)]
    clips: list[Part] = [
        Wire(ring(9, 0.35) + rng.normal(0, 24, 3) * [1, 1, 0.2], 0.5, steel) for _ in range(int(rng.integers(4, 30)))
    ]
    return [*clips, box(rng.uniform(150, 300), 28, 1.2, material(_one(rng, "acrylic", "steel", "aluminium")))]


def bundle(rng: Rng) -> list[Part]:
    """Make a big coil of cable or rope, many turns, as thick as a fist."""
    radius, turns = rng.uniform(45, 130), int(rng.integers(8, 26))
    sheath, copper = rng.uniform(1.8, 4.5), rng.uniform(0.5, 1.6)
    line = ring(radius, rng.uniform(0.55, 1), turns, rng.uniform(0.2, 2))
    swell = np.interp(
        np.arange(len(line)), np.linspace(0, len(line), turns * 2), 1 + 0.14 * rng.standard_normal(turns * 2)
    )
    drift = np.stack(
        [
            np.interp(np.arange(len(line)), np.linspace(0, len(line), turns), rng.normal(0, radius * 0.1, turns))
            for _ in range(2)
        ],
        1,
    )
    line[:, :2] = line[:, :2] * swell[:, None] + drift
    of = material(_one(rng, "pvc", "pvc", "rubber", "nylon"))
    parts: list[Part] = [Wire(line, sheath, of, copper)]
    if of.name != "nylon":
        parts.append(Wire(line, copper, material("copper")))
    if rng.random() < 0.5:
        parts += moved(
            [
                box(210, 55, 3, material("abs")),
                *(cylinder(5, 20, material("brass"), (x * 19 - 80, y, 0)) for x in range(9) for y in (-8, 8)),
            ],
            (0, radius * 0.4, 0),
            rotation(rng.uniform(0, 3)),
        )
    return parts


def case(rng: Rng) -> list[Part]:
    """Make a hard case with foam, hinges and latches: instruments, tools, make-up."""
    width, length, thick = rng.uniform(120, 260), rng.uniform(160, 380), rng.uniform(40, 90)
    shell = material(_one(rng, "abs", "abs", "aluminium"))
    outer, inner = box(width, length, thick, shell), box(width - 5, length - 5, thick - 5, shell)
    parts: list[Part] = [Piece(outer.half, shell, outer.planes, "", outer.at, holes=(inner,))]
    parts.append(
        Wire(
            np.array(
                [
                    (-width / 2, -length / 2, 0),
                    (width / 2, -length / 2, 0),
                    (width / 2, length / 2, 0),
                    (-width / 2, length / 2, 0),
                    (-width / 2, -length / 2, 0.0),
                ]
            ),
            2.5,
            material("aluminium"),
            1.2,
        )
    )
    for y in (-0.3, 0.3):
        parts += [
            box(3, 28, 14, material("steel"), (width / 2, y * length, 0)),
            cylinder(5, 26, material("steel"), (-width / 2, y * length, 0), ALONG_Y),
        ]
    if shell.name == "aluminium":
        corners = [(x * width / 2, y * length / 2, 0) for x in (-1, 1) for y in (-1, 1)]
        parts += [ball(22, 22, thick * 0.5, shell, at) for at in corners]
    return parts


def sport(rng: Rng) -> list[Part]:
    """Make a racket, a ball, a skate, a dumb-bell, a chain of hooks and weights."""
    kind = rng.integers(4)
    if kind == 0:
        frame = Wire(ring(115, 0.75), 6, material(_one(rng, "carbon_fibre", "aluminium")), 4)
        strings = [Wire(np.array([(-100, y, 0), (100, y, 0.0)]), 0.6, material("nylon")) for y in range(-75, 80, 12)]
        return [frame, *strings, cylinder(30, 260, material("carbon_fibre"), (-240, 0, 0), ALONG_X, bore=24)]
    if kind == 1:
        d = rng.uniform(60, 220)
        shell, hollow = ball(d, d, d * 0.8, material("rubber")), ball(d - 6, d - 6, d * 0.8 - 6, material("rubber"))
        return [Piece(shell.half, shell.material, None, "ellipsoid", shell.at, holes=(hollow,))]
    if kind == 2:
        blade = outline([(-130, -6), (130, -6), (140, 6), (-130, 6)], 3, material("steel"))
        posts: list[Part] = [box(30, 45, 5, material("steel"), (x, 28, 0)) for x in (-80, 70)]
        return [*blade, *posts, ball(250, 110, 80, material("leather"), (0, 95, 0))]
    weights = [
        cylinder(d := rng.uniform(35, 70), rng.uniform(18, 45), material("steel"), (x * 75, 0, 0), ALONG_X)
        for x in (-1, 1)
    ]
    return [*weights, cylinder(22, 130, material("steel"), turn=ALONG_X)]


def instrument(rng: Rng) -> list[Part]:
    """Make a flute, a mouth organ, a trophy or a statuette of metal."""
    kind = rng.integers(3)
    if kind == 0:
        d, length = rng.uniform(15, 24), rng.uniform(180, 350)
        tube: list[Part] = [
            cylinder(d, length, material(_one(rng, "brass", "wood", "silver")), turn=ALONG_X, bore=d - 2)
        ]
        return tube + [
            cylinder(d * 0.8, 4, material("brass"), (x, 0, d / 2)) for x in np.linspace(-length * 0.3, length * 0.4, 9)
        ]
    if kind == 1:
        return [box(105, 28, 1.2, material("brass"), (0, 0, z)) for z in (-4, 0, 4)] + [
            box(100, 24, 12, material("wood"))
        ]
    of, h = material(_one(rng, "brass", "zinc", "ceramic", "wood")), rng.uniform(60, 160)
    lumps: list[Part] = [
        ball(rng.uniform(18, 45), rng.uniform(20, 50), rng.uniform(15, 40), of, (rng.normal(0, 8), y, 0))
        for y in np.linspace(-h / 2, h / 2, 5)
    ]
    return [*lumps, box(60, 14, 45, of, (0, -h / 2 - 12, 0))]


def toy_car(rng: Rng) -> list[Part]:
    """Make a toy of metal and plastic: body, axles, motor, cells."""
    s = rng.uniform(0.6, 2.2)
    body: list[Part] = [
        box(70 * s, 32 * s, 3, material(_one(rng, "zinc", "abs"))),
        box(40 * s, 28 * s, 18 * s, material("abs"), (0, 0, 10 * s)),
    ]
    for x in (-22, 22):
        body.append(cylinder(2.4, 38 * s, material("steel"), (x * s, 0, 0), ALONG_Y))
        body += [
            cylinder(15 * s, 7 * s, material("rubber"), (x * s, y * 17 * s, 0), ALONG_Y, bore=4 * s) for y in (-1, 1)
        ]
    if s > 1.3:
        body += [
            cylinder(20, 28, material("steel"), (-15 * s, 0, 6), ALONG_X, bore=4),
            *(cylinder(14, 50, material("alkaline_cell"), (8 * s, y, 4), ALONG_X) for y in (-8, 8)),
        ]
    return body


HOME = {
    "packet": packet,
    "crockery": crockery,
    "cutlery": cutlery,
    "pan": pan,
    "torch": torch,
    "gadget": gadget,
    "disk": disk,
    "lock": lock,
    "tripod": tripod,
    "hanger": hanger,
    "stationery": stationery,
    "bundle": bundle,
    "case": case,
    "sport": sport,
    "instrument": instrument,
    "toy-car": toy_car,
}
