"""Draws the bags of one simulated scanner: ordinary ones to adapt to, and others, with and without threats, to judge.

Run as `python -m benchmarks.adaptation FOLDER [--scanner warm|cold|counts|rough] [--bags N] [--judged N]`, then
`jaitf-edge model adapt --benign FOLDER/ordinary` and `model evaluate` on `drawn`, `scanned` and `multiplied`.
`counts` are 16-bit counts of the high energy; `rough` the same of another, rougher generator of bags, `drawn` alone.

The displays here are not of the simulator's family of palettes, so that what adaptation searches its looks in does not
hold them. Threats are added in three ways, none an operator of adaptation's: `drawn` is packed with the bag,
`scanned` is laid into the bag's matter before the scan, `multiplied` has the pictures' colours multiplied, wrongly.
Bags and threats are the simulator's own, of other seeds than those that adaptation draws.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from inference.training.bags import HABITS, bag, write
from simulators.xray import make_insert, make_scene
from simulators.xray.physics import Detector, beam, expose

KINDS = ("pistol", "revolver", "knife", "folding-knife", "cleaver", "hand-tool")
ROWS, COLUMNS = 704, 544
FIRST_ORDINARY, FIRST_JUDGED = 70_000_000, 71_000_000
LEAST_VISIBLE = 0.4


@dataclass(frozen=True)
class Display:
    """Colours by the ratio of attenuations (low to high energy) and by darkness; none of the simulator's own."""

    stops: tuple[float, ...]
    colours: tuple[tuple[float, float, float], ...]
    belt: tuple[int, int, int]
    contrast: float
    sharpen: float
    steps: int
    jpeg: int

    def shown(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """Return RGB of two planes of transmission."""
        dark_low, dark_high = (-np.log(np.clip(plane, 5e-4, 1.2)) for plane in (low, high))
        ratio = cv2.GaussianBlur(dark_low, (0, 0), 1.3) / np.maximum(cv2.GaussianBlur(dark_high, (0, 0), 1.3), 0.04)
        ratio = np.where(dark_high > 5.2, self.stops[-1], ratio)
        if self.steps:
            place = np.interp(ratio, self.stops, np.arange(len(self.stops)))
            ratio = np.interp(np.rint(place * self.steps) / self.steps, np.arange(len(self.stops)), self.stops)
        hue = np.stack([np.interp(ratio, self.stops, [c[i] for c in self.colours]) for i in range(3)], axis=2)
        dark = (dark_low + 2 * dark_high) / 3
        dark = np.maximum(dark + self.sharpen * (dark - cv2.GaussianBlur(dark, (0, 0), 1.8)), 0)[..., None]
        light = 1 / (1 + (dark / self.contrast) ** 1.3)
        shown = light + (1 - light) * hue * np.exp(-dark / (2.4 * self.contrast))
        shown = np.clip(shown * np.array(self.belt) + 0.5, 0, 255).astype(np.uint8)
        _, data = cv2.imencode(".jpg", shown[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, self.jpeg])
        return np.ascontiguousarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1])


ORANGE, GREEN, BLUE = (0.95, 0.52, 0.08), (0.25, 0.62, 0.2), (0.08, 0.22, 0.75)
AMBER, OLIVE, TEAL, VIOLET = (0.98, 0.72, 0.3), (0.62, 0.7, 0.2), (0.1, 0.6, 0.55), (0.25, 0.15, 0.7)
DISPLAYS = {
    "warm": Display((1.2, 1.38, 1.55, 2.1), (ORANGE, ORANGE, GREEN, BLUE), (236, 238, 234), 1.0, 1.6, 0, 88),
    "cold": Display((1.15, 1.3, 1.5, 1.9), (AMBER, OLIVE, TEAL, VIOLET), (252, 252, 255), 0.7, 0.7, 3, 93),
}


class Scanner:
    """One scanner: its tube, its detector, and how it hands pictures on."""

    def __init__(self, name: str, seed: int) -> None:
        rng = np.random.default_rng([seed, 0x5C])
        self.name = name
        self.detector = Detector.random(rng)
        self.beam = beam(float(round(rng.uniform(140, 180))), round(float(rng.uniform(0.4, 1.0)), 1))

    def scan(self, maps: np.ndarray, noise: int) -> np.ndarray:
        """Return a picture as the scanner exports it: RGB, or 16-bit counts of the high energy."""
        low, high = expose(maps, self.beam, self.detector, np.random.default_rng(noise))
        white = np.float32(self.detector.white)
        if self.name == "counts":
            return np.clip(high * (60_000 / white) + 0.5, 0, 65_535).astype(np.uint16)
        return DISPLAYS[self.name].shown(low / white, high / white)


