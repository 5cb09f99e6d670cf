"""One device as the core sees it: its state, and the service of one of its processes until that ends."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from drivers import host, wire
from drivers.clock import Clock, Stamp
from drivers.contract import DeviceState, Observation, Outcome, Scan, Screened
from drivers.errors import EdgeError, LinkError, ProtocolError
from edge.config import DeviceConfig
from edge.supervisor.child import Child

log = logging.getLogger("jaitf.device")

HELLO_DEADLINE_S = 30.0
BEAT_DEADLINE_S = 5.0
EXIT_DEADLINE_S = 2.0
REST_DEADLINE_S = 3.0
WATCH_S = 0.5
READ_BYTES = 256 * 1024
PICTURE_WINDOW = 8
READING_WINDOW = 256
READING_BODY_BYTES = 64 * 1024
FLOOD_PER_S = 400
FLOOD_WINDOW_S = 5.0
STATES_PER_WINDOW = 200
HELD_BYTES = 256 * 1024 * 1024
LATE_S = 2.0

Handle = Callable[[DeviceConfig, Observation], Awaitable[Outcome | Screened]]


@dataclass(slots=True)
class Status:
    """How a device is, since when and why; `code` is stable and documented, `reason` is for reading."""

    state: DeviceState
    reason: str
    code: str
    since: Stamp
    last_observation: Stamp | None = None
    restarts: int = 0
    facts: dict[str, str | int | float | bool] = field(default_factory=dict)


class ProcessEnded(LinkError):
    """A device's process is gone or had to be ended; `code` is the finding."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.finding = code


def _how(status: int) -> str:
    """Return how a process ended, from its status as subprocess gives it."""
    if status >= 0:
        return f"the process ended with status {status}; its log says why"
    try:
        return f"the process was ended by {signal.Signals(-status).name}"
    except ValueError:  # the signals between SIGRTMIN and SIGRTMAX have no names
        return f"the process was ended by signal {-status}"


def _size(observation: Observation) -> int:
    if isinstance(observation, Scan):
        return len(observation.original) + sum(len(picture.data) for picture in observation.pictures)
    return len(observation.raw)


