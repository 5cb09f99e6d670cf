"""One recording, and one replay, from beginning to end; each in an event loop of its own."""

from __future__ import annotations

import asyncio
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from drivers import registry
from drivers.clock import SystemClock
from drivers.contract import DriverInfo, Observation, Outcome, Scan, Settings
from drivers.errors import LinkError, LinkTimeout
from drivers.links.serial import open_stream
from drivers.links.tap import TAP
from drivers.recording import associations, datagrams, files, keys
from drivers.recording.heard import Hearing, LoopClock, Said, running
from drivers.recording.keep import RecordingLoop, SerialTap
from drivers.recording.play import Played, ReplayLoop, SerialReplay
from drivers.recording.tape import Recording, Tape
from drivers.recording.wires import Way, wire_of, without_tls

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
#: How often a recording looks whether its file is full.
_LOOK_S = 0.2
_OPEN_S, _READ_BYTES = 5.0, 4096
#: What a replay may take beyond the recording, in its own time, before it is ended.
_BEYOND_S = 600.0
#: After the end, so that what the last bytes gave is out: else who is first, they or the end, would be a race.
_SETTLE_S = 0.05
#: ... and where that is the work of a library's threads, in real time.
_SETTLE_THREADS_S = 1.0


def record(
    info: DriverInfo,
    settings: Settings,
    tape: Tape,
    seconds: float | None,
    tell: Callable[[Said], None],
) -> None:
    """Run a driver on its device, the tape listening, for so long, until the tape has ended, or SIGINT or SIGTERM.

    Nothing that the driver sees goes anywhere but to `tell`. Raises ConfigError where the wire is of a kind that is not
    recorded, StoreFull where the disk is.
    """
    wire = wire_of(info, settings)
    try:
        # The relay of associations has connections of its own, which are not to be recorded once more.
        factory = None if wire.way is Way.ASSOCIATIONS else partial(RecordingLoop, tape)
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(_record(info, settings, wire.way, tape, seconds, tell))
    finally:
        tape.close()


def listen(url: str, tape: Tape, seconds: float | None, tell: Callable[[Said], None]) -> None:
    """Keep what comes over a serial or TCP line that no driver reads yet; nothing is said to the device.

    Ends as `record` does, or when the line is lost. Raises LinkError where it cannot be opened, ValueError for a URL
    that is none.
    """
    try:
        with asyncio.Runner(loop_factory=partial(RecordingLoop, tape)) as runner:
            runner.run(_listen(url, tape, seconds, tell))
    finally:
        tape.close()


async def _listen(url: str, tape: Tape, seconds: float | None, tell: Callable[[Said], None]) -> None:
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, tape.stop)
    TAP.set(SerialTap(tape))
    ends_s = loop.time() + seconds if seconds is not None else float("inf")
    stream = await open_stream(url, _OPEN_S)
    came = 0
    try:
        while not tape.over and loop.time() < ends_s:
            try:
                came += len(await stream.read(_READ_BYTES, _LOOK_S))
            except LinkTimeout:
                continue
    except LinkError as error:
        tell({"at_s": round(tape.now_ns / 1e9, 3), "state": "down", "code": error.code, "reason": str(error)})
    finally:
        tape.stop()
        stream.close()
        tell({"at_s": round(tape.now_ns / 1e9, 3), "bytes": came})


async def _record(
    info: DriverInfo, settings: Settings, way: Way, tape: Tape, seconds: float | None, tell: Callable[[Said], None]
) -> None:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for number in _SIGNALS:
        loop.add_signal_handler(number, ended.set)
    TAP.set(SerialTap(tape))
    ends_s = loop.time() + seconds if seconds is not None else float("inf")
    try:
        if way is Way.FILES:
            await files.record(settings, tape, tell, lambda: ended.is_set() or tape.over or loop.time() > ends_s)
            tape.stop()
            return
        with tempfile.TemporaryDirectory(prefix="jaitf-record-") as folder:
            port = Hearing("record", Path(folder), SystemClock(), tell, _outcome)
            async with _relayed(way, settings, tape) as near, running(registry.make(info, near), port) as work:
                while not (ended.is_set() or tape.over or work.done()) and (left_s := ends_s - loop.time()) > 0:
                    await _until(ended, min(left_s, _LOOK_S))
                tape.stop()  # how the driver takes its leave is no part of it
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)


