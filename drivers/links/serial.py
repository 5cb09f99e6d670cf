"""Serial ports, and TCP connections in their place: one stream of bytes, every wait with a deadline.

A port is opened by its URL: `serial:///dev/serial/by-id/NAME?baud=115200&parity=none`, or `tcp://HOST:PORT` for a
terminal server. pyserial blocks, so a thread a port owns it: it alone opens, reads, writes and closes. Everything is
set when the port is opened and nothing after (a pseudo-terminal takes no second change of its parity). The port is held
exclusively both ways there are: an advisory lock, and the terminal's own exclusive mode.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import logging
import os
import queue
import socket
import termios
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import ClassVar, Protocol

import serial

from drivers.errors import LinkBusy, LinkDenied, LinkError, LinkLost, LinkTimeout
from drivers.links.address import Line, Parity, SerialAddress, TcpAddress, address
from drivers.links.tap import TAP

__all__ = ["Line", "Parity", "SerialAddress", "Stream", "TcpAddress", "address", "holder", "open_stream"]

log = logging.getLogger("jaitf.device")

#: How long the owning thread waits for bytes before it looks round; it is woken for writes and for the end.
_LOOK_ROUND_S = 0.5
#: Past this a write is given up by the owning thread, whatever the caller's deadline is.
_WRITE_LIMIT_S = 10.0
#: What nobody read is kept up to here; then the oldest goes, as it would in the kernel.
MAX_UNREAD_BYTES = 64 * 1024
#: The ports' names that stay, and how many of them are told to who names another.
BY_ID = Path("/dev/serial/by-id")
_SHOWN_PORTS = 4
#: What pyserial raises when a port goes away under it (TypeError: its descriptor went first) or cannot be set so.
_FAILURES = (OSError, termios.error, TypeError, ValueError)


_PARITIES = {Parity.NONE: serial.PARITY_NONE, Parity.EVEN: serial.PARITY_EVEN, Parity.ODD: serial.PARITY_ODD}


class Stream(Protocol):
    """Bytes both ways. One task reads; a cancelled read loses nothing."""

    async def read(self, n_max: int, deadline_s: float) -> bytes:
        """Return 1 to `n_max` bytes as soon as there are any.

        Raises LinkTimeout where none came within `deadline_s`, LinkLost where the other side is gone and all that it
        had sent is read.
        """

    async def write(self, data: bytes, deadline_s: float) -> None:
        """Hand all of `data` to the system; raises LinkTimeout or LinkLost, and is then of no more use."""

    def close(self) -> None:
        """End it; safe to call at any time and twice. Never waits."""


async def open_stream(url: str, deadline_s: float, line: Line | None = None, default_port: int | None = None) -> Stream:
    """Open a serial port, exclusively, or a TCP connection.

    Raises LinkBusy, LinkDenied, LinkLost or LinkTimeout, each saying what to look at; ValueError for a URL that
    `address` refuses.
    """
    where = address(url, line, default_port)
    if isinstance(where, TcpAddress):
        return await connect(where, deadline_s)
    tap = TAP.get()
    return await (tap.serial(where, deadline_s, partial(_open, where, deadline_s)) if tap else _open(where, deadline_s))


async def _open(where: SerialAddress, deadline_s: float) -> Stream:
    port = _SerialStream(where)
    await port.open(deadline_s)
    return port


def holder(path: str) -> str:
    """Return "process N (program)" for who else has a port open, "" where that cannot be seen."""
    real = str(Path(path).resolve())
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and _has_open(process, real):
                return f"process {process.name} ({(process / 'comm').read_text().strip()})"
        except OSError:
            continue  # it ended meanwhile, or is another user's
    return ""


def _has_open(process: Path, real: str) -> bool:
    for fd in (process / "fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            if str(fd.readlink()) == real:
                return True
    return False


def _why(path: str, error: BaseException) -> LinkError:
    """Return a failure to open a port as one of our own, with what mends it."""
    number = getattr(error, "errno", None)
    text = f"{path}: {errno.errorcode.get(number, '') if isinstance(number, int) else ''}".rstrip(": ")
    if number in (errno.EBUSY, errno.EAGAIN):
        who = holder(path) or "another program (brltty, ModemManager, a terminal?)"
        return LinkBusy(f"{text}: {who} holds the port")
    if number in (errno.EACCES, errno.EPERM):
        return LinkDenied(f"{text}: no permission; the appliance's user must be in the group of the port (dialout)")
    if number in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
        there = ", ".join(sorted(map(str, BY_ID.glob("*")))[:_SHOWN_PORTS]) or "none"
        return LinkLost(f"{text}: there is no such port; plugged in are: {there}")
    return LinkLost(f"{path}: not a serial port, or one that cannot be set so: {error}")


class _SerialStream:
    """One serial port, owned by a thread of its own."""

    #: The last of this process by path: a port that is being closed is waited for before it is opened again.
    _last: ClassVar[dict[str, _SerialStream]] = {}

    def __init__(self, where: SerialAddress) -> None:
        self._where = where
        self._loop = asyncio.get_running_loop()
        self._opened: asyncio.Future[None] = self._loop.create_future()
        self._orders: queue.SimpleQueue[tuple[bytes, asyncio.Future[None]]] = queue.SimpleQueue()
        self._port: serial.Serial | None = None
        self._port_lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()
        self._news = asyncio.Event()
        self._unread = bytearray()
        self._lost: LinkError | None = None

    async def open(self, deadline_s: float) -> None:
        before = self._last.get(self._where.path)
        if before and before.alive and not before._closed.is_set():
            raise LinkBusy(f"{self._where}: this process has it open already")
        self._last[self._where.path] = self
        self._thread = threading.Thread(
            target=self._own, args=(before, deadline_s), name=f"port {self._where}", daemon=True
        )
        self._thread.start()
        try:
            async with asyncio.timeout(deadline_s):
                await asyncio.shield(self._opened)
        except TimeoutError:
            raise LinkTimeout(f"{self._where}: not open within {deadline_s:g} s; does the adapter hang?") from None
        finally:
            if not self._opened.done() or self._opened.cancelled() or self._opened.exception():
                self.close()

    @property
    def alive(self) -> bool:
        """Whether the thread has not let go of the port yet."""
        return self._thread is not None and self._thread.is_alive()

    async def read(self, n_max: int, deadline_s: float) -> bytes:
        try:
            async with asyncio.timeout(deadline_s):
                while not self._unread:
                    if self._lost:
                        raise self._lost
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise LinkTimeout(f"{self._where}: nothing came within {deadline_s:g} s") from None
        data = bytes(self._unread[:n_max])
        del self._unread[:n_max]
        return data

    async def write(self, data: bytes, deadline_s: float) -> None:
        if self._lost:
            raise self._lost
        done: asyncio.Future[None] = self._loop.create_future()
        self._orders.put((data, done))
        self._wake()
        try:
            async with asyncio.timeout(deadline_s):
                await done
        except TimeoutError:
            self.close()
            raise LinkTimeout(
                f"{self._where}: the port took no bytes within {deadline_s:g} s; cable, RTS/CTS?"
            ) from None

    def close(self) -> None:
        self._closed.set()
        self._lost = self._lost or LinkLost(f"{self._where}: closed")
        self._news.set()
        self._wake()

    def _wake(self) -> None:
        with self._port_lock:  # else the pipe that is written to may have been closed, and its number taken
            if self._port is not None:
                self._port.cancel_read()
                if self._closed.is_set():
                    self._port.cancel_write()

    def _own(self, before: _SerialStream | None, deadline_s: float) -> None:
        """Be the port's thread: open, serve, close."""
        if before and before._thread:
            before._thread.join(deadline_s)
        if self._closed.is_set():
            return
        try:
            port = self._open()
        except _FAILURES as error:
            self._tell(self._failed_to_open, _why(self._where.path, error))
            return
        self._port = port
        self._tell(self._is_open)
        try:
            while not self._closed.is_set():
                self._write_orders(port)
                data = port.read(1)
                if data:
                    data += port.read(min(port.in_waiting, MAX_UNREAD_BYTES))
                    self._tell(self._came, data)
        except _FAILURES as error:
            self._tell(self._is_lost, LinkLost(f"{self._where}: the port went away: {error}"))
        finally:
            with self._port_lock:
                self._port = None
            self._shut(port)

    def _open(self) -> serial.Serial:
        line = self._where.line
        port = serial.Serial(
            self._where.path,
            baudrate=line.baud,
            bytesize=line.bits,
            parity=_PARITIES[line.parity],
            stopbits=line.stop,
            timeout=_LOOK_ROUND_S,
            write_timeout=_WRITE_LIMIT_S,
            exclusive=True,
        )
        fcntl.ioctl(port.fileno(), termios.TIOCEXCL)  # pyserial's own lock does not keep out who does not ask for it
        return port

    def _shut(self, port: serial.Serial) -> None:
        try:
            # Unsent bytes would let the close wait for a device that may be gone.
            termios.tcflush(port.fileno(), termios.TCOFLUSH)
            fcntl.ioctl(port.fileno(), termios.TIOCNXCL)
        except _FAILURES:
            log.debug("%s went away before it was closed", self._where)
        try:
            port.close()
        except _FAILURES:
            log.debug("%s could not be closed in order", self._where)

    def _write_orders(self, port: serial.Serial) -> None:
        while True:
            try:
                data, done = self._orders.get_nowait()
            except queue.Empty:
                return
            try:
                port.write(data)
            except _FAILURES as error:
                self._tell(self._settle, done, LinkLost(f"{self._where}: the port went away: {error}"))
                raise
            self._tell(self._settle, done, None)

    def _tell(self, what: Callable[..., None], *arguments: object) -> None:
        try:
            self._loop.call_soon_threadsafe(what, *arguments)
        except RuntimeError:
            self._closed.set()  # the loop has ended, and with it whoever might listen

    def _is_open(self) -> None:
        if not self._opened.done():
            self._opened.set_result(None)

    def _failed_to_open(self, error: LinkError) -> None:
        if not self._opened.done():
            self._opened.set_exception(error)
            self._opened.exception()  # seen: whoever opened may have been cancelled meanwhile

    def _came(self, data: bytes) -> None:
        self._unread += data
        del self._unread[:-MAX_UNREAD_BYTES]
        self._news.set()

    def _is_lost(self, error: LinkError) -> None:
        self._lost = self._lost or error
        self._news.set()
        while not self._orders.empty():
            self._settle(self._orders.get_nowait()[1], error)

    def _settle(self, done: asyncio.Future[None], error: LinkError | None) -> None:
        if done.done():
            return
        if error:
            done.set_exception(error)
        else:
            done.set_result(None)


