"""A Modbus/TCP server that a test drives byte by byte, and the driver on it."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from drivers.contract import DeviceState
from drivers.errors import LinkTimeout
from drivers.modbus.client import ModbusLink
from drivers.modbus.driver import ModbusDriver
from drivers.modbus.line import RtuLink
from drivers.modbus.points import Table
from drivers.modbus.settings import ModbusSettings
from drivers.ports import free_port
from tests.fakeport import FakePort

IDENTITY = 0x2B  # read device identification
PATIENT_S = 20.0  # how long an answer may take where nothing is said of lateness: a busy machine is late, too
COUNTER = {"name": "counter", "table": "holding", "address": 0, "alarm": "on_change"}


@dataclass
class Unit:
    """A Modbus/TCP server that answers as `answer` says: bytes as they are, None for silence."""

    registers: dict[int, int] = field(default_factory=dict)
    port: int = field(default_factory=free_port)  # nobody else's, while nobody listens there either
    requests: list[tuple[int, int, int]] = field(default_factory=list)
    connections: int = 0
    override: Callable[[bytes, bytes], Awaitable[bytes | None]] | None = None
    writers: set[asyncio.StreamWriter] = field(default_factory=set)

    def proper(self, request: bytes) -> bytes:
        tid, _, _, unit, function = struct.unpack_from(">HHHBB", request)
        if function == IDENTITY:  # it has none to tell
            return struct.pack(">HHHBBB", tid, 0, 3, unit, function | 0x80, 1)
        start, count = struct.unpack_from(">HH", request, 8)
        self.requests.append((function, start, count))
        if any(start + i not in self.registers for i in range(count)):
            return struct.pack(">HHHBBB", tid, 0, 3, unit, function | 0x80, 2)
        body = struct.pack(f">{count}H", *(self.registers[start + i] for i in range(count)))
        return struct.pack(">HHHBBB", tid, 0, 3 + len(body), unit, function, len(body)) + body

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.add(writer)
        try:
            while True:
                head = await reader.readexactly(6)
                request = head + await reader.readexactly(int.from_bytes(head[4:]))
                reply: bytes | None = self.proper(request)
                if self.override:
                    reply = await self.override(request, reply or b"")
                if reply is not None:
                    writer.write(reply)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.writers.discard(writer)
            writer.close()


@asynccontextmanager
async def serving(unit: Unit) -> AsyncIterator[Unit]:
    server = await asyncio.start_server(unit.serve, "127.0.0.1", unit.port)
    try:
        yield unit
    finally:
        server.close()
        for writer in list(unit.writers):
            writer.close()
        await server.wait_closed()


def driver(server: Unit, *points: dict[str, Any], **settings: Any) -> ModbusDriver:
    given = {"url": f"tcp://127.0.0.1:{server.port}", "poll_ms": 10, "timeout_ms": int(PATIENT_S * 1000), **settings}
    return ModbusDriver(ModbusSettings.model_validate({**given, "points": points or (COUNTER,)}))


def alarms(port: FakePort) -> list[Any]:
    return [f.measurement.value for r in port.readings for f in r.findings]


async def read_in_the_end(link: ModbusLink | RtuLink, table: Table, start: int, count: int) -> list[int]:
    """Return the first answer of a link with little patience: on a busy machine an answer may be late several times."""
    while True:
        with suppress(LinkTimeout):
            return await link.read(table, start, count)


async def up(port: FakePort) -> None:
    await port.until(lambda: port.last and port.last.state is DeviceState.UP)