def _relayed(way: Way, settings: Settings, tape: Tape) -> AbstractAsyncContextManager[Settings]:
    """Return what puts a relay before the driver where that is the way, and says how the driver is set then."""
    match way:
        case Way.DATAGRAMS:
            return datagrams.relayed(settings, tape)
        case Way.ASSOCIATIONS:
            return associations.relayed(settings, tape)
        case Way.LINK | Way.FILES | Way.KEYS:
            return nullcontext(settings)


def _replayed(way: Way, settings: Settings, played: Played) -> AbstractAsyncContextManager[Settings]:
    """Return what plays a recording from without where that is the way, and says how the driver is set then."""
    match way:
        case Way.DATAGRAMS:
            return datagrams.replayed(settings, played)
        case Way.ASSOCIATIONS:
            return associations.replayed(settings, played)
        case Way.FILES:
            return files.replayed(settings, played)
        case Way.KEYS:
            return keys.replayed(settings, played)
        case Way.LINK:
            return nullcontext(without_tls(settings))


def _outcome(observation: Observation) -> Outcome:
    """Refuse scans: nothing is kept of them, so that who stores them must store them again."""
    return Outcome.REFUSED if isinstance(observation, Scan) else Outcome.COMMITTED


async def _until(ended: asyncio.Event, wait_s: float) -> None:
    try:
        async with asyncio.timeout(wait_s):
            await ended.wait()
    except TimeoutError:
        return


@dataclass(frozen=True, slots=True)
class Replay:
    """What came of one: what the driver `said`, and in `differences` where it asked other than it did then."""

    said: tuple[Said, ...]
    differences: tuple[str, ...]
    took_s: float
    timed: bool
    """Whether another replay says it at the same times."""


def replay(
    recording: Recording,
    info: DriverInfo,
    settings: Settings,
    speed: float | None = None,
    tell: Callable[[Said], None] = lambda _: None,
    state: Path | None = None,
) -> Replay:
    """Play a recording to a driver, so many times as fast as it was, or as fast as can be; return what it said.

    `state` is a folder of what the device remembers (a calibration); the driver gets a copy. Nothing outside this
    process is touched. Two replays say the same, with the same times. Raises ConfigError where the driver's settings
    name no wire that can be played.
    """
    way = wire_of(info, settings).way
    began = time.monotonic()
    said: list[Said] = []

    def take(word: Said) -> None:
        said.append(word)
        tell(word)

    if way.virtual:
        played = Played(recording)
        factory = partial(ReplayLoop, played, speed)
    else:
        played = Played(recording, pace=1 / speed if speed else 0.0)
        factory = None
    with asyncio.Runner(loop_factory=factory) as runner:
        differences = runner.run(_replay(played, recording, info, settings, way, take, state))
    return Replay(tuple(said), tuple(differences), time.monotonic() - began, way.virtual)


async def _replay(
    played: Played,
    recording: Recording,
    info: DriverInfo,
    settings: Settings,
    way: Way,
    take: Callable[[Said], None],
    state: Path | None,
) -> list[str]:
    TAP.set(SerialReplay())
    with tempfile.TemporaryDirectory(prefix="jaitf-replay-") as folder:
        if state is not None:
            shutil.copytree(state, folder, dirs_exist_ok=True)
        port = Hearing(
            recording.header.device,
            Path(folder),
            LoopClock(recording.header.started_ns, asyncio.get_running_loop()),
            take,
        )
        async with _replayed(way, settings, played) as near, running(registry.make(info, near), port) as work:
            await _played(played, work, recording.took_s)
            if way is Way.FILES and not work.done():  # nobody who exports is ever answered
                await files.dealt_with(near, Path(folder))
            if not work.done():
                await asyncio.wait({work}, timeout=_SETTLE_S if way.virtual else _SETTLE_THREADS_S)
            played.close()
    if not played.over:
        played.differences.append("the driver did not come to the recording's end")
    return played.differences


async def _played(played: Played, work: asyncio.Task[None], took_s: float) -> None:
    """Return once everything was said, and as long after as the recording went on; or the driver has ended."""
    loop = asyncio.get_running_loop()
    work.add_done_callback(lambda _: played.news.set())
    try:
        async with asyncio.timeout_at(loop.time() + took_s + _BEYOND_S):
            while not (played.over or work.done()):
                played.news.clear()
                await played.news.wait()
    except TimeoutError:
        return
    if not work.done():
        await asyncio.wait({work}, timeout=max(took_s - played.last_ns / 1e9, 0) * played.pace)
