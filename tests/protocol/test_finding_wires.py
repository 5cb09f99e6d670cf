"""Devices are found where they are: on lines of any usual speed, behind addresses, in folders; scanners that call."""

import asyncio
import time

import numpy as np
import pytest

from drivers.dicos.find import Call, wait_for_call
from drivers.dicos.settings import DicosSettings
from drivers.finding import Found, Kind, Miss, Place, ask, attempts
from drivers.ports import free_port
from edge.finding import Step, search, summary
from simulators.collar.cli import Collar
from simulators.collar.model import Walk
from simulators.modbus.model import Panel
from simulators.modbus.wire import Faults, Server
from simulators.scale.cli import Protocol, Scale
from simulators.scale.model import Platform
from simulators.tagreader.model import Gate
from simulators.tagreader.module import Module, reader18
from tests.background import serving
from tests.core import DEADLINE_S
from tests.protocol.test_dicos_reports import storescp

pytestmark = [pytest.mark.protocol, pytest.mark.timeout(240)]


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """A process that looks takes its time to start on a busy machine."""
    monkeypatch.setattr("edge.finding.GRACE_S", DEADLINE_S)


def looked(place, driver):
    """What one driver finds at a place, and what it misses, in this process."""

    async def look():
        events = []
        for attempt in attempts(place, driver):
            events.append(await ask(attempt))
            if isinstance(events[-1], Found):
                break
        return events

    events = asyncio.run(look())
    return [e for e in events if isinstance(e, Found)], [e for e in events if isinstance(e, Miss)]


def looked_until_found(place, driver):
    """What one driver finds and misses at a place: on a busy machine a device may be too late, and is asked again."""
    deadline = time.monotonic() + DEADLINE_S
    while True:
        found, misses = looked(place, driver)
        if found:
            return found, misses
        assert time.monotonic() < deadline, misses


def found_at(place, driver):
    return looked_until_found(place, driver)[0]


def rtu(path):
    server = Server(Panel(), 3, Faults(), time.monotonic)

    async def listen(host, port):
        await server.listen_on(path)
        return 0

    server.listen = listen
    return server


@pytest.mark.parametrize(
    ("make", "driver", "settings"),
    [
        (lambda path: Module(reader18, Gate(seed=1), path, 57_600), "uhf-serial", {"protocol": "reader18"}),
        (lambda path: Collar(Walk(), 0.2, path, 9600), "nmea", {"url": "?baud=9600"}),
        (lambda path: Scale(Protocol.TOLEDO, Platform(), path), "scale", {"protocol": "toledo"}),
        (rtu, "modbus", {"unit": 3}),
    ],
    ids=["reader18", "collar", "toledo", "rtu"],
)
def test_on_a_serial_line(tmp_path, make, driver, settings):
    with serving(lambda: make(tmp_path / "line")):
        [found] = found_at(Place(Kind.SERIAL, str(tmp_path / "line")), driver)
    assert found.driver == driver
    for key, value in settings.items():
        assert found.settings[key] == value if key != "url" else found.settings[key].endswith(value)


def test_every_driver_looks_and_one_finds(tmp_path):
    with serving(lambda: Module(reader18, Gate(seed=1), tmp_path / "line", 57_600)):
        place, deadline = Place(Kind.SERIAL, str(tmp_path / "line")), time.monotonic() + DEADLINE_S
        events = list(search(place))
        while not isinstance(events[-1], Found) and time.monotonic() < deadline:
            events = list(search(place))
    [found] = [event for event in events if isinstance(event, Found)]
    done = [event.done for event in events if isinstance(event, Step)]
    assert done == sorted(done) and all(0 <= share < 1 for share in done)
    assert events[-1] is found, "a line has one device"
    assert (found.driver, found.settings["protocol"]) == ("uhf-serial", "reader18")


def test_a_port_that_is_not_there_ends_the_search_at_once(tmp_path):
    place = Place(Kind.SERIAL, str(tmp_path / "ttyUSB9"))
    misses = [event for event in search(place) if isinstance(event, Found | Miss)]
    assert (len(misses), summary(place, misses).code) == (1, "link-lost")


def test_a_dicom_machine_of_a_stranger(tmp_path):
    port = free_port()
    with storescp(tmp_path / "inbox", port):
        found = found_at(Place(Kind.HOST, "127.0.0.1", port), "dicos")
    assert [one.driver for one in found] == ["dicos"]


def test_nothing_listens():
    place = Place(Kind.HOST, "127.0.0.1", free_port())
    found, misses = looked(place, "llrp")
    assert (found, summary(place, misses).code) == ([], "link-lost")


def test_an_export_folder(tmp_path):
    import cv2

    place = Place(Kind.FOLDER, str(tmp_path))
    assert looked(place, "folder")[0] == []
    cv2.imwrite(str(tmp_path / "bag.png"), np.full((60, 80), 200, np.uint8))
    [found], _ = looked(place, "folder")
    assert (found.driver, found.settings) == ("folder", {"path": str(tmp_path)})


async def test_a_scanner_that_calls_is_named_and_what_it_calls_us():
    port = free_port()
    waiting = asyncio.create_task(wait_for_call(DicosSettings(listen=f"127.0.0.1:{port}"), 60))
    call, ended = None, False
    async with asyncio.timeout(60):
        while not waiting.done():
            command = ("echoscu", "-aet", "SCANNER1", "-aec", "ANYEDGE", "127.0.0.1", str(port))
            echo = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)
            ended |= await echo.wait() == 0
            await asyncio.wait({waiting}, timeout=0.1)
        call = await waiting
    assert call == Call("SCANNER1", "ANYEDGE", "127.0.0.1", True)
    assert ended


async def test_nobody_calls():
    assert await wait_for_call(DicosSettings(listen=f"127.0.0.1:{free_port()}"), 0.05) is None


class Strict:
    """A Modbus/TCP device in raw bytes that has no register, and hears its own unit's number alone."""

    def __init__(self, unit):
        self._unit = unit
        self._server = None

    async def listen(self, host, port):
        self._server = await asyncio.start_server(self._talk, host, port)
        return self._server.sockets[0].getsockname()[1]

    async def close(self):
        self._server.close()

    async def _talk(self, reader, writer):
        try:
            while head := await reader.read(7):
                pdu = await reader.readexactly(int.from_bytes(head[4:6]) - 1)
                if head[6] == self._unit:
                    writer.write(head[:4] + bytes((0, 3, head[6], pdu[0] | 0x80, 2)))
        finally:
            writer.close()


def test_a_strict_modbus_device_of_any_unit_is_found(tmp_path):
    """It says nothing at all to another unit than its own, not even that there is none."""
    with serving(lambda: Strict(12)) as port:
        found, misses = looked_until_found(Place(Kind.HOST, "127.0.0.1", port), "modbus")
    assert [one.settings["unit"] for one in found] == [12]
    assert [miss.code for miss in misses] == ["link-timeout"] * 2


def test_a_name_that_nobody_knows_is_a_miss_of_every_driver(caplog):
    events = list(search(Place(Kind.HOST, "no-such-machine.invalid")))
    assert {event.code for event in events if isinstance(event, Miss)} <= {"link-lost", "link-timeout"}
