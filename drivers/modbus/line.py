"""A serial line with Modbus units on it: one word at a time, each with a deadline, and silence after a lost one.

An RTU answer says nothing of which request it belongs to. So after a request that was not answered the line is listened
to until nothing has come for a while, what comes is thrown away, and the unit's values are in doubt (`doubts`) until
two reads agree: that is for the driver to see to.
"""

from __future__ import annotations

import asyncio

from drivers.errors import LinkError, LinkTimeout, ProtocolError
from drivers.links.address import SerialAddress, address
from drivers.links.serial import Stream, open_stream
from drivers.modbus import rtu
from drivers.modbus.client import ExceptionReply
from drivers.modbus.points import Table

OPEN_S = 5.0
READ_BYTES = 1024
#: A line that is never still is not listened to for ever.
MAX_QUIETS = 8
#: Between frames (section 2.5.1.1): 3.5 characters of 11 bits, and from 19200 baud on 1.75 ms.
_GAP_BITS, _GAP_S = 3.5 * 11, 0.00175


class Line:
    """The port and whose turn it is; units on it are `RtuLink`s."""

    def __init__(self, url: str, timeout_s: float, quiet_s: float) -> None:
        where = address(url)
        assert isinstance(where, SerialAddress)
        self.url = url
        self.timeout_s = timeout_s
        self._quiet_s = quiet_s
        self._gap_s = max(_GAP_BITS / where.line.baud, _GAP_S)
        self._stream: Stream | None = None
        self._turn = asyncio.Lock()
        self._dirty = False

    async def open(self) -> None:
        """Open the port where it is not; raises LinkError."""
        if self._stream is None:
            self._stream = await open_stream(self.url, OPEN_S)
            self._dirty = True  # another master may have been cut off in the middle of a word

    def close(self) -> None:
        """Let the port go; safe to call at any time."""
        stream, self._stream = self._stream, None
        if stream:
            stream.close()

    async def ask(self, request: rtu.Request, what: str) -> tuple[bytes, bool]:
        """Return the data of a request's answer, and whether it may be another's; raises as `UnitLink.read` does."""
        async with self._turn:
            await self.open()
            stream = self._stream
            assert stream is not None
            try:
                late = await _waiting(stream)
                if self._dirty or late:
                    await self._until_still(stream)
                self._dirty = True
                answer, more = await self._exchange(stream, request, what)
            except (LinkTimeout, ProtocolError):
                raise
            except LinkError:
                self.close()
                raise
            self._dirty = more
            await asyncio.sleep(self._gap_s)
        if isinstance(answer, int):
            raise ExceptionReply(what, answer)
        return answer, more or late

    async def _until_still(self, stream: Stream) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + MAX_QUIETS * self._quiet_s
        while loop.time() < end:
            try:
                await stream.read(READ_BYTES, self._quiet_s)
            except LinkTimeout:
                return
        raise ProtocolError(f"{self.url}: the line is never still; another master, noise, another baud rate?")

    async def _exchange(self, stream: Stream, request: rtu.Request, what: str) -> tuple[bytes | int, bool]:
        loop = asyncio.get_running_loop()
        await stream.write(request.frame, self.timeout_s)
        due = loop.time() + self.timeout_s
        came = b""
        while (left_s := due - loop.time()) > 0:
            try:
                came += await stream.read(READ_BYTES, left_s)
            except LinkTimeout:
                break
            found = request.answer(came)
            if found:
                answer, rest = found
                return answer, request.answer(rest) is not None
            came = came[-2 * (request.size + 8) :]
        if came:
            raise ProtocolError(
                f"{what}: {len(came)} bytes came, but no answer; another baud rate, two units of this number?"
            )
        raise LinkTimeout(f"{what}: no answer within {self.timeout_s:g} s")


async def _waiting(stream: Stream) -> bool:
    """Throw away what came unasked; say whether it was enough for an answer. A stray byte is a driver switching off."""
    try:
        return len(await stream.read(READ_BYTES, 0)) >= rtu.SHORTEST_BYTES
    except LinkTimeout:
        return False


class RtuLink:
    """One unit on a line; see `drivers.modbus.client.UnitLink`."""

    def __init__(self, line: Line, unit: int) -> None:
        self.doubts = 0
        self._line = line
        self._unit = unit

    async def connect(self) -> None:
        """See `UnitLink.connect`."""
        await self._line.open()

    def close(self) -> None:
        """See `UnitLink.close`; the line is closed by whoever made it."""

    async def read(self, table: Table, start: int, count: int) -> list[int]:
        """See `UnitLink.read`."""
        what = f"{self._line.url} unit {self._unit}: reading {count} of {table} from {start}"
        return rtu.values(table, count, await self._ask(rtu.read(self._unit, table, start, count), what))

    async def write(self, table: Table, address: int, value: int) -> None:
        """See `UnitLink.write`."""
        what = f"{self._line.url} unit {self._unit}: writing {value} to {table} {address}"
        await self._ask(rtu.write(self._unit, table, address, value), what)

    async def identity(self) -> dict[str, str]:
        """See `UnitLink.identity`; it is not asked for on a line: many units answer nothing, which costs a silence."""
        return {}

    async def _ask(self, request: rtu.Request, what: str) -> bytes:
        try:
            data, doubtful = await self._line.ask(request, what)
        except (LinkTimeout, ProtocolError):
            self.doubts += 1
            raise
        self.doubts += doubtful
        return data
