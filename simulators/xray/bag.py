"""A packed bag on the belt, drawn as material maps, scanned, and with the truth about what is in it."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from simulators.xray import palette, stuffing
from simulators.xray.canvas import Canvas
from simulators.xray.hard import HARD
from simulators.xray.home import HOME
from simulators.xray.luggage import BAGS, Bag
from simulators.xray.palette import Look
from simulators.xray.physics import Detector, Maps, Scan16, beam, expose
from simulators.xray.soft import SOFT
from simulators.xray.solids import Part, moved, rotation
from simulators.xray.threats import THREATS

Rng = np.random.Generator
ROWS, COLUMNS = 832, 640
THINGS = {**SOFT, **HARD, **HOME}
"""Every kind of ordinary thing, and how to make one."""
_SEEN_MM = 0.35
"""A threat is where its own material is at least this thick along the ray."""

_STUFFED = {"suitcase": 0.65, "backpack": 0.5, "handbag": 0.25}
"""How often each bag is full of clothes to the rim."""

_EFFECTIVE = np.array([0.16, 0.15, 0.33, 2.5], np.float32)
"""Mass attenuation of the four basis materials at the mean high energy, cm2/g, rounded."""


@dataclass(frozen=True, slots=True)
class Truth:
    """One threat: what it is, its box (x, y, width, height in pixels) and its mask, bool [rows, columns].

    `visible` is the part of it that does not lie behind something no ray comes through.
    """

    label: str
    category: str
    kind: str
    box: tuple[int, int, int, int]
    mask: NDArray[np.bool_]
    visible: float = 1.0


@dataclass(frozen=True, slots=True)
class Thing:
    """One ordinary thing, or a part of the bag: its kind and box (x, y, width, height in pixels)."""

    kind: str
    box: tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Scene:
    """A bag as maps (g/cm2 of polyethylene, aluminium, iron and lead; float32 [4, rows, columns]) and its truth."""

    maps: Maps
    px_mm: float
    truth: list[Truth]
    things: list[Thing]
    bag: str


@dataclass(frozen=True, slots=True)
class SimScan:
    """A scan: counts of both energies, uint16 [rows, columns], clear air near `white`."""

    low: Scan16
    high: Scan16
    white: int
    bits: int
    px_mm: float
    kvp: float
    filter_cu_mm: float
    truth: list[Truth] = field(default_factory=list)
    look: Look = field(default_factory=Look)
    bag: str = ""


def make_scene(seed: int, threat: str | None = None, rows: int = ROWS, columns: int = COLUMNS, view: int = 0) -> Scene:
    """Return a packed bag; the same for the same arguments, and the same bag but for the threat.

    `threat` is a kind of `THREATS` or several with commas between, "any" (one to three of any kind) or None. Raises
    KeyError for a threat that is not known.
    """
    return make_views(seed, threat, rows, columns, (view,))[0]


def make_views(
    seed: int, threat: str | None = None, rows: int = ROWS, columns: int = COLUMNS, views: tuple[int, ...] = (0, 1)
) -> list[Scene]:
    """Return the same packed bag seen from above (0) and from the side (1)."""
    # Bag, threat and pose each have a stream of their own: a bag with and without a threat is otherwise the same bag.
    packing, arming, posing, filling = (np.random.default_rng([seed, stream]) for stream in (1, 2, 3, 4))
    bag, groups = _packed(packing)
    groups += _stuffed(filling, bag)
    room = np.array(bag.room)
    groups += [_armed(arming, kind, room) for kind in _wanted(arming, threat)]
    groups = _posed(posing, groups, lengthwise=rows < columns)
    px_mm = _scale(posing, bag, rows, columns)
    if posing.random() < 0.1:
        groups += _neighbour(posing, rows * px_mm)
    source = float(posing.uniform(700, 1200))
    return [_drawn(groups, Canvas.blank(rows, columns, px_mm, view, source), bag.kind) for view in views]


def make_scan(seed: int, threat: str | None = None, rows: int = ROWS, columns: int = COLUMNS) -> SimScan:
    """Return a scan of the bag of `make_scene` by some scanner, both from the seed alone."""
    return scan(make_scene(seed, threat, rows, columns), seed)


def scan(scene: Scene, seed: int) -> SimScan:
    """Return what a scanner, made up from the seed, gives of a scene."""
    rng = np.random.default_rng([seed, 0x5343])
    kvp, filter_cu_mm = float(rng.uniform(140, 180)), float(rng.uniform(0.4, 1.0))
    detector = Detector.random(rng)
    low, high = expose(scene.maps, beam(round(kvp), round(filter_cu_mm, 1)), detector, rng)
    look = Look.random(rng)
    return SimScan(
        low, high, detector.white, detector.bits, scene.px_mm, kvp, filter_cu_mm, scene.truth, look, scene.bag
    )


def render(scan: SimScan, look: Look | None = None) -> NDArray[np.uint8]:
    """Return the scan as a screening display shows it, RGB uint8 [rows, columns, 3]."""
    return palette.colour(scan.low, scan.high, scan.white, look or scan.look, scan.kvp, scan.filter_cu_mm)


def _scale(rng: Rng, bag: Bag, rows: int, columns: int) -> float:
    """Millimetres a pixel: the whole bag fits; a small one fills less."""
    across, along = (bag.room[0], bag.room[1]) if rows >= columns else (bag.room[1], bag.room[0])
    need = max((across + 130) / columns, (along + 150) / rows)
    return float(max(need * rng.uniform(0.95, 1.35), 0.35))


@dataclass(frozen=True, slots=True)
class _Group:
    kind: str
    parts: list[Part]
    threat: str | None = None


def kind_of(seed: int) -> str:
    """Return which of `BAGS` the bag of `make_scene` with this seed is, without drawing it."""
    return _kind(np.random.default_rng([seed, 1]))


def _kind(packing: Rng) -> str:
    return list(BAGS)[int(packing.choice(len(BAGS), p=[share for _, share in BAGS.values()]))]


def _packed(rng: Rng) -> tuple[Bag, list[_Group]]:
    make, _ = BAGS[_kind(rng)]
    bag = make(rng)
    groups = [_Group(bag.kind, parts) for parts in bag.parts if parts]
    room = np.array(bag.room)
    for kind in _contents(rng, bag):
        parts = THINGS[kind](rng)
        if _fits(parts, room):
            groups.append(_Group(kind, _placed(rng, parts, room)))
    return bag, groups


def _stuffed(rng: Rng, bag: Bag) -> list[_Group]:
    if rng.random() >= _STUFFED.get(bag.kind, 0.0):
        return []
    room = np.array(bag.room)
    bed = [_Group("bed", parts) for parts in stuffing.bed(rng, bag.room)]
    made = ((kind, stuffing.STUFFING[kind](rng)) for kind in stuffing.kinds(rng, bag.room))
    return bed + [_Group(kind, _placed(rng, parts, room)) for kind, parts in made if _fits(parts, room)]


def _fits(parts: list[Part], room: NDArray[np.float64]) -> bool:
    low, high = extent(parts)
    return bool((np.sort(high - low)[1:] <= np.sort(room[:2]) * 1.05).all())


def _wanted(rng: Rng, threat: str | None) -> list[str]:
    if threat is None:
        return []
    if threat == "any":
        return [str(kind) for kind in rng.choice(list(THREATS), int(rng.choice([1, 2, 3], p=[0.75, 0.17, 0.08])))]
    return threat.split(",")


def _armed(rng: Rng, kind: str, room: NDArray[np.float64]) -> _Group:
    for _ in range(8):  # one that goes into this bag, if there is one
        parts = THREATS[kind].make(rng)
        if _fits(parts, room):
            break
    return _Group(kind, _placed(rng, parts, room, any_pose=True), kind)


def _posed(rng: Rng, groups: list[_Group], lengthwise: bool) -> list[_Group]:
    """Return the bag as it lies on the belt: turned a little, or round, and not quite flat."""
    askew = rng.normal(0, 0.12) if rng.random() < 0.85 else rng.uniform(-0.5, 0.5)
    whole = rotation(askew + np.pi * rng.integers(2) + (np.pi / 2 if lengthwise else 0))
    tilt = rotation(0, rng.normal(0, 0.06), rng.normal(0, 0.06))
    shift = np.array([rng.normal(0, 12), rng.normal(0, 12), 0])
    return [_Group(g.kind, moved(g.parts, shift, whole @ tilt), g.threat) for g in groups]


def _neighbour(rng: Rng, length_mm: float) -> list[_Group]:
    """Return the edge of the next bag on the belt, which the picture cuts."""
    bag, groups = _packed(rng)
    away = (length_mm + bag.room[1]) / 2 - rng.uniform(20, 110)
    shift = np.array([rng.normal(0, 20), away * rng.choice([-1, 1]), 0])
    return [_Group(g.kind, moved(g.parts, shift)) for g in groups]


def _contents(rng: Rng, bag: Bag) -> list[str]:
    """Return kinds in the order they are packed: from nearly empty to crammed; some bags of one sort of thing."""
    area = bag.room[0] * bag.room[1] / 1e5
    crowd = float(rng.choice([0.3, 0.7, 1.2, 1.9], p=[0.2, 0.35, 0.3, 0.15]))
    if bag.kind in ("carton", "crate"):
        sort = str(rng.choice(list(THINGS)))
        return [sort] * int(rng.integers(1, 8)) + [str(k) for k in rng.choice(list(THINGS), int(rng.integers(0, 6)))]
    cloth = ["garment"] * int(rng.poisson(2.2 * area * min(crowd, 1.2)))
    heavy = 4 if rng.random() < 0.35 else 0  # a bag of electronics and tools
    counts = (
        (SOFT, rng.poisson(2.4 * area * crowd)),
        (HARD, rng.poisson(2.0 * area * crowd) + heavy),
        (HOME, rng.poisson(1.4 * area * crowd)),
    )
    kinds = [str(kind) for table, count in counts for kind in rng.choice(list(table), int(count))]
    works = [str(rng.choice(["laptop", "player"])) for _ in range(int(rng.choice([0, 1, 2], p=[0.8, 0.15, 0.05])))]
    return [*works, *cloth, *kinds, *(["junk"] * int(rng.integers(0, 5)))]


def _placed(rng: Rng, parts: list[Part], room: NDArray[np.float64], any_pose: bool = False) -> list[Part]:
    """Turn and move a thing so that it lies in the room, as flat as its shape asks, by preference near the walls."""
    steep = rng.random()
    tilt = 0.12 if steep < 0.6 else 0.45 if steep < 0.85 else (1.4 if any_pose else 0.9)
    turn = rotation(rng.uniform(0, 2 * np.pi), rng.normal(0, tilt), rng.normal(0, tilt))
    turned = moved(parts, turn=turn)
    low, high = extent(turned)
    if ((high - low)[:2] > room[:2]).any():  # too long as it lies: along the bag
        turn = rotation(np.pi / 2 - _axis(parts) + rng.normal(0, 0.1))
        turned = moved(parts, turn=turn)
        low, high = extent(turned)
    slack = np.maximum(room - (high - low), 0)
    spot = (rng.beta(0.75, 0.75, 3) - 0.5) * slack
    return moved(turned, spot - (low + high) / 2)


def _axis(parts: list[Part]) -> float:
    low, high = extent(parts)
    return 0.0 if high[0] - low[0] > high[1] - low[1] else np.pi / 2


def extent(parts: list[Part]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the corners of the box around parts, mm."""
    corners = [part.bounds() for part in parts]
    return np.min([low for low, _ in corners], axis=0), np.max([high for _, high in corners], axis=0)


