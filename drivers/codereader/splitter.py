"""Cuts what a reader sends into codes: each ends where the reader was set to say so, and half a code is none."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

#: The longest that is looked for is a boarding pass of four legs; a code beyond this is thrown away.
MAX_CODE_BYTES = 2048
_STX, _ETX, _GROUP_SEPARATOR = 0x02, 0x03, 0x1D


class End(StrEnum):
    """What a reader sends after each code; it must be set to send one."""

    CR = "cr"
    LF = "lf"
    TAB = "tab"
    ETX = "etx"


_BYTES = {End.CR: b"\r", End.LF: b"\n", End.TAB: b"\t", End.ETX: b"\x03"}


class Splitter:
    """Turns a stream of bytes into codes of printable ASCII; pure.

    `damaged` counts codes with bytes that no code has (noise, another baud rate) and codes that are too long; `endless`
    counts those that broke off.
    """

    def __init__(self, end: End = End.CR) -> None:
        self._end = _BYTES[end]
        self._buffer = bytearray()
        self._overlong = False
        self.damaged = 0
        self.endless = 0

    @property
    def waiting(self) -> bool:
        """Whether a code has begun and not ended."""
        return bool(self._buffer) or self._overlong

    def feed(self, data: bytes) -> Iterator[str]:
        """Take bytes and yield the codes that they complete.

        A line feed before a code (the rest of CR LF) and STX and ETX around it are taken off.
        """
        *ended, rest = data.split(self._end)
        for piece in ended:
            self._add(piece)
            code = bytes(self._buffer).strip(b"\r\n\x02\x03")
            damaged, self._overlong = self._overlong, False
            self._buffer.clear()
            if damaged or not all(0x20 <= byte < 0x7F or byte == _GROUP_SEPARATOR for byte in code):
                self.damaged += 1
            elif code:
                yield code.decode("ascii")
        self._add(rest)

    def quiet(self) -> None:
        """Forget a code of which no more came; the rest of CR LF is none."""
        if self._overlong or self._buffer.strip(b"\r\n\x02\x03"):
            self.endless += 1
        self._buffer.clear()
        self._overlong = False

    def _add(self, piece: bytes) -> None:
        self._buffer += piece
        if len(self._buffer) > MAX_CODE_BYTES:
            self._buffer.clear()
            self._overlong = True
