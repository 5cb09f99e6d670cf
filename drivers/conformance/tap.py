"""The wire between a driver and its peer, with a hand on it: TCP either way round, UDP, or a pseudo-terminal.

It carries bytes until a trial holds them back, mixes something in, cuts them, swallows them, or takes the wire away.
"""

from __future__ import annotations

import asyncio
import os
import socket
import tty
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Protocol, cast

from drivers.conformance.case import Wire
from drivers.conformance.marks import Marks
from drivers.ports import HOST, free_port

READ_BYTES = 64 * 1024
#: A driver that takes nothing for so long ends a flood: it has shut its ears, which is a way to stand one.
FLOOD_S = 2.0
FLOOD_CHUNK_BYTES = 16 * 1024
#: Of the loop, that asyncio needs to let go of a connection, one included that it was accepting just then.
TURNS = 10


_Watch = Callable[[int, Callable[[], object]], None]


class _End(Protocol):
    async def read(self) -> bytes: ...
    async def write(self, data: bytes) -> None: ...
    def close(self) -> None: ...


class _SocketEnd:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def read(self) -> bytes:
        return await self._reader.read(READ_BYTES)

    async def write(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    def close(self) -> None:
        self._writer.transport.abort()


class _PtyEnd:
    """The master of a pseudo-terminal whose other end is linked at `path`."""

    def __init__(self, path: Path) -> None:
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self._path = path
        self._closed = False
        path.unlink(missing_ok=True)
        path.symlink_to(os.ttyname(self._slave))
        self._loop = asyncio.get_running_loop()

    async def read(self) -> bytes:
        await self._ready(self._loop.add_reader, self._loop.remove_reader)
        return os.read(self._master, READ_BYTES)

    async def write(self, data: bytes) -> None:
        while data:
            try:
                data = data[os.write(self._master, data) :]
            except BlockingIOError:
                await self._ready(self._loop.add_writer, self._loop.remove_writer)

    def close(self) -> None:
        """Hang up; the other end stays open here till then, else the line would end whenever the driver closes it."""
        self._closed = True
        self._loop.remove_reader(self._master)
        self._loop.remove_writer(self._master)
        self._path.unlink(missing_ok=True)
        os.close(self._master)
        os.close(self._slave)

    async def _ready(self, add: _Watch, remove: Callable[[int], bool]) -> None:
        ready: asyncio.Future[None] = self._loop.create_future()
        add(self._master, partial(_settle, ready))
        try:
            await ready
        finally:
            if not self._closed:  # else its number may be another file's by now
                remove(self._master)


class _DatagramEnd(asyncio.DatagramProtocol):
    """A UDP socket; what it has no room for is lost, as in the kernel."""

    def __init__(self) -> None:
        self._came: asyncio.Queue[bytes] = asyncio.Queue(1024)
        self._transport: asyncio.DatagramTransport | None = None
        self._to: tuple[str, int] | None = None

    @classmethod
    async def bound(cls, port: int) -> _DatagramEnd:
        made = await asyncio.get_running_loop().create_datagram_endpoint(cls, local_addr=(HOST, port))
        return made[1]

    @classmethod
    async def towards(cls, port: int) -> _DatagramEnd:
        end = await cls.bound(0)
        end._to = (HOST, port)
        return end

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Python 3.11's own class for datagrams is, by an oversight, no DatagramTransport.
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        self._to = address
        with suppress(asyncio.QueueFull):
            self._came.put_nowait(data)

    async def read(self) -> bytes:
        return await self._came.get()

    async def write(self, data: bytes) -> None:
        if self._transport and self._to:
            self._transport.sendto(data[:60_000], self._to)
        await asyncio.sleep(0)

    def close(self) -> None:
        if self._transport:
            self._transport.abort()


class _Pair:
    """One connection through the tap; `spoiled` says that bytes of it were lost, as a TCP stream's never are."""

    def __init__(self, driver: _End, peer: _End) -> None:
        self.driver, self.peer = driver, peer
        self.spoiled = False
        self.late: list[bytes] = []
        self._turn = asyncio.Lock()

    async def tell(self, data: bytes = b"") -> None:
        """Have the driver read what is late and then `data`: in the order in which it was said, and nothing between."""
        async with self._turn:
            late, self.late = self.late, []
            for each in (*late, data):
                if each:
                    await self.driver.write(each)

    def close(self) -> None:
        self.driver.close()
        self.peer.close()


class Tap(Marks):
    """One wire; see `drivers.conformance.case.Line`. Exactly one of `serve` and `dial` is the peer's side.

    `serve` is the TCP port on which the peer listens: the driver dials, `where` is what it dials. With `listen` the
    driver listens on that port and the peer dials `port`. Raises OSError from `plug` where an address is taken.
    """

    def __init__(self, wire: Wire, folder: Path, *, serve: int | None = None) -> None:
        self._wire = wire
        self._peer_port = serve
        kind = socket.SOCK_DGRAM if wire is Wire.UDP else socket.SOCK_STREAM
        self._driver_port = free_port(kind) if serve is None else 0
        self._path = folder / "line"
        self._kept: socket.socket | None = None
        if wire is Wire.TCP:
            self._kept, self.port = _kept_port()
        else:
            self.port = free_port(kind)
        self._server: asyncio.Server | None = None
        self._arriving: set[_SocketEnd] = set()
        self._pairs: set[_Pair] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._held: list[tuple[_Pair, bytes]] | None = None
        super().__init__()
        self._heard = b""

    @property
    def where(self) -> str:
        """See `Line.where`."""
        if self._wire is Wire.PTY:
            return f"serial://{self._path}"
        return f"{self._wire}://{HOST}:{self.port if self._peer_port is not None else self._driver_port}"

    @property
    def connections(self) -> int:
        """How many connections there are just now."""
        return len(self._pairs)

    def hold(self) -> None:
        """See `Line.hold`."""
        self._held = []

    def release(self) -> None:
        """See `Line.release`."""
        held, self._held = self._held or [], None
        for pair, data in held:
            pair.late.append(data)
        for pair in self._pairs:
            self._start(self._deliver(pair))

    def mend(self) -> None:
        """See `Line.mend`. TCP connections that lost bytes end: no TCP stream goes on with a hole in it."""
        super().mend()
        for pair in list(self._pairs):
            if pair.spoiled and self._wire is Wire.TCP:
                self._drop(pair)

    async def plug(self) -> None:
        """See `Line.plug`."""
        if self._wire is Wire.TCP:
            self._server = await asyncio.start_server(self._accepted, HOST, self.port)
        elif self._wire is Wire.UDP:
            self._join(await _DatagramEnd.towards(self._driver_port), await _DatagramEnd.bound(self.port))
        else:
            assert self._peer_port is not None, "over a pseudo-terminal the driver dials"
            near = _PtyEnd(self._path)
            self._join(near, _SocketEnd(*await asyncio.open_connection(HOST, self._peer_port)))

    async def unplug(self) -> None:
        """See `Line.unplug`."""
        server, self._server = self._server, None
        if server:
            server.close()
        for pair in list(self._pairs):
            self._drop(pair)
        for end in self._arriving:
            end.close()
        self._arriving.clear()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for _ in range(TURNS):
            await asyncio.sleep(0)
        self._held = None
        self._noise = b""
        self._silent = self._halve = False

    def close(self) -> None:
        """Let go of the port, for good."""
        if self._kept:
            self._kept.close()

    async def flood(self, noise: bytes, total_bytes: int) -> None:
        """See `Line.flood`."""
        said = self._heard or noise
        block = (said * (FLOOD_CHUNK_BYTES // len(said) + 1) + noise) if self._wire is not Wire.UDP else said
        sent = 0
        with suppress(TimeoutError):
            async with asyncio.timeout(FLOOD_S):
                while sent < total_bytes:
                    for pair in list(self._pairs):
                        with suppress(OSError):
                            await pair.tell(block)
                    sent += len(block)
                    await asyncio.sleep(0)

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        near = _SocketEnd(reader, writer)
        if self._server is None:  # it came while the cable was being pulled
            near.close()
            return
        self._arriving.add(near)
        self._start(self._admit(near))

    async def _admit(self, near: _SocketEnd) -> None:
        dials = self._peer_port is not None
        try:
            far = _SocketEnd(*await asyncio.open_connection(HOST, self._peer_port if dials else self._driver_port))
        except OSError:
            near.close()
        else:
            self._join(near, far) if dials else self._join(far, near)
        finally:
            self._arriving.discard(near)

    def _join(self, driver: _End, peer: _End) -> None:
        pair = _Pair(driver, peer)
        self._pairs.add(pair)
        self._start(self._from_peer(pair))
        self._start(self._from_driver(pair))

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _drop(self, pair: _Pair) -> None:
        if pair in self._pairs:
            self._pairs.discard(pair)
            pair.close()

    async def _from_driver(self, pair: _Pair) -> None:
        with suppress(OSError):
            while data := await pair.driver.read():
                if self._silent:
                    pair.spoiled = True
                else:
                    await pair.peer.write(data)
        self._drop(pair)

    async def _from_peer(self, pair: _Pair) -> None:
        with suppress(OSError):
            while data := await pair.peer.read():
                self._heard = data
                if self._silent:
                    pair.spoiled = True
                elif self._held is not None:
                    self._held.append((pair, data))
                elif self._halve:
                    self._silent = pair.spoiled = True
                    await pair.tell(data[: len(data) // 2])
                else:
                    noise, self._noise = self._noise, b""
                    if noise and self._wire is Wire.UDP:
                        await pair.tell(noise)
                        noise = b""
                    await pair.tell(noise + data)
        self._drop(pair)

    async def _deliver(self, pair: _Pair) -> None:
        with suppress(OSError):
            await pair.tell()


def _settle(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


def _kept_port() -> tuple[socket.socket, int]:
    """Return a TCP port and what keeps it while nobody listens there, as between a pulled cable and its return.

    A server may listen there all the same: asyncio's sets SO_REUSEADDR, and this socket does not listen.
    """
    keeper = socket.socket()
    keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    keeper.bind((HOST, 0))
    return keeper, int(keeper.getsockname()[1])