def _drawn(groups: list[_Group], canvas: Canvas, kind: str) -> Scene:
    truth, things = [], []
    # Shields before other threats, so that what they hide is known.
    for group in sorted(groups, key=lambda g: 0 if g.threat is None else 1 if g.threat == "shield" else 2):
        behind = canvas.maps.copy() if group.threat else None
        shade = canvas.draw(group.parts)
        if shade is None:
            continue
        thickness, (top, left) = shade
        seen = thickness > _SEEN_MM
        if not seen.any():
            continue
        x, y, w, h = cv2.boundingRect(seen.astype(np.uint8))
        box = (int(x + left), int(y + top), int(w), int(h))
        if group.threat is None:
            things.append(Thing(group.kind, box))
            continue
        mask = np.zeros(canvas.maps.shape[1:], bool)
        mask[top : top + seen.shape[0], left : left + seen.shape[1]] = seen
        what = THREATS[group.threat]
        truth.append(Truth(what.label, what.category, group.threat, box, mask, _visible(behind, mask)))
    return Scene(canvas.maps, canvas.px_mm, truth, things, kind)


def _visible(behind: Maps | None, mask: NDArray[np.bool_]) -> float:
    """Return the part of a mask where what lies there already lets at least e^-5.5 of the high energies through."""
    if behind is None:
        return 1.0
    return float((_EFFECTIVE @ behind[:, mask] < 5.5).mean())
