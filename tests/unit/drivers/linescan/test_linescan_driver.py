"""The driver against the simulated detector: over TCP, over UDP with losses, calibrated on command."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from drivers.contract import DeviceState, Energy, Polarity, Scan
from drivers.errors import LinkLost, LinkTimeout, ProtocolError
from drivers.linescan import container
from drivers.linescan.calibrating import KEPT, REQUEST, What, answer_to, ask, request_for
from drivers.linescan.driver import LinescanDriver
from drivers.linescan.settings import LinescanSettings
from drivers.ports import free_port
from simulators.linescan.model import Detector, Taken, Traffic
from simulators.linescan.wire import Sender, Server, Trouble, play
from tests.fakeport import FakePort, running

pytestmark = pytest.mark.slow

SMALL = Traffic(pixels=96, rows=120, gap=90, prelude=300, threat_rate=0)
RATE = 1500.0


@pytest.fixture
def port(tmp_path: Path) -> FakePort:
    return FakePort(state_dir=tmp_path / "state")


def driver(url: str, **settings: Any) -> LinescanDriver:
    given = {
        "url": url,
        "gap_lines": 20,
        "covered_pixels": 2,
        "min_lines": 10,
        "margin_lines": 6,
        "silence_s": 60,
        **settings,
    }
    return LinescanDriver(LinescanSettings.model_validate(given))


@asynccontextmanager
async def playing(lines: Iterable[Taken], to: Sender | Server) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(play(lines, to, RATE))
    try:
        yield task
    finally:
        task.cancel()
        await to.close()


async def begun(port: FakePort, detector: Detector, what: What = What.BOTH) -> asyncio.Task[None]:
    """Return the wait for a calibration that the running driver has begun: before the first line is sent."""
    await port.rounds_more(1)
    request = request_for(port.state_dir, what, 20.0)
    await port.until(lambda: not (port.state_dir / REQUEST).exists())

    async def done() -> None:
        answer = await asyncio.to_thread(answer_to, request, port.state_dir)
        assert answer.ok, answer.detail
        assert answer.dead_pixels == (detector.dead, detector.dead)

    return asyncio.create_task(done())


def plane(scan: Scan, energy: Energy) -> NDArray[np.float32]:
    (picture,) = [p for p in scan.pictures if p.energy is energy]
    assert picture.polarity is Polarity.AIR_HIGH and picture.bits == 16
    values = np.frombuffer(picture.data, "<u2").reshape(picture.rows, picture.columns)
    return values.astype(np.float32) / 60_000


def passed(port: FakePort, detector: Detector, count: int) -> bool:
    """Return whether so many bags were told of and have passed: one that ends in emptiness is cut before its end."""
    return min(len(port.scans), len(detector.truths)) >= count


def worst(scan: Scan, detector: Detector, number: int) -> float:
    """Return how far a scan's live pixels are from the truth of the bag that they show, but for one in 200."""
    truth = detector.truths[number]
    found = []
    for row, energy in enumerate((Energy.LOW, Energy.HIGH)):
        live = np.setdiff1d(np.arange(truth.light.shape[2]), detector.dead_pixels[row])
        seen, light = plane(scan, energy)[:, live], truth.light[row][:, live]
        dark = light.min(axis=1) < 0.9
        rows = np.flatnonzero(dark)
        light = light[rows[0] : rows[-1] + 1]
        best = min(
            float(np.quantile(np.abs(seen[at : at + len(light)] - light), 0.995))
            for at in range(len(seen) - len(light) + 1)
        )
        found.append(best)
    return max(found)


async def test_bags_are_calibrated_cut_and_their_pictures_are_the_truth(port):
    detector, server = Detector(SMALL, seed=2), Server()
    url = f"tcp://127.0.0.1:{await server.listen()}"
    async with running(driver(url, line_mm=1.5, pixel_mm=1.2), port):
        await server.came.wait()
        request = await begun(port, detector)
        async with playing(detector.lines(), server):
            await request
            await port.until(lambda: passed(port, detector, 3))
    assert not port.errors
    assert [scan.incomplete for scan in port.scans[:3]] == [None] * 3
    for number, scan in enumerate(port.scans[:3]):
        assert worst(scan, detector, number) < 0.04
        assert scan.pictures[0].pixel_mm == (1.5, 1.2)
        assert len({(p.rows, p.columns) for p in scan.pictures}) == 1
    assert port.last and port.last.state is DeviceState.UP
    assert port.last.facts["dead_pixels"] == 6 and port.last.facts["gain_age_h"] == 0


