"""From points to requests, and from registers to values: pure. Source: Modbus Application Protocol 1.1b3."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from drivers.modbus.settings import Alarm, Point, PointType, Table, WordOrder

#: Most values that one request may ask for (6.1 to 6.4).
MAX_REGISTERS, MAX_BITS = 125, 2000

Number = bool | int | float

_FORMS = {
    PointType.UINT16: ">H",
    PointType.INT16: ">h",
    PointType.UINT32: ">I",
    PointType.INT32: ">i",
    PointType.FLOAT32: ">f",
}


@dataclass(frozen=True, slots=True)
class Block:
    """One request: `count` values of a table from `start` on, and the points that lie in them."""

    table: Table
    start: int
    count: int
    points: tuple[Point, ...]

    def __str__(self) -> str:
        last = self.start + self.count - 1
        return f"{self.table} {self.start}" + (f" to {last}" if last > self.start else "")


def plan(points: Sequence[Point]) -> tuple[Block, ...]:
    """Return the fewest requests that read all points and nothing else: a device may refuse addresses between them."""
    blocks: list[Block] = []
    for table, group in groupby(sorted(points, key=_place), key=lambda point: point.table):
        limit = MAX_BITS if table.of_bits else MAX_REGISTERS
        run: list[Point] = []
        for point in group:
            if run and (point.address > _end(run) or max(point.end, _end(run)) - run[0].address > limit):
                blocks.append(_block(table, run))
                run = []
            run.append(point)
        blocks.append(_block(table, run))
    return tuple(blocks)


def _place(point: Point) -> tuple[str, int, int]:
    return (point.table, point.address, point.end)


def _end(run: Sequence[Point]) -> int:
    return max(point.end for point in run)


def _block(table: Table, run: Sequence[Point]) -> Block:
    return Block(table, run[0].address, _end(run) - run[0].address, tuple(run))


def number(point: Point, words: Sequence[int]) -> Number | None:
    """Return a point's value before scaling, from its registers (or its bit); None for a float that is no number."""
    if point.kind is PointType.BOOL:
        return bool(words[0])
    ordered = words if point.word_order is WordOrder.BIG else words[::-1]
    packed = struct.pack(f">{len(ordered)}H", *ordered)
    value: int | float = struct.unpack(_FORMS[point.kind], packed)[0]
    if isinstance(value, float):
        # Seven digits are what a 32-bit float holds; more would show 12.34 as 12.340000152587890625.
        return float(f"{value:.7g}") if math.isfinite(value) else None
    return value


def scaled(point: Point, value: Number | None) -> Number | None:
    """Return a value after scaling; whole numbers stay whole where the scale is 1, None where it leaves all bounds."""
    if value is None or point.scale == 1:
        return value
    result = float(f"{value * point.scale:.12g}")
    return result if math.isfinite(result) else None


def raw(table: Table, values: Sequence[int]) -> bytes:
    """Return values as their bytes were on the wire: registers high byte first, bits packed from the lowest on."""
    if not table.of_bits:
        return struct.pack(f">{len(values)}H", *values)
    packed = bytearray((len(values) + 7) // 8)
    for position, bit in enumerate(values):
        packed[position // 8] |= bool(bit) << (position % 8)
    return bytes(packed)


class Watch:
    """What one point's alarm remembers from read to read."""

    def __init__(self, point: Point) -> None:
        self.point = point
        self._last: Number | None = None
        self._raised: int = 0

    def see(self, value: Number | None, shown: Number | None) -> bool:
        """Return whether this read raises an alarm: `value` is as read, `shown` after scaling; None raises none."""
        if value is None or shown is None or self.point.alarm is None:
            return False
        if self.point.alarm is Alarm.ON_CHANGE:
            changed = self._last is not None and value != self._last
            self._last = value
            return changed
        raised = self._condition(value, shown)
        rising = raised & ~self._raised
        self._raised = raised
        return rising != 0

    def _condition(self, value: Number, shown: Number) -> int:
        """Return the condition's bits: one for all alarms but `bits`."""
        limit = self.point.limit or 0.0
        match self.point.alarm:
            case Alarm.BITS:
                return int(value) & self.point.mask
            case Alarm.ABOVE:
                return int(shown > limit)
            case Alarm.BELOW:
                return int(shown < limit)
            case _:
                return int(value != 0)
