"""The screen driver on a stream of GStreamer's RTSP server: frozen, killed, back; and what its display may do."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest

from drivers import mends
from drivers.contract import DeviceState, Energy, Scan
from drivers.errors import LinkError, LinkTimeout
from drivers.finding import Found, Kind, Place
from drivers.ports import free_port
from drivers.screen import find
from drivers.screen.driver import ScreenDriver
from drivers.screen.settings import ScreenSettings
from simulators.screen.rtsp import RtspServer
from tests.fakeport import FakePort, running

pytestmark = [pytest.mark.protocol, pytest.mark.timeout(300)]
DEADLINE_S = 60.0
READ_S = 1.0
#: Where a stream that stops is not what is tried, one that a busy machine holds up is waited for.
PATIENT_MS = 20_000
#: And a bag that it did not let be seen whole is shown again.
ATTEMPTS = 4
#: What a reading thread may take beyond its own deadline on a machine that is busy.
SLACK_S = 10.0
#: FFmpeg hands out what it has buffered before its own deadline begins.
BUFFERED_S = 2.0


@dataclass
class Simulated:
    """A simulated screen in a process of its own, and the RTSP server behind it in another."""

    process: asyncio.subprocess.Process
    url: str
    pid: int
    settings: dict[str, Any]
    truth: list[dict[str, Any]] = field(default_factory=list)

    async def listen(self) -> None:
        assert self.process.stdout
        while line := await self.process.stdout.readline():
            self.truth.append(json.loads(line))

    def driver(self, **changes: object) -> ScreenDriver:
        given = {
            "url": self.url,
            "open_timeout_ms": 30_000,
            "read_timeout_ms": int(READ_S * 1000),
            "frozen_s": 2.5,
            **self.settings,
            **changes,
        }
        return ScreenDriver(ScreenSettings.model_validate(given))


@asynccontextmanager
async def simulated(*options: str, port: int = 0) -> AsyncIterator[Simulated]:
    listen = f"127.0.0.1:{port}"
    command = [sys.executable, "-m", "simulators.cli", "screen", "--json", "--listen", listen, "--scale", "0.5"]
    process = await asyncio.create_subprocess_exec(
        *command, "--px-s", "100", "--seed", "4", *options, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout
    listening: asyncio.Task[None] | None = None
    pid = 0
    try:
        async with asyncio.timeout(DEADLINE_S):
            said = json.loads(await process.stdout.readline())
        pid = said["pid"]
        screen = Simulated(process, said["listening"], pid, said["settings"])
        listening = asyncio.create_task(screen.listen())
        yield screen
    finally:
        for each in (pid, process.pid):
            if process.returncode is None and each:
                os.kill(each, signal.SIGCONT)
        if process.returncode is None:
            process.terminate()
        async with asyncio.timeout(DEADLINE_S):
            await process.wait()
        if listening:
            await listening


def is_whole(scan: Scan) -> bool:
    return scan.problem is None and scan.incomplete is None


def is_up(port: FakePort) -> bool:
    return bool(port.last and port.last.state is DeviceState.UP)


def says(port: FakePort, code: str) -> bool:
    return bool(port.last and port.last.code == code)


async def test_each_bag_of_a_stream_is_a_scan_with_its_truth_and_nothing_from_behind_a_mask(tmp_path: Path):
    for _ in range(ATTEMPTS):
        port = FakePort(state_dir=tmp_path)
        async with simulated("--count", "3") as screen:
            # A video's colours run a little beyond a field's edge: masks are drawn with a margin.
            mask = [[x - 4, y - 4, w + 8, h + 8] for x, y, w, h in screen.settings["mask"]]
            async with running(screen.driver(mask=mask, read_timeout_ms=PATIENT_MS), port):
                with suppress(TimeoutError):
                    await port.until(lambda port=port: len(port.scans) >= 3 and is_up(port), DEADLINE_S)
            truth = screen.truth[:3]
        if len(port.scans) == 3 and all(map(is_whole, port.scans)):
            break
    assert len(port.scans) == 3
    for scan, bag in zip(port.scans, truth, strict=True):
        assert is_whole(scan)
        [picture] = scan.pictures
        assert (picture.energy, picture.channels) == (Energy.COLOUR, 3)
        assert np.abs(np.array([picture.columns, picture.rows]) - 16 - bag["box"][2:]).max() <= 10
        shown = cv2.cvtColor(cv2.imdecode(np.frombuffer(scan.original, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
        assert shown.tobytes() == bytes(picture.data)
        logos = (shown[..., 0] > 130) & (shown[..., 1] < 90) & (shown[..., 2] > 130)
        assert not logos.any()  # every bag came through behind it


async def test_a_frozen_stream_is_told_in_time_and_taken_up_by_a_fresh_handle(tmp_path: Path):
    port = FakePort(state_dir=tmp_path)
    async with simulated() as screen, running(screen.driver(), port):
        await port.until(lambda: is_up(port) and port.scans, DEADLINE_S)
        for _ in range(2):
            os.kill(screen.pid, signal.SIGSTOP)
            stopped = time.monotonic()
            failures = len(port.errors)
            await port.until(lambda n=failures: len(port.errors) > n, BUFFERED_S + READ_S + SLACK_S)
            print(f"frozen stream told after {time.monotonic() - stopped:.1f} s")
            assert isinstance(port.errors[-1], LinkTimeout)
            assert port.last and port.last.state is DeviceState.DOWN
            os.kill(screen.pid, signal.SIGCONT)
            await port.until(lambda: is_up(port), DEADLINE_S)
        count = len(port.scans)
        await port.until(lambda: any(map(is_whole, port.scans[count:])), DEADLINE_S)


async def test_a_killed_server_is_told_and_another_in_its_place_is_taken_up(tmp_path: Path):
    port, number = FakePort(state_dir=tmp_path), free_port()
    async with simulated(port=number) as screen, running(screen.driver(), port):
        await port.until(lambda: is_up(port) and port.scans, DEADLINE_S)
        os.kill(screen.pid, signal.SIGKILL)
        await port.until(lambda: port.last and port.last.state is DeviceState.DOWN, BUFFERED_S + READ_S + SLACK_S)
        assert isinstance(port.errors[-1], LinkError)
        count = len(port.scans)
        async with simulated("--seed", "9", port=number):
            await port.until(lambda: is_up(port), DEADLINE_S)
            await port.until(lambda: any(map(is_whole, port.scans[count:])), DEADLINE_S)


async def test_a_frozen_display_is_told_from_a_quiet_belt_and_a_lost_picture_from_both(tmp_path: Path):
    port = FakePort(state_dir=tmp_path)
    script = ("--act", "pause:10:4", "--act", "freeze:14:5", "--act", "lost:21:2", "--threat-rate", "0")
    async with simulated(*script) as screen, running(screen.driver(read_timeout_ms=PATIENT_MS), port):
        await port.until(lambda: is_up(port), DEADLINE_S)
        await port.until(lambda: says(port, "screen-frozen"), DEADLINE_S)
        assert [said.code for said in port.said] == ["", "screen-frozen"]  # the quiet belt before it was none
        await port.until(lambda: is_up(port), DEADLINE_S)
        await port.until(lambda: says(port, "screen-lost"), DEADLINE_S)
        await port.until(lambda: is_up(port), DEADLINE_S)


async def test_what_the_operator_does_is_told_and_ends(tmp_path: Path):
    port = FakePort(state_dir=tmp_path)
    script = ("--act", "pause:12:12", "--act", "zoom:14:3", "--act", "invert:19:3")
    async with simulated(*script) as screen, running(screen.driver(idle_s=60, read_timeout_ms=PATIENT_MS), port):
        for code in ("screen-zoomed", "screen-enhanced"):
            await port.until(lambda code=code: says(port, code), DEADLINE_S)
            await port.until(lambda: is_up(port), DEADLINE_S)
        await port.until(lambda: any(map(is_whole, port.scans)), DEADLINE_S)


async def test_a_stream_with_a_password_is_opened_with_it_and_not_without(tmp_path: Path):
    secret = tmp_path / "password"
    secret.write_text("p@ss/word\n")
    server = RtspServer((640, 360), 12, login=("anna", "p@ss/word"))
    stop = threading.Event()

    def show() -> None:
        while not stop.wait(1 / 12):
            server.show(np.full((360, 640, 3), 240, np.uint8))

    thread = threading.Thread(target=show)
    thread.start()
    try:
        for given, ok in (({}, False), ({"username": "anna", "password_file": secret}, True)):
            driver = ScreenDriver(ScreenSettings.model_validate({"url": server.url, **given}))
            report = await driver.probe(DEADLINE_S)
            assert report.ok is ok, report
            assert "p@ss" not in str(report)
    finally:
        stop.set()
        thread.join()
        server.close()


async def test_what_cannot_work_is_said_with_its_code(tmp_path: Path):
    async with simulated() as screen:
        cases = {
            "link-lost": screen.driver(url=screen.url + "s", read_timeout_ms=PATIENT_MS),
            "screen-size": screen.driver(size=[800, 600], read_timeout_ms=PATIENT_MS),
        }
        for code, driver in cases.items():
            port = FakePort(state_dir=tmp_path)
            async with running(driver, port):
                await port.until(lambda code=code, port=port: says(port, code), DEADLINE_S)
            report = await driver.probe(DEADLINE_S)
            assert not report.ok
            assert report.code == code and mends.mend(code, "rtsp")
        report = await screen.driver(read_timeout_ms=PATIENT_MS).probe(DEADLINE_S)
        assert report.ok, report
        assert report.identity == {"picture": "640 x 360"}
        place = Place(Kind.HOST, "127.0.0.1", urlsplit(screen.url).port)
        found = [await attempt.ask(DEADLINE_S) for attempt in find.attempts(place)]
        assert [dict(one.settings) for one in found if isinstance(one, Found)] == [{"url": screen.url}]
    gone = await screen.driver().probe(DEADLINE_S)
    assert not gone.ok
    assert gone.code == "link-lost"
