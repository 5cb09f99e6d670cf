"""What is said of a lane's memory: a slope behind what fills up, or that there were too few scans for one."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from benchmarks.box import Cost
from benchmarks.lane import _memory

IDLE = Cost(cpu_s=1.0, pss_bytes=240_000_000, at_s=1.0)


def load(samples: list[tuple[float, float]]) -> Any:
    return SimpleNamespace(memory=samples, rest_mb=252.0, pause_mb=260.0)


def test_a_slope_is_of_what_grows_behind_the_fill() -> None:
    fills = [(float(scans), 250 + min(scans, 2000) / 100) for scans in range(150, 10_000, 50)]
    assert _memory(IDLE, {"core": 100.0}, load(fills)).held
    grows = [(scans, mb + scans / 1000) for scans, mb in fills]
    row = _memory(IDLE, {"core": 100.0}, load(grows))
    assert [bar.name for bar in row.bars if not bar.held] == ["MB per 1,000 scans"]
    assert "+1.00 MB per 1,000 scans" in row.ours


def test_too_few_scans_are_no_slope_and_hold_nothing() -> None:
    row = _memory(IDLE, {"core": 100.0}, load([(float(scans), 250.0) for scans in range(150, 2_500, 50)]))
    assert not row.held
    assert "too few" in row.ours
