"""How a simulated reader tells a code: as bytes on a line, or as a keyboard's input records in a named pipe."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

#: Keys of a US keyboard by linux/input-event-codes.h, in rows from the first key of each.
_ROWS = (
    (2, "1234567890-="),
    (16, "qwertyuiop[]"),
    (30, "asdfghjkl;'`"),
    (43, "\\zxcvbnm,./"),
    (57, " "),
)
_SHIFTED = dict(zip('!@#$%^&*()_+{}:"~|<>?', "1234567890-=[];'`\\,./", strict=True))
_LEFT_SHIFT, _ENTER = 42, 28


def said(codes: Iterable[tuple[str, str]], *, aim: bool, end: str = "\r") -> str:
    """Return codes as a reader sends them: with their symbology where it is set to, each with its end."""
    return "".join((f"]{symbology}" if aim else "") + text + end for symbology, text in codes)


def record(kind: int, code: int, value: int) -> bytes:
    """Return one struct input_event of this machine, its time left at 0."""
    return struct.pack("llHHi", 0, 0, kind, code, value)


def stroke(code: int) -> bytes:
    """Return the records of one key pressed and let go."""
    return b"".join(record(1, code, value) + record(0, 0, 0) for value in (1, 0))


def typed(text: str) -> bytes:
    """Return the records of a text that is typed on a US keyboard; CR is the enter key."""
    keys = {char: first + i for first, row in _ROWS for i, char in enumerate(row)} | {"\r": _ENTER}
    records = b""
    for char in text:
        plain = _SHIFTED.get(char, char.lower())
        shifted = plain != char
        if shifted:
            records += record(1, _LEFT_SHIFT, 1) + record(0, 0, 0)
        records += stroke(keys[plain])
        if shifted:
            records += record(1, _LEFT_SHIFT, 0) + record(0, 0, 0)
    return records


class Keyboard:
    """A named pipe that carries input records; it stands for a device in /dev/input."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = -1

    def plug_in(self) -> None:
        """Appear; the pipe is held open, as a plugged device is there whether or not anyone reads it."""
        self._path.unlink(missing_ok=True)
        os.mkfifo(self._path)
        self._fd = os.open(self._path, os.O_RDWR | os.O_NONBLOCK)

    def send(self, records: bytes) -> None:
        """Send records; what nobody takes is lost once the pipe is full."""
        with suppress(BlockingIOError):
            os.write(self._fd, records)

    def pull_out(self) -> None:
        """Vanish; safe to call twice."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
            self._path.unlink(missing_ok=True)
