"""One unit of a line: polls its blocks on a steady schedule, and knows what it saw of them.

A unit that does not answer is left alone for longer and longer (a circuit breaker): it costs the others nothing over
TCP, where each has a connection of its own, and on a serial line one timeout and one silence a try.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress

from drivers.clock import Stamp
from drivers.contract import Finding, ItemHint, Measurement, Output, Port, Reading
from drivers.errors import EdgeError, LinkTimeout, ProtocolError
from drivers.modbus.client import ExceptionReply, UnitLink
from drivers.modbus.codec import Block, Read, Shown, decode, raw
from drivers.modbus.points import Point
from drivers.modbus.settings import UnitPlan
from drivers.modbus.watch import Raised, Watch
from drivers.outgoing import Outgoing

#: How a block's trouble counts: each failure two up, each good read one down; degraded from here, until it is at zero.
FAILED, DEGRADED_FROM, WORST = 2, 6, 20
#: How long a lost unit is left alone, at first and at most; only where there are others.
FIRST_REST_S, MAX_REST_S = 1.0, 30.0
#: After a doubtful moment of the line a block is read until two reads agree, but no oftener than this.
MAX_DOUBTED = 5


def next_tick(last: int, elapsed_s: float, period_s: float) -> int:
    """Return the number of the next poll on the grid of the first: polls do not drift, missed ones are left out."""
    return max(last + 1, math.ceil(elapsed_s / period_s))


class Unit:
    """What it remembers outlives connections; `values` is what is shown of each point, None where it is not known."""

    def __init__(self, plan: UnitPlan, max_timeouts: int, outgoing: Outgoing) -> None:
        self.plan = plan
        self.values: dict[str, Shown] = {}
        self.lost: EdgeError | None = None
        self.degraded: dict[Block, tuple[str, str]] = {}
        self._max_timeouts = max_timeouts
        self._outgoing = outgoing
        self._watches = {point.name: Watch(point) for point in plan.points}
        self._raws: dict[str, Read] = {}
        self._decoded: dict[Block, tuple[list[int], dict[str, Read]]] = {}
        self._trouble: dict[Block, int] = {}
        self._timeouts = 0
        self._sure: dict[Block, int] = {}
        self._doubts = 0
        self._orders: dict[str, Output] = {}
        self._written: dict[str, bool] = {}
        self._ordered = asyncio.Event()
        self.refused_output = ""

    def order(self, outputs: Mapping[str, Output]) -> None:
        """Take what the unit's writable points are to show; see `Driver.order`."""
        writable = {point.name for point in self.plan.points if point.writable}
        self._orders = {name: output for name, output in outputs.items() if name in writable}
        self._ordered.set()

    async def rest(self, link: UnitLink) -> None:
        """Leave the outputs as they are at rest; raises as `UnitLink.write` does."""
        self._orders = {
            name: Output(output.rest, output.rest) for name, output in self._orders.items() if output.rest is not None
        }
        await self._show(link)

    def begin(self) -> None:
        """Forget what was wrong with the connections of before."""
        self.lost = None
        self.degraded.clear()
        self._trouble.clear()
        self._sure.clear()
        self._written.clear()
        self._timeouts = self._doubts = 0

    @property
    def alarms(self) -> list[str]:
        """The labels of the alarms that stand."""
        return [w.point.label or name for name, w in self._watches.items() if w.on and not w.point.fault]

    @property
    def faults(self) -> list[str]:
        """What the device says is wrong with itself."""
        return [w.point.label or name for name, w in self._watches.items() if w.on and w.point.fault]

    @property
    def suspect(self) -> list[str]:
        """The points whose values are in doubt until two reads agree."""
        doubted = (block for block in self.plan.blocks if self._sure.get(block, 0) != self._doubts)
        return [point.name for block in doubted for point in block.points if self.values.get(point.name) is not None]

    @property
    def watches_alarms(self) -> bool:
        """Whether any of its points has an alarm that lasts."""
        return any(point.alarm and point.alarm.lasts and not point.fault for point in self.plan.points)

    @property
    def well(self) -> bool:
        """Whether some block of it is read as it should be."""
        return self.lost is None and (not self._trouble or len(self._trouble) < len(self.plan.blocks))

    async def serve(self, link: UnitLink, port: Port, others: Callable[[], bool], after: Callable[[], None]) -> None:
        """Poll until cancelled, `after` after each round. Raises EdgeError when the unit is lost and no other is left.

        `others` says whether another unit is still there, in which case this one is only left alone for a while.
        """
        rest_s = FIRST_REST_S
        while True:
            try:
                await self._poll(link, port, after)
            except EdgeError as error:
                if self.lost is None:
                    rest_s = FIRST_REST_S
                self.lost = error
                self._written.clear()
                self._forget(self.plan.points)
                link.close()
                if not others():
                    raise
            after()
            await asyncio.sleep(rest_s)
            rest_s = min(2 * rest_s, MAX_REST_S)
            self._timeouts = self._max_timeouts - 1  # one more word is enough to see whether it is back

    async def _poll(self, link: UnitLink, port: Port, after: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        start = loop.time()
        ticks = dict.fromkeys(self.plan.blocks, 0)
        while True:
            await self._show(link)
            for block, tick in ticks.items():
                elapsed_s = loop.time() - start
                period_s = (block.poll_ms or self.plan.poll_ms) / 1000
                # A full house of unsent readings: rather miss a value than one that was seen.
                if elapsed_s >= tick * period_s and not self._outgoing.full:
                    await self._block(block, link, port)
                if elapsed_s >= tick * period_s:
                    ticks[block] = next_tick(tick, loop.time() - start, period_s)
            after()
            port.progress()
            due_s = min(tick * (block.poll_ms or self.plan.poll_ms) / 1000 for block, tick in ticks.items())
            await self._until(start + due_s)

    async def _until(self, due_s: float) -> None:
        """Wait until it is time to poll, or an order comes: a lamp does not wait for the next poll."""
        if self._ordered.is_set():
            return
        with suppress(TimeoutError):
            async with asyncio.timeout_at(due_s):
                await self._ordered.wait()

    async def _show(self, link: UnitLink) -> None:
        """Write what is ordered and not shown yet; a refusal is told and tried again with the next order or loss."""
        self._ordered.clear()
        for point in self.plan.points:
            output = self._orders.get(point.name)
            if output is None or self._written.get(point.name) is output.on:
                continue
            self._written[point.name] = output.on
            try:
                await link.write(point.table, point.address, int(output.on is not point.inverted))
                self.refused_output = ""
            except ExceptionReply as error:
                self.refused_output = f"output {point.name} is refused: {error}"
            except EdgeError:
                self._written.pop(point.name, None)
                raise

    async def _block(self, block: Block, link: UnitLink, port: Port) -> None:
        """Read a block; what it fails with does not keep the others from being read, until the unit is lost."""
        try:
            values = await self._read(block, link)
        except ExceptionReply as error:
            self._timeouts = 0
            self._failed(block, f"modbus-exception-{error.number}", str(error))
        except (LinkTimeout, ProtocolError) as error:
            self._timeouts += 1
            self._failed(block, error.code, str(error))
            if self._timeouts >= self._max_timeouts:
                raise
        else:
            self._timeouts = 0
            self.lost = None
            self._good(block)
            self._see(block, values, port)

    async def _read(self, block: Block, link: UnitLink) -> list[int]:
        """Return a block's values; after a doubtful moment only once two reads agree."""
        values = await link.read(block.table, block.start, block.count)
        self._doubts = link.doubts
        if self._sure.get(block, 0) == self._doubts:
            return values
        for _ in range(MAX_DOUBTED):
            again = await link.read(block.table, block.start, block.count)
            agree = self._agree(block, values, again)
            values = again
            if agree:
                break
        self._doubts = self._sure[block] = link.doubts
        return values

    def _agree(self, block: Block, one: list[int], other: list[int]) -> bool:
        first, second = decode(block, one), decode(block, other)
        return all(self._watches[name].agrees(read, second[name]) for name, read in first.items())

    def _see(self, block: Block, values: list[int], port: Port) -> None:
        at = port.clock.now()
        reads = self._decode(block, values)
        self._raws |= reads
        self.values |= {name: read.shown for name, read in reads.items()}
        now_s = at.monotonic_ns / 1e9
        for point in block.points:
            self._check_output(point)
            for raised in self._watches[point.name].see(reads[point.name], now_s, self._held(point)):
                if point.fault:
                    continue
                self._outgoing.push(port, self._reading(at, point, raised, raw(block.table, values)))

    def _decode(self, block: Block, values: list[int]) -> dict[str, Read]:
        """Return a block's points; a device at rest says the same fifty times a second, and is decoded once."""
        before = self._decoded.get(block)
        if before is None or before[0] != values:
            before = self._decoded[block] = (values, decode(block, values))
        return before[1]

    def _check_output(self, point: Point) -> None:
        """Have an output written again that shows something else: the device was off, or another hand is on it."""
        output, shown = self._orders.get(point.name), self._raws[point.name].raw
        if output and self._written.get(point.name) is output.on and shown is not None and bool(shown) is not output.on:
            self._written.pop(point.name)

    def _held(self, point: Point) -> bool:
        holder = self._raws.get(point.held_by) if point.held_by else None
        return holder is not None and bool(holder.raw)

    def _reading(self, at: Stamp, point: Point, raised: Raised, wire: bytes) -> Reading:
        finding = Finding(
            label=point.label or point.name,
            measurement=Measurement(raised.name, raised.value, raised.unit),
            category=point.category,
            severity=point.severity,
            zone=point.zone,
        )
        shown = {"points": {point.name: self.values[point.name]}}
        item = ItemHint(type=self.plan.item_type)
        return Reading(at, shown, (finding,), raw=wire, item=item, distinct=raised.distinct)

    def _failed(self, block: Block, code: str, reason: str) -> None:
        self._trouble[block] = min(self._trouble.get(block, 0) + FAILED, WORST)
        if self._trouble[block] >= DEGRADED_FROM:
            self.degraded[block] = (code, reason)
            self._forget(block.points)

    def _good(self, block: Block) -> None:
        if block in self._trouble:
            self._trouble[block] -= 1
            if self._trouble[block] <= 0:
                del self._trouble[block]
                self.degraded.pop(block, None)

    def _forget(self, points: Iterable[Point]) -> None:
        self.values.update(dict.fromkeys((point.name for point in points), None))
