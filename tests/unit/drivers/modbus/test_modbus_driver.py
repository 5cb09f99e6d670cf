"""The driver against servers that a test drives byte by byte: silence, halves, lies, cuts, and a core that is slow."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import outgoing
from drivers.contract import DeviceState, Outcome, Severity
from drivers.errors import LinkLost, LinkTimeout, ProtocolError
from drivers.modbus import driver as driver_module
from drivers.modbus.client import ExceptionReply, ModbusLink
from drivers.modbus.driver import ModbusDriver
from drivers.modbus.points import Table
from drivers.modbus.settings import ModbusSettings
from drivers.modbus.unit import next_tick
from tests.fakeport import FakePort, running

IDENTITY = 0x2B  # read device identification
PATIENT_S = 20.0  # how long an answer may take where nothing is said of lateness: a busy machine is late, too
COUNTER = {"name": "counter", "table": "holding", "address": 0, "alarm": "on_change"}


@dataclass
class Unit:
    """A Modbus/TCP server that answers as `answer` says: bytes as they are, None for silence."""

    registers: dict[int, int] = field(default_factory=dict)
    port: int = 0
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
    unit.port = server.sockets[0].getsockname()[1]
    try:
        yield unit
    finally:
        server.close()
        for writer in list(unit.writers):
            writer.close()
        await server.wait_closed()


@pytest.fixture
async def unit() -> AsyncIterator[Unit]:
    async with serving(Unit(dict.fromkeys(range(10), 0))) as one:
        yield one


@pytest.fixture
def port(tmp_path: Path) -> FakePort:
    return FakePort(state_dir=tmp_path)


def driver(server: Unit, *points: dict[str, Any], **settings: Any) -> ModbusDriver:
    given = {"url": f"tcp://127.0.0.1:{server.port}", "poll_ms": 10, "timeout_ms": int(PATIENT_S * 1000), **settings}
    return ModbusDriver(ModbusSettings.model_validate({**given, "points": points or (COUNTER,)}))


def alarms(port: FakePort) -> list[Any]:
    return [f.measurement.value for r in port.readings for f in r.findings]


async def read_in_the_end(link: ModbusLink, table: Table, start: int, count: int) -> list[int]:
    """Return the first answer of a link with little patience: on a busy machine an answer may be late several times."""
    while True:
        with suppress(LinkTimeout):
            return await link.read(table, start, count)


async def up(port: FakePort) -> None:
    await port.until(lambda: port.last and port.last.state is DeviceState.UP)


async def test_every_change_is_a_reading_of_its_own(unit: Unit, port: FakePort) -> None:
    async with running(driver(unit), port):
        await up(port)
        for value in (7, 8, 8, 3):
            unit.registers[0] = value
            await port.rounds_more(2)
        await port.until(lambda: len(alarms(port)) == 3)
    readings = [r for r in port.readings if r.findings]
    assert alarms(port) == [7, 8, 3], "the first read is the baseline"
    assert all(r.distinct for r in readings)
    assert [r.raw for r in readings] == [b"\0\7", b"\0\x08", b"\0\3"]
    (finding,) = readings[0].findings
    assert (finding.label, finding.category, finding.severity) == ("counter", "OTHER", Severity.MEDIUM)
    assert finding.measurement.name == "counter"


async def test_several_changes_between_two_polls_are_one(unit: Unit, port: FakePort) -> None:
    async with running(driver(unit), port):
        await up(port)
        unit.registers[0] = 1
        unit.registers[0] = 5
        await port.until(lambda: alarms(port))
        await port.rounds_more(3)
    assert alarms(port) == [5]


async def test_polls_do_not_wait_for_the_core_and_the_order_stays(unit: Unit, port: FakePort) -> None:
    async with running(driver(unit), port):
        await up(port)
        port.open.clear()
        for value in range(1, 11):
            unit.registers[0] = value
            await port.until(lambda v=value: alarms(port)[-1:] == [v])
        port.open.set()
        await port.rounds_more(1)
    assert alarms(port) == list(range(1, 11))


async def test_refused_readings_are_handed_over_again(
    unit: Unit, port: FakePort, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outgoing, "FIRST_RETRY_S", 0.1)
    refusals = [Outcome.REFUSED] * 2
    port.answer = lambda r: refusals.pop() if r.findings and refusals else Outcome.COMMITTED  # type: ignore[union-attr]
    async with running(driver(unit), port):
        await up(port)
        unit.registers[0] = 1
        await port.until(lambda: alarms(port) == [1, 1, 1])
        await up(port)
    assert "no-room" in [said.code for said in port.said]


async def test_when_the_core_stands_still_memory_does_not_grow(
    unit: Unit, port: FakePort, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outgoing, "MAX_WAITING", 5)
    async with running(driver(unit), port):
        await up(port)
        port.open.clear()

        async def count(request: bytes, reply: bytes) -> bytes:
            unit.registers[0] += 1
            return reply

        unit.override = count
        await port.until(lambda: port.last and port.last.code == "overrun")
        asked = len(unit.requests)
        await port.rounds_more(5)
        assert len(unit.requests) == asked
        port.open.set()
        await up(port)
        await port.until(lambda: len(unit.requests) > asked)


async def test_the_device_gone_does_not_take_along_what_was_seen(unit: Unit, port: FakePort) -> None:
    under_test = driver(unit)
    async with running(under_test, port):
        await up(port)
        port.open.clear()
        unit.registers[0] = 1
        await port.until(lambda: alarms(port) == [1])
        answered: list[int] = []
        port.answer = lambda _: (answered.append(1), Outcome.COMMITTED)[1]
        for writer in list(unit.writers):
            writer.close()
        await port.until(lambda: port.errors)
        port.open.set()
        await port.until(lambda: answered)


async def test_a_change_while_the_device_was_away_is_seen(port: FakePort) -> None:
    unit = Unit({0: 4})
    async with serving(unit):
        one = driver(unit)
        # The server of the same port is stopped and started under the running driver.
        task = running(one, port)
        await task.__aenter__()
        await up(port)
    await port.until(lambda: port.last and port.last.state is DeviceState.DOWN)
    assert port.last and port.last.code == "link-lost"
    unit.registers[0] = 9
    async with serving(unit):
        await port.until(lambda: alarms(port) == [9])
        await up(port)
        await task.__aexit__(None, None, None)


async def test_silence_has_a_deadline_and_takes_the_device_down(unit: Unit, port: FakePort) -> None:
    async def silent(request: bytes, reply: bytes) -> None:
        return None

    async with running(driver(unit, timeout_ms=50), port):
        await up(port)
        unit.override = silent
        await port.until(lambda: any("no answer within 0.05 s" in str(error) for error in port.errors))
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


async def test_values_go_out_when_they_change_but_not_at_every_poll(
    unit: Unit, port: FakePort, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver_module, "NEWS_S", 0.05)
    monkeypatch.setattr(driver_module, "REPEAT_S", 3600.0)
    level = {"name": "level", "table": "holding", "address": 4, "scale": 0.5, "unit": "cps"}
    async with running(driver(unit, level), port):
        await up(port)
        await port.rounds_more(20)
        assert [r.values for r in port.readings] == [{"points": {"level": 0}}]
        unit.registers[4] = 3
        await port.until(lambda: len(port.readings) == 2)
        assert port.readings[1].values == {"points": {"level": 1.5}}
    assert port.readings[1].findings == ()


async def test_a_contact_is_told_when_it_changes_and_not_when_the_news_are_due(
    unit: Unit, port: FakePort, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver_module, "NEWS_S", 3600.0)
    monkeypatch.setattr(driver_module, "REPEAT_S", 3600.0)
    belt = {"name": "belt", "table": "holding", "address": 4, "bit": 0}
    level = {"name": "level", "table": "holding", "address": 5}
    async with running(driver(unit, belt, level), port):
        await up(port)
        for number in (1, 0, 1):
            unit.registers[4] = unit.registers[5] = number
            await port.until(
                lambda now=bool(number): port.readings and port.readings[-1].values["points"]["belt"] is now
            )
        told = len(port.readings)
        unit.registers[5] = 7
        await port.rounds_more(20)
        assert len(port.readings) == told


async def test_conditions_raise_when_they_become_true(unit: Unit, port: FakePort) -> None:
    points = (
        {"name": "hot", "table": "holding", "address": 1, "alarm": "above", "limit": 5, "severity": "high"},
        {"name": "gate", "table": "holding", "address": 2, "alarm": "nonzero", "label": "metal", "category": "ANOMALY"},
    )
    unit.registers[2] = 1
    async with running(driver(unit, *points), port):
        await up(port)
        unit.registers[1] = 6
        await port.until(lambda: len(alarms(port)) == 2)
        unit.registers[1] = 7
        await port.rounds_more(3)
    found = [(f.label, f.severity, f.category, r.distinct) for r in port.readings for f in r.findings]
    assert found == [("metal", "medium", "ANOMALY", False), ("hot", "high", "OTHER", False)]


async def test_requests_carry_the_unit_and_one_request_covers_neighbours(unit: Unit, port: FakePort) -> None:
    seen: list[int] = []

    async def note(request: bytes, reply: bytes) -> bytes:
        seen.append(request[6])
        return reply

    unit.override = note
    points = [{"name": f"p{i}", "table": "holding", "address": i} for i in range(5)]
    async with running(driver(unit, *points, unit=17), port):
        await port.rounds_more(3)
    assert set(seen) == {17}
    assert set(unit.requests) == {(3, 0, 5)}


async def test_a_core_that_is_gone_ends_the_driver(unit: Unit, port: FakePort) -> None:
    def gone(_: object) -> Outcome:
        raise RuntimeError("core gone")

    port.answer = gone
    with pytest.raises(RuntimeError, match="core gone"):
        async with running(driver(unit), port) as task:
            await asyncio.wait({task})


async def test_probe(unit: Unit) -> None:
    unit.registers[0] = 41
    report = await driver(unit).probe(60)
    assert report.ok
    assert report.sample == "counter = 41"
    assert report.steps == (f"connected to tcp://127.0.0.1:{unit.port}", "read holding 0")


async def test_probe_of_nothing_there() -> None:
    async with serving(Unit()) as gone:
        pass
    report = await driver(gone).probe(60)
    assert not report.ok
    assert report.code == "link-lost" and "no Modbus server" in report.steps[-1]


async def test_probe_of_what_refuses(unit: Unit) -> None:
    report = await driver(unit, {**COUNTER, "address": 77}).probe(60)
    assert not report.ok
    assert "exception 2" in report.steps[-1]


def test_an_unknown_exception_code_is_still_named() -> None:
    assert "exception 77, unknown" in str(ExceptionReply("x", 77))


@pytest.mark.parametrize(
    ("last", "elapsed_s", "following"),
    [(0, 0.001, 1), (0, 0.049, 1), (3, 0.15, 4), (3, 0.199, 4), (3, 0.51, 11)],
)
def test_polls_keep_to_their_grid_and_missed_ones_are_not_made_up_for(
    last: int, elapsed_s: float, following: int
) -> None:
    assert next_tick(last, elapsed_s, 0.05) == following


@given(st.lists(st.floats(0, 0.3), max_size=50))
def test_polls_do_not_drift(durations: list[float]) -> None:
    now, tick, period_s = 0.0, 0, 0.05
    for duration in durations:
        now += duration
        before, tick = tick, next_tick(tick, now, period_s)
        assert tick > before
        assert tick * period_s >= now - 1e-9, "never in the past"
        assert tick == before + 1 or (tick - 1) * period_s < now + 1e-9, "and never later than it must be"
        now = max(now, tick * period_s)
