"""The serial driver against a simulated module in a process of its own, on a pseudo-terminal that comes and goes."""

from __future__ import annotations

from pathlib import Path

import pytest

from drivers.contract import DeviceState
from drivers.errors import LinkError
from drivers.uhf_serial.driver import UhfSerialDriver
from drivers.uhf_serial.settings import UhfSerialSettings
from simulators.tagreader.model import TEAM
from tests.fakeport import FakePort, running
from tests.simulated import simulated

pytestmark = pytest.mark.protocol
SIMULATED = ("tagreader", "--missed", "0")


@pytest.mark.parametrize("protocol", ["m100", "reader18"])
async def test_a_module_is_read_killed_and_read_again(tmp_path: Path, protocol: str):
    path = tmp_path / "reader"
    port = FakePort(state_dir=tmp_path)
    settings = {"url": f"serial://{path}", "protocol": protocol, "poll_ms": 20, "report_ms": 50, "timeout_ms": 2000}
    wanted = {epc.hex().upper() for epc in TEAM}

    def team_since(count: int) -> bool:
        return wanted <= {tag["epc"] for reading in port.readings[count:] for tag in reading.values["tags"]}

    async with running(UhfSerialDriver(UhfSerialSettings.model_validate(settings)), port):
        async with simulated(*SIMULATED, "--protocol", protocol, "--pty", str(path)) as process:
            await port.until(lambda: team_since(0))
            await port.until(lambda: port.last and port.last.state is DeviceState.UP)
            process.kill()
            await port.until(lambda: port.errors and isinstance(port.errors[-1], LinkError))
        seen = len(port.readings)
        async with simulated(*SIMULATED, "--protocol", protocol, "--pty", str(path)):
            await port.until(lambda: team_since(seen))
    assert not any(reading.findings for reading in port.readings)
