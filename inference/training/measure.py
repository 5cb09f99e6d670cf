"""Measures a package on bags whose truth is known: the table of its card."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain

import cv2
import numpy as np
from numpy.typing import NDArray

from drivers.contract import Energy, Picture, Polarity
from inference.model import Model
from inference.training.bags import HABITS, bag, own_box, write

SEED = 20_000
ROUGH_BAGS = 200
SIMULATED_BAGS = 200
KINDS = ("pistol", "knife", "hand-tool", "revolver", "cleaver")
FOREIGN_HUES = (0.0, 0.18, 0.76)
"""Red, yellow and violet for organic, mixed and metal: outside every range that training's looks are drawn from."""

Case = tuple[list[Picture], tuple[int, int, int, int] | None]


@dataclass(slots=True)
class Tally:
    """Scores of bags with and without a threat, and how often the peak lay in the threat's box."""

    threat: list[float] = field(default_factory=list)
    ordinary: list[float] = field(default_factory=list)
    pointed: int = 0

    def add(self, score: float, peak: tuple[float, float], box: tuple[int, int, int, int] | None) -> None:
        """Count one bag."""
        if box is None:
            self.ordinary.append(score)
            return
        self.threat.append(score)
        x, y, width, height = box
        self.pointed += x <= peak[0] <= x + width and y <= peak[1] <= y + height

    def row(self, name: str, threshold: float | None) -> str:
        """Return the tally as a row of a Markdown table."""
        threat, ordinary = np.array(self.threat), np.array(self.ordinary)
        pairs = (threat[:, None] > ordinary).mean() + 0.5 * (threat[:, None] == ordinary).mean()
        rates = ("-", "-") if threshold is None else (f"{(s >= threshold).mean():.2f}" for s in (threat, ordinary))
        return (
            f"| {name} | {len(threat)} / {len(ordinary)} | {pairs:.3f} | {' | '.join(rates)} "
            f"| {self.pointed / len(threat):.2f} |\n"
        )


HEAD = "| bags | threat / ordinary | AUROC | PD | PFA | peak in the box |\n|---|---|---|---|---|---|\n"


def rough() -> Iterator[dict[str, Case]]:
    """Yield rough bags, every second one with a pistol, written with each scanner's habits in turn."""
    for number in range(ROUGH_BAGS):
        chance = np.random.default_rng(SEED + number)
        habit = HABITS[number // 2 % len(HABITS)]
        made = bag(chance, threat=number % 2 == 1)
        yield {"rough bags, ten scanners' habits": ([write(made, habit, chance)], own_box(made, habit))}


def simulated() -> Iterator[dict[str, Case]]:
    """Yield bags of the X-ray simulator in each form of picture, every second one with a threat, the kinds in turn."""
    # By name: the simulators are beside the product, not under it.
    xray = importlib.import_module("simulators.xray")
    for number in range(SIMULATED_BAGS):
        scan = xray.make_scan(SEED + number, KINDS[number // 2 % len(KINDS)] if number % 2 else None)
        box = scan.truth[0].box if scan.truth else None
        yield {
            "simulated, 16 bit single energy": ([_picture(scan.high, Energy.SINGLE)], box),
            "simulated, low and high energy": (
                [_picture(scan.low, Energy.LOW), _picture(scan.high, Energy.HIGH)],
                box,
            ),
            "simulated, colour export": ([_picture(xray.render(scan), Energy.COLOUR)], box),
            "simulated, red, yellow and violet": (
                [_picture(xray.render(scan, xray.Look(hues=FOREIGN_HUES)), Energy.COLOUR)],
                box,
            ),
        }


def inserted() -> Iterator[dict[str, Case]]:
    """Yield ordinary simulated bags as exported, every second one with a threat put into the finished picture.

    In training a threat lies in the bag before it is scanned; here the picture is read back as matter first. Whatever a
    threat has been put into is beside a bag that nothing was put into, and not beside itself.
    """
    xray = importlib.import_module("simulators.xray")
    for number in range(SIMULATED_BAGS):
        scan = xray.make_scan(SEED + 5000 + number)
        picture, box = xray.render(scan), None
        if number % 2:
            chance = np.random.default_rng([SEED, number])
            kind = KINDS[number // 2 % len(KINDS)]
            threat = xray.make_insert(chance, kind, *picture.shape[:2], scan.px_mm, xray.bag_region(picture))
            picture, box = xray.into_colour(picture, threat, scan.look), threat.truth.box
        yield {"simulated, put into the picture": ([_picture(picture, Energy.COLOUR)], box)}


def darkness(pictures: list[Picture]) -> tuple[float, tuple[float, float]]:
    """Judge by darkness alone, the baseline that a rule must beat: the darkest place, averaged over 1 % of the side."""
    from inference.look import look_at, views

    plane = look_at(views(pictures)[0]).transmission
    side = max(3, round(max(plane.shape) / 100)) | 1
    smooth = np.asarray(cv2.blur(plane, (side, side)))
    y, x = np.unravel_index(int(smooth.argmin()), smooth.shape)
    fx, fy = pictures[0].columns / plane.shape[1], pictures[0].rows / plane.shape[0]
    return 1 - float(smooth.min()), ((int(x) + 0.5) * fx, (int(y) + 0.5) * fy)


def report(model: Model) -> str:
    """Return the card's table, Markdown."""
    tallies: dict[str, tuple[Tally, Tally]] = {}
    times = []
    for forms in chain(rough(), simulated(), inserted()):
        for name, (pictures, box) in forms.items():
            by_rule, by_darkness = tallies.setdefault(name, (Tally(), Tally()))
            judged = model.judge(pictures)
            by_rule.add(judged.score, judged.peak, box)
            by_darkness.add(*darkness(pictures), box)
            times.append(judged.ms)
    threshold = model.manifest.operating_points.normal
    rows = [
        row
        for name, (by_rule, by_darkness) in tallies.items()
        for row in (by_rule.row(name, threshold), by_darkness.row("... by darkness alone", None))
    ]
    median, slow = np.percentile(times, (50, 95))
    return HEAD + "".join(rows) + f"\n{median:.0f} ms a scan (median), {slow:.0f} ms (95 %).\n"


def _picture(values: NDArray[np.uint16] | NDArray[np.uint8], energy: Energy) -> Picture:
    return Picture(
        view=0,
        energy=energy,
        rows=values.shape[0],
        columns=values.shape[1],
        channels=1 if values.ndim == 2 else 3,
        bits=values.itemsize * 8,
        data=np.ascontiguousarray(values).tobytes(),
        polarity=Polarity.AIR_HIGH if energy is not Energy.COLOUR else Polarity.UNKNOWN,
    )
