"""DICOM associations, recorded at a relay before the driver's own port, and played to that port again.

What a scanner says may show a person, and such are never kept. So an association is held in memory until it has ended,
looked through as the driver looks, and only then written, or left out.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network

from drivers.contract import Settings
from drivers.dicos.keepable import reason_against
from drivers.errors import LinkBusy, LinkLost
from drivers.ports import HOST, free_port
from drivers.recording.play import Played
from drivers.recording.tape import Event, Kind, Tape

READ_BYTES = 64 * 1024
#: An association of which more was said is left out.
MAX_BYTES = 64 * 1024 * 1024
#: How long the driver may take to listen, and to answer.
LISTENS_S, ANSWER_S = 20.0, 10.0


@dataclass
class _Held:
    """An association that has not ended, or has just: what was said, with times."""

    opened_ns: int
    events: list[Event] = field(default_factory=list)
    size_bytes: int = 0

    def add(self, at_ns: int, kind: Kind, data: bytes = b"") -> None:
        """Keep it for now; nothing more once it is too much."""
        self.size_bytes += len(data)
        if self.size_bytes <= MAX_BYTES:
            self.events.append(Event(at_ns, 0, kind, data))
        else:
            self.events.clear()

    def reason_against(self) -> str:
        """Return why this is not to be kept."""
        if self.size_bytes > MAX_BYTES:
            return f"it has more than {MAX_BYTES} bytes"
        said, answered = (
            b"".join(event.data for event in self.events if event.kind is kind) for kind in (Kind.IN, Kind.OUT)
        )
        return reason_against(said, answered)


class _Relay:
    """Stands where the driver would listen, and hands on what is said."""

    def __init__(self, tape: Tape, near: int, allowed: tuple[str, ...]) -> None:
        self._tape = tape
        self._near = near
        self._allowed = [ip_network(network) for network in allowed]
        self._tasks: set[asyncio.Task[None]] = set()

    async def accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one association to its end."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        peer = ip_address(writer.get_extra_info("peername")[0])
        held = _Held(self._tape.now_ns)
        try:
            if self._allowed and not any(peer in network for network in self._allowed):
                return
            far_reader, far_writer = await _dialled(self._near)
            with suppress(OSError):
                await asyncio.gather(
                    self._carry(held, Kind.IN, reader, far_writer), self._carry(held, Kind.OUT, far_reader, writer)
                )
            far_writer.transport.abort()
        finally:
            writer.transport.abort()
            self._write(held)

    async def _carry(self, held: _Held, kind: Kind, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(READ_BYTES):
                held.add(self._tape.now_ns, kind, data)
                writer.write(data)
                await writer.drain()
        finally:
            held.add(self._tape.now_ns, Kind.HANGUP if kind is Kind.IN else Kind.CLOSE)
            writer.close()

    def _write(self, held: _Held) -> None:
        if reason := held.reason_against():
            # Of when it began: where the recording was ended in its midst, it is told all the same.
            text = f"an association of {held.size_bytes} bytes is left out: {reason}"
            self._tape.add(0, Kind.NOTE, text=text, at_ns=held.opened_ns)
            return
        number = self._tape.connection()
        self._tape.add(number, Kind.OPEN, at_ns=held.opened_ns)
        for event in held.events:
            self._tape.add(number, event.kind, event.data, at_ns=event.at_ns)

    async def close(self) -> None:
        """End what is under way; what was said of it is written as far as it came."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def relayed(settings: Settings, tape: Tape) -> AsyncIterator[Settings]:
    """Yield the settings with which the driver is to run behind the relay.

    Raises LinkBusy where another program listens at the device's address, LinkLost where it is not this machine's.
    """
    host, _, port = str(getattr(settings, "listen", "")).rpartition(":")
    near = free_port()
    relay = _Relay(tape, near, getattr(settings, "addresses", ()))
    try:
        server = await asyncio.start_server(relay.accepted, host.strip("[]"), int(port))
    except OSError as error:
        text = f"{host}:{port}: {error.strerror}"
        raise (LinkBusy if error.errno == errno.EADDRINUSE else LinkLost)(text) from None
    try:
        yield _moved(settings, near)
    finally:
        server.close()
        await relay.close()


@asynccontextmanager
async def replayed(settings: Settings, played: Played) -> AsyncIterator[Settings]:
    """Yield the settings with which the driver is to run while a recording's associations are played to it."""
    near = free_port()
    playing = asyncio.create_task(_play_all(played, near))
    try:
        yield _moved(settings, near)
    finally:
        playing.cancel()
        with suppress(asyncio.CancelledError):
            await playing


async def _play_all(played: Played, near: int) -> None:
    """Play one association after the other, for it hangs on threads which of two at once would be first."""
    while (events := played.peek()) is not None:
        reader, writer = await _dialled(near)
        try:
            await played.play(_Scanner(reader, writer), events)
        finally:
            writer.transport.abort()


class _Scanner:
    """The scanner's end of an association; see `drivers.recording.play.End`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._heard_bytes = 0
        self._news = asyncio.Event()
        self._ended = False
        self.out = bytearray()
        self.exact = False
        self._reading = asyncio.create_task(self._read(reader))

    async def _read(self, reader: asyncio.StreamReader) -> None:
        with suppress(OSError):
            while data := await reader.read(READ_BYTES):
                self.out += data
                self._news.set()
        self._ended = True
        self._news.set()

    async def hear(self, event: Event) -> None:
        """Say what the scanner said, or hang up."""
        self._heard_bytes = len(self.out)
        with suppress(OSError):
            if event.kind is Kind.IN:
                self._writer.write(event.data)
                await self._writer.drain()
            elif event.kind is Kind.HANGUP:
                self._writer.close()

    async def said(self, count: int, closed: bool, until_s: float) -> None:
        """Return once the driver has answered, or hung up; not what, for its answers are not those of then."""
        with suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_S):
                while not self._ended and (closed or len(self.out) <= self._heard_bytes):
                    self._news.clear()
                    await self._news.wait()


async def _dialled(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to the driver, which may just be beginning to listen. Raises TimeoutError."""
    async with asyncio.timeout(LISTENS_S):
        while True:
            with suppress(ConnectionRefusedError):
                return await asyncio.open_connection(HOST, port)
            await asyncio.sleep(0.02)


def _moved(settings: Settings, port: int) -> Settings:
    return settings.model_copy(update={"listen": f"{HOST}:{port}", "addresses": (), "tdr_to": None})
