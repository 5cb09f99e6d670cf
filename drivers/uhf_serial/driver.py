"""The `uhf-serial` driver's waiting: asks a module for tags, round by round, and tells what it heard."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from drivers.contract import DeviceState, Driver, Port, ProbeReport
from drivers.errors import EdgeError, LinkTimeout, ProtocolError
from drivers.links.serial import Stream, open_stream
from drivers.outgoing import Outgoing
from drivers.tags import Gathered
from drivers.uhf_serial.frames import Family, Framer, Reply
from drivers.uhf_serial.m100 import M100
from drivers.uhf_serial.reader18 import Reader18
from drivers.uhf_serial.settings import Protocol, UhfSerialSettings

READ_BYTES = 4096
OPEN_S = 5.0
#: A line on which nothing comes for so long is between frames, slow adapters (16 ms) included.
QUIET_S = 0.05
#: A fault that the module reports stands until so many rounds went without one.
GOOD_ROUNDS = 10


class Module:
    """One module on its open line: asks, and takes only valid frames for answers."""

    def __init__(self, where: str, family: Family, timeout_s: float) -> None:
        self._where = where
        self._family = family
        self._timeout_s = timeout_s
        self._framer: Framer = family.framer()
        self._stream: Stream | None = None

    async def open(self) -> None:
        """Open the line; raises LinkError."""
        self._framer = self._family.framer()
        self._stream = await open_stream(self._where, OPEN_S, self._family.line)

    def close(self) -> None:
        """Let the line go; safe to call at any time."""
        if self._stream:
            self._stream.close()
            self._stream = None

    async def identity(self) -> str | None:
        """Return who the module says it is, None where it answers something else.

        Raises LinkTimeout where nothing valid comes, ProtocolError where bytes come that are no frames.
        """
        for reply in await self._ask(self._family.ask_identity(), self._timeout_s):
            if reply.identity is not None:
                return reply.identity
        return None

    async def round(self, gather_s: float) -> list[Reply]:
        """Have the module look for tags once; listen on for `gather_s`, for it answers tag by tag."""
        return await self._ask(self._family.ask_tags(), gather_s)

    async def _ask(self, command: bytes, gather_s: float) -> list[Reply]:
        assert self._stream is not None
        loop = asyncio.get_running_loop()
        before = self._framer.skipped
        await self._stream.write(command, self._timeout_s)
        start = came = loop.time()
        replies: list[Reply] = []
        while True:
            wait_more = not replies or replies[-1].more
            due = start + (self._timeout_s if wait_more else min(gather_s, self._timeout_s))
            try:
                data = await self._stream.read(READ_BYTES, max(due - loop.time(), 0))
            except LinkTimeout:
                if loop.time() - came >= QUIET_S:
                    self._framer.quiet()
                break
            came = loop.time()
            replies += self._framer.feed(data)
            if any(reply.identity is not None for reply in replies) or loop.time() >= start + self._timeout_s:
                break
        if replies:
            return replies
        noise = self._framer.skipped - before
        if noise:
            raise ProtocolError(
                f"{self._where}: {noise} bytes came, but no valid frame; another baud rate, another protocol?"
            )
        raise LinkTimeout(f"{self._where}: no answer within {self._timeout_s:g} s; power, TX and RX swapped?")


class UhfSerialDriver(Driver):
    """Polls one module."""

    progress_deadline_s: ClassVar[float | None] = 180.0

    def __init__(self, settings: UhfSerialSettings) -> None:
        self._settings = settings
        self._gathered = Gathered(settings.min_rssi_dbm)
        self._outgoing = Outgoing()
        self._news: list[asyncio.Task[None]] = []
        self._failures = 0
        self._fault: str | None = None
        self._good_rounds = 0
        self._identity: str | None = None

    def _module(self) -> Module:
        family: Family = Reader18(self._settings.address) if self._settings.protocol is Protocol.READER18 else M100()
        return Module(self._settings.url, family, self._settings.timeout_ms / 1000)

    async def run(self, port: Port) -> None:
        """Poll until cancelled; see `Driver.run`. Raises LinkError or ProtocolError when the module is lost."""
        loop = asyncio.get_running_loop()
        poll_s, report_s = self._settings.poll_ms / 1000, self._settings.report_ms / 1000
        module = self._module()
        self._failures, self._fault = 0, None
        try:
            await module.open()
            self._identity = await module.identity()
            told = loop.time()
            while True:
                self._outgoing.check()
                start = loop.time()
                await self._round(module, poll_s, port)
                if loop.time() - told >= report_s:
                    told = loop.time()
                    self._tell(port)
                self._say(port)
                port.progress()
                await asyncio.sleep(max(start + poll_s - loop.time(), 0))
        finally:
            module.close()

    async def _round(self, module: Module, poll_s: float, port: Port) -> None:
        try:
            replies = await module.round(poll_s)
        except (LinkTimeout, ProtocolError):
            self._failures += 1
            if self._failures >= self._settings.max_timeouts:
                raise
            return
        self._failures = 0
        at = port.clock.now()
        for reply in replies:
            for tag in reply.tags:
                self._gathered.see(tag.epc, self._settings.antenna, tag.rssi_dbm, at, gs1=tag.gs1)
        faults = [reply.fault for reply in replies if reply.fault]
        self._good_rounds = 0 if faults else self._good_rounds + 1
        if faults:
            self._fault = faults[-1]
        elif self._good_rounds >= GOOD_ROUNDS:
            self._fault = None

    def _tell(self, port: Port) -> None:
        """Hand the window's tags over, unless the last ones are still on their way: then the window goes on."""
        self._news = [task for task in self._news if not task.done()]
        if not self._news and self._gathered:
            self._news = [self._outgoing.push(port, reading) for reading in self._gathered.take(port.clock.now())]

    def _say(self, port: Port) -> None:
        facts = {"module": self._identity} if self._identity else {}
        if self._fault:
            port.state(DeviceState.DEGRADED, f"the module reports: {self._fault}", "module-fault", **facts)
        elif not self._failures:
            port.state(DeviceState.UP, "", "", **facts)

    async def probe(self, deadline_s: float) -> ProbeReport:
        """Open the line, ask who the module is, look for tags once; see `Driver.probe`."""
        module = self._module()
        steps: list[str] = []
        try:
            async with asyncio.timeout(deadline_s):
                await module.open()
                steps.append(f"opened {self._settings.url}")
                identity = await module.identity()
                steps.append("the module answers")
                replies = await module.round(self._settings.poll_ms / 1000)
        except TimeoutError:
            return ProbeReport.failed(steps, LinkTimeout(f"not done within {deadline_s:g} s"))
        except EdgeError as error:
            return ProbeReport.failed(steps, error)
        finally:
            module.close()
        heard = sorted({tag.epc for reply in replies for tag in reply.tags})
        sample = (
            f"{len(heard)} tag{'s' if len(heard) > 1 else ''} in view: {', '.join(heard[:5])}"
            if heard
            else "no tag in view"
        )
        return ProbeReport(True, tuple(steps), {"module": identity} if identity else {}, sample)