class DeviceService:
    """Serves one process of one device: takes its frames for hostile, watches its heartbeat, hands on observations.

    `unsettled` takes up the work on each observation until it is done: what has reached the core is dealt with even
    where the process is gone by then.
    """

    def __init__(
        self,
        config: DeviceConfig,
        child: Child,
        *,
        pictures: bool,
        state_dir: Path,
        clock: Clock,
        handle: Handle,
        set_state: Callable[[wire.State], None],
        unsettled: set[asyncio.Task[None]],
    ) -> None:
        self._config = config
        self._child = child
        self._window = PICTURE_WINDOW if pictures else READING_WINDOW
        self._decoder = wire.Decoder(wire.MAX_BODY_BYTES if pictures else READING_BODY_BYTES)
        self._state_dir = state_dir
        self._clock = clock
        self._handle = handle
        self._set_state = set_state
        self._unsettled = unsettled
        self._orders: wire.Order | None = None
        self._started = False
        self._open = 0
        self._held_bytes = 0
        self._relief = asyncio.Event()
        self._over = False
        self._writing = asyncio.Lock()
        self._heard_ns = self._moved_ns = clock.now().monotonic_ns
        self._progress = -1
        self._progress_deadline_s: float | None = None
        self._hello = False
        self._flood_since_ns = self._heard_ns
        self._offers = self._states = self._turn_ns = 0
        self.flooding = False
        self.last_observation: Stamp | None = None

    async def serve(self) -> None:
        """Serve the process until it ends or has to be ended; always raises ProcessEnded with the finding."""
        start = wire.Start(
            device=self._config.name,
            driver=self._config.driver,
            # As written and no more: a driver may mind whether a key was given, so defaults stay at home.
            settings=self._config.settings.model_dump(mode="json", exclude_unset=True),
            state_dir=str(self._state_dir),
            window=self._window,
        )
        tasks = {asyncio.create_task(self._read(start)), asyncio.create_task(self._watch())}
        try:
            ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            await ended.pop()
        finally:
            self._over = True
            try:
                await self._let_it_rest()
            finally:
                await self._end(tasks)

    async def _end(self, tasks: set[asyncio.Task[None]]) -> None:
        """End the process and the work on it; its wire and handle are let go also where the core itself just ends."""
        self._child.kill(signal.SIGKILL)
        with contextlib.closing(self._child):
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def order(self, order: wire.Order) -> None:
        """Tell the process what its outputs are to show, now and, where it is not started yet, as soon as it is."""
        self._orders = order
        if self._started:
            with contextlib.suppress(OSError):
                await self._write(order)

    async def _let_it_rest(self) -> None:
        """Where the process drives outputs, end its wire and give it a moment to leave them as they are at rest."""
        if self._orders is None or self._child.exit.done():
            return
        with contextlib.suppress(OSError, TimeoutError):
            self._child.wire.shutdown(socket.SHUT_WR)
            async with asyncio.timeout(REST_DEADLINE_S):
                await asyncio.shield(self._child.exit)

    async def _read(self, start: wire.Start) -> None:
        loop = asyncio.get_running_loop()
        try:
            await self._write(start)
        except ValueError as error:
            raise ProcessEnded("crashing", f"the process could not be told what to run: {error}") from None
        except OSError:
            raise await self._ended() from None
        self._started = True
        if self._orders:
            await self.order(self._orders)
        while True:
            await self._until_there_is_room()
            try:
                data = await loop.sock_recv(self._child.wire, READ_BYTES)
            except OSError:  # reset: what the core sent last was not read
                data = b""
            if not data:
                raise await self._ended()
            self._heard_ns = self._clock.now().monotonic_ns
            try:
                for message in self._decoder.feed(data):
                    self._take(message)
            except ProtocolError as error:
                raise ProcessEnded("wire", f"the process sent what is no message: {error}") from None

    async def _until_there_is_room(self) -> None:
        """Read nothing more while the core holds as much of this device's pictures as it may."""
        while self._held_bytes > HELD_BYTES:
            self._relief.clear()
            await self._relief.wait()

    async def _ended(self) -> ProcessEnded:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(EXIT_DEADLINE_S):
                return ProcessEnded("crashing", _how(await asyncio.shield(self._child.exit)))
        return ProcessEnded("crashing", "the process closed its wire")

    def _take(self, message: wire.FromDevice | wire.FromCore) -> None:
        match message:
            case wire.Offer():
                self._offered(message)
            case wire.Beat():
                if message.progress != self._progress:
                    self._progress, self._moved_ns = message.progress, self._heard_ns
                self._progress_deadline_s = message.deadline_s
            case wire.State():
                self._states += 1
                if self._states > STATES_PER_WINDOW:
                    raise ProcessEnded("flooding", "its state changes faster than any device's does")
                self._set_state(message)
            case wire.Hello():
                self._hello = True
            case _:
                raise ProtocolError(f"a device may not send {message.kind}")

    def _offered(self, offer: wire.Offer) -> None:
        if self._open >= self._window:
            raise ProtocolError(f"more than {self._window} observations without an answer")
        self._offers += 1
        self.last_observation = offer.observation.at
        self._open += 1
        self._held_bytes += _size(offer.observation)
        task = asyncio.create_task(self._answer(offer))
        self._unsettled.add(task)
        task.add_done_callback(self._unsettled.discard)

    async def _answer(self, offer: wire.Offer) -> None:
        try:
            told = await self._told(offer.observation)
        finally:
            self._open -= 1
            self._held_bytes -= _size(offer.observation)
            self._relief.set()
        if self.flooding:
            await self._wait_for_its_turn()
        with contextlib.suppress(OSError):
            await self._write(wire.Answer(number=offer.number, outcome=told.outcome, verdict=told.verdict))

    async def _wait_for_its_turn(self) -> None:
        """Answer a flood no faster than what is believed of a device: its window then slows the driver down."""
        now_ns = self._clock.now().monotonic_ns
        self._turn_ns = max(now_ns, self._turn_ns) + int(1e9 / FLOOD_PER_S)
        await asyncio.sleep((self._turn_ns - now_ns) / 1e9)

    async def _told(self, observation: Observation) -> Screened:
        try:
            told = await self._handle(self._config, observation)
            return told if isinstance(told, Screened) else Screened(told)
        except EdgeError as error:
            log.error("%s: an observation could not be handled: %s", self._config.name, error)
        except Exception:
            # Whatever a device may bring, it must get an answer: without one its driver would wait for ever.
            log.exception("%s: an observation could not be handled", self._config.name)
        return Screened(Outcome.REFUSED)

    async def _write(self, message: wire.FromCore) -> None:
        loop = asyncio.get_running_loop()
        async with self._writing:
            for part in wire.encode(message):
                if self._over:
                    return  # nobody is left to be told
                await loop.sock_sendall(self._child.wire, part)

    async def _watch(self) -> None:
        """Find the process that is silent, hanging, leaking or flooding; each is a finding of its own."""
        now = self._clock.now().monotonic_ns
        while True:
            before = now
            await asyncio.sleep(WATCH_S)
            now = self._clock.now().monotonic_ns
            if (now - before) / 1e9 > LATE_S or self._held_bytes > HELD_BYTES:
                # It is the core that did not listen: it was stopped, or wants nothing more just now.
                self._heard_ns = self._moved_ns = now
            quiet_s = (now - self._heard_ns) / 1e9
            if quiet_s > (BEAT_DEADLINE_S if self._hello else HELLO_DEADLINE_S):
                raise ProcessEnded("hanging", f"no heartbeat for {quiet_s:.0f} s")
            still_s = (now - self._moved_ns) / 1e9
            beating = quiet_s < 4 * host.BEAT_S  # else it hangs as a whole, which is another finding
            if self._progress_deadline_s is not None and beating and still_s > self._progress_deadline_s:
                raise ProcessEnded("silent", f"the driver did no round of its work for {still_s:.0f} s")
            rss = self._child.rss_bytes()
            if rss > self._config.memory_bytes:
                raise ProcessEnded("leaking", f"{rss} bytes of memory, {self._config.memory_bytes} are allowed")
            self._watch_flood(now)

    def _watch_flood(self, now_ns: int) -> None:
        elapsed_s = (now_ns - self._flood_since_ns) / 1e9
        if elapsed_s >= FLOOD_WINDOW_S:
            self.flooding = self._offers / elapsed_s > FLOOD_PER_S / (2 if self.flooding else 1)
            self._offers = self._states = 0
            self._flood_since_ns = now_ns