async def test_the_evidence_is_the_frames_bit_for_bit(port):
    detector, server = Detector(SMALL, seed=3), Server()
    url = f"tcp://127.0.0.1:{await server.listen()}"
    kept: dict[int, NDArray[np.uint16]] = {}

    def noted() -> Iterable[Taken]:
        for line in detector.lines():
            kept[line.number] = line.counts
            yield line

    async with running(driver(url), port):
        await server.came.wait()
        request = await begun(port, detector)
        async with playing(noted(), server):
            await request
            await port.until(lambda: port.scans)
    scan = port.scans[0]
    assert scan.media_type == "application/vnd.jaitf.linescan"
    found = container.read(bytes(scan.original))
    assert found.description["device"] == "device-1" and found.description["incomplete"] is None
    assert len(found.frames) == 2 * found.description["lines"]
    for frame in found.frames:
        assert np.array_equal(kept[frame.line][frame.beam, frame.first : frame.first + len(frame.values)], frame.values)
    damaged = bytearray(scan.original)
    damaged[len(damaged) // 2] ^= 1
    with pytest.raises(ProtocolError):
        container.read(bytes(damaged))


async def test_a_stream_with_one_percent_loss_and_reordering_gives_the_same_bags(port):
    detector = Detector(SMALL, seed=4)
    number = free_port()
    trouble = Trouble(loss=0.01, reorder=0.02, twice=0.01, seed=5)
    async with running(driver(f"udp://127.0.0.1:{number}"), port):
        request = await begun(port, detector)
        async with playing(detector.lines(), Sender("127.0.0.1", number, trouble)):
            await request
            await port.until(lambda: passed(port, detector, 6))
    assert not port.errors
    assert trouble.lost > 10
    scans = port.scans[:6]
    assert [scan.incomplete for scan in scans] == [None] * 6
    assert any("bridged" in scan.name for scan in scans)
    for index, scan in enumerate(scans):
        assert worst(scan, detector, index) < 0.05


async def test_too_many_lines_lost_together_mark_the_scan_cut(port):
    detector = Detector(SMALL, seed=6)
    number = free_port()
    lost = range(2 * SMALL.prelude + 50, 2 * SMALL.prelude + 56)
    lines = (line for line in detector.lines() if line.number not in lost)
    async with running(driver(f"udp://127.0.0.1:{number}", bridge_lines=4), port):
        request = await begun(port, detector)
        async with playing(lines, Sender("127.0.0.1", number)):
            await request
            await port.until(lambda: len(port.scans) >= 3)
    first, second, third = port.scans[:3]
    assert first.incomplete == "cut: 6 lines together are lost"
    assert second.incomplete and second.incomplete.startswith("cut: it follows one that was cut")
    assert third.incomplete is None


async def test_a_belt_that_stops_and_runs_back_makes_one_bag_of_one_bag(port):
    traffic = Traffic(pixels=96, rows=120, gap=90, prelude=300, threat_rate=0, stop_every=1, back_every=1, back=30)
    detector, server = Detector(traffic, seed=7), Server()
    url = f"tcp://127.0.0.1:{await server.listen()}"
    async with running(driver(url), port):
        await server.came.wait()
        request = await begun(port, detector)
        async with playing(detector.lines(), server):
            await request
            await port.until(lambda: passed(port, detector, 3))
    assert [scan.incomplete for scan in port.scans[:3]] == [None] * 3
    for index, scan in enumerate(port.scans[:3]):
        assert worst(scan, detector, index) < 0.04


async def test_scans_that_a_slow_core_does_not_take_are_left_out_and_told(port, monkeypatch):
    monkeypatch.setattr("drivers.linescan.driver.MAX_SCANS", 2)
    monkeypatch.setattr("drivers.linescan.driver.MAX_PIXELS_A_SCAN", 96 * 70)
    detector, server = Detector(SMALL, seed=14), Server()
    url = f"tcp://127.0.0.1:{await server.listen()}"
    async with running(driver(url), port):
        await server.came.wait()
        request = await begun(port, detector)
        port.open.clear()  # from the first bag on, which may pass before the word that all is calibrated is here
        async with playing(detector.lines(), server):
            await request
            # On a busy machine several bags come in one piece: then it is told before the first task had its turn.
            await port.until(lambda: port.last and port.last.code == "overrun" and len(port.scans) >= 2)
            assert len(port.scans) == 2
            port.open.set()
            await port.until(lambda: len(port.scans) >= 5 and port.last and port.last.code != "overrun")
    assert all(scan.pictures[0].rows <= 70 for scan in port.scans)
    assert port.scans[0].incomplete == "cut: longer than 70 lines"
    left = [each for reading in port.readings for each in reading.values.get("scans", ()) if "lines" not in each]
    assert left and all(each["incomplete"].startswith("left out") for each in left)


async def test_a_belt_that_stands_too_long_cuts_the_bag(port):
    detector, server = Detector(SMALL, seed=8), Server()
    url = f"tcp://127.0.0.1:{await server.listen()}"
    taken = list(itertools.islice(detector.lines(), 2 * SMALL.prelude + 60))

    def standing() -> Iterable[Taken]:
        yield from taken
        for number in itertools.count(taken[-1].number + 1):
            yield Taken(number, taken[-1].position, 1, taken[-1].counts)

    async with running(driver(url, stop_s=1), port):
        await server.came.wait()
        request = await begun(port, detector)
        async with playing(standing(), server):
            await request
            await port.until(lambda: port.scans)
    assert port.scans[0].incomplete == "cut: the belt stood for 1 s"


async def test_without_calibration_nothing_is_cut_and_that_is_told(port):
    detector, server = Detector(SMALL, seed=9), Server()
    url = f"tcp://127.0.0.1:{await server.listen()}"
    async with running(driver(url), port):
        await server.came.wait()
        async with playing(detector.lines(), server):
            await port.until(lambda: port.last and port.last.code == "uncalibrated")
            await port.until(lambda: len(detector.truths) > 1)
    assert not port.scans


async def test_calibration_refuses_what_is_no_clear_air_and_keeps_the_old_one(port):
    detector, server = Detector(SMALL, seed=10), Server()
    url = f"tcp://127.0.0.1:{await server.listen()}"
    async with running(driver(url), port):
        await server.came.wait()
        request = await begun(port, detector)
        lines = detector.lines()
        async with playing((line for line in lines if line.flags & 1 or line.number < 500), server):
            await request
            kept = (port.state_dir / KEPT).read_bytes()
            answer = await asyncio.to_thread(ask, port.state_dir, What.DARK, 1.0)
            assert not answer.ok and "X-rays off" in answer.detail
            answer = await asyncio.to_thread(ask, port.state_dir, What.GAIN, 1.0)  # bags are on the belt all the time
            assert not answer.ok and "empty" in answer.detail
    assert (port.state_dir / KEPT).read_bytes() == kept


async def test_a_calibration_outlives_the_process_and_its_age_is_told(port):
    from drivers.clock import Stamp, SystemClock

    class Ahead(SystemClock):
        by_ns = 0

        def now(self) -> Stamp:
            return Stamp(super().now().wall_ns + self.by_ns, super().now().monotonic_ns)

    clock = Ahead()
    port.clock = clock
    detector, server = Detector(SMALL, seed=11), Server()
    url = f"tcp://127.0.0.1:{await server.listen()}"
    async with running(driver(url), port):
        request = await begun(port, detector)
        task = asyncio.create_task(play(itertools.islice(detector.lines(), 2 * SMALL.prelude), server, RATE))
        await request
        await task
    clock.by_ns = 30 * 3600 * 10**9
    async with playing(detector.lines(), server), running(driver(url), port):
        await port.until(lambda: port.last and port.last.code == "calibration-old")
        assert port.last and port.last.facts["gain_age_h"] == 30
        await port.until(lambda: port.scans)


async def test_silence_and_noise_are_told_apart_and_a_lost_detector_ends_its_bag(port):
    number = free_port()
    with pytest.raises(LinkTimeout, match="no line"):
        await driver(f"udp://127.0.0.1:{number}", silence_s=0.3).run(port)
    with socket.socket(type=socket.SOCK_DGRAM) as one:
        one.connect(("127.0.0.1", number))

        async def babble() -> None:
            while True:
                with suppress(ConnectionRefusedError):  # it does not listen yet
                    one.send(b"JLS1 is not all of it")
                await asyncio.sleep(0.02)

        sending = asyncio.create_task(babble())
        with pytest.raises(ProtocolError, match="JLS1"):
            await driver(f"udp://127.0.0.1:{number}", silence_s=1).run(port)
        sending.cancel()

    detector, server = Detector(SMALL, seed=12), Server()
    url = f"tcp://127.0.0.1:{await server.listen()}"
    taken = list(itertools.islice(detector.lines(), 2 * SMALL.prelude + 60))
    async with running(driver(url), port):
        await server.came.wait()
        request = await begun(port, detector)
        async with playing(taken, server) as task:
            await request
            await task
            await port.rounds_more(2)
        await port.until(lambda: port.scans)
        assert isinstance(port.errors[0], LinkLost)
    assert port.scans[0].incomplete == "cut: the detector was lost"


async def test_datagrams_of_strangers_are_left_out(port):
    number = free_port()
    detector = Detector(SMALL, seed=13)
    async with playing(detector.lines(), Sender("127.0.0.1", number)):
        with pytest.raises(LinkTimeout):
            await driver(f"udp://127.0.0.1:{number}", silence_s=0.4, sender="127.0.0.9").run(port)
        found = await driver(f"udp://127.0.0.1:{number}", sender="127.0.0.1").probe(10)
    assert found.ok and "96 pixels of 16 bits" in (found.sample or "")
    assert "the kernel keeps bursts of" in found.steps[0]


async def test_a_probe_without_a_detector_says_what_to_look_at():
    found = await driver(f"udp://127.0.0.1:{free_port()}").probe(0.2)
    assert (found.ok, found.code) == (False, "link-timeout")


def test_wrong_settings_are_refused_with_words():
    for given, words in (
        ({"url": "http://x"}, "tcp://HOST:PORT"),
        ({"url": "udp://x:0"}, "no port"),
        ({"url": "tcp://x:1", "line_mm": 1}, "go together"),
        ({"url": "tcp://x:1", "sender": "10.0.0.1"}, "goes with udp"),
        ({"url": "tcp://x:1", "bridge_lines": 30}, "less than gap_lines"),
    ):
        with pytest.raises(ValueError, match=words):
            LinescanSettings.model_validate(given)
