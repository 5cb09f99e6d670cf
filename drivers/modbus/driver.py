"""The `modbus` driver's waiting: polls on a steady schedule, and raises what changes."""

from __future__ import annotations

import asyncio
import math
from typing import ClassVar

from drivers.clock import Stamp
from drivers.contract import DeviceState, Driver, Finding, Measurement, Port, ProbeReport, Reading
from drivers.errors import EdgeError, LinkTimeout, ProtocolError
from drivers.modbus.client import ExceptionReply, ModbusLink
from drivers.modbus.codec import Block, Number, Watch, number, plan, raw, scaled
from drivers.modbus.settings import Alarm, ModbusSettings, Point, endpoint
from drivers.outgoing import Outgoing

#: Values go out when they changed, but no oftener than the first, and unchanged as often as the second, in seconds.
NEWS_S, REPEAT_S = 1.0, 5.0
#: How a block's trouble counts: each failure two up, each good read one down; degraded from here, until it is at zero.
FAILED, DEGRADED_FROM, WORST = 2, 6, 20


def next_tick(last: int, elapsed_s: float, period_s: float) -> int:
    """Return the number of the next poll on the grid of the first: polls do not drift, missed ones are left out."""
    return max(last + 1, math.ceil(elapsed_s / period_s))


class ModbusDriver(Driver):
    """Polls one unit's points; what it remembers of them outlives the connection."""

    progress_deadline_s: ClassVar[float | None] = 180.0

    def __init__(self, settings: ModbusSettings) -> None:
        self._settings = settings
        self._blocks = plan(settings.points)
        self._watches = {point.name: Watch(point) for point in settings.points}
        self._values: dict[str, Number | None] = {}
        self._outgoing = Outgoing()
        self._news: asyncio.Task[None] | None = None
        self._news_at = float("-inf")
        self._news_sent: dict[str, Number | None] = {}
        self._timeouts = 0
        self._trouble: dict[Block, int] = {}
        self._degraded: dict[Block, tuple[str, str]] = {}

    async def run(self, port: Port) -> None:
        """Poll until cancelled; see `Driver.run`. Raises LinkError or ProtocolError when the device is lost."""
        loop = asyncio.get_running_loop()
        period_s = self._settings.poll_ms / 1000
        link = self._link()
        self._timeouts = 0
        self._trouble.clear()
        self._degraded.clear()
        try:
            await link.connect()
            start, tick = loop.time(), 0
            while True:
                self._outgoing.check()
                if not self._outgoing.full:
                    await self._poll(link, port)
                self._say(port)
                port.progress()
                tick = next_tick(tick, loop.time() - start, period_s)
                await asyncio.sleep(start + tick * period_s - loop.time())
        finally:
            link.close()

    def _link(self) -> ModbusLink:
        host, port = endpoint(self._settings.url)
        return ModbusLink(host, port, self._settings.unit, self._settings.timeout_ms / 1000)

    async def _poll(self, link: ModbusLink, port: Port) -> None:
        """Read every block once; what one block fails with does not keep the others from being read."""
        for block in self._blocks:
            try:
                values = await link.read(block.table, block.start, block.count)
            except ExceptionReply as error:
                self._timeouts = 0
                self._failed(block, f"modbus-exception-{error.number}", str(error))
            except (LinkTimeout, ProtocolError) as error:
                self._timeouts += 1
                self._failed(block, error.code, str(error))
                if self._timeouts >= self._settings.max_timeouts:
                    raise
            else:
                self._timeouts = 0
                self._good(block)
                self._see(block, values, port)
        self._tell(port)

    def _see(self, block: Block, values: list[int], port: Port) -> None:
        at = port.clock.now()
        for point in block.points:
            value = number(point, _words(block, point, values))
            shown = scaled(point, value)
            self._values[point.name] = shown
            if self._watches[point.name].see(value, shown) and shown is not None:
                self._outgoing.push(port, _reading(at, point, shown, raw(block.table, values)))

    def _tell(self, port: Port) -> None:
        """Send the values as news, one message at a time; alarms never wait behind them."""
        now = asyncio.get_running_loop().time()
        age_s = now - self._news_at
        if self._news and not self._news.done():
            return
        if age_s >= REPEAT_S or (age_s >= NEWS_S and self._values != self._news_sent):
            self._news_at, self._news_sent = now, dict(self._values)
            reading = Reading(port.clock.now(), {"points": dict(self._values)})
            self._news = self._outgoing.push(port, reading)

    def _failed(self, block: Block, code: str, reason: str) -> None:
        self._trouble[block] = min(self._trouble.get(block, 0) + FAILED, WORST)
        if self._trouble[block] >= DEGRADED_FROM:
            self._degraded[block] = (code, reason)
            self._values.update(dict.fromkeys((point.name for point in block.points), None))

    def _good(self, block: Block) -> None:
        if block in self._trouble:
            self._trouble[block] -= 1
            if self._trouble[block] <= 0:
                del self._trouble[block]
                self._degraded.pop(block, None)

    def _say(self, port: Port) -> None:
        if self._outgoing.full:
            reason = "the appliance does not take readings as fast as they come: changes may be missed"
            port.state(DeviceState.DEGRADED, reason, "overrun")
        elif self._outgoing.refused:
            port.state(DeviceState.DEGRADED, "the appliance has no room: readings wait in memory", "no-room")
        elif self._degraded:
            code, reason = next(iter(self._degraded.values()))
            port.state(DeviceState.DEGRADED, reason, code)
        elif not self._trouble or len(self._trouble) < len(self._blocks):
            port.state(DeviceState.UP)

    async def probe(self, deadline_s: float) -> ProbeReport:
        """Connect, ask for the identity, and read every block once; see `Driver.probe`."""
        link = self._link()
        steps: list[str] = []
        try:
            async with asyncio.timeout(deadline_s):
                await link.connect()
                steps.append(f"connected to {self._settings.url}")
                identity = await link.identity()
                sample = [await self._sample(link, block, steps) for block in self._blocks]
        except TimeoutError:
            return ProbeReport(False, tuple(steps), mend=f"not done within {deadline_s:g} s; power, cable, address?")
        except EdgeError as error:
            return ProbeReport(False, (*steps, str(error)), mend=str(error))
        finally:
            link.close()
        return ProbeReport(True, tuple(steps), identity, ", ".join(sample))

    async def _sample(self, link: ModbusLink, block: Block, steps: list[str]) -> str:
        values = await link.read(block.table, block.start, block.count)
        steps.append(f"read {block}")
        return ", ".join(
            f"{point.name} = {scaled(point, number(point, _words(block, point, values)))} {point.unit}".rstrip()
            for point in block.points
        )


def _words(block: Block, point: Point, values: list[int]) -> list[int]:
    offset = point.address - block.start
    return values[offset : offset + point.kind.words]


def _reading(at: Stamp, point: Point, shown: Number, wire: bytes) -> Reading:
    finding = Finding(
        label=point.label or point.name,
        measurement=Measurement(point.name, shown, point.unit),
        category=point.category,
        severity=point.severity,
    )
    distinct = point.alarm is Alarm.ON_CHANGE
    return Reading(at, {"points": {point.name: shown}}, (finding,), raw=wire, distinct=distinct)
