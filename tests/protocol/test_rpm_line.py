"""The portal's driver against a simulated portal in a process of its own, on a line that comes and goes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from drivers.contract import DeviceState
from drivers.errors import LinkError
from drivers.rpm_ascii.driver import RpmAsciiDriver
from drivers.rpm_ascii.settings import RpmAsciiSettings
from tests.fakeport import FakePort, running
from tests.simulated import simulated

pytestmark = pytest.mark.protocol
SIMULATED = ("rpm", "--every-s", "5", "--speed", "40")


async def test_a_portal_is_heard_killed_and_heard_again(tmp_path: Path):
    path = tmp_path / "portal"
    port = FakePort(state_dir=tmp_path)

    def passed(since: int) -> list[dict[str, Any]]:
        return [each for reading in port.readings[since:] for each in reading.values.get("occupancies", ())]

    driver = RpmAsciiDriver(RpmAsciiSettings.model_validate({"url": f"serial://{path}", "silence_s": 20}))
    async with running(driver, port):
        async with simulated(*SIMULATED, "--pty", str(path), "--gamma", "1", "--neutron", "0") as process:
            await port.until(lambda: sum(not each["cut"] for each in passed(0)) >= 3)
            await port.until(lambda: port.last and port.last.state is DeviceState.UP)
            process.kill()
            await port.until(lambda: port.errors and isinstance(port.errors[-1], LinkError))
        seen = len(port.readings)
        async with simulated(*SIMULATED, "--pty", str(path), "--gamma", "0", "--neutron", "0", "--seed", "2"):
            await port.until(lambda: sum(not each["cut"] for each in passed(seen)) >= 3)
    assert any(each["gamma_alarm"] for each in passed(0)[:3])
    assert not any(each["gamma_alarm"] for each in passed(seen))
    alarms = [reading for reading in port.readings if reading.findings]
    assert len(alarms) == sum(each["gamma_alarm"] for each in passed(0))
