"""The trials can be failed: a driver that trusts its wire, against a peer that says one number a line."""

from __future__ import annotations

import asyncio
import itertools
import random
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from drivers import registry
from drivers.clock import Stamp
from drivers.conformance.case import Case, Wire
from drivers.conformance.trials import TRIALS, Fault, hold
from drivers.contract import (
    DeviceState,
    Driver,
    DriverInfo,
    Finding,
    Measurement,
    Observation,
    Port,
    ProbeReport,
    Reading,
    Settings,
)
from drivers.errors import LinkLost, LinkTimeout

pytestmark = pytest.mark.slow


class Lines(Settings):
    """Where the numbers come from, whether the driver is `wary`, and with which code its probe fails: none, never.

    A wary one waits `wait_s` for a line. Each reading is handed on `behind` lines later; with `own_time` its stamps are
    of a clock that nobody sets.
    """

    url: str
    wary: bool
    code: str = ""
    wait_s: float = 0.3
    behind: int = 0
    own_time: bool = False


class LineDriver(Driver):
    """Takes `N` (`=N=` where wary) a line for a number."""

    def __init__(self, settings: Lines) -> None:
        self._settings = settings

    async def run(self, port: Port) -> None:
        host, _, number = self._settings.url.removeprefix("tcp://").partition(":")
        try:
            reader, writer = await asyncio.open_connection(host, int(number))
        except OSError as error:
            raise LinkLost(str(error)) from None
        waiting: set[asyncio.Task[Any]] = set()
        kept: list[Reading] = []
        began = port.clock.now()
        try:
            while True:
                line = await self._line(reader)
                text = line.strip()
                value = text if not self._settings.wary else text.removeprefix(b"=").removesuffix(b"=")
                if self._settings.wary and (not value.isdigit() or text != b"=" + value + b"="):
                    continue
                port.state(DeviceState.UP)
                at = port.clock.now()
                if self._settings.own_time:
                    at = Stamp(began.wall_ns + at.monotonic_ns - began.monotonic_ns, at.monotonic_ns)
                kept.append(_reading(at, value.decode("latin1")))
                if len(kept) <= self._settings.behind:
                    continue
                task = asyncio.create_task(port.emit(kept.pop(0)))
                waiting.add(task)
                task.add_done_callback(waiting.discard)
                port.progress()
        finally:
            writer.close()

    async def _line(self, reader: asyncio.StreamReader) -> bytes:
        try:
            async with asyncio.timeout(self._settings.wait_s if self._settings.wary else None):
                line = await reader.readuntil()
        except TimeoutError:
            raise LinkTimeout("nothing came") from None
        except asyncio.LimitOverrunError as error:
            await reader.read(error.consumed)
            return b""
        except (asyncio.IncompleteReadError, OSError):
            raise LinkLost("cut") from None
        return line

    async def probe(self, deadline_s: float) -> ProbeReport:
        if not self._settings.code:
            return ProbeReport(True, ())
        try:
            where = urlsplit(self._settings.url)
            socket.create_connection((where.hostname, where.port), 5).close()
        except OSError:
            return ProbeReport(False, (), code=self._settings.code)
        return ProbeReport(True, ())


def _reading(at: Stamp, number: str) -> Reading:
    return Reading(at, {"number": number}, (Finding("a number", Measurement("number", number)),))


@asynccontextmanager
async def serve(pause_s: float = 0.01) -> AsyncIterator[int]:
    speaking: set[asyncio.Task[None]] = set()

    async def speak(writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            for number in itertools.count(10):
                writer.write(b"=%d=\n" % number)
                await writer.drain()
                await asyncio.sleep(pause_s)

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(speak(writer))
        speaking.add(task)
        task.add_done_callback(lambda _: writer.transport.abort())

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in speaking:
            task.cancel()
        await asyncio.gather(*speaking, return_exceptions=True)


def case(wary: bool) -> Case:
    def good(observation: Observation) -> bool:
        assert isinstance(observation, Reading)
        text = str(observation.values["number"])
        return text.isdigit() if wary else text.strip("=").isdigit() and text[0] == text[-1] == "="

    def settings(url: str) -> dict[str, Any]:
        return {"url": url, "wary": wary}

    def noise(chance: random.Random) -> bytes:
        return chance.randbytes(20) + b"\n"

    return Case(driver="lines", settings=settings, serve=serve, good=good, noise=noise, lost_s=1.0, late_s=0.4)


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    info = DriverInfo("lines", "numbers", f"{__name__}:Lines", f"{__name__}:LineDriver", False, "")
    monkeypatch.setattr(registry, "available", lambda: {"lines": info})
    loaders: dict[str, Callable[..., Any]] = {"settings_class": lambda _: Lines, "make": lambda _, s: LineDriver(s)}
    for name, loader in loaders.items():
        monkeypatch.setattr(registry, name, loader)


@pytest.mark.parametrize("trial", ["exchange", "silence", "unplug", "late-reply", "garbage", "half-a-frame"])
async def test_a_wary_driver_stands(trial: str, tmp_path: Path) -> None:
    await hold(trial, case(wary=True), Wire.TCP, tmp_path)


@pytest.mark.parametrize(
    ("trial", "fault"),
    [
        ("silence", "silence is not told"),
        ("garbage", "cannot be true"),
        ("full-core", "not offered again"),
        ("probe", "says that all is well"),
    ],
)
async def test_a_trusting_driver_fails(trial: str, fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drivers.conformance.trials.AGAIN_S", 1.0)
    with pytest.raises(Fault, match=fault):
        await hold(trial, case(wary=False), Wire.TCP, tmp_path)


async def test_a_probe_needs_a_mend_and_not_just_a_code(tmp_path: Path) -> None:
    trusting = case(wary=False)
    for code in ("link-lost", "no-such-code"):
        one = replace(trusting, settings=lambda url, code=code: {"url": url, "wary": False, "code": code})
        (tmp_path / code).mkdir()
        if code == "link-lost":
            await hold("probe", one, Wire.TCP, tmp_path / code)
        else:
            with pytest.raises(Fault, match="none for its code 'no-such-code'"):
                await hold("probe", one, Wire.TCP, tmp_path / code)


async def test_what_was_seen_before_the_clock_was_set_may_be_told_after(tmp_path: Path) -> None:
    slow = replace(case(wary=True), settings=lambda url: {"url": url, "wary": True, "behind": 5})
    await hold("clock-jump", slow, Wire.TCP, tmp_path)


async def test_a_driver_with_a_time_of_its_own_fails(tmp_path: Path) -> None:
    own = replace(case(wary=True), settings=lambda url: {"url": url, "wary": True, "own_time": True})
    with pytest.raises(Fault, match="3600 s after the clock was set an observation is stamped"):
        await hold("clock-jump", own, Wire.TCP, tmp_path)


@pytest.mark.parametrize("trial", ["restart", "clock-jump"])
async def test_where_lateness_is_no_part_of_it_a_driver_is_given_time(trial: str, tmp_path: Path) -> None:
    late = replace(case(wary=True), serve=partial(serve, pause_s=0.5))
    patient = replace(late, patient={"wait_s": 20})
    for each, stands in ((late, False), (patient, True)):
        folder = tmp_path / str(stands)
        folder.mkdir()
        with nullcontext() if stands else pytest.raises(Fault, match="nothing came"):
            await hold(trial, each, Wire.TCP, folder)


def test_every_trial_has_a_grade_and_says_what_it_is() -> None:
    assert all(trial.__doc__ and grade for grade, trial in TRIALS.values())
