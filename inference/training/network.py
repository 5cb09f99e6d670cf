"""The network of the default model: EfficientNet-Lite0 up to its tenth block, and a small head that maps threats.

Needs PyTorch, which no appliance has; the exported graph needs nothing of this.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

STRIDE = 4
TAPS = (2, 4, 10)
TAP_CHANNELS = (24, 40, 112)
WIDTH = 64


class Network(nn.Module):
    """RGB [n, 3, h, w] in (0..255 - 127) / 128 to logits [n, groups, h/4, w/4]."""

    def __init__(self, groups: int, backbone: Any) -> None:
        super().__init__()
        self.stem = backbone._conv_stem
        self.stem_norm = backbone._bn0
        self.blocks = nn.ModuleList(backbone._blocks[: TAPS[-1] + 1])
        self.sides = nn.ModuleList(nn.Conv2d(channels, WIDTH, 1) for channels in TAP_CHANNELS)
        self.merges = nn.ModuleList(_block() for _ in TAP_CHANNELS)
        self.context = nn.Sequential(_block(dilation=2), _block(dilation=4))
        self.out = nn.Conv2d(WIDTH, groups, 1)
        nn.init.constant_(self.out.bias, -4.0)  # threats are rare: begin by finding none

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Return a logit of each group at each place."""
        logits: torch.Tensor = self.out(self.features(pictures))
        return logits

    def features(self, pictures: torch.Tensor) -> torch.Tensor:
        """Return what the last layer takes: [n, WIDTH, h/4, w/4]."""
        features = functional.relu6(self.stem_norm(self.stem(pictures)))
        taps = []
        for number, block in enumerate(self.blocks):
            features = block(features)
            if number in TAPS:
                taps.append(features)
        top: torch.Tensor | None = None
        for side, merge, tap in zip(reversed(self.sides), reversed(self.merges), reversed(taps), strict=True):
            here = side(tap)
            if top is None:
                top = self.context(here)
            else:
                here = here + functional.interpolate(top, scale_factor=2.0, mode="bilinear", align_corners=False)
                top = merge(here)
        assert top is not None
        return top


def _block(dilation: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(WIDTH, WIDTH, 3, padding=dilation, dilation=dilation, groups=WIDTH, bias=False),
        nn.Conv2d(WIDTH, WIDTH, 1, bias=False),
        nn.BatchNorm2d(WIDTH),
        nn.ReLU(inplace=True),
    )
