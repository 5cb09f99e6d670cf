"""Draws the simulated bags that the default model learns from: once as raw dual-energy counts, to be coloured often."""

from __future__ import annotations

import argparse
import multiprocessing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.training.bags import bag
from simulators.xray import THREATS, make_scene, scan
from simulators.xray.bag import kind_of
from simulators.xray.luggage import BAGS

#: What the network tells apart, in the order of its channels; the kinds of the simulator that each covers.
GROUPS: dict[str, tuple[str, ...]] = {
    "firearm": ("pistol", "revolver", "long-gun", "gun-part"),
    "blade": ("knife", "folding-knife", "cleaver", "scissors", "other-blade"),
    "tool": ("hand-tool", "knuckle", "club"),
    "ammunition": ("ammunition",),
    "mass": ("brick", "explosive", "sheet", "pellets"),
    "goods": ("currency", "ivory", "pharmaceuticals"),
    "opaque": ("shield",),
}

#: How often each kind is drawn; the rest of the scenes hold no threat.
SHARES = {
    "pistol": 0.11,
    "revolver": 0.05,
    "long-gun": 0.015,
    "gun-part": 0.025,
    "knife": 0.1,
    "folding-knife": 0.045,
    "cleaver": 0.035,
    "scissors": 0.03,
    "other-blade": 0.03,
    "hand-tool": 0.12,
    "knuckle": 0.015,
    "club": 0.03,
    "ammunition": 0.025,
    "brick": 0.03,
    "explosive": 0.03,
    "sheet": 0.015,
    "pellets": 0.015,
    "currency": 0.015,
    "ivory": 0.015,
    "pharmaceuticals": 0.02,
    "shield": 0.03,
}
LEAST_VISIBLE = 0.25
"""A threat behind a shield is no lesson: what cannot be seen is not asked for."""

SIZES = ((576, 448), (512, 512), (448, 576), (640, 416))


def group_of(kind: str) -> int:
    """Return the channel that a kind of threat belongs to."""
    return next(number for number, kinds in enumerate(GROUPS.values()) if kind in kinds)


def draw(seed: int, folder: Path) -> None:
    """Write one scene as `SEED.npz`: low, high (uint16), mask (uint8: 1 + channel), white, kvp, filter_cu_mm, px_mm."""
    path = folder / f"{seed:07d}.npz"
    if path.exists():
        return
    rng = np.random.default_rng([seed, 0x5CE7E5])
    kinds, shares = list(SHARES), np.array(list(SHARES.values()))
    none = 1 - shares.sum()
    choice = int(rng.choice(len(kinds) + 1, p=[*shares, none]))
    kind = kinds[choice] if choice < len(kinds) else None
    rows, columns = SIZES[rng.integers(len(SIZES))]
    shown = scan(make_scene(seed, kind, rows, columns), seed)
    mask = np.zeros((rows, columns), np.uint8)
    for truth in shown.truth:
        if truth.visible >= LEAST_VISIBLE:
            mask[truth.mask] = 1 + group_of(truth.kind)
    _write(path, shown.low, shown.high, mask, (shown.white, shown.kvp, shown.filter_cu_mm, shown.px_mm))


def draw_rough(seed: int, folder: Path) -> None:
    """Write one rough bag in the same form: flat shapes on plain matter, as other people's test pictures are drawn.

    There is one energy in it; the other is what it would be for organic matter, or for anything that dark, metal.
    """
    rng = np.random.default_rng([seed, 0x0A6])
    drawn = bag(rng, rng.random() < 0.6, int(rng.integers(380, 600)))
    high = np.clip(drawn.plane, 2e-4, 1)
    low = high ** np.where(high < 0.15, rng.uniform(1.6, 2.2), rng.uniform(1.15, 1.3))
    white = 60_000
    mask = np.zeros(high.shape, np.uint8)
    if drawn.threat is not None:
        x, y, width, height = drawn.threat
        part = (slice(y, y + height), slice(x, x + width))
        mask[part][high[part] < 0.15] = 1 + group_of("pistol")
    counts = [
        np.clip(plane * white + rng.normal(0, 60, plane.shape), 1, 65_535).astype(np.uint16) for plane in (low, high)
    ]
    _write(folder / f"{seed:07d}.npz", counts[0], counts[1], mask, (white, 160.0, 0.7, drawn.mm))


def _write(
    path: Path, low: NDArray[np.uint16], high: NDArray[np.uint16], mask: NDArray[np.uint8], about: tuple[float, ...]
) -> None:
    partial = path.with_suffix(".partial.npz")
    np.savez(partial, low=low, high=high, mask=mask, about=np.array(about, np.float32))
    partial.rename(path)


def _draw_one(work: tuple[int, Path, bool]) -> None:
    seed, folder, rough = work
    (draw_rough if rough else draw)(seed, folder)


def main() -> None:
    """Draw the scenes of a range of seeds, two processes at a time."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="example: python -m inference.training.scenes out 0 4000"
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("first", type=int)
    parser.add_argument("last", type=int)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--rough", action="store_true", help="rough bags: flat shapes, as others draw test pictures")
    parser.add_argument("--only", choices=list(BAGS), help="of the range, only the seeds whose bag is of this kind")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    assert set(SHARES) <= set(THREATS)
    seeds = [seed for seed in range(args.first, args.last) if args.only in (None, kind_of(seed))]
    with multiprocessing.Pool(args.processes) as pool:
        for done, _ in enumerate(pool.imap_unordered(_draw_one, [(s, args.folder, args.rough) for s in seeds], 8), 1):
            if done % 100 == 0:
                print(f"{done} of {len(seeds)} scenes", flush=True)  # noqa: T201 - a command's progress


if __name__ == "__main__":
    main()
