"""What an unknown unit holds: which addresses answer, and which of them change while somebody makes it change.

Only reading functions are used (Modbus Application Protocol 1.1b3, 6.1 to 6.4): nothing in the unit is changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from drivers.errors import LinkTimeout, ProtocolError
from drivers.modbus.client import ExceptionReply, UnitLink
from drivers.modbus.points import Alarm, Table

#: What is asked in one go, and where: the beginning whole; where nothing is said there, the usual other places.
MOST_AT_ONCE = 125
FIRST = 250
PLACES = tuple(
    sorted({*range(300, 10_000, 100), *range(256, 16_384, 256), *range(10_000, 60_000, 1000), 30_001, 40_001, 49_999})
)
BEFORE, AROUND = 8, 48
#: A unit that says nothing to addresses that it does not have, in place of an exception, costs a deadline each.
MAX_SILENCES = 4
_NO_SUCH_FUNCTION = 1

Address = tuple[Table, int]
Snapshot = Mapping[Address, int]


@dataclass(frozen=True, slots=True)
class Span:
    """Addresses of a table that answer, all in one request."""

    table: Table
    start: int
    count: int

    def __str__(self) -> str:
        last = self.start + self.count - 1
        return f"{self.table} {self.start}" + (f" to {last}" if last > self.start else "")


class _TableOver(Exception):  # no error: nothing more is to be asked of this table
    """The unit does not have a table, or says nothing more of it."""


class Surveyor:
    """Asks one unit for everything that it may hold."""

    def __init__(self, link: UnitLink, told: Callable[[float, str], None] = lambda done, says: None) -> None:
        self._link = link
        self._told = told
        self._silences = 0

    async def spans(self) -> list[Span]:
        """Return what answers, in the order of tables and addresses. Raises LinkError where the unit is lost."""
        found: list[Span] = []
        for number, table in enumerate(Table):
            self._silences = 0
            try:
                found += await self._table(table, number / len(Table))
            except _TableOver:
                continue
        return joined(found)

    async def _table(self, table: Table, done: float) -> list[Span]:
        share = 1 / len(Table)
        found: list[Span] = []
        for start in range(0, FIRST, MOST_AT_ONCE):
            self._told(done + share * 0.4 * start / FIRST, f"{table} {start} to {start + MOST_AT_ONCE - 1}")
            found += await self._within(table, start, MOST_AT_ONCE)
        for number, place in enumerate(PLACES):
            self._told(done + share * (0.4 + 0.6 * number / len(PLACES)), f"{table} {place}")
            if await self._reads(table, place, 1):
                found += await self._within(table, place - BEFORE, AROUND)
        return found

    async def around(self, address: int) -> list[Span]:
        """Return what answers around an address that a manual names, in any table. Raises LinkError."""
        found: list[Span] = []
        for table in Table:
            self._silences = 0
            try:
                found += await self._within(table, max(min(address, 65_536 - AROUND) - BEFORE, 0), AROUND + BEFORE)
            except _TableOver:
                continue
        return joined(found)

    async def _within(self, table: Table, start: int, count: int) -> list[Span]:
        """Return what answers of a stretch, halving it where it does not as a whole."""
        if await self._reads(table, start, count):
            return [Span(table, start, count)]
        if count <= 1:
            return []
        half = count // 2
        return [*await self._within(table, start, half), *await self._within(table, start + half, count - half)]

    async def _reads(self, table: Table, start: int, count: int) -> bool:
        try:
            await self._link.read(table, start, count)
        except ExceptionReply as reply:
            if reply.number == _NO_SUCH_FUNCTION:
                raise _TableOver from None
            return False
        except (LinkTimeout, ProtocolError):
            self._silences += 1
            if self._silences >= MAX_SILENCES:
                raise _TableOver from None
            return False
        return True


def joined(spans: Iterable[Span]) -> list[Span]:
    """Return spans with neighbours made one, and none longer than one request takes."""
    order = list(Table)
    done: list[Span] = []
    for span in sorted(set(spans), key=lambda one: (order.index(one.table), one.start)):
        last = done[-1] if done else None
        if last and last.table is span.table and last.start + last.count >= span.start:
            end = max(last.start + last.count, span.start + span.count)
            if end - last.start <= MOST_AT_ONCE:
                done[-1] = Span(last.table, last.start, end - last.start)
                continue
            span = Span(span.table, last.start + last.count, end - last.start - last.count)
        if span.count > 0:
            done.append(span)
    return done


async def snapshot(link: UnitLink, spans: Iterable[Span]) -> dict[Address, int]:
    """Return the value at every address. Raises as `UnitLink.read` does."""
    values: dict[Address, int] = {}
    for span in spans:
        read = await link.read(span.table, span.start, span.count)
        values |= {(span.table, span.start + n): value for n, value in enumerate(read)}
    return values


@dataclass(slots=True)
class Trace:
    """The values that each address took, one after the other, while it was watched."""

    values: dict[Address, list[int]] = field(default_factory=dict)
    rounds: int = 0

    def see(self, seen: Snapshot) -> None:
        """Take one round of reading."""
        self.rounds += 1
        for address, value in seen.items():
            taken = self.values.setdefault(address, [])
            if not taken or taken[-1] != value:
                taken.append(value)

    @property
    def changed(self) -> dict[Address, list[int]]:
        """The addresses that took more than one value."""
        return {address: taken for address, taken in self.values.items() if len(taken) > 1}


@dataclass(frozen=True, slots=True)
class Change:
    """An address that changed while somebody made it, and did not by itself: as a point, and in words."""

    point: dict[str, Any]
    says: str


def changes(quiet: Trace, pressed: Trace) -> list[Change]:
    """Return what changed when it was made to, the likeliest first: contacts, then counters, then levels."""
    found: list[tuple[int, int, Change]] = []
    for address, taken in pressed.changed.items():
        before = quiet.values.get(address, taken[:1])
        if len(before) > 1:
            continue  # it changes by itself too
        sequence = taken if taken[0] == before[0] else [before[0], *taken]
        rank, change = _change(address, sequence)
        found.append((rank, len(found), change))
    return [change for _, _, change in sorted(found, key=lambda one: one[:2])]


def _change(address: Address, taken: list[int]) -> tuple[int, Change]:
    """Return a change with its rank; `taken` begins with the value at rest."""
    table, number = address
    rest, moved = taken[0], 0
    for value in taken:
        moved |= value ^ rest
    point: dict[str, Any] = {"name": f"{table} {number}", "table": table.value, "address": number}
    path = " -> ".join(map(str, taken[:6])) + (" ..." if len(taken) > 6 else "")
    where = f"{table} {number}: {path}"
    single = moved & (moved - 1) == 0
    if table.of_bits:
        return 0, Change(_contact(point, bool(rest)), f"{where}, a contact")
    if single and rest in taken[1:]:
        bit = moved.bit_length() - 1
        if bit or rest != 0:
            point["bit"] = bit
        return 1, Change(_contact(point, bool(rest & moved)), f"{where}, bit {bit} as a contact")
    if all(a < b for a, b in pairwise(taken)) and taken[-1] - rest <= 4 * len(taken):
        return 2, Change(point | {"alarm": Alarm.COUNTS.value}, f"{where}, a counter")
    alarm, furthest = (Alarm.ABOVE, max(taken)) if max(taken) > rest else (Alarm.BELOW, min(taken))
    limit = (rest + furthest) / 2
    point |= {"alarm": alarm.value, "limit": limit}
    return 3, Change(point, f"{where}, a level; alarm {alarm} {limit:g}")


def _contact(point: dict[str, Any], closed_at_rest: bool) -> dict[str, Any]:
    more = {"inverted": True} if closed_at_rest else {}
    return point | more | {"alarm": Alarm.NONZERO.value}
