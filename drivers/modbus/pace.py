"""What is read of each unit, and how long a serial line needs for it at the very least."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from drivers.contract import Doubt
from drivers.links.address import Line
from drivers.modbus.codec import Block
from drivers.modbus.points import Point

#: Modbus over Serial Line 1.02, 2.5.1: a request's address, function, start, count and CRC; an answer's all but data.
_REQUEST, _ANSWER = 8, 5
#: Between frames (2.5.1.1): 3.5 characters, and from 19200 baud on 1.75 ms.
_GAP_CHARACTERS, _GAP_S = 3.5, 0.00175


@dataclass(frozen=True, slots=True)
class UnitPlan:
    """One unit and what is read of it; `name` is "" where the device has but one."""

    name: str
    unit: int
    poll_ms: int
    item_type: str | None
    blocks: tuple[Block, ...]

    @property
    def points(self) -> tuple[Point, ...]:
        """All its points."""
        return tuple(chain.from_iterable(block.points for block in self.blocks))


def least_s(block: Block, line: Line) -> float:
    """Return how long one request and its answer are on the line, of a unit that needs no time at all."""
    data = (block.count + 7) // 8 if block.table.of_bits else 2 * block.count
    gap_s = max(line.takes_s(_GAP_CHARACTERS), _GAP_S)
    return line.takes_s(_REQUEST + _ANSWER + data) + 2 * gap_s


def doubts(plans: Sequence[UnitPlan], line: Line) -> Iterator[Doubt]:
    """Yield which unit alone is read faster than the line can carry, or that all of them together are."""
    share = 0.0
    for index, plan in enumerate(plans):
        own = sum(least_s(block, line) / ((block.poll_ms or plan.poll_ms) / 1000) for block in plan.blocks)
        share += own
        if own > 1:
            key = ("units", index, "poll_ms") if plan.name else ("poll_ms",)
            least_ms = sum(least_s(block, line) for block in plan.blocks) * 1000
            least = f"all of it takes at least {least_ms:.0f} ms at {line.baud} baud"
            yield Doubt(key, f"{least}: every {plan.poll_ms} ms is too often")
            return
    if share > 1:
        said = f"the units together are asked for {share:.0%} of what the line carries at {line.baud} baud"
        yield Doubt(("url",), f"{said}: a greater poll_ms, or a faster line")
