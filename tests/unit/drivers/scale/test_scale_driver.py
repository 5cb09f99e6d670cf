"""The driver against simulated scales: over a pseudo-terminal and TCP, noisy, late, mute, pulled out, overloaded."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from drivers.contract import DeviceState
from drivers.errors import LinkError, LinkTimeout, ProtocolError
from drivers.scale.driver import ScaleDriver
from drivers.scale.settings import ScaleSettings
from simulators.scale.cli import Protocol, Scale
from simulators.scale.model import Load, Platform
from tests.fakeport import FakePort, running

pytestmark = pytest.mark.slow

PROTOCOLS = list(Protocol)


@dataclass
class Hand:
    """Lays on the platform what a test wants, and leaves it there."""

    load: Load = field(default_factory=lambda: Load(Decimal("0.00")))

    def at(self, seconds: float) -> Load:
        return self.load

    def put(self, kg: str, **more: bool) -> None:
        self.load = Load(Decimal(kg), **more)


@asynccontextmanager
async def served(
    protocol: Protocol, hand: Hand | Platform, pty: Path | None = None
) -> AsyncIterator[tuple[Scale, str]]:
    scale = Scale(protocol, hand, pty)  # type: ignore[arg-type]
    bound = await scale.listen()
    try:
        yield scale, f"serial://{pty}" if pty else f"tcp://127.0.0.1:{bound}"
    finally:
        await scale.close()


@pytest.fixture
def port(tmp_path: Path) -> FakePort:
    return FakePort(state_dir=tmp_path)


@pytest.fixture
def hand() -> Hand:
    return Hand()


def driver(url: str, protocol: Protocol, **settings: Any) -> ScaleDriver:
    given = {"url": url, "protocol": protocol.value, "poll_ms": 20, "timeout_ms": 20_000, **settings}
    return ScaleDriver(ScaleSettings.model_validate(given))


def told(port: FakePort) -> list[float]:
    return [reading.values["weight_kg"] for reading in port.readings]


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_each_parcel_is_weighed_once(port, hand, tmp_path, protocol):
    async with served(protocol, hand, tmp_path / "scale") as (_, url), running(driver(url, protocol), port):
        await port.until(lambda: told(port) == [0.0])
        hand.put("3.10", moving=True)
        await port.rounds_more(4)
        hand.put("12.34")
        await port.until(lambda: told(port) == [0.0, 12.34])
        await port.rounds_more(5)
        hand.put("0.00")
        await port.until(lambda: told(port) == [0.0, 12.34, 0.0])
    assert [reading.values["empty"] for reading in port.readings] == [True, False, True]
    assert not any(reading.findings for reading in port.readings)
    assert all(reading.raw for reading in port.readings)
    assert not port.errors
    assert port.said[0].facts == ({"serial": "SIM0000001"} if protocol is Protocol.SICS else {})


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_weight_far_from_the_declared_one_is_a_finding(port, hand, protocol):
    settings = {"declared_kg": 20.0, "tolerance_kg": 0.5, "tolerance_percent": 5, "severity": "high"}
    async with served(protocol, hand) as (_, url), running(driver(url, protocol, **settings), port):
        for kg in ("20.90", "0.00", "21.20", "0.00", "18.00"):
            hand.put(kg)
            await port.until(lambda kg=kg: told(port)[-1:] == [float(kg)])
    assert [bool(reading.findings) for reading in port.readings] == [False, False, True, False, True]
    (finding,) = port.readings[2].findings
    assert (finding.label, finding.measurement.value, finding.measurement.unit) == (
        "weight differs from declared", 21.2, "kg"
    )  # fmt: skip
    assert (finding.category, finding.severity) == ("ANOMALY", "high")
    assert port.readings[2].distinct


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_noisy_line_loses_frames_but_makes_no_weights(port, hand, protocol):
    chance = random.Random(7)

    def spoil(data: bytes) -> bytes:
        bad = bytearray(data)
        for _ in range(chance.randrange(3)):
            at = chance.randrange(len(bad) + 1)
            bad[at:at] = bad[at : at + 1] if chance.random() < 0.5 else chance.randbytes(chance.randrange(1, 9))
        return bytes(bad)

    hand.put("12.34")
    settings = {"max_timeouts": 100, "timeout_ms": 250 if protocol is Protocol.TOLEDO else 60, "confirm": 3}
    async with served(protocol, hand) as (scale, url), running(driver(url, protocol, **settings), port):
        await port.until(lambda: told(port) == [12.34])
        scale.line.spoil = spoil
        await port.rounds_more(30)
        scale.line.spoil = lambda data: data
        hand.put("0.00")
        await port.until(lambda: told(port)[-1] == 0.0)
    assert set(told(port)) == {12.34, 0.0}
    assert not port.errors


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_mute_scale_is_lost_and_found_again(port, hand, protocol):
    settings = {"timeout_ms": 100, "max_timeouts": 2}
    async with served(protocol, hand) as (scale, url), running(driver(url, protocol, **settings), port):
        await port.until(lambda: port.readings)
        scale.line.mute = True
        await port.until(lambda: port.errors)
        assert isinstance(port.errors[0], LinkTimeout)
        scale.line.mute = False
        await port.until(lambda: port.last and port.last.state is DeviceState.UP)


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_an_overloaded_scale_says_so_until_it_is_not(port, hand, protocol):
    async with served(protocol, hand) as (_, url), running(driver(url, protocol), port):
        hand.put("99.00", over=True)
        await port.until(lambda: port.last and port.last.code == "scale-fault")
        assert port.last
        assert "over" in port.last.reason
        hand.put("5.00")
        await port.until(lambda: port.last and port.last.state is DeviceState.UP)
        await port.until(lambda: told(port)[-1:] == [5.0])
    assert 99.0 not in told(port)


async def test_an_answer_that_comes_late_is_not_that_to_the_next_question(port, hand):
    held: list[bytes] = []

    def hold(data: bytes) -> bytes:
        held.append(data)
        return b""

    settings = {"timeout_ms": 100, "max_timeouts": 100, "confirm": 1}
    hand.put("12.34")
    async with served(Protocol.SICS, hand) as (scale, url), running(driver(url, Protocol.SICS, **settings), port):
        await port.until(lambda: told(port) == [12.34])
        hand.put("77.77")
        scale.line.spoil = hold
        await port.until(lambda: held)
        hand.put("5.00")
        scale.line.spoil = lambda data: data
        await port.until(lambda: told(port)[-1] == 5.0)
        # What was said late is forgotten; a further round does not lag behind either.
        for _ in range(3):
            scale.line.send(held[0])
        hand.put("6.00")
        await port.until(lambda: told(port)[-1] == 6.0)
        await port.rounds_more(3)
    assert told(port)[-1] == 6.0


async def test_bytes_that_are_no_frames_are_told_apart_from_silence(port, hand):
    async with served(Protocol.TOLEDO, hand) as (scale, url):
        scale.line.spoil = lambda data: bytes(len(data))
        with pytest.raises(ProtocolError, match="baud rate"):
            await driver(url, Protocol.TOLEDO, timeout_ms=300, max_timeouts=1).run(port)


async def test_a_scale_that_is_pulled_out_and_put_back(port, hand, tmp_path):
    path = tmp_path / "scale"
    async with running(driver(f"serial://{path}", Protocol.SICS, timeout_ms=400, max_timeouts=1), port):
        await port.until(lambda: port.errors)
        for kg in ("1.00", "2.00"):
            hand.put(kg)
            async with served(Protocol.SICS, hand, path):
                await port.until(lambda kg=kg: told(port)[-1:] == [float(kg)])
            count = len(port.errors)
            await port.until(lambda count=count: len(port.errors) > count)
    assert all(isinstance(error, LinkError) for error in port.errors)


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_probe_says_what_lies_on_it(hand, protocol):
    hand.put("12.34")
    async with served(protocol, hand) as (_, url):
        found = await driver(url, protocol).probe(60)
    assert found.ok
    assert found.sample == "12.34 kg, standing still"
    assert not (await driver(url, protocol).probe(60)).ok


async def test_a_probe_keeps_its_deadline(hand):
    async with served(Protocol.SICS, hand) as (scale, url):
        scale.line.mute = True
        found = await driver(url, Protocol.SICS, timeout_ms=60_000).probe(0.05)
    assert not found.ok
    assert found.code == "link-timeout" and "not done within" in found.steps[-1]


async def test_parcels_of_a_seed_are_each_weighed_right(port):
    platform = Platform(seed=5, parcel_s=0.9, swing_s=0.1, heavy_every=3)
    settings = {"declared_kg": 12.0, "tolerance_kg": 1.0, "confirm": 2, "change_kg": 0.01}
    async with served(Protocol.SICS, platform) as (_, url), running(driver(url, Protocol.SICS, **settings), port):
        await port.until(lambda: sum(kg > 1 for kg in told(port)) >= 4)
    loaded = [reading for reading in port.readings if reading.values["weight_kg"] > 1]
    parcels = [float(platform.parcel_kg(number)) for number in range(200)]
    assert {reading.values["weight_kg"] for reading in loaded} <= set(parcels)
    for reading in loaded:
        assert bool(reading.findings) == (reading.values["weight_kg"] > 20)


def test_wrong_settings_are_refused_with_words():
    with pytest.raises(ValueError, match="serial:///dev"):
        ScaleSettings.model_validate({"url": "COM3"})
    with pytest.raises(ValueError, match="sics"):
        ScaleSettings.model_validate({"url": "tcp://h:1", "protocol": "dibal"})
