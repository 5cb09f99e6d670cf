"""What the head is fitted on: the site's bags as they are, with ordinary things and with threats put in; and scenes.

Ordinary things are put in by the same hands as threats, and worn all over at random, so that what an insertion leaves
behind says nothing about what was put in. Scenes are simulated bags in the scanner's likely look, each with a threat
in it from the start and without: nothing was put into them, and they only outrank one another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from drivers.errors import ModelError
from inference.adaptation.bags import Bag
from inference.adaptation.eye import Eye
from inference.adaptation.head import Contest, Places
from inference.insertion import WHITE, Inserted, Operator, Shot, insert, weathered
from inference.scanner import Scanner
from inference.training.scenes import GROUPS, SHARES, group_of
from simulators.xray import make_scene
from simulators.xray.palette import colour
from simulators.xray.physics import Detector, beam, expose

Rng = np.random.Generator
Floats = NDArray[np.float32]
Tell = Callable[[], None]

FITTED_WITH = (Operator.BLEND, Operator.BLEND, Operator.PHYSICS)
JUDGED_WITH = Operator.SITE

ORDINARY = (
    *("keys", "cells", "charger", "tool", "umbrella", "buckle", "coins", "junk", "cable", "camera", "hairdryer"),
    *("lock", "torch", "tin", "bottle", "toiletry", "gadget", "disk", "cutlery", "shaver", "phone", "packet"),
)
"""Compact ordinary things; most are of metal, which is what an insertion shows best."""

WEAPONS = ("firearm", "blade", "tool")
THREATS_A_BAG, THINGS_A_BAG = 3, 2
SCENE_WEIGHT = 0.3
_SCENE_ROWS, _SCENE_COLUMNS = 720, 576
_FIRST_SCENE = 40_000_000
_LEAST_VISIBLE = 0.4
_TRIES = 4


@dataclass(frozen=True, slots=True)
class Scene:
    """A simulated bag as this scanner might show it, without a threat and with one."""

    ordinary: Shot
    threat: Inserted


@dataclass(slots=True)
class Lessons:
    """Places of pictures, gathered one picture at a time."""

    ordinary: list[Floats] = field(default_factory=list)
    things: list[Floats] = field(default_factory=list)
    threats: list[Floats] = field(default_factory=list)
    threat_groups: list[int] = field(default_factory=list)
    scenes: list[Floats] = field(default_factory=list)
    scene_threats: list[Floats] = field(default_factory=list)
    scene_groups: list[int] = field(default_factory=list)

    def contests(self) -> tuple[Contest, Contest, Contest]:
        """Return who is to outrank whom: threats the bags, threats the ordinary things, threats the scenes' bags.

        Raises ModelError where there is nothing to outrank.
        """
        if not (self.threats and self.things and self.scenes):
            raise ModelError("no threat could be put into these bags where it is seen: are they whole bags on a belt?")
        threats = Places(self.threats, self.threat_groups)
        return (
            Contest(threats, Places(self.ordinary), 1.0),
            Contest(threats, Places(self.things), 1.0),
            Contest(Places(self.scene_threats, self.scene_groups), Places(self.scenes), SCENE_WEIGHT),
        )


def add_bag(lessons: Lessons, eye: Eye, shot: Shot, scanner: Scanner, rng: Rng) -> None:
    """Add a view of an ordinary bag: as it is, and with things and threats put in."""
    lessons.ordinary.append(eye.places(eye.see(shot)))
    lessons.ordinary.append(eye.places(eye.see(weathered(shot, rng))))
    for _ in range(THINGS_A_BAG):
        if made := _put(shot, str(rng.choice(ORDINARY)), scanner, rng):
            _add(lessons.things, eye, made)
    for _ in range(THREATS_A_BAG):
        kind = any_threat(rng, eye)
        if (made := _put(shot, kind, scanner, rng)) and _add(lessons.threats, eye, made):
            lessons.threat_groups.append(group_of(kind))


def add_scene(lessons: Lessons, eye: Eye, scene: Scene) -> None:
    """Add a simulated bag without and with its threat."""
    if _add(lessons.scene_threats, eye, scene.threat):
        lessons.scene_groups.append(group_of(scene.threat.kind))
        lessons.scenes.append(eye.places(eye.see(scene.ordinary)))


def scenes(eye: Eye, like: Sequence[Shot], scanner: Scanner, seed: int, part: int, count: int) -> Iterator[Scene]:
    """Yield simulated bags in the form of the views `like`; those of different `part` (0, 1, 2) have none in common.

    A threat that is hidden is left out with its bag: fewer than `count` may come.
    """
    for number in range(count):
        own = _FIRST_SCENE + (seed % 1000) * 10_000 + part * 3_000 + number
        rng = np.random.default_rng([own, 0xADA])
        kind = any_threat(rng, eye)
        exposure = int(rng.integers(2**32))
        bare, armed = (make_scene(own, threat, _SCENE_ROWS, _SCENE_COLUMNS) for threat in (None, kind))
        if not armed.truth or armed.truth[0].visible < _LEAST_VISIBLE:
            continue
        form = like[number % len(like)]
        shown = (_shown(scene.maps, form, scanner, np.random.default_rng(exposure)) for scene in (bare, armed))
        ordinary, with_threat = shown
        yield Scene(ordinary, Inserted(with_threat, kind, np.asarray(armed.truth[0].mask, np.bool_)))


def any_threat(rng: Rng, eye: Eye) -> str:
    """Return a kind of weapon that the package alarms on, as often as it was trained on it.

    Masses and goods are left out: hardly one outranks a bag of like matter, and what cannot be won takes a fit over.
    """
    alarming = [name for name, alarms in zip(GROUPS, eye.alarming, strict=True) if alarms]
    groups = [name for name in alarming if name in WEAPONS] or alarming
    kinds = [kind for group in groups for kind in GROUPS[group] if kind in SHARES]
    shares = np.array([SHARES[kind] for kind in kinds])
    return str(kinds[int(rng.choice(len(kinds), p=shares / shares.sum()))])


def chance_of(bag: Bag, seed: int, purpose: int) -> Rng:
    """Return a bag's own chance, which does not hang on the order of bags."""
    return np.random.default_rng([seed, int(bag.sha256[:15], 16), purpose])


