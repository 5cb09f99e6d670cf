"""Each part of a real core beats while nothing happens: else the watchdog would end an appliance that only waits."""

import asyncio
import contextlib
import random
from collections import Counter

import pytest

from drivers.clock import SystemClock
from edge import daemon
from edge.config.load import load
from edge.heartbeat import Heartbeats
from tests.core import until

pytestmark = pytest.mark.slow

EDGE = """
[appliance]
site = "lfw"
lane = "t1-l3"
id = "edge-01"
data_dir = "{}"
[console]
url = "mqtt://127.0.0.1:9"
[web]
listen = ""
"""


async def test_every_part_with_a_budget_beats_though_nothing_happens(tmp_path, monkeypatch):
    beats: Counter[str] = Counter()

    class Counted(Heartbeats):
        def part(self, name, budget_s):
            beat = super().part(name, budget_s)

            def counted():
                beats[name] += 1
                beat()

            return counted

    monkeypatch.setattr(daemon, "Heartbeats", Counted)
    monkeypatch.setattr(daemon, "HEALTH_S", 0.1)
    (tmp_path / "config").mkdir()
    (tmp_path / "config/edge.toml").write_text(EDGE.format(tmp_path / "data"))
    config = load(tmp_path / "config")
    appliance = daemon.Appliance(config, SystemClock(), random.Random(1), lambda: None)
    running = asyncio.create_task(appliance.run())
    await until(lambda: all(beats[name] >= 2 for name in daemon.BUDGETS_S))
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    assert set(beats) == set(daemon.BUDGETS_S)
