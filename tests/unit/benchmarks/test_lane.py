"""What is said of a lane's memory: a slope behind what fills up, or that there were too few scans for one."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.box import Cost
from benchmarks.lane import _memory, _sustained

IDLE = Cost(cpu_s=1.0, pss_bytes=240_000_000, at_s=1.0)


def load(samples: list[tuple[float, float]]) -> Any:
    return SimpleNamespace(memory=samples, anonymous=samples, rest_mb=252.0, pause_mb=260.0)


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


def test_what_stands_in_the_way_of_the_bar_is_said_in_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    load = SimpleNamespace(per_s=40.0, cpu_ms=33.0, beside_ms=3.0, stored=1000, refused=0)
    floor = SimpleNamespace(run_s=[0.01], whole_s=[0.02], least_cpu_s=lambda count: (0.003, 0.014))
    row = _sustained(load, floor)
    assert [(bar.value, bar.held) for bar in row.bars] == [(0.4, False)]
    assert "at 0.9 of bare 2 cores have 22.2 ms" in row.notes
    assert "14.0 ms" in row.notes
    assert "5.2 ms are left" in row.notes
