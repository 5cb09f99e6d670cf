"""Where frames come from: a TCP connection to the detector, or datagrams that it sends."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections import deque
from typing import Protocol

from drivers import ports
from drivers.errors import LinkBusy, LinkDenied, LinkError, LinkLost, LinkTimeout, ProtocolError
from drivers.linescan.codec import MAX_FRAME_BYTES, Decoder, Frame, parse
from drivers.linescan.settings import LinescanSettings, UdpAddress, endpoint
from drivers.links.serial import Stream, open_stream

OPEN_S = 5.0
READ_BYTES = 256 * 1024
#: What a detector's burst may take in the kernel, and then here; beyond it the oldest datagrams go.
KERNEL_BYTES = 8 * 1024 * 1024
MAX_WAITING_BYTES = 32 * 1024 * 1024
#: Frames taken in one go, so that the loop turns in between.
AT_ONCE = 256


class Source(Protocol):
    """Frames in the order in which they came."""

    damaged: int
    """How much came that was no frame, or a damaged one."""
    about: str
    """What else a technician should know of it."""

    async def frames(self, deadline_s: float) -> list[Frame]:
        """Return frames as soon as there are any; none where only damaged ones came.

        Raises LinkTimeout where nothing came, LinkLost where the detector is gone.
        """

    def close(self) -> None:
        """End it; safe to call twice."""


async def open_source(settings: LinescanSettings) -> Source:
    """Connect to the detector, or listen for it. Raises LinkError."""
    where = endpoint(settings.url)
    if isinstance(where, UdpAddress):
        return await _listen(where, settings.sender)
    return _Tcp(await open_stream(settings.url, OPEN_S))


class _Tcp:
    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._decoder = Decoder()
        self.damaged = 0
        self.about = ""

    async def frames(self, deadline_s: float) -> list[Frame]:
        found = list(self._decoder.feed(await self._stream.read(READ_BYTES, deadline_s)))
        self.damaged = self._decoder.damaged + (self._decoder.skipped > 0)
        return found

    def close(self) -> None:
        self._stream.close()


async def _listen(where: UdpAddress, sender: str | None) -> _Udp:
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(where.host, where.port, type=socket.SOCK_DGRAM)
        family, kind, protocol, _, address = found[0]
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, KERNEL_BYTES)
            sock.setblocking(False)
            sock.bind(address)
        except OSError:
            sock.close()
            raise
    except OSError as error:
        raise _why(where, error) from None
    return _Udp(where, sender, sock)


def _why(where: UdpAddress, error: OSError) -> LinkError:
    text = f"udp {where}: {error.strerror or error}"
    if error.errno == errno.EADDRINUSE:
        return LinkBusy(f"{text}: {ports.holder(where.host, where.port, udp=True) or 'another program'} listens there")
    if error.errno in (errno.EACCES, errno.EPERM):
        return LinkDenied(f"{text}: ports below 1024 need a capability; take a higher one")
    return LinkLost(f"{text}: is this an address of this machine?")


class _Udp:
    """A socket that is emptied whenever there is something: asyncio's own transport takes one datagram a turn."""

    def __init__(self, where: UdpAddress, sender: str | None, sock: socket.socket) -> None:
        self._where = where
        self._sender = sender
        self._socket = sock
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._news = asyncio.Event()
        self.damaged = 0
        kept = sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        short = "" if kept >= KERNEL_BYTES else f" of {KERNEL_BYTES} asked for: raise net.core.rmem_max"
        self.about = f"; the kernel keeps bursts of {kept} bytes{short}"
        asyncio.get_running_loop().add_reader(sock, self._ready)

    def _ready(self) -> None:
        for _ in range(AT_ONCE):
            try:
                data, address = self._socket.recvfrom(MAX_FRAME_BYTES + 1)
            except OSError:  # nothing more there, or the network's word on something that we never sent
                break
            self._came(data, address[0])

    def _came(self, data: bytes, sender: str) -> None:
        if self._sender is not None and sender != self._sender:
            return
        self._waiting.append(data)
        self._waiting_bytes += len(data)
        while self._waiting_bytes > MAX_WAITING_BYTES:
            self._waiting_bytes -= len(self._waiting.popleft())
        self._news.set()

    async def frames(self, deadline_s: float) -> list[Frame]:
        if not self._waiting:
            self._news.clear()
            try:
                async with asyncio.timeout(deadline_s):
                    await self._news.wait()
            except TimeoutError:
                raise LinkTimeout(f"udp {self._where}: no datagram within {deadline_s:g} s") from None
        else:
            await asyncio.sleep(0)  # a stream without a pause must not keep the loop from turning
        found: list[Frame] = []
        while self._waiting and len(found) < AT_ONCE:
            data = self._waiting.popleft()
            self._waiting_bytes -= len(data)
            with contextlib.suppress(ProtocolError):
                found.append(parse(data))
                continue
            self.damaged += 1
        return found

    def close(self) -> None:
        if self._socket.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
