"""The driver against a simulated reader: taken over, lost, found again, misbehaving, its button pressed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest

from drivers import outgoing
from drivers.clock import Stamp
from drivers.contract import DeviceState, Outcome, Severity
from drivers.errors import DeviceRefused, LinkBusy, LinkLost, LinkTimeout, ProtocolError
from drivers.links.serial import open_stream
from drivers.llrp import driver as driver_module
from drivers.llrp.driver import ROSPEC, LlrpDriver
from drivers.llrp.settings import LlrpSettings
from drivers.ports import free_port
from drivers.tags import MAX_TAGS, TAGS_A_READING, Gathered
from simulators.tagreader.llrp import Reader, event, parameter
from simulators.tagreader.model import TEAM, Gate
from tests.fakeport import FakePort, running

BUTTON = {"port": 1, "label": "canine alert", "severity": "high"}


@asynccontextmanager
async def serving(reader: Reader) -> AsyncIterator[str]:
    bound = await reader.listen("127.0.0.1", free_port())  # nobody else's, once the reader has gone
    try:
        yield f"tcp://127.0.0.1:{bound}"
    finally:
        await reader.close()


@pytest.fixture
def port(tmp_path: Path) -> FakePort:
    return FakePort(state_dir=tmp_path)


@pytest.fixture
def reader() -> Reader:
    return Reader(Gate(missed=0, bag_s=1e9, view_s=1e9), every_s=0.01)


def driver(url: str, **settings: Any) -> LlrpDriver:
    given = {"url": url, "keepalive_s": 20, "report_ms": 50, "timeout_ms": 20_000, **settings}
    return LlrpDriver(LlrpSettings.model_validate(given))


def tags(port: FakePort) -> set[str]:
    return {tag["epc"] for reading in port.readings for tag in reading.values.get("tags", ())}


async def test_tags_in_view_are_told_once_a_window_and_never_an_alert(port, reader):
    async with serving(reader) as url, running(driver(url, report_ms=100), port):
        await port.until(lambda: len(port.readings) >= 3)
    assert not any(reading.findings for reading in port.readings)
    first = port.readings[1].values["tags"]
    team = {(tag["epc"], tag["antenna"]) for tag in first}
    assert {(epc.hex().upper(), 2) for epc in TEAM} <= team
    assert len(team) == len(first)  # each once an antenna
    assert all(-75 <= tag["rssi_dbm"] <= -40 and tag["at"].endswith("Z") for tag in first)
    assert port.said[0].state is DeviceState.UP
    assert port.said[0].facts["firmware"] == "simulated reader 1.0"


async def test_what_an_earlier_client_left_is_thrown_out(port, reader):
    reader.rospecs = {1: "running", 99: "enabled", ROSPEC: "running"}
    async with serving(reader) as url, running(driver(url), port):
        await port.until(lambda: port.readings)
        assert reader.rospecs == {ROSPEC: "running"}


async def test_keepalives_are_asked_for_and_answered(port, reader, monkeypatch):
    monkeypatch.setattr(driver_module, "MISSED_KEEPALIVES", 1000)
    async with serving(reader) as url, running(driver(url, keepalive_s=0.05), port):
        await port.until(lambda: reader.acks >= 3)
    assert reader.keepalive_s == 0.05
    assert not port.errors


async def test_a_reader_that_falls_silent_is_lost_and_taken_over_again(port, reader):
    async with serving(reader) as url, running(driver(url, keepalive_s=0.05), port):
        await port.until(lambda: port.readings)
        reader.silent = True
        await port.until(lambda: any(isinstance(error, LinkTimeout) for error in port.errors))
        assert "keepalives missed" in str(port.errors[0])
        reader.silent = False
        seen = len(port.readings)
        await port.until(lambda: len(port.readings) > seen and port.last and port.last.state is DeviceState.UP)
    assert reader.rospecs == {ROSPEC: "running"}


async def test_a_cut_connection_is_made_again(port, reader):
    async with serving(reader) as url, running(driver(url), port):
        for round_ in range(3):
            seen = len(port.readings)
            await port.until(lambda seen=seen: len(port.readings) > seen)
            reader.drop()
            await port.until(lambda round_=round_: len(port.errors) > round_)
    assert {type(error) for error in port.errors} == {LinkLost}
    assert reader.connections >= 3


async def test_a_reader_that_has_a_client_says_so(port, reader):
    async with serving(reader) as url:
        with closing(await open_stream(url, 5)) as other:
            await other.read(100, 5)
            with pytest.raises(LinkBusy, match="another client"):
                await driver(url).run(port)
        await port.until(lambda: reader._client is None)
        async with running(driver(url), port):
            await port.until(lambda: port.readings)


async def test_the_reader_is_left_in_order(port, reader):
    async with serving(reader) as url:
        async with running(driver(url), port):
            await port.until(lambda: port.readings)
        assert reader.received[-1] == 14
        assert not port.errors


@pytest.mark.parametrize(("kind", "error"), [(20, DeviceRefused), (3, DeviceRefused)])
async def test_a_reader_that_refuses_is_reported(port, reader, kind, error):
    reader.stubborn = frozenset({kind})
    async with serving(reader) as url:
        with pytest.raises(error, match="status 109 unsupported message"):
            await driver(url).run(port)


async def test_a_reader_that_cannot_hold_reports_or_name_itself_works(port, reader):
    reader.stubborn = frozenset({1, 64})
    async with serving(reader) as url, running(driver(url), port):
        await port.until(lambda: port.readings)
        assert port.last and port.last.facts == {}


@pytest.mark.parametrize(
    ("greeting", "error"),
    [
        (b"", LinkTimeout),
        (b"SSH-2.0-OpenSSH_9.2\r\n", ProtocolError),
        (bytes.fromhex("043e0000000a00000007"), ProtocolError),
    ],
)
async def test_a_port_that_is_not_llrp_is_told_apart(port, greeting, error):
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        await reader.read()
        writer.close()
        closed.set()

    closed = asyncio.Event()
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        with pytest.raises(error):
            await driver(f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}", timeout_ms=200).run(port)
        await closed.wait()


async def test_the_button_raises_a_hit_and_its_release_is_news(port, reader):
    async with serving(reader) as url, running(driver(url, gpi=[BUTTON], debounce_ms=0), port):
        await port.until(lambda: port.readings)
        for pressed in (True, False, True):
            reader.press(pressed)
        await port.until(lambda: sum(bool(r.findings) for r in port.readings) == 2)
    contacts = [r for r in port.readings if "contacts" in r.values]
    levels = [r.values["contacts"]["canine alert"] for r in contacts]
    assert levels == [False, True, False, True]  # the first is how the input was found
    (finding,) = contacts[1].findings
    assert (finding.label, finding.severity) == ("canine alert", Severity.HIGH)
    assert (finding.measurement.name, finding.measurement.value) == ("gpi 1", True)
    assert contacts[1].raw
    assert not contacts[2].findings


async def test_a_bouncing_button_is_pressed_once(port, reader):
    async with serving(reader) as url, running(driver(url, gpi=[BUTTON], debounce_ms=5000), port):
        await port.until(lambda: port.readings)
        for pressed in (True, False, True, False, True, False):
            reader.press(pressed)
        await port.until(lambda: sum("contacts" in r.values for r in port.readings) >= 4)
    assert sum(bool(r.findings) for r in port.readings) == 1


async def test_a_button_pressed_while_the_reader_was_away_is_found(port, reader):
    async with serving(reader) as url, running(driver(url, gpi=[BUTTON]), port):
        await port.until(lambda: any("contacts" in r.values for r in port.readings))
        reader.watched.clear()  # so that nobody is told
        reader.press(True)
        reader.drop()
        await port.until(lambda: any(r.findings for r in port.readings))
        reader.drop()
        await port.until(lambda: len(port.errors) >= 2 and port.last and port.last.state is DeviceState.UP)
    assert sum(bool(r.findings) for r in port.readings) == 1  # held down over a second loss: the same press


async def test_inputs_that_are_not_configured_raise_nothing(port, reader):
    async with serving(reader) as url, running(driver(url), port):
        await port.until(lambda: port.readings)
        reader.watched = {1}
        reader.press(True)
        await port.rounds_more(3)
    assert not any(r.findings or "contacts" in r.values for r in port.readings)


async def test_an_unplugged_antenna_and_the_readers_own_complaints_are_told(port, reader):
    async with serving(reader) as url, running(driver(url), port):
        await port.until(lambda: port.readings)
        reader.send(63, event(parameter(255, b"\x00\x00\x03")))
        await port.until(lambda: port.last and port.last.code == "antenna" and "antenna 3" in port.last.reason)
        reader.send(63, event(parameter(255, b"\x01\x00\x03")))
        await port.until(lambda: port.last and port.last.state is DeviceState.UP)
        reader.send(63, event(parameter(252, b"\x00\x07too hot")))
        await port.until(lambda: port.last and port.last.code == "reader-exception" and "too hot" in port.last.reason)
        reader.send(63, event(parameter(251, b"")))
        await port.until(lambda: port.last and port.last.code == "reader-overflow")
        reader.send(63, event(parameter(257, b"")))
        await port.until(lambda: port.errors)
        assert "the reader ends the connection" in str(port.errors[0])


async def test_a_slow_core_gets_fewer_readings_and_no_press_is_lost(port, reader):
    port.open.clear()
    async with serving(reader) as url, running(driver(url, gpi=[BUTTON], debounce_ms=0), port):
        await port.until(lambda: port.readings)
        for pressed in (True, False) * 3:
            reader.press(pressed)
        await port.rounds_more(5)
        assert sum("tags" in r.values for r in port.readings) == 1
        port.open.set()
        await port.until(lambda: sum("tags" in r.values for r in port.readings) >= 2)
    assert sum(bool(r.findings) for r in port.readings) == 3


async def test_a_press_that_the_core_refuses_is_offered_again(port, reader):
    answers = iter([Outcome.REFUSED])
    port.answer = lambda o: next(answers, Outcome.COMMITTED) if o.findings else Outcome.COMMITTED
    async with serving(reader) as url, running(driver(url, gpi=[BUTTON]), port):
        await port.until(lambda: port.readings)
        reader.press(True)
        await port.until(lambda: sum(bool(r.findings) for r in port.readings) == 2)


async def test_a_contact_that_flaps_before_a_stuck_core_is_bounded_and_told(port, reader, monkeypatch):
    monkeypatch.setattr(outgoing, "MAX_WAITING", 20)
    port.open.clear()
    async with serving(reader) as url, running(driver(url, gpi=[BUTTON], debounce_ms=0), port):
        await port.until(lambda: port.readings)
        for _ in range(50):
            reader.press(True)
            reader.press(False)
        await port.until(lambda: port.last and port.last.code == "overrun")
        assert len(port.readings) <= 20


async def test_a_probe_says_who_the_reader_is_and_does_not_set_it_to_work(reader):
    async with serving(reader) as url:
        found = await driver(url).probe(60)
        assert found.ok
        assert found.identity == {
            "maker": "maker 0",
            "model": "1",
            "firmware": "simulated reader 1.0",
            "antennas": "4",
        }
        assert reader.rospecs == {}
    lost = await driver(url).probe(60)
    assert not lost.ok
    assert "nothing answers" in lost.steps[-1] and lost.code.startswith("link")


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"url": "serial:///dev/ttyUSB0"}, "over the network"),
        ({"url": "tcp://h", "gpi": [BUTTON, BUTTON]}, "named twice"),
        ({"url": "tcp://h", "gpi": [{"port": 1, "label": "x", "on": "up"}]}, "high"),
        ({"url": "tcp://h", "antennas": [0]}, "greater than or equal"),
    ],
)
def test_wrong_settings_are_refused_with_words(settings, says):
    with pytest.raises(ValueError, match=says):
        LlrpSettings.model_validate(settings)


def test_a_window_keeps_the_strongest_and_is_cut_to_what_a_message_takes():
    early, late = Stamp(1_000_000_000, 0), Stamp(2_000_000_000, 0)
    gathered = Gathered(min_rssi_dbm=-60)
    gathered.see("AA", 1, -50, late)
    gathered.see("AA", 1, -55, early)
    gathered.see("BB", 1, -61, early)
    gathered.see("CC", None, None, early)
    (reading,) = gathered.take(late)
    assert reading.values == {"tags": [{"epc": "AA", "antenna": 1, "rssi_dbm": -50, "at": "1970-01-01T00:00:02.000Z"}]}
    assert not gathered
    for number in range(MAX_TAGS + 10):
        gathered.see(f"{number:08X}", 1, -50, early)
    readings = gathered.take(late)
    assert [len(r.values["tags"]) for r in readings] == [TAGS_A_READING] * (MAX_TAGS // TAGS_A_READING)
