"""Several units of one device: one that is dead costs the others nothing, and is found again."""

from __future__ import annotations

import asyncio
import os
import tty
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from drivers.contract import DeviceState
from drivers.modbus import rtu
from drivers.modbus import unit as unit_module
from drivers.modbus.driver import ModbusDriver
from drivers.modbus.settings import ModbusSettings
from tests.fakeport import FakePort, running

pytestmark = pytest.mark.slow

POINTS = [{"name": "counter", "table": "holding", "address": 0, "alarm": "on_change"}]


@dataclass
class Bus:
    """A line on which the units in `alive` answer, each with a counter of its own that rises with every word."""

    alive: set[int]
    url: str = ""
    asked: list[int] = field(default_factory=list)

    def answer(self, request: bytes) -> bytes:
        self.asked.append(request[0])
        if request[0] not in self.alive:
            return b""
        body = bytes((request[0], 3, 2)) + (self.asked.count(request[0]) & 0xFFFF).to_bytes(2, "big")
        return body + rtu.crc(body)


@asynccontextmanager
async def line(*alive: int) -> AsyncIterator[Bus]:
    master, slave = os.openpty()
    tty.setraw(slave)
    bus = Bus(set(alive), f"serial://{os.ttyname(slave)}?baud=115200")
    loop = asyncio.get_running_loop()
    loop.add_reader(master, lambda: os.write(master, bus.answer(os.read(master, 1024))))
    try:
        yield bus
    finally:
        loop.remove_reader(master)
        os.close(master)
        os.close(slave)


@pytest.fixture
def port(tmp_path: Path) -> FakePort:
    return FakePort(state_dir=tmp_path)


def driver(bus: Bus, **more: Any) -> ModbusDriver:
    units = [{"name": name, "unit": number, "points": POINTS, "poll_ms": 20} for name, number in (("a", 1), ("b", 2))]
    given = {"url": bus.url, "timeout_ms": 200, "max_timeouts": 4, "units": units, **more}
    return ModbusDriver(ModbusSettings.model_validate(given))


def hits(port: FakePort, label: str) -> int:
    return sum(f.label == label for r in port.readings for f in r.findings)


async def test_a_dead_unit_is_left_alone_and_the_other_goes_on(port: FakePort, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unit_module, "FIRST_REST_S", 3600.0)
    async with line(1) as bus, running(driver(bus), port):
        await port.until(lambda: port.last and port.last.code == "unit-lost")
        assert port.last and port.last.state is DeviceState.DEGRADED
        assert port.last.reason.startswith("lost: b; ")
        before, tries = hits(port, "counter, a"), bus.asked.count(2)
        await port.until(lambda: hits(port, "counter, a") >= before + 10)
        assert bus.asked.count(2) <= tries + 1, "the dead one is hardly asked"
    assert not port.errors, "the device as a whole is never lost"
    assert hits(port, "counter, b") == 0
    assert set(port.readings[-1].values["points"]) <= {"a/counter", "b/counter"}


async def test_a_unit_that_comes_back_is_found(port: FakePort, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unit_module, "FIRST_REST_S", 0.05)
    async with line(1) as bus, running(driver(bus), port):
        await port.until(lambda: port.last and port.last.code == "unit-lost")
        bus.alive.add(2)
        await port.until(lambda: hits(port, "counter, b"))
        await port.until(lambda: port.last and port.last.state is DeviceState.UP)


async def test_when_every_unit_is_silent_the_device_is_down(port: FakePort) -> None:
    async with line() as bus, running(driver(bus), port):
        await port.until(lambda: port.errors)
        assert port.errors[0].code == "link-timeout"
        bus.alive |= {1, 2}
        await port.until(lambda: hits(port, "counter, a") and hits(port, "counter, b"))
