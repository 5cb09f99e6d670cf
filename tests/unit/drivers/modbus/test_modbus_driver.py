"""The driver against a server that a test drives: each change told once, in order, to a core that is slow or gone."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import outgoing
from drivers.contract import DeviceState, Outcome, Severity
from drivers.modbus import driver as driver_module
from drivers.modbus.client import ExceptionReply
from drivers.modbus.unit import next_tick
from tests.fakeport import FakePort, running
from tests.unit.drivers.modbus.served import (
    COUNTER,
    Unit,
    alarms,
    driver,
    serving,
    up,
)


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
