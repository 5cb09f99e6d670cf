"""The driver against a simulated collar: over a pseudo-terminal and TCP; without a fix, mute, noisy, pulled out."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from drivers.contract import DeviceState
from drivers.errors import LinkError, LinkTimeout, ProtocolError
from drivers.nmea.driver import NmeaDriver
from drivers.nmea.settings import NmeaSettings
from simulators.collar.cli import Collar
from simulators.collar.model import Spot
from tests.fakeport import FakePort, running

pytestmark = pytest.mark.slow


@dataclass
class Dog:
    """Stands where a test puts it."""

    latitude: float = 6.16561
    longitude: float = 1.25451
    fix: bool = True

    def at(self, seconds: float) -> Spot:
        return Spot(self.latitude, self.longitude, 1.5, self.fix)


@asynccontextmanager
async def served(dog: Dog, pty: Path | None = None) -> AsyncIterator[tuple[Collar, str]]:
    collar = Collar(dog, 0.02, pty)  # type: ignore[arg-type]
    bound = await collar.listen()
    try:
        yield collar, f"serial://{pty}" if pty else f"tcp://127.0.0.1:{bound}"
    finally:
        await collar.close()


@pytest.fixture
def port(tmp_path: Path) -> FakePort:
    return FakePort(state_dir=tmp_path)


def driver(url: str, **settings: Any) -> NmeaDriver:
    return NmeaDriver(NmeaSettings.model_validate({"url": url, "report_s": 0.05, "silence_s": 60, **settings}))


def places(port: FakePort) -> list[tuple[float, float] | None]:
    told = [reading.values["position"] for reading in port.readings]
    return [(one["latitude_deg"], one["longitude_deg"]) if one else None for one in told]


@pytest.mark.parametrize("serial", [True, False], ids=["pty", "tcp"])
async def test_a_place_is_told_and_that_there_is_none_at_once(port, tmp_path, serial):
    dog = Dog()
    async with served(dog, tmp_path / "collar" if serial else None) as (_, url), running(driver(url), port):
        await port.until(lambda: len(port.readings) >= 2)
        assert port.last
        assert port.last.state is DeviceState.UP
        dog.fix = False
        await port.until(lambda: port.last and port.last.code == "no-fix")
        await port.until(lambda: places(port)[-1] is None)
        count = len(port.readings)
        await port.rounds_more(10)
        assert len(port.readings) == count  # said once
        dog.fix, dog.latitude = True, 6.17
        await port.until(lambda: places(port)[-1] == (6.17, 1.25451))
        assert port.last.state is DeviceState.UP
    assert set(places(port)) == {(6.16561, 1.25451), None, (6.17, 1.25451)}
    first = port.readings[0].values["position"]
    assert first.keys() == {"latitude_deg", "longitude_deg", "speed_mps", "satellites", "hdop"}
    assert first["speed_mps"] == pytest.approx(1.5, abs=0.01)
    assert not any(reading.findings for reading in port.readings)
    assert not port.errors


async def test_who_is_no_longer_heard_is_nowhere(port):
    async with served(Dog()) as (collar, url), running(driver(url, silence_s=1), port):
        await port.until(lambda: port.readings)
        collar.line.mute = True
        await port.until(lambda: port.errors)
        assert isinstance(port.errors[0], LinkTimeout)
        await port.until(lambda: places(port)[-1] is None)
        collar.line.mute = False
        await port.until(lambda: places(port)[-1] is not None)


async def test_another_baud_rate_is_told_apart_from_silence(port):
    async with served(Dog()) as (collar, url):
        collar.line.spoil = lambda data: bytes(byte ^ 0x80 for byte in data[:-1]) + b"\n"
        with pytest.raises(ProtocolError, match="baud rate"):
            await driver(url, silence_s=1).run(port)
    assert not port.readings


async def test_a_noisy_line_loses_sentences_but_makes_no_places(port, tmp_path):
    chance = random.Random(7)

    def spoil(data: bytes) -> bytes:
        bad = bytearray(data)
        for _ in range(chance.randrange(3)):
            at = chance.randrange(len(bad) + 1)
            bad[at:at] = bad[at : at + 1] if chance.random() < 0.5 else chance.randbytes(chance.randrange(1, 9))
        return bytes(bad)

    async with served(Dog(), tmp_path / "collar") as (collar, url), running(driver(url), port):
        collar.line.spoil = spoil
        await port.until(lambda: len(port.readings) >= 20)
    assert set(places(port)) <= {(6.16561, 1.25451), None}
    assert not port.errors


async def test_a_collar_that_is_pulled_out_and_put_back(port, tmp_path):
    path = tmp_path / "collar"
    async with running(driver(f"serial://{path}", silence_s=1), port):
        await port.until(lambda: port.errors)
        for latitude in (6.0, 7.0):
            async with served(Dog(latitude), path):
                await port.until(lambda latitude=latitude: (latitude, 1.25451) in places(port))
            count = len(port.errors)
            # The place that there is no more is on its way when the loss is told.
            await port.until(lambda count=count: len(port.errors) > count and places(port)[-1] is None)
    assert all(isinstance(error, LinkError) for error in port.errors)


async def test_a_slow_core_gets_the_newest_place(port):
    dog = Dog()
    port.open.clear()
    async with served(dog) as (_, url), running(driver(url), port):
        await port.until(lambda: port.readings)
        await port.rounds_more(10)
        assert len(port.readings) == 1
        dog.latitude = 6.5
        await port.rounds_more(10)
        port.open.set()
        await port.until(lambda: len(port.readings) >= 2)
    assert places(port)[1] == (6.5, 1.25451)


async def test_a_probe_says_where_it_is(port):
    dog = Dog()
    async with served(dog) as (collar, url):
        found = await driver(url).probe(60)
        assert found.ok
        assert found.sample == "6.16561, 1.25451"
        dog.fix = False
        assert (await driver(url).probe(60)).sample == "no fix"
        collar.line.mute = True
        silent = await driver(url, silence_s=0.1).probe(60)
        assert not silent.ok
        assert "no sentence" in silent.steps[-1] and silent.code == "link-timeout"
    assert not (await driver(url).probe(60)).ok


def test_wrong_settings_are_refused_with_words():
    with pytest.raises(ValueError, match="serial:///dev"):
        NmeaSettings.model_validate({"url": "gps0"})
