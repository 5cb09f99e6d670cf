"""Replay at the link: a driver's connections are answered from a recording, in an event loop of virtual time.

Each connection that the driver makes is the recording's next. What the device said comes as long after what went before
as it did then; what followed on the driver's words waits until the driver has said as much.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Protocol, cast

from drivers.errors import LinkBusy, LinkDenied, LinkError, LinkLost, LinkTimeout
from drivers.links.address import SerialAddress, TcpAddress
from drivers.links.serial import Stream, connect
from drivers.recording.keep import NO_ANSWER
from drivers.recording.tape import Event, Kind, Recording
from drivers.recording.virtual import VirtualLoop

#: How long past its time the driver's next word is waited for, before the device's next is said without it.
WAIT_S = 30.0
_ERRORS: dict[str, type[LinkError]] = {
    each.code: each for each in (LinkError, LinkTimeout, LinkLost, LinkBusy, LinkDenied)
}


class End(Protocol):
    """The device's end of a connection: what it says, and what it waits for."""

    out: bytearray
    """What the driver has said."""
    exact: bool
    """Whether the driver is to say what it said then, byte for byte."""

    async def hear(self, event: Event) -> None:
        """Let the driver hear what the device said, or that it hung up."""

    async def said(self, count: int, closed: bool, until_s: float) -> None:
        """Return once the driver has said so many bytes, closed it where that is waited for, or until then."""


class Played:
    """A recording on its way to a driver; `differences` says where the driver said other than it did then.

    `pace` is how long what lay between two events lasts now, as a part of what it did then.
    """

    def __init__(self, recording: Recording, pace: float = 1.0) -> None:
        self.pace = pace
        self._waiting: deque[list[Event]] = deque(_connections(recording.events))
        self._open: set[asyncio.Task[None]] = set()
        self.differences: list[str] = []
        self.last_ns = 0
        self.news = asyncio.Event()

    @property
    def over(self) -> bool:
        """Whether the device has nothing more to say on any connection."""
        return not self._waiting and not self._open

    def peek(self) -> list[Event] | None:
        """Return the next connection's events and leave it there, None where there are no more."""
        return self._waiting[0] if self._waiting else None

    async def play(self, line: End, events: list[Event]) -> None:
        """Say all that was said on the connection that is the next, and only then have done with it."""
        try:
            await self._play(line, events)
        finally:
            self._waiting.popleft()
            self.news.set()

    def next(self) -> list[Event] | None:
        """Return the next connection's events, None where there were no more."""
        return self._waiting.popleft() if self._waiting else None

    def start(self, line: End, events: list[Event]) -> None:
        """Begin to say what was said on a connection."""
        task = asyncio.get_running_loop().create_task(self._play(line, events))
        self._open.add(task)
        task.add_done_callback(self._done)

    def failed(self, event: Event) -> None:
        """Note that an opening that failed was tried again."""
        self.last_ns = max(self.last_ns, event.at_ns)
        self.news.set()

    def _done(self, task: asyncio.Task[None]) -> None:
        self._open.discard(task)
        self.news.set()
        if not task.cancelled():
            task.result()

    def close(self) -> None:
        """Say nothing more."""
        for task in self._open:
            task.cancel()

    async def _play(self, line: End, events: list[Event]) -> None:
        loop = asyncio.get_running_loop()
        at_s, at_ns, due = loop.time(), events[0].at_ns, b""
        for event in events[1:]:
            gap_s = (event.at_ns - at_ns) / 1e9 * self.pace
            if event.kind in (Kind.OUT, Kind.CLOSE):
                due += event.data
                await line.said(len(due), event.kind is Kind.CLOSE, at_s + gap_s + WAIT_S)
                self._compare(line, due, event)
                at_s = loop.time()
            else:
                await asyncio.sleep(at_s + gap_s - loop.time())
                at_s += gap_s
                await line.hear(event)
            at_ns = event.at_ns
            self.last_ns = max(self.last_ns, at_ns)

    def _compare(self, line: End, due: bytes, event: Event) -> None:
        if line.exact and event.kind is Kind.OUT and bytes(line.out[: len(due)]) != due:
            missing = "nothing" if len(line.out) < len(due) else "something else"
            self.differences.append(f"at {event.at_ns / 1e9:.3f} s the driver said {missing} where it spoke then")
            line.out[: len(due)] = due


