"""Outputs: shown at once, shown again after a loss, left at rest at the end; nothing else is ever written."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from drivers.contract import DeviceState, Output
from drivers.modbus.driver import ModbusDriver
from drivers.modbus.settings import ModbusSettings
from drivers.ports import free_port
from simulators.modbus.model import Contacts
from simulators.modbus.wire import Faults, Server
from tests.fakeport import FakePort, running

LAMP = {"lamp": Output(True)}


@asynccontextmanager
async def module(port: int | None = None) -> AsyncIterator[tuple[Server, int]]:
    server = Server(Contacts(every_s=1e9), 1, Faults(), time.monotonic)
    try:
        yield server, await server.listen("127.0.0.1", port or free_port())
    finally:
        await server.close()


@pytest.fixture
def port(tmp_path: Path) -> FakePort:
    return FakePort(state_dir=tmp_path)


def driver(bound: int, **more: Any) -> ModbusDriver:
    given = {"url": f"tcp://127.0.0.1:{bound}", "profile": "iologik-e1200", "timeout_ms": 2000, **more}
    return ModbusDriver(ModbusSettings.model_validate(given))


async def up(port: FakePort) -> None:
    await port.until(lambda: port.last and port.last.state is DeviceState.UP)


async def test_an_order_does_not_wait_for_the_next_poll_and_rest_is_left_behind(port: FakePort) -> None:
    async with module() as (server, bound):
        under_test = driver(bound, poll_ms=60_000)
        async with running(under_test, port):
            await up(port)
            assert server.coils == {}, "nothing is written that nobody ordered"
            under_test.order(LAMP)
            await port.until(lambda: server.coils == {0: True})
            under_test.order({"lamp": Output(False), "buzzer": Output(True, rest=None), "walk-through": Output(True)})
            await port.until(lambda: server.coils == {0: False, 1: True})
            under_test.order({"lamp": Output(True, rest=False), "divert": Output(False, rest=True)})
            await port.until(lambda: server.coils == {0: True, 1: True, 2: False})
        assert server.coils == {0: False, 1: True, 2: True}, "each left as it was said, the buzzer as it was"
    assert not port.errors


async def test_an_order_from_before_the_connection_is_shown_and_again_after_a_loss(port: FakePort) -> None:
    under_test: ModbusDriver
    async with module() as (server, bound):
        under_test = driver(bound)
        under_test.order(LAMP)
        run = running(under_test, port)
        await run.__aenter__()
        await port.until(lambda: server.coils == {0: True})
    await port.until(lambda: port.last and port.last.state is DeviceState.DOWN)
    async with module(bound) as (server, _):
        await port.until(lambda: server.coils == {0: True})
        await run.__aexit__(None, None, None)


async def test_an_output_that_another_hand_changed_is_set_again(port: FakePort) -> None:
    async with module() as (server, bound):
        under_test = driver(bound)
        async with running(under_test, port):
            under_test.order(LAMP)
            await port.until(lambda: server.coils == {0: True})
            other = driver(bound)
            other.order({"lamp": Output(False)})
            async with running(other, FakePort(port.state_dir)):
                await port.until(lambda: server.coils == {0: False})
            await port.until(lambda: server.coils == {0: True})


async def test_a_refused_output_is_told(port: FakePort) -> None:
    extra = {"name": "horn", "table": "coil", "address": 99, "writable": True}
    async with module() as (_, bound):
        under_test = driver(bound, points=[extra])
        async with running(under_test, port):
            under_test.order({"horn": Output(True)})
            await port.until(lambda: port.last and port.last.code == "output-refused")
            assert port.last and "exception 2" in port.last.reason


def test_which_outputs_there_are() -> None:
    settings = ModbusSettings(url="tcp://h:1", profile="iologik-e1200")
    assert settings.outputs() == {"lamp", "buzzer", "divert", "relay 3", "relay 4", "relay 5"}
    assert ModbusSettings(url="tcp://h:1", profile="aspect-rpm").outputs() == frozenset()
