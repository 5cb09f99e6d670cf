"""Which Modbus unit answers at an address: any answer proves one, an exception too."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import closing

from drivers.errors import EdgeError, LinkTimeout, ProtocolError
from drivers.finding import Attempt, Found, Kind, Miss, Place
from drivers.links.address import SerialAddress, TcpAddress
from drivers.modbus.client import NO_SUCH_UNIT, ExceptionReply, ModbusLink, UnitLink
from drivers.modbus.line import Line, RtuLink
from drivers.modbus.points import Table
from drivers.modbus.settings import DEFAULT_PORT, endpoint

#: Over TCP a device often answers to 1, to 255 (its own, by the standard) or to any; behind a gateway units count up.
TCP_UNITS = ((1, 255, 0), (2, 3, 4, 5, 10, 100))
#: What is left, asked last and more shortly: a strict device says nothing to any unit but its own.
TCP_REST = tuple(unit for unit in range(1, 248) if not any(unit in units for units in TCP_UNITS))
RTU_UNITS = (1, 2, 3, 10, 247)
_LINES = ((9600, "none"), (19200, "even"), (9600, "even"), (19200, "none"), (115200, "none"), (38400, "none"))
TCP_S, TCP_REST_S, RTU_S, QUIET_S = 0.7, 0.25, 0.3, 0.1


def attempts(place: Place) -> Iterator[Attempt]:
    """List what to try; see `drivers.finding`."""
    if place.kind is Kind.SERIAL:
        for baud, parity in _LINES:
            says = f"modbus, RTU at {baud} baud, 8{parity[0].upper()}1"
            yield _attempt(place.serial(baud, parity), RTU_UNITS, says, 1 + len(RTU_UNITS) * (RTU_S + QUIET_S))
    elif url := place.tcp(DEFAULT_PORT):
        for units in TCP_UNITS:
            says = f"modbus over TCP, units {', '.join(map(str, units))}"
            yield _attempt(url, units, says, 1 + len(units) * TCP_S)
        rest_s = 1 + len(TCP_REST) * TCP_REST_S
        yield _attempt(url, TCP_REST, "modbus over TCP, every other unit", rest_s, TCP_REST_S)


def _attempt(url: str, units: Sequence[int], says: str, deadline_s: float, answer_s: float = TCP_S) -> Attempt:
    return Attempt(says, deadline_s, lambda limit_s: first(url, units, limit_s, answer_s))


async def first(url: str, units: Sequence[int], limit_s: float, answer_s: float = TCP_S) -> Found | Miss:
    """Return the first of the units that answers at an address; over TCP each has `answer_s` for it.

    Where somebody answers at once that a unit is not there (a gateway, a strict device), all others are asked too.
    Raises LinkError where the way to all is closed.
    """
    where = endpoint(url)
    line = Line(url, RTU_S, QUIET_S) if isinstance(where, SerialAddress) else None
    heard: EdgeError = LinkTimeout(f"{url}: none of {len(units)} units from {min(units)} to {max(units)} answers")
    waiting, asked = list(units), set(units)
    try:
        async with asyncio.timeout(limit_s):
            while waiting:
                with closing(_link(where, line, waiting[0], answer_s)) as link:
                    try:
                        if await _answers(link):
                            who = await link.identity()
                            return Found(
                                "modbus", {"url": url, "unit": waiting[0]}, f"unit {waiting[0]}", who, whole=False
                            )
                        others = [unit for unit in range(1, 248) if unit not in asked]
                        waiting, asked = waiting + others, asked.union(others)
                    except LinkTimeout:
                        pass
                    except ProtocolError as error:
                        heard = error
                del waiting[0]
    except TimeoutError:
        pass
    finally:
        if line:
            line.close()
    return Miss(heard.code, str(heard))


def _link(where: SerialAddress | TcpAddress, line: Line | None, unit: int, answer_s: float) -> UnitLink:
    if isinstance(where, TcpAddress):
        return ModbusLink(where.host, where.port, unit, answer_s)
    assert line is not None
    return RtuLink(line, unit)


async def _answers(link: UnitLink) -> bool:
    """Say whether there is such a unit: one without this register says so itself."""
    try:
        await link.read(Table.HOLDING, 0, 1)
    except ExceptionReply as reply:
        return reply.number not in NO_SUCH_UNIT
    return True
