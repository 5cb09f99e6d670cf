"""Runs one driver in its own process, the far end of the wire: the supervisor's child calls `serve` and ends."""

from __future__ import annotations

import asyncio
import logging
import random
import socket
from collections.abc import Callable, Mapping
from pathlib import Path

from drivers import heap, registry, wire
from drivers.clock import Clock, SystemClock
from drivers.contract import DeviceState, Driver, Observation, Outcome, Output, Scan, Screened
from drivers.errors import EdgeError

log = logging.getLogger("jaitf.device")

BEAT_S = 1.0
PAUSE_S = 5.0
FIRST_RETRY_S = 0.5
MAX_RETRY_S = 10.0
READ_BYTES = 64 * 1024


class CoreGone(Exception):
    """The core closed the wire: nothing that this process does can reach anyone."""


class SocketPort:
    """The port of a driver in a device's process; see `drivers.contract.Port`."""

    def __init__(self, name: str, sock: socket.socket, state_dir: Path, window: int, clock: Clock) -> None:
        self.name = name
        self.clock = clock
        self.state_dir = state_dir
        self.rounds = 0
        self._sock = sock
        self.offered = 0
        self._waiting: dict[int, asyncio.Future[Screened]] = {}
        self._window = asyncio.Semaphore(window)
        self._writing = asyncio.Lock()
        self._said: wire.State | None = None
        self._unsaid: set[asyncio.Task[None]] = set()
        self.on_order: Callable[[Mapping[str, Output]], None] | None = None

    async def emit(self, observation: Observation) -> Outcome:
        """Hand an observation to the core; see `Port.emit`. Raises CoreGone when the core has gone away."""
        return (await self._offer(observation)).outcome

    async def screen(self, scan: Scan) -> Screened:
        """Hand a scan to the core; see `Port.screen`. Raises CoreGone when the core has gone away."""
        return await self._offer(scan)

    async def _offer(self, observation: Observation) -> Screened:
        async with self._window:
            self.offered += 1
            number = self.offered
            answer: asyncio.Future[Screened] = asyncio.get_running_loop().create_future()
            self._waiting[number] = answer
            try:
                await self.write(wire.Offer(number=number, observation=observation))
                return await answer
            finally:
                self._waiting.pop(number, None)

    def state(self, state: DeviceState, reason: str = "", code: str = "", **facts: str | int | float | bool) -> None:
        """Tell how the device is; see `Port.state`."""
        message = wire.State(state=state, reason=reason[:512], code=code, facts=facts)
        if message != self._said:
            self._said = message
            self._start_writing(message)

    def progress(self) -> None:
        """Count a round of the driver's work."""
        self.rounds += 1

    async def write(self, message: wire.FromDevice) -> None:
        """Write one whole message to the core, whole even where the caller is cancelled: half a frame ends the wire.

        Raises ValueError for a message over the wire's limits, CoreGone when the core has gone away.
        """
        await asyncio.shield(self._start_writing(message))

    def _start_writing(self, message: wire.FromDevice) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(self._write(wire.encode(message)))
        self._unsaid.add(task)
        task.add_done_callback(self._written)
        return task

    async def _write(self, parts: list[bytes | memoryview]) -> None:
        loop = asyncio.get_running_loop()
        async with self._writing:
            try:
                for part in parts:
                    await loop.sock_sendall(self._sock, part)
            except OSError as error:
                raise CoreGone from error

    def _written(self, task: asyncio.Task[None]) -> None:
        self._unsaid.discard(task)
        if not task.cancelled():
            task.exception()  # whoever waits has it; `listen` tells the rest that the core is gone

    async def listen(self, decoder: wire.Decoder) -> None:
        """Take the core's answers until it goes away, then raise CoreGone."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                data = await loop.sock_recv(self._sock, READ_BYTES)
            except OSError as error:
                raise CoreGone from error
            if not data:
                raise CoreGone
            for message in decoder.feed(data):
                if isinstance(message, wire.Order) and self.on_order:
                    self.on_order(_outputs(message))
                answer = self._waiting.get(message.number) if isinstance(message, wire.Answer) else None
                if isinstance(message, wire.Answer) and answer and not answer.done():
                    answer.set_result(Screened(message.outcome, message.verdict))


def _outputs(order: wire.Order) -> dict[str, Output]:
    return {name: Output(one.on, one.rest) for name, one in order.outputs.items()}


async def _beat(port: SocketPort, driver: Driver) -> None:
    while True:
        await port.write(wire.Beat(progress=port.rounds, deadline_s=driver.progress_deadline_s))
        await asyncio.sleep(BEAT_S)


async def give_back_in_pauses(port: SocketPort) -> None:
    """After each run of observations give back what the C library holds free of them; for ever."""
    given_back = 0
    while True:
        before = port.offered
        await asyncio.sleep(PAUSE_S)
        if port.offered == before != given_back:
            given_back = before
            heap.give_back()


async def keep_running(driver: Driver, port: SocketPort, chance: random.Random) -> None:
    """Run a driver for ever: after each loss of the device say so once, wait with jitter, and run it again."""
    wait_s = FIRST_RETRY_S
    while True:
        started = port.clock.now().monotonic_ns
        try:
            await driver.run(port)
            reason, code = "the driver ended without a reason", "driver-ended"
        except EdgeError as error:
            reason, code = str(error), error.code
            if not error.retriable:
                raise
        if port.clock.now().monotonic_ns - started > 60e9:
            wait_s = FIRST_RETRY_S
        port.state(DeviceState.DOWN, reason, code)
        port.progress()
        await asyncio.sleep(wait_s * (0.5 + chance.random() / 2))
        wait_s = min(wait_s * 2, MAX_RETRY_S)


async def _serve(sock: socket.socket) -> None:
    sock.setblocking(False)
    loop = asyncio.get_running_loop()
    decoder = wire.Decoder()
    start: wire.Start | None = None
    order: wire.Order | None = None
    while start is None:
        data = await loop.sock_recv(sock, READ_BYTES)
        if not data:
            raise CoreGone
        for message in decoder.feed(data):
            if isinstance(message, wire.Start):
                start = message
            elif isinstance(message, wire.Order):  # right behind it
                order = message
    info = registry.named(start.driver)
    if info.pictures:
        heap.bound(heap.DEVICE_KEPT_BYTES)
    driver = registry.make(info, registry.settings_class(info).model_validate(start.settings))
    port = SocketPort(start.device, sock, Path(start.state_dir), start.window, SystemClock())
    port.on_order = driver.order
    if order:
        driver.order(_outputs(order))
    if info.pictures:  # else its parent has loaded it, and settled
        heap.settle()
    await port.write(wire.Hello(driver=info.name, version="1"))
    async with asyncio.TaskGroup() as group:
        group.create_task(port.listen(decoder))
        group.create_task(_beat(port, driver))
        group.create_task(keep_running(driver, port, random.Random()))
        if info.pictures:
            group.create_task(give_back_in_pauses(port))


def serve(sock: socket.socket) -> int:
    """Run the driver that the core names over `sock` until the core goes away; return the exit status.

    0: the core went away; 1: the driver failed in a way that only a new process can mend (logged with its traceback).
    """
    try:
        asyncio.run(_serve(sock))
    except CoreGone:
        return 0
    except BaseExceptionGroup as group:
        failures = group.split(CoreGone)[1]
        if failures is None:
            return 0
        log.error("the driver failed", exc_info=failures)
        return 1
    return 0