def _put(shot: Shot, kind: str, scanner: Scanner, rng: Rng) -> Inserted | None:
    for _ in range(_TRIES):
        how = FITTED_WITH[int(rng.integers(len(FITTED_WITH)))]
        if made := insert(shot, kind, scanner, how, rng):
            return replace(made, shot=weathered(made.shot, rng)) if rng.random() < 0.5 else made
    return None


def _add(to: list[Floats], eye: Eye, made: Inserted) -> bool:
    places = eye.places(eye.see(made.shot), made.mask)
    if len(places):
        to.append(places)
    return bool(len(places))


def _shown(maps: Floats, form: Shot, scanner: Scanner, rng: Rng) -> Shot:
    """Return material maps as some scanner with the site's display, or its counts, would give them."""
    kvp, filter_cu_mm = float(round(rng.uniform(140, 180))), round(float(rng.uniform(0.4, 1.0)), 1)
    detector = Detector.random(rng)
    low, high = expose(maps, beam(kvp, filter_cu_mm), detector, rng)
    if form.colour is not None:
        look = scanner.looks[int(rng.integers(len(scanner.looks)))]
        look = replace(look, jpeg=int(rng.integers(80, 96)) if rng.random() < 0.5 else 0)
        shown = colour(low, high, detector.white, look, kvp, filter_cu_mm)
        return replace(form, colour=np.ascontiguousarray(shown), px_mm=None)
    scale = WHITE / detector.white
    counts = [np.clip(plane * scale + 0.5, 0, 65_535).astype(np.uint16) for plane in (low, high)]
    return replace(form, low=counts[0] if form.low is not None else None, high=counts[1], px_mm=None)