async def connect(where: TcpAddress, deadline_s: float) -> Stream:
    """Open a TCP connection; see `open_stream`."""
    try:
        async with asyncio.timeout(deadline_s):
            reader, writer = await asyncio.open_connection(where.host, where.port)
    except TimeoutError:
        raise LinkTimeout(f"{where}: no connection within {deadline_s:g} s; power, cable, address?") from None
    except OSError as error:
        # asyncio words it anew ("Connect call failed"): the system's own words say more.
        text = f"{where}: {os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or error}"
        if error.errno in (errno.EACCES, errno.EPERM):
            raise LinkDenied(f"{text}; a firewall or sandbox of this machine forbids it") from None
        if error.errno == errno.ECONNREFUSED:
            raise LinkLost(f"{text}; the machine is there, but nothing answers on this port") from None
        raise LinkLost(f"{text}; power, cable, address?") from None
    sock: socket.socket = writer.get_extra_info("socket")
    # A side that vanished without a word is found by the kernel within half a minute, also where we only listen.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in ((socket.TCP_KEEPIDLE, 10), (socket.TCP_KEEPINTVL, 5), (socket.TCP_KEEPCNT, 4)):
        sock.setsockopt(socket.IPPROTO_TCP, option, value)
    return _TcpStream(where, reader, writer)


class _TcpStream:
    """One TCP connection."""

    def __init__(self, where: TcpAddress, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._where = where
        self._reader = reader
        self._writer = writer

    async def read(self, n_max: int, deadline_s: float) -> bytes:
        try:
            async with asyncio.timeout(deadline_s):
                data = await self._reader.read(n_max)
        except TimeoutError:
            raise LinkTimeout(f"{self._where}: nothing came within {deadline_s:g} s") from None
        except OSError as error:
            raise LinkLost(f"{self._where}: {error.strerror or error}") from None
        if not data:
            raise LinkLost(f"{self._where}: the other side closed the connection")
        return data

    async def write(self, data: bytes, deadline_s: float) -> None:
        if self._writer.is_closing():
            raise LinkLost(f"{self._where}: closed")
        try:
            async with asyncio.timeout(deadline_s):
                self._writer.write(data)
                await self._writer.drain()
        except TimeoutError:
            self.close()
            raise LinkTimeout(f"{self._where}: the other side took no bytes within {deadline_s:g} s") from None
        except OSError as error:
            raise LinkLost(f"{self._where}: {error.strerror or error}") from None

    def close(self) -> None:
        self._writer.transport.abort()
