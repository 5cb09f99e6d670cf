"""The `modbus` driver: its units, each polled by itself, over a connection each or on one serial line."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, ClassVar

from drivers.contract import DeviceState, Driver, Output, Port, ProbeReport, Reading
from drivers.errors import EdgeError, LinkLost, LinkTimeout
from drivers.links.address import SerialAddress
from drivers.modbus.client import NO_SUCH_UNIT, ExceptionReply, ModbusLink, UnitLink, tls_context
from drivers.modbus.codec import Block, decode
from drivers.modbus.line import Line, RtuLink
from drivers.modbus.settings import ModbusSettings, endpoint
from drivers.modbus.unit import Unit
from drivers.outgoing import Outgoing

#: Values go out when they changed, but no oftener than the first, and unchanged as often as the second, in seconds.
NEWS_S, REPEAT_S = 1.0, 5.0
#: How long the outputs may take to be left at rest when the driver ends.
REST_S = 2.0
#: Exception codes by which a device says that it has no such table or registers.
NO_SUCH_REGISTERS = (1, 2, 3)
SURVEY = " `jaitf-edge setup --survey URL` shows which answer"


class ModbusDriver(Driver):
    """Polls its units' points; what it remembers of them outlives the connections."""

    progress_deadline_s: ClassVar[float | None] = 180.0

    def __init__(self, settings: ModbusSettings) -> None:
        self._settings = settings
        self._outgoing = Outgoing()
        self._ordered: dict[str, Output] = {}
        self._units = [Unit(plan, settings.max_timeouts, self._outgoing) for plan in settings.plans()]
        self._news: asyncio.Task[None] | None = None
        self._news_at = float("-inf")
        self._news_sent: dict[str, Any] = {}

    async def run(self, port: Port) -> None:
        """Poll until cancelled; see `Driver.run`. Raises LinkError or ProtocolError when every unit is lost."""
        with self._links() as links:
            if len(links) == 1:
                await links[0].connect()
            polls = []
            for unit, link in zip(self._units, links, strict=True):
                unit.begin()
                polls.append(asyncio.create_task(unit.serve(link, port, self._any_left, lambda: self._after(port))))
            try:
                ended, _ = await asyncio.wait(polls, return_when=asyncio.FIRST_COMPLETED)
                for poll in ended:
                    poll.result()
            finally:
                for poll in polls:
                    poll.cancel()
                await asyncio.gather(*polls, return_exceptions=True)
                await self._rest(links)

    def order(self, outputs: Mapping[str, Output]) -> None:
        """See `Driver.order`: writable points are outputs."""
        self._ordered = dict(outputs)
        for unit in self._units:
            unit.order(outputs)

    async def _rest(self, links: list[UnitLink]) -> None:
        """Leave the outputs as they are at rest, where the units can still be reached; there is little time."""
        if not self._ordered:
            return
        with suppress(EdgeError, TimeoutError):
            async with asyncio.timeout(REST_S):
                for unit, link in zip(self._units, links, strict=True):
                    if unit.lost is None:
                        await unit.rest(link)
        for unit in self._units:
            unit.order(self._ordered)  # it may be run again

    @contextmanager
    def _links(self) -> Iterator[list[UnitLink]]:
        """Yield a way to each unit: connections of their own, or turns on one line. None is open yet."""
        settings = self._settings
        timeout_s = settings.timeout_ms / 1000
        where = endpoint(settings.url)
        links: list[UnitLink]
        if isinstance(where, SerialAddress):
            line = Line(settings.url, timeout_s, (settings.quiet_ms or settings.timeout_ms) / 1000)
            links = [RtuLink(line, unit.plan.unit) for unit in self._units]
        else:
            line = None
            tls = tls_context(settings.ca_file, settings.cert_file, settings.key_file) if settings.ca_file else None
            links = [ModbusLink(where.host, where.port, unit.plan.unit, timeout_s, tls) for unit in self._units]
        try:
            yield links
        finally:
            for link in links:
                link.close()
            if line:
                line.close()

    def _any_left(self) -> bool:
        return any(unit.lost is None for unit in self._units)

    def _after(self, port: Port) -> None:
        self._outgoing.check()
        self._tell(port)
        self._say(port)

    def _tell(self, port: Port) -> None:
        """Send the values as news, one message at a time; alarms never wait behind them."""
        now = asyncio.get_running_loop().time()
        age_s = now - self._news_at
        if (self._news and not self._news.done()) or self._outgoing.full:
            return
        news = self._values()
        # A contact's change is told at once: the lane counts the belt's travel by one.
        at_once = _contacts(news) != _contacts(self._news_sent)
        if news["points"] and (at_once or age_s >= REPEAT_S or (age_s >= NEWS_S and news != self._news_sent)):
            self._news_at, self._news_sent = now, news
            self._news = self._outgoing.push(port, Reading(port.clock.now(), news))

    def _values(self) -> dict[str, Any]:
        news: dict[str, Any] = {"points": {name: value for unit in self._units for name, value in unit.values.items()}}
        if any(unit.watches_alarms for unit in self._units):
            news["alarms"] = [label for unit in self._units for label in unit.alarms]
        if suspect := [name for unit in self._units for name in unit.suspect]:
            news["suspect"] = suspect
        return news

    def _say(self, port: Port) -> None:
        lost = [unit for unit in self._units if unit.lost]
        degraded = [said for unit in self._units for said in unit.degraded.values()]
        if self._outgoing.full:
            reason = "the appliance does not take readings as fast as they come: changes may be missed"
            port.state(DeviceState.DEGRADED, reason, "overrun")
        elif self._outgoing.refused:
            port.state(DeviceState.DEGRADED, "the appliance has no room: readings wait in memory", "no-room")
        elif lost and lost[0].lost and self._any_left():
            names = ", ".join(unit.plan.name for unit in lost)
            port.state(DeviceState.DEGRADED, f"lost: {names}; {lost[0].lost}", "unit-lost")
        elif degraded:
            code, reason = degraded[0]
            port.state(DeviceState.DEGRADED, reason, code)
        elif refused := [unit.refused_output for unit in self._units if unit.refused_output]:
            port.state(DeviceState.DEGRADED, refused[0], "output-refused")
        elif faults := [fault for unit in self._units for fault in unit.faults]:
            port.state(DeviceState.DEGRADED, f"the device reports: {', '.join(faults)}", "device-fault")
        elif all(unit.well for unit in self._units):
            port.state(DeviceState.UP)

    async def probe(self, deadline_s: float) -> ProbeReport:
        """Connect, ask for the identity, and read every block once; see `Driver.probe`."""
        steps: list[str] = []
        identity: dict[str, str] = {}
        sample: list[str] = []
        try:
            with self._links() as links:
                async with asyncio.timeout(deadline_s):
                    for unit, link in zip(self._units, links, strict=True):
                        await link.connect()
                        named = f", {unit.plan.name}" if unit.plan.name else ""
                        steps.append(f"connected to {self._settings.url}{named}")
                        identity |= await link.identity()
                        sample += [await _sample(link, block, steps) for block in unit.plan.blocks]
        except TimeoutError:
            return ProbeReport.failed(steps, LinkTimeout(f"not done within {deadline_s:g} s"))
        except EdgeError as error:
            return ProbeReport.failed(steps, error, mend=self._mend(error, bool(steps)), identity=identity)
        return ProbeReport(True, tuple(steps), identity, ", ".join(sample))

    def _mend(self, error: EdgeError, connected: bool) -> str | None:
        """Return what to try where the wire is there and the unit is not: the table knows nothing of units."""
        units = ", ".join(str(unit.plan.unit) for unit in self._units)
        number = error.number if isinstance(error, ExceptionReply) else None
        if number in NO_SUCH_UNIT or (connected and isinstance(error, LinkTimeout)):
            line = "baud rate, parity, A and B swapped? " if self._settings.url.startswith("serial:") else ""
            return f"is unit {units} right? {line}`jaitf-edge setup` asks the usual unit numbers"
        if connected and isinstance(error, LinkLost):
            wants = (
                " does it want a certificate of ours, in date and of its authority?" if self._settings.ca_file else ""
            )
            return (
                f"what listens there took the connection and ended it: is it Modbus, has it a connection left?{wants}"
            )
        if number in NO_SUCH_REGISTERS:
            return "compare table, address and count with the manual (40001 there is holding 0 here);" + SURVEY
        return None


async def _sample(link: UnitLink, block: Block, steps: list[str]) -> str:
    reads = decode(block, await link.read(block.table, block.start, block.count))
    steps.append(f"read {block}")
    return ", ".join(f"{point.name} = {reads[point.name].shown} {point.unit}".rstrip() for point in block.points)


def _contacts(news: dict[str, Any]) -> dict[str, bool]:
    return {name: value for name, value in news.get("points", {}).items() if isinstance(value, bool)}
