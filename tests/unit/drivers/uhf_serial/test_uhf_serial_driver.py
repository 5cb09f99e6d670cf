"""The driver against a simulated module: over a pseudo-terminal and over TCP, noisy, mute, pulled out."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from drivers.contract import DeviceState
from drivers.errors import LinkLost, LinkTimeout, ProtocolError
from drivers.uhf_serial.driver import UhfSerialDriver
from drivers.uhf_serial.settings import UhfSerialSettings
from simulators.tagreader.model import TEAM, Gate
from simulators.tagreader.module import Answerer, Module, crc_mcrf4xx, m100, reader18
from tests.fakeport import FakePort, running

FAMILIES: list[tuple[str, Answerer]] = [("m100", m100), ("reader18", reader18)]
BAG = Gate().bag(0)
EVERYONE = {epc.hex().upper() for epc in (BAG, *TEAM)}


@asynccontextmanager
async def served(answer: Answerer, pty: Path | None = None) -> AsyncIterator[tuple[Module, str]]:
    module = Module(answer, Gate(missed=0, bag_s=1e9, view_s=1e9), pty)
    bound = await module.listen()
    try:
        yield module, f"serial://{pty}" if pty else f"tcp://127.0.0.1:{bound}"
    finally:
        await module.close()


@pytest.fixture
def port(tmp_path: Path) -> FakePort:
    return FakePort(state_dir=tmp_path)


def driver(url: str, protocol: str, **settings: Any) -> UhfSerialDriver:
    given = {"url": url, "protocol": protocol, "poll_ms": 20, "timeout_ms": 20_000, "report_ms": 50, **settings}
    return UhfSerialDriver(UhfSerialSettings.model_validate(given))


def heard(port: FakePort) -> set[str]:
    return {tag["epc"] for reading in port.readings for tag in reading.values["tags"]}


@pytest.mark.parametrize(("protocol", "answer"), FAMILIES)
async def test_tags_come_over_a_pseudo_terminal_and_never_as_an_alert(port, tmp_path, protocol, answer):
    async with served(answer, tmp_path / "reader") as (_, url), running(driver(url, protocol), port):
        await port.until(lambda: heard(port) == EVERYONE and len(port.readings) >= 3)
    assert not any(reading.findings for reading in port.readings)
    tag = port.readings[0].values["tags"][0]
    assert tag["antenna"] == 1
    assert (tag["rssi_dbm"] is None) == (protocol == "reader18")
    assert not port.errors
    assert port.said[0].state is DeviceState.UP
    assert port.said[0].facts["module"] == ("simulated V1.0" if protocol == "m100" else "type 09 version 1.0")


@pytest.mark.parametrize(("protocol", "answer"), FAMILIES)
async def test_a_noisy_line_loses_rounds_but_makes_no_tags(port, protocol, answer):
    chance = random.Random(7)

    def spoil(data: bytes) -> bytes:
        bad = bytearray(data)
        for _ in range(chance.randrange(3)):
            at = chance.randrange(len(bad) + 1)
            bad[at:at] = bad[at : at + 1] if chance.random() < 0.5 else chance.randbytes(chance.randrange(1, 9))
        return bytes(bad)

    async with served(answer) as (module, url), running(driver(url, protocol, max_timeouts=50, timeout_ms=60), port):
        await port.until(lambda: port.readings)
        module.spoil = spoil
        await port.rounds_more(40)
        module.spoil = lambda data: data
        seen = len(port.readings)
        await port.until(lambda: len(port.readings) > seen + 1)
    assert heard(port) == EVERYONE
    assert not port.errors


@pytest.mark.parametrize(("protocol", "answer"), FAMILIES)
async def test_a_mute_module_is_lost_and_found_again(port, protocol, answer):
    async with served(answer) as (module, url), running(driver(url, protocol, timeout_ms=30, max_timeouts=2), port):
        await port.until(lambda: port.readings)
        module.mute = True
        await port.until(lambda: port.errors)
        assert isinstance(port.errors[0], LinkTimeout)
        module.mute = False
        await port.until(lambda: port.last and port.last.state is DeviceState.UP)


async def test_no_tag_in_view_is_a_sign_of_life(port):
    module = Module(m100, Gate(missed=1))
    url = f"tcp://127.0.0.1:{await module.listen()}"
    async with running(driver(url, "m100", max_timeouts=1), port):
        await port.rounds_more(10)
    await module.close()
    assert not port.errors
    assert not port.readings


async def test_bytes_that_are_no_frames_are_told_apart_from_silence(port):
    async with served(m100) as (module, url):
        module.spoil = lambda data: bytes(len(data))
        with pytest.raises(ProtocolError, match="baud rate"):
            await driver(url, "m100", timeout_ms=300, max_timeouts=2).run(port)


async def test_a_module_that_is_pulled_out_and_put_back(port, tmp_path):
    path = tmp_path / "reader"
    async with running(driver(f"serial://{path}", "m100", timeout_ms=300, max_timeouts=1), port):
        await port.until(lambda: port.errors)
        assert "plugged in" in str(port.errors[-1])
        for _ in range(2):
            seen = len(port.readings)
            async with served(m100, path):
                await port.until(lambda seen=seen: len(port.readings) > seen)
            count = len(port.errors)
            await port.until(lambda count=count: len(port.errors) > count)
    assert all(isinstance(error, LinkLost | LinkTimeout) for error in port.errors)


async def test_the_modules_own_fault_is_told_until_it_is_over(port):
    faults = iter([True] * 5)

    def failing(data: bytes, tags: Any) -> tuple[int, bytes]:
        used, answer = reader18(data, tags)
        if used and data[2] == 0x01 and next(faults, False):
            inner = bytes([5, 0, 1, 0xF8])
            return used, inner + crc_mcrf4xx(inner).to_bytes(2, "little")
        return used, answer

    async with served(failing) as (_, url), running(driver(url, "reader18"), port):
        await port.until(lambda: port.last and port.last.code == "module-fault")
        assert port.last and "antenna" in port.last.reason
        await port.until(lambda: port.last and port.last.state is DeviceState.UP)


async def test_weak_tags_are_left_out(port):
    async with served(m100) as (_, url), running(driver(url, "m100", min_rssi_dbm=-60), port):
        await port.until(lambda: len(port.readings) >= 2)
    assert BAG.hex().upper() not in heard(port)  # it is at the edge of the field: -70 dBm


@pytest.mark.parametrize(("protocol", "answer"), FAMILIES)
async def test_a_probe_says_who_the_module_is_and_what_it_hears(protocol, answer):
    async with served(answer) as (_, url):
        found = await driver(url, protocol).probe(60)
    assert found.ok
    assert "3 tags in view" in (found.sample or "")
    assert found.identity["module"]
    lost = await driver(url, protocol).probe(60)
    assert not lost.ok


async def test_a_probe_keeps_its_deadline():
    async with served(m100) as (module, url):
        module.mute = True
        found = await driver(url, "m100", timeout_ms=60_000).probe(0.05)
    assert not found.ok
    assert (found.steps[-1], found.code) == ("not done within 0.05 s", "link-timeout")


async def test_a_slow_core_does_not_stop_the_polls(port):
    port.open.clear()
    async with served(m100) as (_, url), running(driver(url, "m100"), port):
        await port.until(lambda: port.readings)
        await port.rounds_more(10)
        assert len(port.readings) == 1
        port.open.set()
        await port.until(lambda: len(port.readings) >= 2)
        await asyncio.sleep(0)


def test_wrong_settings_are_refused_with_words():
    with pytest.raises(ValueError, match="do not say how strong"):
        UhfSerialSettings.model_validate({"url": "tcp://h:1", "protocol": "reader18", "min_rssi_dbm": -60})
    with pytest.raises(ValueError, match="serial:///dev"):
        UhfSerialSettings.model_validate({"url": "COM3"})
