"""The modbus driver and the simulated device, with libmodbus (mbpoll) as the one who knows better than both."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from drivers.contract import DeviceState
from drivers.modbus.driver import ModbusDriver
from drivers.modbus.settings import ModbusSettings
from drivers.ports import free_port
from simulators.modbus.model import Device
from simulators.modbus.wire import Faults, Server
from tests.fakeport import FakePort, running

pytestmark = pytest.mark.protocol
HOST = "127.0.0.1"


@dataclass
class Steps:
    """A clock that is a step later at each look: with 1 Hz the counter rises by one a request."""

    seconds: float = -1.0

    def __call__(self) -> float:
        self.seconds += 1.0
        return self.seconds


@asynccontextmanager
async def simulated(port: int = 0, faults: Faults | None = None, hz: float = 1.0) -> AsyncIterator[int]:
    server = Server(Device(counter_hz=hz), 1, faults or Faults(), Steps())
    try:
        yield await server.listen(HOST, port)
    finally:
        await server.close()


async def mbpoll(port: int, *arguments: str) -> str:
    command = ["mbpoll", "-m", "tcp", "-0", "-1", "-a", "1", "-o", "10", "-p", str(port), HOST, *arguments]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(60):
        out, _ = await process.communicate()
    return out.decode()


def shown(output: str) -> dict[int, str]:
    """Return what mbpoll shows, by address."""
    return {int(at): value for at, value in re.findall(r"^\[(\d+)\]:\s+(\S+)", output, re.MULTILINE)}


def driver(port: int, *points: dict[str, Any], **settings: Any) -> ModbusDriver:
    given = {"url": f"tcp://{HOST}:{port}", "poll_ms": 10, "timeout_ms": 60_000, **settings, "points": points}
    return ModbusDriver(ModbusSettings.model_validate(given))


COUNTER = {"name": "counter", "table": "holding", "address": 0, "alarm": "on_change"}
SCRATCH = {"name": "scratch", "table": "holding", "address": 100, "alarm": "on_change"}


@pytest.fixture
def fake(tmp_path: Path) -> FakePort:
    return FakePort(state_dir=tmp_path)


def alarms(port: FakePort) -> list[Any]:
    return [f.measurement.value for r in port.readings for f in r.findings]


async def up(port: FakePort) -> None:
    await port.until(lambda: port.last and port.last.state is DeviceState.UP)


async def test_what_libmodbus_writes_the_driver_sees(fake: FakePort) -> None:
    points = (
        SCRATCH,
        {"name": "level", "table": "holding", "address": 102, "type": "float32", "word_order": "little"},
        {"name": "depth", "table": "holding", "address": 104, "type": "int32", "scale": 0.5},
        {"name": "signed", "table": "holding", "address": 106, "type": "int16"},
        {"name": "lamp", "table": "coil", "address": 9, "alarm": "nonzero"},
    )
    async with simulated() as port, running(driver(port, *points), fake):
        await up(fake)
        for value in ("11", "12", "65535"):
            assert "Written 1" in await mbpoll(port, "-r", "100", "-t", "4", value)
            await fake.until(lambda v=int(value): alarms(fake)[-1:] == [v])
        assert "Written 1" in await mbpoll(port, "-r", "102", "-t", "4:float", "12.34")
        assert "Written 1" in await mbpoll(port, "-r", "104", "-B", "-t", "4:int", "--", "-7")
        assert "Written 1" in await mbpoll(port, "-r", "106", "-t", "4", "65533")
        assert "Written 1" in await mbpoll(port, "-r", "9", "-t", "0", "1")
        expected = {"scratch": 65_535, "level": 12.34, "depth": -3.5, "signed": -3, "lamp": True}
        await fake.until(lambda: fake.readings[-1].values["points"] == expected)
    assert alarms(fake) == [11, 12, 65_535, True]


async def test_what_the_simulator_serves_libmodbus_and_the_driver_read_alike(fake: FakePort) -> None:
    async with simulated(hz=0) as port:
        level = shown(await mbpoll(port, "-r", "2", "-B", "-t", "4:float"))[2]
        assert 10 <= float(level) <= 15
        first = shown(await mbpoll(port, "-r", "0", "-c", "7", "-t", "4"))
        assert first.keys() == set(range(7))
        assert first[0] == first[5] == "0"
        assert shown(await mbpoll(port, "-r", "0", "-c", "7", "-t", "3")).keys() == set(range(7))
        assert set(shown(await mbpoll(port, "-r", "0", "-c", "8", "-t", "1")).values()) <= {"0", "1"}
        assert "Illegal data address" in await mbpoll(port, "-r", "50")
        assert "Illegal data address" in await mbpoll(port, "-r", "0", "-t", "4", "5")
        points = (
            {"name": "level", "table": "input", "address": 2, "type": "float32"},
            {"name": "contact", "table": "discrete", "address": 0},
        )
        async with running(driver(port, *points), fake):
            await fake.until(lambda: fake.readings)
    values = fake.readings[0].values["points"]
    assert 10 <= values["level"] <= 15
    assert values["contact"] in (True, False)


async def test_every_step_of_the_counter_is_a_hit(fake: FakePort) -> None:
    async with simulated() as port, running(driver(port, COUNTER), fake):
        await fake.until(lambda: len(alarms(fake)) >= 50)
    found = alarms(fake)
    assert found == list(range(found[0], found[0] + len(found)))


async def test_a_restarted_device_is_found_again(fake: FakePort) -> None:
    async with simulated(free_port()) as port:
        task = running(driver(port, COUNTER), fake)
        await task.__aenter__()
        await fake.until(lambda: len(alarms(fake)) >= 3)
    await fake.until(lambda: fake.last and fake.last.state is DeviceState.DOWN)
    count = len(alarms(fake))
    async with simulated(port):
        await up(fake)
        await fake.until(lambda: len(alarms(fake)) >= count + 3)
        await task.__aexit__(None, None, None)


@pytest.mark.parametrize(
    ("faults", "timeout_ms", "states"),
    [
        (Faults(busy_every=5), 60_000, {DeviceState.UP}),
        (Faults(drop_every=7), 60_000, {DeviceState.UP, DeviceState.DOWN}),
        (Faults(hang_every=6, hang_s=1.5), 1000, {DeviceState.UP}),
    ],
    ids=["busy", "drop", "hang"],
)
async def test_a_device_that_misbehaves_now_and_then_keeps_giving_hits(
    fake: FakePort, faults: Faults, timeout_ms: int, states: set[DeviceState]
) -> None:
    async with simulated(faults=faults) as port, running(driver(port, COUNTER, timeout_ms=timeout_ms), fake):
        await fake.until(lambda: len(alarms(fake)) >= 20)
    found = alarms(fake)
    assert found == sorted(set(found)), "no value twice, and none after a later one"
    assert {said.state for said in fake.said} == states


async def test_the_command_serves_and_ends_on_request() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "simulators.cli", "modbus", "--listen", f"{HOST}:0", "--counter-hz", "0", "--json",
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout
    try:
        async with asyncio.timeout(60):
            said = json.loads(await process.stdout.readline())
        port = int(said["listening"].rpartition(":")[2])
        assert shown(await mbpoll(port, "-r", "0", "-c", "1")) == {0: "0"}
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(60):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_the_command_says_when_the_port_is_taken() -> None:
    async with simulated() as port:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "simulators.cli",
            "modbus",
            "--listen",
            f"{HOST}:{port}",
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(60):
            _, err = await process.communicate()
    assert process.returncode == 1
    assert b"in use" in err
