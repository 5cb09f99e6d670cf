"""Averages the weights of two trainings, where the second went on from the first: what both learned is kept.

`python -m inference.training.average w6/weights.pt w8/weights.pt --out w9`; see Wortsman et al., "Model soups" (2022).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch


def average(first: Path, second: Path, share: float, out: Path) -> None:
    """Write `out`/weights.pt: of the second's weights `share`, of the first's the rest; counters are the second's."""
    one, two = (torch.load(path, weights_only=True) for path in (first, second))
    mixed = {
        name: one["weights"][name].lerp(value, share) if value.dtype.is_floating_point else value
        for name, value in two["weights"].items()
    }
    out.mkdir(parents=True, exist_ok=True)
    torch.save({"weights": mixed, "seed": two["seed"]}, out / "weights.pt")


def main() -> None:
    """Read the arguments and average."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("first", type=Path)
    parser.add_argument("second", type=Path)
    parser.add_argument("--share", type=float, default=0.5, help="of the second")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    average(args.first, args.second, args.share, args.out)


if __name__ == "__main__":
    main()
