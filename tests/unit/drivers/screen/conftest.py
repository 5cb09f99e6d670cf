"""A small simulated screen for the tests: real simulated bags, made once."""

from __future__ import annotations

import pytest

from simulators.screen.bags import Tile, tile
from simulators.xray import Look


@pytest.fixture(scope="session")
def tiles() -> tuple[Tile, ...]:
    return tuple(tile(40 + seed, "any" if seed == 1 else None, 190, 240, Look()) for seed in range(4))
