"""The scale driver against a scale that someone else wrote (mt-sics-emulator), and our simulator as a process."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest
from mtsics.core.state import ScaleConfig, ScaleState
from mtsics.protocol.engine import MTSICSEngine
from mtsics.transport.tcp import TCPConfig, TCPTransport

from drivers.contract import DeviceState
from drivers.scale.driver import ScaleDriver
from drivers.scale.settings import ScaleSettings
from tests.fakeport import FakePort, running

pytestmark = pytest.mark.protocol
DEADLINE_S = 60.0


@pytest.fixture
def port(tmp_path: Path) -> FakePort:
    return FakePort(state_dir=tmp_path)


def driver(url: str, **settings: object) -> ScaleDriver:
    return ScaleDriver(ScaleSettings.model_validate({"url": url, "poll_ms": 20, "change_kg": 0.01, **settings}))


def told(port: FakePort) -> list[float]:
    return [reading.values["weight_kg"] for reading in port.readings]


async def test_mt_sics_emulators_scale_is_read(port):
    state = ScaleState(ScaleConfig(capacity=150, graduation=0.05, serial_number="B021002593"))
    transport = TCPTransport(MTSICSEngine(state), cfg=TCPConfig(host="127.0.0.1", port=0))
    host, number = await transport.start()
    try:
        async with running(driver(f"tcp://{host}:{number}", timeout_ms=60_000), port):
            await port.until(lambda: told(port) == [0.0])
            state.set_weight(31.4, stable=False)
            await port.rounds_more(3)
            state.set_weight(33.35, stable=True)
            await port.until(lambda: told(port) == [0.0, 33.35])
            state.set_weight(400.0, stable=True)
            await port.until(lambda: port.last and port.last.code == "scale-fault")
            state.set_weight(0.0, stable=True)
            await port.until(lambda: told(port) == [0.0, 33.35, 0.0])
            await port.until(lambda: port.last and port.last.state is DeviceState.UP)
        assert not port.errors
        assert port.said[0].facts == {"serial": "B021002593"}
    finally:
        await transport.close()


@pytest.mark.parametrize("protocol", ["sics", "toledo", "nci"])
async def test_the_simulator_is_read_killed_and_read_again(port, tmp_path, protocol):
    path = tmp_path / "scale"
    command = [sys.executable, "-m", "simulators.cli", "scale", "--json", "--protocol", protocol, "--pty", str(path)]
    settings = {"protocol": protocol, "timeout_ms": 300, "max_timeouts": 2}
    async with running(driver(f"serial://{path}", **settings), port):
        for _ in range(2):
            seen = len(port.readings)
            process = await asyncio.create_subprocess_exec(
                *command, "--parcel-s", "1.5", stdout=asyncio.subprocess.PIPE
            )
            try:
                assert process.stdout
                async with asyncio.timeout(DEADLINE_S):
                    assert json.loads(await process.stdout.readline())["simulated"] is True
                await port.until(lambda seen=seen: any(kg > 10 for kg in told(port)[seen:]))
            finally:
                process.kill()
                async with asyncio.timeout(DEADLINE_S):
                    await process.wait()
            await port.until(lambda: port.last and port.last.state is DeviceState.DOWN)
    assert not any(reading.findings for reading in port.readings)
