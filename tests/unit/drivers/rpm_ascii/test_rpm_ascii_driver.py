"""The driver against the simulated portal: over TCP and a pseudo-terminal, noisy, silent, pulled out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from drivers.contract import DeviceState, Reading, Severity
from drivers.errors import LinkLost, LinkTimeout, ProtocolError
from drivers.rpm_ascii.driver import RpmAsciiDriver
from drivers.rpm_ascii.settings import RpmAsciiSettings
from simulators.rpm.model import Portal, Traffic
from simulators.rpm.wire import Wire
from tests.fakeport import FakePort, running

pytestmark = pytest.mark.slow

BUSY = Traffic(every_s=5, gamma_share=0.4, neutron_share=0.2)
EMPTY = b"NB,000000,000000,000000,000000\r\nGB,000400,000400,000400,000400\r\n"
GAMMA = b"GA,000200,000100,000100,000100\r\n"
END = b"GX,000001,002000,000000,000000\r\n"


@asynccontextmanager
async def served(pty: Path | None = None, **given: Any) -> AsyncIterator[tuple[Wire, str]]:
    wire = Wire(pty, **given)
    bound = await wire.listen()
    try:
        yield wire, f"serial://{pty}" if pty else f"tcp://127.0.0.1:{bound}"
    finally:
        await wire.close()


@pytest.fixture
def port(tmp_path: Path) -> FakePort:
    return FakePort(state_dir=tmp_path)


def driver(url: str, **settings: Any) -> RpmAsciiDriver:
    return RpmAsciiDriver(RpmAsciiSettings.model_validate({"url": url, **settings}))


def occupancies(port: FakePort) -> list[dict[str, Any]]:
    return [each for reading in port.readings for each in reading.values.get("occupancies", ())]


def alarms(port: FakePort) -> list[Reading]:
    return [reading for reading in port.readings if reading.findings]


@pytest.mark.parametrize("serial", [False, True])
async def test_every_passage_is_told_and_each_alarm_is_one_hit(port, tmp_path, serial):
    portal = Portal(BUSY, seed=4)
    lines = [line for line in islice(portal.lines(), 2500) if line.at_s >= 0]
    wanted = len(portal.truths)
    async with served(tmp_path / "portal" if serial else None, speed=400) as (wire, url), running(driver(url), port):
        await wire.someone()
        while not port.last:  # what comes before a serial port is open is lost
            wire.send(EMPTY)
            await asyncio.sleep(0.02)
        playing = asyncio.create_task(wire.play(lines))
        await port.until(lambda: len(occupancies(port)) >= wanted)
        playing.cancel()
    assert not port.errors
    assert wanted > 20
    found = occupancies(port)[:wanted]
    assert [(o["number"], o["gamma_alarm"], o["neutron_alarm"]) for o in found] == [
        (truth.number, truth.gamma_alarm, truth.neutron_alarm) for truth in portal.truths
    ]
    told = [reading.findings[0].label for reading in alarms(port)]
    assert told.count("gamma alarm") == sum(truth.gamma_alarm for truth in portal.truths)
    assert told.count("neutron alarm") == sum(truth.neutron_alarm for truth in portal.truths)
    assert all(reading.distinct and reading.raw for reading in alarms(port))
    assert port.last and port.last.state is DeviceState.UP
    assert port.last.facts == {"firmware": "SIM-1", "alarm_sigma": "5.0"}


async def test_an_alarm_is_told_while_the_portal_is_still_occupied(port):
    async with served() as (wire, url), running(driver(url, gamma_severity="critical"), port):
        await wire.someone()
        wire.send(EMPTY + GAMMA)
        await port.until(lambda: alarms(port))
    (alarm,) = alarms(port)
    assert alarm.findings[0].severity is Severity.CRITICAL
    assert alarm.findings[0].measurement.value == 2500
    assert alarm.raw == EMPTY + GAMMA


async def test_half_a_line_is_finished_later_and_makes_one_alarm(port):
    async with served() as (wire, url), running(driver(url), port):
        await wire.someone()
        wire.send(EMPTY)
        await port.until(lambda: port.last)
        wire.send(GAMMA[:9])
        await port.rounds_more(1)
        assert not alarms(port)
        wire.send(GAMMA[9:])
        await port.until(lambda: alarms(port))
    assert len(alarms(port)) == 1


async def test_noise_is_told_and_makes_no_alarm(port):
    traffic = Traffic(every_s=5, gamma_share=0, neutron_share=0)
    async with served(speed=500, noise=0.3) as (wire, url), running(driver(url), port):
        await wire.someone()
        playing = asyncio.create_task(wire.play(Portal(traffic, seed=2).lines()))
        await port.until(lambda: any(said.code == "noise" for said in port.said))
        wire.noise = 0
        await port.until(lambda: port.last and port.last.state is DeviceState.UP)
        playing.cancel()
    assert not any(f.label == "gamma alarm" for reading in alarms(port) for f in reading.findings)


async def test_a_silent_portal_is_lost_and_found_again(port):
    async with served() as (wire, url), running(driver(url, silence_s=1), port):
        await wire.someone()
        wire.send(EMPTY)
        await port.until(lambda: port.errors)
        assert isinstance(port.errors[0], LinkTimeout)
        assert port.last and port.last.state is DeviceState.DOWN

        async def again() -> None:
            while True:
                wire.send(EMPTY)
                await asyncio.sleep(0.05)

        sending = asyncio.create_task(again())
        await port.until(lambda: port.last and port.last.state is DeviceState.UP)
        sending.cancel()


async def test_bytes_that_are_no_lines_are_told_apart_from_silence(port):
    async with served() as (wire, url):

        async def babble() -> None:
            await wire.someone()
            while True:
                wire.send(b"\x00\xff" * 20)
                await asyncio.sleep(0.05)

        sending = asyncio.create_task(babble())
        with pytest.raises(ProtocolError, match="baud rate"):
            await driver(url, silence_s=1).run(port)
        sending.cancel()


async def test_a_portal_unplugged_in_an_occupancy_gives_what_it_told_till_then(port):
    one = driver("tcp://127.0.0.1:1")
    async with served() as (wire, url):
        one = driver(url)
        async with running(one, port):
            await wire.someone()
            wire.send(EMPTY + GAMMA)
            await port.until(lambda: alarms(port))
            await wire.close()
            await port.until(lambda: occupancies(port))
            assert isinstance(port.errors[0], LinkLost)
    (passed,) = occupancies(port)
    assert passed["cut"] and passed["number"] is None and passed["gamma_alarm"]


async def test_faults_and_tampering(port):
    async with served() as (wire, url), running(driver(url), port):
        await wire.someone()
        wire.send(b"GH,009000,009000,009000,009000\r\n")
        await port.until(lambda: port.last and port.last.code == "gamma-high")
        wire.send(EMPTY + b"TT\r\n")
        await port.until(lambda: port.last and port.last.code == "tamper")
        await port.until(lambda: alarms(port))
        wire.send(b"TC\r\n")
        await port.until(lambda: port.last and port.last.state is DeviceState.UP)
    (told,) = alarms(port)
    assert (told.findings[0].label, told.raw) == ("tamper", b"TT\r\n")


async def test_a_blocked_light_barrier_is_told(port):
    from drivers.clock import Stamp, SystemClock

    class Ahead(SystemClock):
        by_ns = 0

        def now(self) -> Stamp:
            real = super().now()
            return Stamp(real.wall_ns - 86_400 * 10**9, real.monotonic_ns + self.by_ns)

    clock = Ahead()
    port.clock = clock
    async with served() as (wire, url), running(driver(url, occupied_s=60), port):
        await wire.someone()
        wire.send(b"GS,000080,000080,000080,000080\r\n")
        await port.until(lambda: port.last and port.last.state is DeviceState.UP)
        clock.by_ns = 61 * 10**9  # the wall clock is a day behind: only the monotonic one counts
        await port.until(lambda: port.last and port.last.code == "occupied")
        wire.send(END)
        await port.until(lambda: port.last and port.last.state is DeviceState.UP)
    assert occupancies(port)[0]["seconds"] >= 61


async def test_a_flood_with_a_stuck_core_is_held_back_and_loses_no_alarm(port, monkeypatch):
    monkeypatch.setattr("drivers.outgoing.MAX_WAITING", 50)
    port.open.clear()
    total = 300
    async with served() as (wire, url), running(driver(url), port):
        await wire.someone()
        for number in range(1, total + 1):
            wire.send(GAMMA + b"GX,%06d,002000,000000,000000\r\n" % number)
        await port.until(lambda: any(said.code == "overrun" for said in port.said))
        port.open.set()
        await port.until(lambda: len(occupancies(port)) == total)
    assert len(alarms(port)) == total
    assert not port.errors


async def test_a_probe_hears_the_portal_and_keeps_its_deadline():
    async with served() as (wire, url):
        sending = asyncio.create_task(_when_heard(wire))
        found = await driver(url).probe(60)
        await sending
        assert found.ok and found.sample == "NB,000000,000000,000000,000000"
        silent = await driver(url).probe(0.05)
        assert not silent.ok and "every 5 s" in silent.steps[-1] and silent.code == "link-timeout"
    gone = await driver(url).probe(60)
    assert not gone.ok


async def _when_heard(wire: Wire) -> None:
    await wire.someone()
    wire.send(EMPTY)


def test_wrong_settings_are_refused_with_words():
    with pytest.raises(ValueError, match="serial:///dev"):
        RpmAsciiSettings.model_validate({"url": "COM3"})
    assert RpmAsciiSettings.model_validate({"url": "tcp://portal"}).url == "tcp://portal"
