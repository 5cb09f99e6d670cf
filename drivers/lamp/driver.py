"""The `lamp` driver's waiting: says what each output is to show, at once when that changes, and now and then again."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import ClassVar

from drivers.contract import DeviceState, Driver, Output, Port, ProbeReport, Reading
from drivers.errors import EdgeError, LinkTimeout, ProtocolError
from drivers.lamp.codec import answered
from drivers.lamp.settings import LampSettings, Switch
from drivers.links.serial import Stream, open_stream
from drivers.outgoing import Outgoing

OPEN_S = 5.0
READ_BYTES = 1024
#: How long the outputs may take to be left at rest when the driver ends.
REST_S = 2.0
_OFF = Output(False)


class LampDriver(Driver):
    """Switches one device's outputs; one that nothing ordered is off."""

    progress_deadline_s: ClassVar[float | None] = None

    def __init__(self, settings: LampSettings) -> None:
        self._settings = settings
        self._orders: dict[str, Output] = {}
        self._shown: dict[str, bool] = {}
        self._ordered = asyncio.Event()
        self._outgoing = Outgoing()
        self._news: asyncio.Task[None] | None = None
        self._timeouts = 0

    def order(self, outputs: Mapping[str, Output]) -> None:
        """See `Driver.order`."""
        self._orders = dict(outputs)
        self._ordered.set()

    async def run(self, port: Port) -> None:
        """Show what is ordered until cancelled; see `Driver.run`. Raises LinkError or ProtocolError."""
        self._shown.clear()
        self._timeouts = 0
        stream = await open_stream(self._settings.url, OPEN_S)
        try:
            while True:
                self._outgoing.check()
                await self._show(stream, again=True)
                self._tell(port)
                if not self._timeouts:
                    port.state(DeviceState.UP)
                port.progress()
                await self._until_due(stream)
        finally:
            await self._rest(stream)
            stream.close()

    async def _until_due(self, stream: Stream) -> None:
        """Wait till everything is to be said again; say what an order changes meanwhile at once."""
        loop = asyncio.get_running_loop()
        due = loop.time() + self._settings.repeat_s
        while True:
            try:
                async with asyncio.timeout_at(due):
                    await self._ordered.wait()
            except TimeoutError:
                return
            await self._show(stream, again=False)

    async def _show(self, stream: Stream, *, again: bool) -> None:
        self._ordered.clear()
        for switch in self._settings.switches:
            on = self._orders.get(switch.name, _OFF).on
            if again or self._shown.get(switch.name) is not on:
                await self._switch(stream, switch, on)

    async def _switch(self, stream: Stream, switch: Switch, on: bool) -> None:
        """Say one command and hear its answer; raises after too many without one."""
        await _drop_what_waits(stream)
        await stream.write(switch.command(on), self._settings.timeout_ms / 1000)
        try:
            await self._hear(stream, switch)
        except (LinkTimeout, ProtocolError):
            self._shown.pop(switch.name, None)
            self._timeouts += 1
            if self._timeouts >= self._settings.max_timeouts:
                raise
        else:
            self._shown[switch.name] = on
            if switch.expected:
                self._timeouts = 0

    async def _hear(self, stream: Stream, switch: Switch) -> None:
        if not switch.expected:
            return
        loop = asyncio.get_running_loop()
        due, came = loop.time() + self._settings.timeout_ms / 1000, b""
        while not answered(came, switch.expected) and (left_s := due - loop.time()) > 0:
            with suppress(LinkTimeout):
                came = (came + await stream.read(READ_BYTES, left_s))[-READ_BYTES:]
        if answered(came, switch.expected):
            return
        where = f"{self._settings.url}: {switch.name}"
        if came:
            raise ProtocolError(f"{where}: {len(came)} bytes came, but no answer; another baud rate, another device?")
        raise LinkTimeout(f"{where}: no answer within {self._settings.timeout_ms} ms; power, TX and RX swapped?")

    def _tell(self, port: Port) -> None:
        """Tell what is shown, one message at a time."""
        if (self._news is None or self._news.done()) and self._shown:
            self._news = self._outgoing.push(port, Reading(port.clock.now(), {"outputs": dict(self._shown)}))

    async def _rest(self, stream: Stream) -> None:
        """Leave each output as it is at rest, where the line still takes it; there is little time."""
        resting = {name: output.rest for name, output in self._orders.items()}
        with suppress(EdgeError, TimeoutError):
            async with asyncio.timeout(REST_S):
                for switch in self._settings.switches:
                    rest = resting.get(switch.name)
                    if rest is not None and self._shown.get(switch.name) is not rest:
                        await stream.write(switch.command(rest), REST_S)

    async def probe(self, deadline_s: float) -> ProbeReport:
        """Open the line and switch everything off; see `Driver.probe`."""
        steps: list[str] = []
        try:
            async with asyncio.timeout(deadline_s):
                stream = await open_stream(self._settings.url, deadline_s)
                try:
                    steps.append(f"opened {self._settings.url}")
                    for switch in self._settings.switches:
                        await stream.write(switch.command(False), deadline_s)
                        await self._hear(stream, switch)
                        steps.append(f"{switch.name}: off" + (", and it says so" if switch.expected else ""))
                finally:
                    stream.close()
        except TimeoutError:
            return ProbeReport.failed(steps, LinkTimeout(f"not done within {deadline_s:g} s"))
        except EdgeError as error:
            return ProbeReport.failed(steps, error)
        answered = any(switch.expected for switch in self._settings.switches)
        return ProbeReport(True, tuple(steps), answered=answered)


async def _drop_what_waits(stream: Stream) -> None:
    with suppress(LinkTimeout):
        await stream.read(READ_BYTES, 0)
