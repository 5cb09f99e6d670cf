"""The driver against servers that are silent, late, cut short, busy, gone, or that lie."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from drivers.contract import DeviceState
from drivers.errors import LinkLost, LinkTimeout, ProtocolError
from drivers.modbus.client import ModbusLink
from drivers.modbus.points import Table
from tests.fakeport import FakePort, running
from tests.unit.drivers.modbus.served import (
    COUNTER,
    PATIENT_S,
    Unit,
    alarms,
    driver,
    read_in_the_end,
    serving,
    up,
)


async def test_silence_has_a_deadline_and_takes_the_device_down(unit: Unit, port: FakePort) -> None:
    async def silent(request: bytes, reply: bytes) -> None:
        return None

    async with running(driver(unit, timeout_ms=50), port):
        await up(port)
        unit.override, before = silent, len(port.errors)  # a busy machine may have been silent for so long, too
        await port.until(lambda: any("no answer within 0.05 s" in str(error) for error in port.errors[before:]))
        assert {type(error) for error in port.errors} == {LinkTimeout}
        assert port.last and (port.last.state, port.last.code) == (DeviceState.DOWN, "link-timeout")
        unit.override = None
        await up(port)


async def test_one_late_answer_is_not_taken_for_the_next(unit: Unit, port: FakePort) -> None:
    """The answer to the first request comes after its deadline; it must not become the answer to the second."""
    held: list[asyncio.Event] = []

    async def late_once(request: bytes, reply: bytes) -> bytes:
        if not held:
            held.append(asyncio.Event())
            await held[0].wait()
        return reply

    unit.override = late_once
    unit.registers |= {0: 0xAAAA, 1: 0xBBBB}
    link = ModbusLink("127.0.0.1", unit.port, 1, 0.05)
    try:
        with pytest.raises(LinkTimeout):
            await link.read(Table.HOLDING, 0, 1)
        held[0].set()
        assert await read_in_the_end(link, Table.HOLDING, 1, 1) == [0xBBBB]
    finally:
        link.close()
    assert unit.connections >= 2, "after a timeout the connection is a new one"


async def test_half_a_frame_is_waited_for_and_never_mixed_with_the_next(unit: Unit, port: FakePort) -> None:
    async def in_two(request: bytes, reply: bytes) -> bytes:
        (writer,) = unit.writers
        writer.write(reply[:7])
        await writer.drain()
        await asyncio.sleep(0.01)
        return reply[7:]

    async def half(request: bytes, reply: bytes) -> bytes:
        return reply[:-1]

    unit.registers |= {0: 0x1111, 1: 0x2222}
    link = ModbusLink("127.0.0.1", unit.port, 1, 0.2)
    try:
        unit.override = half
        with pytest.raises(LinkTimeout):
            await link.read(Table.HOLDING, 0, 2)
        unit.override = None
        assert await read_in_the_end(link, Table.HOLDING, 1, 1) == [0x2222]
        link.close()
        link = ModbusLink("127.0.0.1", unit.port, 1, PATIENT_S)
        unit.override = in_two
        assert await link.read(Table.HOLDING, 0, 2) == [0x1111, 0x2222]
    finally:
        link.close()


@pytest.mark.parametrize(
    ("lie", "error"),
    [
        (lambda tid: struct.pack(">HHHBBBH", tid, 0, 5, 1, 3, 2, 7), ProtocolError),  # one register where two are asked
        (lambda tid: struct.pack(">HHHBBBH", tid + 1, 0, 5, 1, 3, 2, 7), LinkTimeout),  # another request's answer
        (lambda tid: struct.pack(">HHHBBBH", tid, 0, 5, 9, 3, 2, 7), LinkTimeout),  # another unit's answer
        (lambda tid: b"HTTP/1.1 400 Bad Request\r\n\r\n", LinkTimeout),
        (lambda tid: struct.pack(">HHHBB", tid, 0, 2, 1, 99), (LinkLost, ProtocolError)),  # no such function
        (lambda tid: struct.pack(">HHHB", tid, 0, 0xFFFF, 1) + b"\3" * 600, LinkTimeout),
        (lambda tid: struct.pack(">HHHBBBI", tid, 0, 7, 1, 3, 200, 7), (LinkLost, ProtocolError, LinkTimeout)),
    ],
    ids=["short", "transaction", "unit", "http", "function", "length", "count"],
)
async def test_a_server_that_lies_gets_an_error_and_a_new_connection(
    unit: Unit, lie: Callable[[int], bytes], error: type[Exception] | tuple[type[Exception], ...]
) -> None:
    async def lying(request: bytes, reply: bytes) -> bytes:
        return lie(struct.unpack_from(">H", request)[0])

    waits = LinkTimeout in (error if isinstance(error, tuple) else (error,))
    link = ModbusLink("127.0.0.1", unit.port, 1, 0.5 if waits else PATIENT_S)
    try:
        unit.override = lying
        with pytest.raises(error):
            await link.read(Table.HOLDING, 0, 2)
        unit.override = None
        assert await read_in_the_end(link, Table.HOLDING, 0, 2) == [0, 0]
    finally:
        link.close()


async def test_an_exception_reply_degrades_and_spares_the_other_points(unit: Unit, port: FakePort) -> None:
    missing = {"name": "missing", "table": "holding", "address": 50}
    async with running(driver(unit, COUNTER, missing), port):
        await port.until(lambda: port.last and port.last.state is DeviceState.DEGRADED)
        assert port.last and port.last.code == "modbus-exception-2"
        assert "reading 1 of holding from 50: exception 2, illegal address" in port.last.reason
        unit.registers[0] = 5
        await port.until(lambda: alarms(port) == [5])
        unit.registers[50] = 1
        await up(port)
        await port.until(lambda: port.readings[-1].values["points"].get("missing") == 1)
    assert port.errors == []


async def test_a_single_busy_answer_is_no_news(unit: Unit, port: FakePort) -> None:
    async with running(driver(unit), port):
        await up(port)

        async def busy_every_fourth(request: bytes, reply: bytes) -> bytes:
            tid, function = struct.unpack_from(">H5xB", request)
            busy = len(unit.requests) % 4 == 0
            return struct.pack(">HHHBBB", tid, 0, 3, 1, function | 0x80, 6) if busy else reply

        unit.override = busy_every_fourth
        await port.rounds_more(20)
        assert [said.state for said in port.said] == [DeviceState.UP]


async def test_a_closed_connection_is_noticed_before_the_deadline(unit: Unit) -> None:
    async def cut(request: bytes, reply: bytes) -> None:
        for writer in list(unit.writers):
            writer.close()

    unit.override = cut
    link = ModbusLink("127.0.0.1", unit.port, 1, 30)
    try:
        with pytest.raises(LinkLost, match="closed the connection"):
            await link.read(Table.HOLDING, 0, 1)
    finally:
        link.close()


async def test_a_cancellation_that_comes_together_with_the_answer_is_not_forgotten(unit: Unit) -> None:
    link = ModbusLink("127.0.0.1", unit.port, 1, 30)
    asked = asyncio.Event()

    async def as_wait_for_does() -> Any:
        asked.set()
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        return "the answer"

    task = asyncio.create_task(link._ask("reading", as_wait_for_does))
    await asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_refused_connection_says_so() -> None:
    async with serving(Unit()) as gone:
        pass
    link = ModbusLink("127.0.0.1", gone.port, 1, 1)
    with pytest.raises(LinkLost, match="no Modbus server on this port"):
        await link.connect()