class Line(asyncio.Transport):
    """The driver's end of a connection of which there is only a recording."""

    exact = True

    def __init__(self, protocol: asyncio.Protocol, host: str, port: int) -> None:
        # Options are set on it, as on any connection's; it leads nowhere.
        self._socket = socket.socket()
        super().__init__({"socket": self._socket, "peername": (host, port), "sockname": ("127.0.0.1", 0)})
        self._protocol = protocol
        self._news = asyncio.Event()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._closing = False
        self.out = bytearray()

    def write(self, data: Any) -> None:
        """Take what the driver says."""
        if not self._closing:
            self.out += data
            self._news.set()

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        """Take what the driver says."""
        self.write(b"".join(list_of_data))

    def close(self) -> None:
        """End it, from the driver's side."""
        self._end()

    def abort(self) -> None:
        """End it, from the driver's side."""
        self._end()

    def is_closing(self) -> bool:
        """Say whether it has ended."""
        return self._closing

    def pause_reading(self) -> None:
        """Hold what comes back until `resume_reading`."""
        self._flowing.clear()

    def resume_reading(self) -> None:
        """Go on."""
        self._flowing.set()

    def is_reading(self) -> bool:
        """Say whether anything may come."""
        return self._flowing.is_set()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Let another protocol hear what comes."""
        self._protocol = cast("asyncio.Protocol", protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Return who hears what comes."""
        return self._protocol

    def get_write_buffer_size(self) -> int:
        """Return 0: everything is taken at once."""
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing to set: everything is taken at once."""

    def can_write_eof(self) -> bool:
        """Say no: nobody here closes half a connection."""
        return False

    async def hear(self, event: Event) -> None:
        """Let the driver hear what the device said, or that it hung up."""
        await self._flowing.wait()
        if self._closing:
            return
        if event.kind is Kind.IN:
            self._protocol.data_received(event.data)
        elif event.kind is Kind.HANGUP:
            self._end()

    async def said(self, count: int, closed: bool, until_s: float) -> None:
        """Return once the driver has said so many bytes, closed it where that is waited for, or until then."""
        try:
            async with asyncio.timeout_at(until_s):
                while not self._closing and (closed or len(self.out) < count):
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            return

    def _end(self) -> None:
        if not self._closing:
            self._closing = True
            self._flowing.set()
            self._news.set()
            self._socket.close()
            asyncio.get_running_loop().call_soon(self._protocol.connection_lost, None)


class ReplayLoop(VirtualLoop):
    """A loop of virtual time in which every TCP connection leads to a recording, and none to the network."""

    def __init__(self, played: Played, speed: float | None = None) -> None:
        super().__init__(speed)
        self.played = played

    async def create_connection(self, protocol_factory: Any, host: Any = None, port: Any = None, **_: Any) -> Any:
        """Return the recording's next connection; raises the OSError with which it failed then."""
        events = self.played.next()
        if events is None:
            raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
        if events[0].kind is Kind.FAIL:
            await _failed(events[0], self.played)
        protocol = protocol_factory()
        line = Line(protocol, str(host), int(port or 0))
        protocol.connection_made(line)
        self.played.start(line, events)
        return line, protocol


async def _failed(event: Event, played: Played) -> None:
    played.failed(event)
    if event.text in _ERRORS:
        raise _ERRORS[event.text]("as it was recorded")
    if event.text == NO_ANSWER:
        await asyncio.get_running_loop().create_future()
    number = getattr(errno, event.text, errno.ECONNREFUSED)
    raise OSError(number, os.strerror(number))


class SerialReplay:
    """A replay in the place of serial ports; see `drivers.links.tap.Tap`."""

    async def serial(self, where: SerialAddress, deadline_s: float, opened: Callable[[], Awaitable[Stream]]) -> Stream:
        """Return the recording's next connection."""
        return await connect(TcpAddress(where.path, 0), deadline_s)

    def keyboard(self, path: str) -> Callable[[bytes | None], None]:
        """Return who takes no note: the records come from the recording."""
        return lambda _: None


def _connections(events: Iterable[Event]) -> list[list[Event]]:
    by_number: dict[int, list[Event]] = defaultdict(list)
    for event in events:
        if event.connection and event.kind is not Kind.NOTE:
            by_number[event.connection].append(event)
    return sorted(by_number.values(), key=lambda found: found[0].at_ns)
