"""The LLRP client and readers by others: llrpkit's emulator (Python) and one made of llrpjs (TypeScript)."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from llrpkit.emulator.core import EmulatedTag, LLRPEmulator

from drivers.contract import DeviceState
from drivers.errors import LinkBusy, LinkLost
from drivers.llrp.driver import ROSPEC, LlrpDriver
from drivers.llrp.settings import LlrpSettings
from tests.fakeport import FakePort, running

pytestmark = pytest.mark.protocol
ROOT = Path(__file__).resolve().parents[2]
MODULES = ROOT / ".cache" / "peers_js" / "node_modules"
BUTTON = {"port": 1, "label": "canine alert", "severity": "high"}
DEADLINE_S = 60.0
#: A reader that misses three of them is lost: longer than a busy machine is late.
KEEPALIVE_S = 3


@pytest.fixture
def port(tmp_path: Path) -> FakePort:
    return FakePort(state_dir=tmp_path)


def driver(number: int, **settings: Any) -> LlrpDriver:
    given = {"url": f"tcp://127.0.0.1:{number}", "keepalive_s": KEEPALIVE_S, "report_ms": 50, "timeout_ms": 60_000}
    given |= settings
    return LlrpDriver(LlrpSettings.model_validate(given))


def epcs(port: FakePort) -> set[str]:
    return {tag["epc"] for reading in port.readings for tag in reading.values.get("tags", ())}


def alarms(port: FakePort) -> int:
    return sum(bool(reading.findings) for reading in port.readings)


async def test_llrpkits_emulator_is_read(port):
    tags = [EmulatedTag(bytes([0xE2, *range(11)]), antennas=(1,)), EmulatedTag(bytes(range(12)), antennas=(2,))]
    async with LLRPEmulator(tags=tags) as emulator, running(driver(emulator.port, gpi=[BUTTON]), port):
        await port.until(lambda: epcs(port) == {"E2000102030405060708090A", "000102030405060708090A0B"})
        await port.until(lambda: emulator.keepalive_acks >= 1)
        antennas = {tag["epc"][:2]: tag["antenna"] for r in port.readings for tag in r.values.get("tags", ())}
        assert antennas == {"E2": 1, "00": 2}
        await emulator.set_gpi(1, True)
        await port.until(lambda: alarms(port) == 1)
        await emulator.set_gpi(1, False)
        await emulator.set_antenna_connected(2, False)
        await port.until(lambda: port.last and port.last.code == "antenna")
        assert port.last and port.last.facts["maker"] == "Impinj"
        assert alarms(port) == 1
    assert not [error for error in port.errors if not isinstance(error, LinkLost)]


async def test_llrpkits_emulator_takes_one_client(port):
    async with LLRPEmulator() as emulator, running(driver(emulator.port), port):
        await port.until(lambda: port.readings)
        second = FakePort(state_dir=port.state_dir)
        with pytest.raises(LinkBusy):
            await driver(emulator.port).run(second)
        assert port.last and port.last.state is DeviceState.UP


async def test_llrpkits_emulator_that_drops_an_answer_is_asked_again(port):
    from llrpkit.protocol import messages

    async with LLRPEmulator() as emulator:
        emulator.drop_next(messages.ADD_ROSPEC)
        async with running(driver(emulator.port, timeout_ms=300), port):
            await port.until(lambda: port.readings)
    assert any("ADD_ROSPEC: no answer" in str(error) for error in port.errors)


@dataclass
class JsReader:
    """The reader of `llrp_reader.js`, and what it says that it received."""

    process: asyncio.subprocess.Process
    port: int = 0
    received: list[dict[str, Any]] = field(default_factory=list)

    async def listen(self) -> None:
        assert self.process.stdout
        async for line in self.process.stdout:
            self.received.append(json.loads(line))

    def say(self, word: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(f"{word}\n".encode())

    def last(self, kind: str) -> dict[str, Any]:
        return [one for one in self.received if one.get("type") == kind][-1]["data"]


@asynccontextmanager
async def js_reader() -> AsyncIterator[JsReader]:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed: scripts/setup test installs it")
    if not (MODULES / "llrpjs").is_dir():
        pytest.skip("the npm package llrpjs is not installed: scripts/setup test installs it")
    pipe = asyncio.subprocess.PIPE
    script = ROOT / "tests" / "peers_js" / "llrp_reader.js"
    environment = {**os.environ, "NODE_PATH": str(MODULES)}
    process = await asyncio.create_subprocess_exec(node, script, stdin=pipe, stdout=pipe, env=environment)
    assert process.stdout and process.stdin
    async with asyncio.timeout(DEADLINE_S):
        reader = JsReader(process, json.loads(await process.stdout.readline())["port"])
    listening = asyncio.create_task(reader.listen())
    try:
        yield reader
    finally:
        process.stdin.close()
        async with asyncio.timeout(DEADLINE_S):
            await process.wait()
            await listening


async def test_a_reader_of_llrpjs_is_read_and_understands_every_word(port):
    async with js_reader() as reader:
        async with running(driver(reader.port, gpi=[BUTTON], antennas=[1, 2]), port):
            await port.until(lambda: epcs(port) == {"30751FEB705C5904E3D50D70", "E2801160"})
            reader.say("press")
            await port.until(lambda: alarms(port) == 1)
            reader.say("release")
            await port.until(lambda: any(one.get("type") == "KEEPALIVE_ACK" for one in reader.received))
        await port.until(lambda: any(one.get("type") == "CLOSE_CONNECTION" for one in reader.received))
    assert not port.errors
    assert not [one for one in reader.received if one.get("type") == "error"]
    rospec = reader.last("ADD_ROSPEC")["ROSpec"]
    assert rospec["ROSpecID"] == ROSPEC
    assert rospec["AISpec"]["AntennaIDs"] == [1, 2]
    selector = rospec["ROReportSpec"]["TagReportContentSelector"]
    assert {name for name, on in selector.items() if on} == {"EnableAntennaID", "EnablePeakRSSI"}
    config = reader.last("SET_READER_CONFIG")
    assert not config["ResetToFactoryDefault"]
    assert config["KeepaliveSpec"] == {"KeepaliveTriggerType": "Periodic", "PeriodicTriggerValue": KEEPALIVE_S * 1000}
    assert port.said[0].facts == {"maker": "Zebra", "model": 7, "firmware": "llrpjs 1.0.1", "antennas": 2}


async def test_a_reader_of_llrpjs_is_read_again_after_it_was_gone(port):
    async with js_reader() as reader, running(driver(reader.port), port) as task:
        await port.until(lambda: epcs(port))
        reader.process.kill()
        await port.until(lambda: port.errors)
        assert not task.done()