def save(path: Path, picture: np.ndarray) -> None:
    """Write a PNG."""
    cv2.imwrite(str(path), picture[..., ::-1] if picture.ndim == 3 else picture)


def judged(scanner: Scanner, folders: dict[str, Path], seed: int) -> dict[str, list[dict[str, object]]]:
    """Write one bag without a threat and with one, in each way; return the labels, none where the threat is hidden."""
    rng = np.random.default_rng([seed, 0xBE])
    kind = KINDS[int(rng.integers(len(KINDS)))]
    bare, armed = (make_scene(seed, threat, ROWS, COLUMNS) for threat in (None, kind))
    if not armed.truth or armed.truth[0].visible < LEAST_VISIBLE:
        return {}
    plain = scanner.scan(bare.maps, seed)
    where = cv2.morphologyEx((bare.maps.sum(axis=0) > 0.15).astype(np.uint8), cv2.MORPH_OPEN, np.ones((9, 9)))
    thing = make_insert(rng, kind, ROWS, COLUMNS, bare.px_mm, where.astype(bool))
    alone = scanner.scan(thing.maps, seed + 1).astype(np.float32)
    alone /= np.median(alone, axis=(0, 1))  # most of it is clear belt
    pictures = {
        "drawn": (scanner.scan(armed.maps, seed), armed.truth[0].box),
        "scanned": (scanner.scan(bare.maps + thing.maps, seed), thing.truth.box),
        "multiplied": ((plain * np.minimum(alone, 1)).astype(plain.dtype), thing.truth.box),
    }
    labels: dict[str, list[dict[str, object]]] = {}
    for way, (picture, box) in pictures.items():
        save(folders[way] / f"{seed}-0.png", plain)
        save(folders[way] / f"{seed}-1.png", picture)
        truth = {"label": kind, "category": "PI", "box": list(box)}
        labels[way] = [{"file": f"{seed}-{n}.png", "bag": str(seed), "threats": [truth] * n} for n in (0, 1)]
    return labels


def rough(ordinary: Path, drawn: Path, bags: int, count: int) -> list[dict[str, object]]:
    """Write rough bags, and rough bags with and without a pistol; return the labels of these."""

    def picture(number: int, threat: bool) -> tuple[np.ndarray, tuple[int, int, int, int] | None]:
        chance = np.random.default_rng(number)
        made = bag(chance, threat, COLUMNS)
        written = write(made, HABITS[0], np.random.default_rng(number))
        return np.frombuffer(written.data, np.uint16).reshape(written.rows, written.columns), made.threat

    for number in range(FIRST_ORDINARY, FIRST_ORDINARY + bags):
        save(ordinary / f"{number}.png", picture(number, False)[0])
    labels: list[dict[str, object]] = []
    for number in range(FIRST_JUDGED, FIRST_JUDGED + count):
        for threat in (False, True):
            file = f"{number}-{threat:d}.png"
            values, box = picture(number, threat)
            save(drawn / file, values)
            threats = [{"label": "pistol", "category": "PI", "box": list(box)}] if box else []
            labels.append({"file": file, "bag": str(number), "threats": threats})
    return labels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--scanner", choices=(*DISPLAYS, "counts", "rough"), default="warm")
    parser.add_argument("--bags", type=int, default=100)
    parser.add_argument("--judged", type=int, default=80)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    ordinary = args.folder / "ordinary"
    ordinary.mkdir(parents=True, exist_ok=True)
    if args.scanner == "rough":
        (args.folder / "drawn").mkdir(exist_ok=True)
        made = rough(ordinary, args.folder / "drawn", args.bags, args.judged)
        (args.folder / "drawn" / "labels.jsonl").write_text("".join(json.dumps(line) + "\n" for line in made))
        return
    scanner = Scanner(args.scanner, args.seed)
    for number in range(args.bags):
        seed = FIRST_ORDINARY + args.seed * 10_000 + number
        save(ordinary / f"{seed}.png", scanner.scan(make_scene(seed, None, ROWS, COLUMNS).maps, seed))
    folders = {way: args.folder / way for way in ("drawn", "scanned", "multiplied")}
    lines: dict[str, list[dict[str, object]]] = {way: [] for way in folders}
    for folder in folders.values():
        folder.mkdir(exist_ok=True)
    for number in range(args.judged):
        for way, labels in judged(scanner, folders, FIRST_JUDGED + args.seed * 10_000 + number).items():
            lines[way] += labels
    for way, folder in folders.items():
        (folder / "labels.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines[way]))


if __name__ == "__main__":
    main()
