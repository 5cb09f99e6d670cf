"""The modbus driver and other people's units: modbus-serial over TCP and behind socat's TLS; mbpoll on our RTU unit."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from drivers.contract import DeviceState, Output
from drivers.errors import LinkDenied
from drivers.modbus.driver import ModbusDriver
from drivers.modbus.settings import ModbusSettings
from drivers.ports import free_port
from simulators.certificates import Authority
from simulators.modbus.model import PROFILES, Contacts, Device, Portal
from simulators.modbus.wire import Faults, Server
from tests.fakeport import FakePort, running

pytestmark = pytest.mark.protocol
ROOT = Path(__file__).resolve().parents[2]
MODULES = ROOT / ".cache" / "peers_js" / "node_modules"
HOST = "127.0.0.1"
DEADLINE_S = 60.0
POINTS = [
    {"name": "counter", "table": "holding", "address": 0, "alarm": "on_change"},
    {"name": "level", "table": "input", "address": 4, "type": "float32", "word_order": "little"},
    {"name": "lamp", "table": "coil", "address": 2, "writable": True},
]


@pytest.fixture
def port(tmp_path: Path) -> FakePort:
    return FakePort(state_dir=tmp_path)


def driver(url: str, **settings: Any) -> ModbusDriver:
    return ModbusDriver(ModbusSettings.model_validate({"url": url, "poll_ms": 20, "timeout_ms": 60_000, **settings}))


def alarms(port: FakePort, label: str) -> list[Any]:
    return [f.measurement.value for r in port.readings for f in r.findings if f.label == label]


class Stranger:
    """The unit of `modbus_unit.js`, and what it says that was written."""

    def __init__(self, process: asyncio.subprocess.Process, number: int) -> None:
        self.process = process
        self.port = number
        self.written: list[dict[str, Any]] = []

    async def listen(self) -> None:
        assert self.process.stdout
        async for line in self.process.stdout:
            self.written.append(json.loads(line))

    def set(self, table: str, address: int, value: int) -> None:
        assert self.process.stdin
        self.process.stdin.write(f"{table} {address} {value}\n".encode())


@asynccontextmanager
async def stranger() -> AsyncIterator[Stranger]:
    node = shutil.which("node")
    if node is None or not (MODULES / "modbus-serial").is_dir():
        pytest.skip("node or the npm package modbus-serial is not installed: scripts/setup test installs them")
    pipe = asyncio.subprocess.PIPE
    environment = {**os.environ, "NODE_PATH": str(MODULES)}
    script = ROOT / "tests" / "peers_js" / "modbus_unit.js"
    process = await asyncio.create_subprocess_exec(node, script, stdin=pipe, stdout=pipe, env=environment)
    assert process.stdout and process.stdin
    async with asyncio.timeout(DEADLINE_S):
        unit = Stranger(process, json.loads(await process.stdout.readline())["port"])
    listening = asyncio.create_task(unit.listen())
    for table, address, value in (("holding", 0, 7), ("input", 4, 0x70A4), ("input", 5, 0x4145)):
        unit.set(table, address, value)
    try:
        yield unit
    finally:
        process.stdin.close()
        async with asyncio.timeout(DEADLINE_S):
            await process.wait()
            await listening


async def test_a_unit_of_modbus_serial_is_read_and_its_coil_written(port: FakePort) -> None:
    async with stranger() as unit:
        under_test = driver(f"tcp://{HOST}:{unit.port}", points=POINTS)
        async with running(under_test, port):
            await port.until(lambda: any(r.values["points"].get("level") == 12.34 for r in port.readings))
            unit.set("holding", 0, 8)
            await port.until(lambda: alarms(port, "counter") == [8])
            under_test.order({"lamp": Output(True)})
            await port.until(lambda: unit.written == [{"coil": 2, "on": True}])
        await port.until(lambda: unit.written[-1] == {"coil": 2, "on": False})
    assert not port.errors


async def test_exceptions_of_modbus_serial_are_told(port: FakePort) -> None:
    missing = {"name": "missing", "table": "holding", "address": 77}
    async with stranger() as unit, running(driver(f"tcp://{HOST}:{unit.port}", points=[*POINTS, missing]), port):
        await port.until(lambda: port.last and port.last.code == "modbus-exception-2")


@asynccontextmanager
async def tls_before(number: int, cert: Path, key: Path, ca: Path) -> AsyncIterator[int]:
    """Socat's TLS in front of a plain unit; clients must bring a certificate."""
    listen = free_port()
    process = await asyncio.create_subprocess_exec(
        "socat",
        f"OPENSSL-LISTEN:{listen},bind={HOST},reuseaddr,fork,cert={cert},key={key},cafile={ca},verify=1",
        f"TCP:{HOST}:{number}",
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(DEADLINE_S):
            while True:
                try:
                    _, writer = await asyncio.open_connection(HOST, listen)
                    writer.close()
                    break
                except OSError:
                    await asyncio.sleep(0.05)
        yield listen
    finally:
        process.terminate()
        await process.wait()


async def test_tls_is_verified_both_ways(port: FakePort, tmp_path: Path) -> None:
    authority, other = Authority(tmp_path, "ca"), Authority(tmp_path, "other")
    cert, key = authority.issue("device")
    ours = dict(zip(("cert_file", "key_file"), map(str, authority.issue("edge")), strict=True))
    async with stranger() as unit, tls_before(unit.port, cert, key, authority.file) as number:
        url = f"tls://{HOST}:{number}"
        async with running(driver(url, points=POINTS, ca_file=str(authority.file), **ours), port):
            await port.until(lambda: port.last and port.last.state is DeviceState.UP)
            unit.set("holding", 0, 8)
            await port.until(lambda: alarms(port, "counter") == [8])
        assert not port.errors
        with pytest.raises(LinkDenied, match="no TLS: "):
            await driver(url, points=POINTS, ca_file=str(other.file), **ours).run(port)
        report = await driver(f"tls://localhost:{number}", points=POINTS, ca_file=str(authority.file), **ours).probe(60)
        assert (report.code, "another name" in str(report.mend)) == ("link-tls", True), "another name is not taken"


async def mbpoll(*arguments: str) -> dict[int, str]:
    """Return what mbpoll shows, by address."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        "mbpoll", "-0", "-1", "-a", "1", "-o", "10", *arguments, stdout=pipe, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(DEADLINE_S):
        out, _ = await process.communicate()
    return {int(at): value for at, value in re.findall(r"^\[(\d+)\]:\s+(\S+)", out.decode(), re.MULTILINE)}


async def test_libmodbus_and_the_driver_read_the_same_serial_unit(port: FakePort, tmp_path: Path) -> None:
    line = tmp_path / "line"
    server = Server(Device(counter_hz=0), 1, Faults(), lambda: 0.0)
    await server.listen_on(line)
    try:
        rtu = ["-m", "rtu", "-b", "115200", "-P", "none"]
        assert await mbpoll(*rtu, "-r", "0", "-c", "7", "-t", "4", str(line)) != {}
        level = await mbpoll(*rtu, "-r", "2", "-B", "-t", "4:float", str(line))
        points = [
            {"name": "level", "table": "holding", "address": 2, "type": "float32"},
            {"name": "scratch", "table": "holding", "address": 100, "alarm": "on_change"},
        ]
        async with running(driver(f"serial://{line}?baud=115200", points=points, quiet_ms=100), port):
            await port.until(lambda: any(r.values["points"].get("level") for r in port.readings))
        assert port.readings[0].values["points"]["level"] == float(level[2])
        assert not port.errors
    finally:
        await server.close()


@pytest.mark.parametrize("name", PROFILES)
async def test_a_simulated_device_is_what_its_profile_reads(port: FakePort, name: str) -> None:
    server = Server(PROFILES[name](), 1, Faults(), lambda: 0.0)
    number = await server.listen(HOST, 0)
    try:
        async with running(driver(f"tcp://{HOST}:{number}", profile=name), port):
            await port.until(lambda: port.readings)
    finally:
        await server.close()
    assert not port.errors
    assert [said.state for said in port.said] == [DeviceState.UP]
    assert all(value is not None for value in port.readings[0].values["points"].values())


async def test_a_body_scanners_contacts_give_zones_and_no_person(port: FakePort) -> None:
    model = PROFILES["bodyscanner-contacts"](every_s=0.6)
    server = Server(model, 1, Faults(), time.monotonic)
    number = await server.listen(HOST, 0)
    try:
        async with running(driver(f"tcp://{HOST}:{number}", profile="bodyscanner-contacts"), port):
            await port.until(lambda: len(alarms(port, "body scanner")) >= 3 and len(alarms(port, "anomaly")) >= 3)
    finally:
        await server.close()
    hits = [reading for reading in port.readings if reading.findings]
    assert {reading.item.type for reading in hits} == {"PERSON"}
    zones = [f.zone for reading in hits for f in reading.findings if f.label == "anomaly"]
    assert len(set(zones)) >= 3 and None not in zones
    assert not port.errors


async def test_libmodbus_reads_the_portal_as_its_map_says() -> None:
    server = Server(Portal(), 1, Faults(), lambda: 1.0)
    number = await server.listen(HOST, 0)
    try:
        tcp = ["-m", "tcp", "-p", str(number), HOST]
        words = await mbpoll(*tcp, "-r", "100", "-c", "21", "-t", "4")
        background = await mbpoll(*tcp, "-r", "106", "-t", "4:float")
    finally:
        await server.close()
    assert int(words[102]) & 0x0F == 1 and int(words[103]) & 0x80
    assert 240 <= float(background[106]) <= 260, "low word first, as mbpoll reads without -B"


async def test_pulses_far_shorter_than_a_poll_are_each_a_hit(port: FakePort) -> None:
    model = Contacts(every_s=0.4, pulse_s=0.001)
    start = time.monotonic()
    server = Server(model, 1, Faults(), time.monotonic)
    number = await server.listen(HOST, 0)
    try:
        async with running(driver(f"tcp://{HOST}:{number}", profile="iologik-e1200", poll_ms=1500), port):
            await port.until(lambda: len(alarms(port, "metal detector")) >= 8)
            counted = alarms(port, "metal detector")
    finally:
        await server.close()
    assert counted == list(range(counted[0], counted[0] + len(counted))), "every one, once, in order"
    assert counted[-1] <= model.pulses(time.monotonic() - start)[0]
