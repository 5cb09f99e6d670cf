"""Datagrams, recorded at a relay before the driver's own port, and played to that port again."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from drivers.contract import Settings
from drivers.errors import LinkBusy, LinkLost
from drivers.ports import HOST, free_port
from drivers.recording.play import Played
from drivers.recording.tape import Event, Kind, Tape

MAX_DATAGRAM_BYTES = 65_535
_KERNEL_BYTES = 8 * 1024 * 1024


@asynccontextmanager
async def relayed(settings: Settings, tape: Tape) -> AsyncIterator[Settings]:
    """Yield the settings with which the driver is to run while datagrams go by the tape.

    Raises LinkBusy where another program listens at the device's address, LinkLost where it is not this machine's.
    """
    loop = asyncio.get_running_loop()
    parts = urlsplit(str(getattr(settings, "url", "")))
    allowed = getattr(settings, "sender", None)
    near = free_port(socket.SOCK_DGRAM)
    number = tape.connection()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as come, socket.socket(type=socket.SOCK_DGRAM) as go:
        come.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _KERNEL_BYTES)
        come.setblocking(False)
        try:
            come.bind((parts.hostname or "0.0.0.0", parts.port or 0))
        except OSError as error:
            text = f"udp {parts.netloc}: {error.strerror}"
            raise (LinkBusy if error.errno == errno.EADDRINUSE else LinkLost)(text) from None
        tape.add(number, Kind.OPEN)

        def take() -> None:
            try:
                data, sender = come.recvfrom(MAX_DATAGRAM_BYTES)
            except OSError:  # nothing there after all
                return
            if allowed is None or sender[0] == allowed:
                tape.add(number, Kind.IN, data)
                go.sendto(data, (HOST, near))

        loop.add_reader(come, take)
        try:
            yield _moved(settings, near)
        finally:
            loop.remove_reader(come)


@asynccontextmanager
async def replayed(settings: Settings, played: Played) -> AsyncIterator[Settings]:
    """Yield the settings with which the driver is to run while a recording's datagrams are sent to it."""
    near = free_port(socket.SOCK_DGRAM)
    with socket.socket(type=socket.SOCK_DGRAM) as go:
        if events := played.next():
            played.start(_Datagrams(go, near), events)
        yield _moved(settings, near)


class _Datagrams:
    """A detector that sends datagrams; see `drivers.recording.play.End`."""

    def __init__(self, socket_: socket.socket, port: int) -> None:
        self._socket = socket_
        self._port = port
        self.out = bytearray()
        self.exact = False

    async def hear(self, event: Event) -> None:
        """Send what was sent."""
        if event.kind is Kind.IN:
            self._socket.sendto(event.data, (HOST, self._port))

    async def said(self, count: int, closed: bool, until_s: float) -> None:
        """Return at once: nothing is ever said to a detector that sends datagrams."""


def _moved(settings: Settings, port: int) -> Settings:
    update: dict[str, object] = {"url": f"udp://{HOST}:{port}"}
    if getattr(settings, "sender", None) is not None:
        update["sender"] = None  # the relay has looked at it
    return settings.model_copy(update=update)
