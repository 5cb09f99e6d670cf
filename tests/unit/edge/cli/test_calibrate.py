"""`calibrate`: a line detector's dark and gain, asked for from another process than the one that holds it."""

import asyncio
import json
import threading
from contextlib import contextmanager

import pytest

from drivers.linescan.driver import LinescanDriver
from drivers.linescan.settings import LinescanSettings
from simulators.linescan.model import Detector, Traffic
from simulators.linescan.wire import Server, play
from tests.fakeport import FakePort, running

pytestmark = pytest.mark.slow


@pytest.fixture
def lane(cli, tmp_path):
    cli("init", tmp_path, "--data-dir", tmp_path / "data", "--console-url", "mqtt://127.0.0.1:1")
    for name, text in {
        "belt-1": 'driver = "linescan"\nmodel = "baggage"\n[settings]\nurl = "tcp://127.0.0.1:1"\n',
        "k9-1": 'driver = "llrp"\n[settings]\nurl = "tcp://127.0.0.1:1"\n',
    }.items():
        (tmp_path / "devices" / f"{name}.toml").write_text(text)
    return tmp_path


@contextmanager
def held(folder, detector):
    """Run the driver and its detector in a thread of their own, as the appliance does in a process."""
    started, over = threading.Event(), threading.Event()

    async def serve():
        server = Server()
        url = f"tcp://127.0.0.1:{await server.listen()}"
        playing = asyncio.create_task(play(detector.lines(), server, 2000))
        async with running(LinescanDriver(LinescanSettings(url=url)), FakePort(state_dir=folder)) as task:
            await server.came.wait()
            started.set()
            while not over.is_set() and not task.done():
                await asyncio.sleep(0.02)
        playing.cancel()
        await server.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert started.wait(60)
        yield
    finally:
        over.set()
        thread.join(60)


def test_it_is_measured_while_the_appliance_runs(cli, lane):
    folder = lane / "data" / "devices" / "belt-1"
    folder.mkdir(parents=True)
    detector = Detector(Traffic(pixels=64, rows=64, gap=900, prelude=900, threat_rate=0), seed=2)
    with held(folder, detector):
        ran = cli("calibrate", "belt-1", "--config", lane, "--json")
        assert (ran.status, "switch the X-rays off" in ran.err) == (0, True)
        said = json.loads(ran.out)
        assert said["ok"] and said["dead_pixels"] == [3, 3] and said["dark_at"] <= said["gain_at"]
        ran = cli("calibrate", "belt-1", "--config", lane, "--what", "dark")
        assert ran.status == 0 and ran.out.startswith("belt-1: calibrated; dark of ")


def test_what_cannot_be_measured_is_told(cli, lane):
    folder = lane / "data" / "devices" / "belt-1"
    folder.mkdir(parents=True)
    with held(folder, Detector(Traffic(pixels=64, rows=64, gap=30, prelude=30, threat_rate=0), seed=2)):
        ran = cli("calibrate", "belt-1", "--config", lane, "--what", "gain", "--deadline", "1")
        assert ran.status == 1 and "dark of never" in ran.out


def test_nobody_answers_and_nobody_is_meant(cli, lane, monkeypatch):
    monkeypatch.setattr("drivers.linescan.calibrating._GRACE_S", 0.1)
    ran = cli("calibrate", "belt-1", "--config", lane, "--deadline", "1")
    assert ran.status == 1 and "was the device ever started" in ran.err
    (lane / "data" / "devices" / "belt-1").mkdir(parents=True)
    ran = cli("calibrate", "belt-1", "--config", lane, "--deadline", "1")
    assert ran.status == 1 and "is the appliance running" in ran.err
    assert not list((lane / "data" / "devices" / "belt-1").iterdir())
    ran = cli("calibrate", "k9-1", "--config", lane)
    assert ran.status == 2 and "no line detector 'k9-1'" in ran.err
