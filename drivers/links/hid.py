"""Keyboards in name only: a scanner or a button of the HID class, read as evdev records from /dev/input.

The device is grabbed, so that what it types reaches nobody else on this machine (EVIOCGRAB, linux/input.h). A named
pipe in its place carries recorded or simulated records; it is not grabbed.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import stat
import struct
from urllib.parse import urlsplit

from drivers.errors import LinkBusy, LinkDenied, LinkError, LinkLost, LinkTimeout
from drivers.links.serial import Stream
from drivers.links.tap import TAP

#: linux/input.h: EVIOCGNAME(256), EVIOCGRAB.
_GET_NAME = 2 << 30 | 256 << 16 | ord("E") << 8 | 0x06
_GRAB = 1 << 30 | struct.calcsize("i") << 16 | ord("E") << 8 | 0x90


def path_of(url: str) -> str:
    """Return the file of `hid:///dev/input/...`; raises ValueError, in words for who wrote the URL."""
    parts = urlsplit(url)
    path = parts.path
    if parts.scheme != "hid" or parts.netloc or not path.startswith("/") or path == "/" or parts.query:
        raise ValueError("an input device is hid:///dev/input/by-id/NAME-event-kbd (three slashes)")
    return path


class HidStream(Stream):
    """The records of one input device. Nothing is ever written to it."""

    def __init__(self, path: str, fd: int, name: str) -> None:
        self.name = name
        self._path = path
        self._fd = fd
        tap = TAP.get()
        self._tell = tap.keyboard(path) if tap else _nobody

    async def read(self, n_max: int, deadline_s: float) -> bytes:
        """Return the records that came; raises LinkTimeout where none did, LinkLost when the device is gone."""
        if self._fd < 0:
            raise LinkLost(f"{self._path}: closed")
        try:
            async with asyncio.timeout(deadline_s):
                while (data := self._now(n_max)) is None:
                    await self._readable()
        except TimeoutError:
            raise LinkTimeout(f"{self._path}: nothing came within {deadline_s:g} s") from None
        return data

    def _now(self, n_max: int) -> bytes | None:
        try:
            data = os.read(self._fd, n_max)
        except BlockingIOError:
            return None
        except OSError as error:
            self._tell(None)
            raise LinkLost(f"{self._path}: the device went away: {error.strerror}") from None
        self._tell(data or None)
        if not data:
            raise LinkLost(f"{self._path}: the other side closed it")
        return data

    async def _readable(self) -> None:
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        loop.add_reader(self._fd, ready.set)
        try:
            await ready.wait()
        finally:
            if self._fd >= 0:
                loop.remove_reader(self._fd)

    async def write(self, data: bytes, deadline_s: float) -> None:
        """Never: an input device is only read. Raises LinkLost."""
        raise LinkLost(f"{self._path}: an input device takes no bytes")

    def close(self) -> None:
        """Let the device go; safe to call at any time and twice."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            asyncio.get_running_loop().remove_reader(fd)
            os.close(fd)


def _nobody(data: bytes | None) -> None:
    """Take no note of what is typed: on a lane nobody does but the driver."""


def open_hid(url: str) -> HidStream:
    """Open an input device and grab it.

    Raises LinkBusy where someone else has grabbed it, LinkDenied, or LinkLost where there is none; ValueError for a URL
    that `path_of` refuses.
    """
    path = path_of(url)
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise _why(path, error) from None
    try:
        return HidStream(path, fd, _take(path, fd))
    except BaseException:
        os.close(fd)
        raise


def _take(path: str, fd: int) -> str:
    """Grab a device and return the name that it gives itself; "" for a named pipe."""
    mode = os.fstat(fd).st_mode
    if stat.S_ISFIFO(mode):
        return ""
    if not stat.S_ISCHR(mode):
        raise LinkLost(f"{path}: not an input device; /dev/input/by-id/...-event-kbd is one")
    try:
        name = fcntl.ioctl(fd, _GET_NAME, bytes(256))
        fcntl.ioctl(fd, _GRAB, 1)
    except OSError as error:
        raise _why(path, error) from None
    return name.partition(b"\0")[0].decode("utf-8", "replace")


def _why(path: str, error: OSError) -> LinkError:
    text = f"{path}: {errno.errorcode.get(error.errno or 0, '')}".rstrip(": ")
    if error.errno == errno.EBUSY:
        return LinkBusy(f"{text}: another program has grabbed the device")
    if error.errno in (errno.EACCES, errno.EPERM):
        return LinkDenied(f"{text}: no permission; the appliance's user must be in the group of the device (input)")
    if error.errno in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
        return LinkLost(f"{text}: there is no such device; is it plugged in? ls /dev/input/by-id shows what is")
    return LinkLost(f"{text}: not an input device; /dev/input/by-id/...-event-kbd is one")
