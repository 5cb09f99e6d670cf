"""From points to requests, and from registers to values: pure. Source: Modbus Application Protocol 1.1b3."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from drivers.modbus.points import Point, PointType, Table, WordOrder
from drivers.modbus.profiles import MAX_BITS, MAX_REGISTERS, BlockSpec

Number = bool | int | float
#: What is shown of a point: a word where its values have names, a list where its bits have.
Shown = bool | int | float | str | list[str] | None

_FORMS = {
    PointType.UINT16: ">H",
    PointType.INT16: ">h",
    PointType.UINT32: ">I",
    PointType.INT32: ">i",
    PointType.FLOAT32: ">f",
    PointType.UINT64: ">Q",
    PointType.INT64: ">q",
    PointType.FLOAT64: ">d",
}
#: Above this a double, and so JSON, does not hold every whole number (RFC 8785, 3.2.2.3).
_EXACT = 2**53 - 1


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """One request: `count` values of a table from `start` on, and the points that lie in them."""

    table: Table
    start: int
    count: int
    points: tuple[Point, ...]
    poll_ms: int | None = None

    def __str__(self) -> str:
        last = self.start + self.count - 1
        return f"{self.table} {self.start}" + (f" to {last}" if last > self.start else "")


@dataclass(frozen=True, slots=True)
class Read:
    """One point as read once: `raw` before scaling (None: no number), `shown` after it (None: no valid value)."""

    raw: Number | None
    shown: Shown


def plan(points: Sequence[Point], specs: Sequence[BlockSpec] = ()) -> tuple[Block, ...]:
    """Return the requests that read all points: the blocks given, and for points outside them the fewest.

    Of those, none reads what no point asks for: a device may refuse addresses between them. Raises ValueError where a
    point needs another that is read at another moment.
    """
    blocks: list[Block] = []
    left = list(points)
    for spec in specs:
        inside = tuple(point for point in left if spec.holds(point))
        left = [point for point in left if point not in inside]
        if inside:
            blocks.append(Block(spec.table, spec.address, spec.count, inside, spec.poll_ms))
    for table, group in groupby(sorted(left, key=_place), key=lambda point: point.table):
        limit = MAX_BITS if table.of_bits else MAX_REGISTERS
        run: list[Point] = []
        for point in group:
            if run and (point.address > _end(run) or max(point.end, _end(run)) - run[0].address > limit):
                blocks.append(_block(table, run))
                run = []
            run.append(point)
        blocks.append(_block(table, run))
    for block in blocks:
        _check_together(block)
    return tuple(blocks)


def _place(point: Point) -> tuple[str, int, int]:
    return (point.table, point.address, point.end)


def _end(run: Sequence[Point]) -> int:
    return max(point.end for point in run)


def _block(table: Table, run: Sequence[Point]) -> Block:
    return Block(table, run[0].address, _end(run) - run[0].address, tuple(run))


def _check_together(block: Block) -> None:
    names = {point.name for point in block.points}
    for point in block.points:
        for other in (point.scale_from, point.valid_if):
            if other is not None and other not in names:
                raise ValueError(f"{point.name} and {other} must be read at one moment: list a block that holds both")


def decode(block: Block, values: Sequence[int]) -> dict[str, Read]:
    """Return every point of a block from its values, by name."""
    raws = {p.name: number(p, values[p.address - block.start : p.end - block.start]) for p in block.points}
    return {point.name: Read(raws[point.name], _shown(point, raws)) for point in block.points}


def number(point: Point, words: Sequence[int]) -> Number | None:
    """Return a point's value before scaling, from its registers (or its bit); None for a float that is no number."""
    if point.kind is PointType.BOOL:
        return bool(words[0]) is not point.inverted
    ordered = words if point.word_order is WordOrder.BIG else words[::-1]
    packed = struct.pack(f">{len(ordered)}H", *ordered)
    value: int | float = struct.unpack(_FORMS[point.kind], packed)[0]
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        # Seven digits are what a 32-bit float holds; more would show 12.34 as 12.340000152587890625.
        return float(f"{value:.7g}") if point.kind is PointType.FLOAT32 else value
    if point.bit is not None:
        return bool(value >> point.bit & 1) is not point.inverted
    if point.any_of is not None:
        return bool(value & point.any_of) is not point.inverted
    return value


def _shown(point: Point, raws: Mapping[str, Number | None]) -> Shown:
    value = raws[point.name]
    if value is None or value in point.invalid or (point.valid_if is not None and not raws[point.valid_if]):
        return None
    if point.names:
        return point.names.get(str(value), str(value))
    if point.flags:
        return [name for bit, name in point.flags.items() if int(value) >> int(bit) & 1]
    power = 0
    if point.scale_from is not None:
        exponent = raws[point.scale_from]
        # SunSpec: -10 to 10, and 0x8000 where the device does not implement it.
        if exponent is None or not -10 <= exponent <= 10:
            return None
        power = int(exponent)
    shown = scaled(point, value, power)
    low, high = point.minimum, point.maximum
    if shown is None or (low is not None and shown < low) or (high is not None and shown > high):
        return None
    return shown


def scaled(point: Point, value: Number | None, power: int = 0) -> Number | None:
    """Return a value after scaling; whole numbers stay whole where the scale is 1, None where it leaves all bounds."""
    if value is None or isinstance(value, bool):
        return value
    if point.scale == 1 and point.offset == 0 and power == 0:
        return value if -_EXACT <= value <= _EXACT else float(value)
    try:
        result = float(f"{value * point.scale * 10.0**power + point.offset:.12g}")
    except OverflowError:
        return None
    return result if math.isfinite(result) else None


def raw(table: Table, values: Sequence[int]) -> bytes:
    """Return values as their bytes were on the wire: registers high byte first, bits packed from the lowest on."""
    if not table.of_bits:
        return struct.pack(f">{len(values)}H", *values)
    packed = bytearray((len(values) + 7) // 8)
    for position, bit in enumerate(values):
        packed[position // 8] |= bool(bit) << (position % 8)
    return bytes(packed)
