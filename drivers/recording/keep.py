"""Recording at the link: what a driver's streams carry goes to a tape, both ways, on its way through.

`RecordingLoop` hands on every TCP connection that is made in it, pymodbus's among them; inside TLS, so that what is
kept is what was said. `SerialTap` does the same to serial ports.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, cast

from drivers.errors import LinkError, LinkLost
from drivers.links.address import SerialAddress
from drivers.links.serial import Stream
from drivers.recording.tape import Kind, Tape

#: Why an opening failed where the system has no name for it: it was waited for in vain.
NO_ANSWER = "no-answer"


class RecordingLoop(asyncio.SelectorEventLoop):
    """An event loop whose TCP connections are recorded."""

    def __init__(self, tape: Tape) -> None:
        super().__init__()
        self._tape = tape

    async def create_connection(self, protocol_factory: Any, *args: Any, **kwargs: Any) -> Any:
        """Connect as the base class does, and put the tape in between."""
        number = self._tape.connection()
        listening: list[_Listening] = []

        def made() -> asyncio.Protocol:
            listening.append(_Listening(protocol_factory(), self._tape, number))
            return listening[0]

        try:
            await super().create_connection(made, *args, **kwargs)
        except OSError as error:
            self._tape.add(number, Kind.FAIL, text=errno.errorcode.get(error.errno or 0, NO_ANSWER))
            raise
        except asyncio.CancelledError:
            self._tape.add(number, Kind.FAIL, text=NO_ANSWER)
            raise
        return listening[0].wire, listening[0].inner


class _Listening(asyncio.Protocol):
    """Stands between a transport and the protocol that it is for."""

    def __init__(self, inner: asyncio.Protocol, tape: Tape, number: int) -> None:
        self.inner = inner
        self._tape = tape
        self._number = number

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._tape.add(self._number, Kind.OPEN)
        self.wire = _Wire(cast("asyncio.Transport", transport), self._tape, self._number)
        self.inner.connection_made(cast("asyncio.BaseTransport", self.wire))

    def data_received(self, data: bytes) -> None:
        self._tape.add(self._number, Kind.IN, bytes(data))
        self.inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self.inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.wire.closed:
            self._tape.add(self._number, Kind.HANGUP)
        self.inner.connection_lost(exc)

    def pause_writing(self) -> None:
        self.inner.pause_writing()

    def resume_writing(self) -> None:
        self.inner.resume_writing()


class _Wire:
    """A transport that is listened to."""

    def __init__(self, real: asyncio.Transport, tape: Tape, number: int) -> None:
        self._real = real
        self._tape = tape
        self._number = number
        self.closed = False

    def write(self, data: bytes) -> None:
        self._tape.add(self._number, Kind.OUT, bytes(data))
        self._real.write(data)

    def writelines(self, parts: Iterable[bytes]) -> None:
        self.write(b"".join(parts))

    def close(self) -> None:
        self._ended()
        self._real.close()

    def abort(self) -> None:
        self._ended()
        self._real.abort()

    def _ended(self) -> None:
        if not self.closed and not self._real.is_closing():
            self._tape.add(self._number, Kind.CLOSE)
        self.closed = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


class SerialTap:
    """A recording's hand on serial ports and keyboards; see `drivers.links.tap.Tap`."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape

    async def serial(self, where: SerialAddress, deadline_s: float, opened: Callable[[], Awaitable[Stream]]) -> Stream:
        """Open the port and listen to it."""
        number = self._tape.connection()
        try:
            stream = await opened()
        except LinkError as error:
            self._tape.add(number, Kind.FAIL, text=error.code)
            raise
        self._tape.add(number, Kind.OPEN)
        return _Heard(stream, self._tape, number)

    def keyboard(self, path: str) -> Callable[[bytes | None], None]:
        """Return what puts a keyboard's records on the tape."""
        number = self._tape.connection()
        self._tape.add(number, Kind.OPEN)

        def tell(data: bytes | None) -> None:
            self._tape.add(number, Kind.IN if data else Kind.HANGUP, data or b"")

        return tell


class _Heard(Stream):
    """A serial port's stream that is listened to. What nobody read is not on the tape."""

    def __init__(self, inner: Stream, tape: Tape, number: int) -> None:
        self._inner = inner
        self._tape = tape
        self._number = number
        self._ended = False

    async def read(self, n_max: int, deadline_s: float) -> bytes:
        try:
            data = await self._inner.read(n_max, deadline_s)
        except LinkLost:
            self._end(Kind.HANGUP)
            raise
        self._tape.add(self._number, Kind.IN, data)
        return data

    async def write(self, data: bytes, deadline_s: float) -> None:
        self._tape.add(self._number, Kind.OUT, data)
        await self._inner.write(data, deadline_s)

    def close(self) -> None:
        self._end(Kind.CLOSE)
        self._inner.close()

    def _end(self, kind: Kind) -> None:
        if not self._ended:
            self._ended = True
            self._tape.add(self._number, kind)
