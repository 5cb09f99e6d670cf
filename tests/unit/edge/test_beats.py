"""Each part of a real core beats while nothing happens: else the watchdog would end an appliance that only waits.

How its devices are is on the disk within a beat of it.
"""

import asyncio
import contextlib
import random
from collections import Counter

import pytest

from drivers.clock import SystemClock
from drivers.contract import DeviceState
from edge import daemon, standing
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


@contextlib.asynccontextmanager
async def running(folder, **devices):
    (folder / "config" / "devices").mkdir(parents=True)
    (folder / "config/edge.toml").write_text(EDGE.format(folder / "data"))
    for name, text in devices.items():
        (folder / "config/devices" / f"{name}.toml").write_text(text)
    appliance = daemon.Appliance(load(folder / "config"), SystemClock(), random.Random(1), lambda: None)
    task = asyncio.create_task(appliance.run())
    try:
        yield appliance
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


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
    async with running(tmp_path):
        await until(lambda: all(beats[name] >= 2 for name in daemon.BUDGETS_S))
    assert set(beats) == set(daemon.BUDGETS_S)


async def test_a_device_that_is_well_again_is_no_minute_longer_down_on_the_disk(tmp_path, monkeypatch):
    """The doctor reads it there: who mended a device and asks at once must not hear of how it was before."""
    monkeypatch.setattr(daemon, "HEALTH_S", 0.05)
    monkeypatch.setattr(daemon, "STANDING_TICKS", 10**9)
    device = 'driver = "modbus"\nenabled = false\n[settings]\nurl = "tcp://127.0.0.1:9"\n'
    device += '[[settings.points]]\nname = "door"\ntable = "coil"\naddress = 0\nalarm = "on_change"\n'
    async with running(tmp_path, one=device) as appliance:

        def state():
            return (standing.read(tmp_path / "data") or {}).get("devices", {}).get("one", {}).get("state")

        await until(lambda: state() == "disabled")
        for now in (DeviceState.DOWN, DeviceState.UP):
            appliance._supervisor.status["one"].state = now
            await until(lambda now=now: state() == now)
