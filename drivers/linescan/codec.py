"""The line-scan frame of JAITF Edge, version 1, pure: part of one detector line; README.md describes it for strangers.

It is our own: no maker's format is public. Maker's units are adapted to it by a few lines of code on their side.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum, IntFlag

import numpy as np
from numpy.typing import NDArray

from drivers.errors import ProtocolError

MAGIC = b"JLS1"
#: Magic, energy, flags, bits, reserved (0), line, position, pixels of the line, first pixel, pixels in this frame.
HEADER = struct.Struct("<4sBBBBIIHHH")
CHECK = struct.Struct("<I")
MAX_PIXELS = 4096
MAX_FRAME_BYTES = HEADER.size + 2 * MAX_PIXELS + CHECK.size

Values = NDArray[np.uint16]


class Beam(IntEnum):
    """Which of the two detector rows of a line."""

    LOW = 0
    HIGH = 1


class Flags(IntFlag):
    """What was the case when the line was taken."""

    XRAYS_ON = 1
    BELT_RUNS = 2


@dataclass(frozen=True, slots=True)
class Frame:
    """Pixels `first` to `first + len(values)` of one energy of one line; `raw` is the frame as it came.

    `line` counts lines taken, `position` line pitches that the belt has moved (both modulo 2^32; `position` falls when
    the belt runs back and stays when it stands).
    """

    beam: Beam
    flags: Flags
    bits: int
    line: int
    position: int
    pixels: int
    first: int
    values: Values
    raw: bytes


def parse(raw: bytes) -> Frame:
    """Return the frame that `raw` is, whole and nothing else (one datagram). Raises ProtocolError."""
    size = frame_bytes(raw)
    if size is None or len(raw) != size:
        raise ProtocolError(f"a frame of {len(raw)} bytes where its header says {size}")
    if CHECK.unpack_from(raw, size - CHECK.size)[0] != zlib.crc32(memoryview(raw)[: -CHECK.size]):
        raise ProtocolError("a frame whose checksum is wrong")
    _, beam, flags, bits, _, line, position, pixels, first, count = HEADER.unpack_from(raw)
    values = np.frombuffer(raw, "<u2", count, HEADER.size)
    return Frame(Beam(beam), Flags(flags & 3), bits, line, position, pixels, first, values, raw)


def frame_bytes(head: bytes | bytearray | memoryview) -> int | None:
    """Return how long the frame is that begins so; None while that cannot be said yet.

    Raises ProtocolError for what is no frame's beginning.
    """
    if bytes(head[: len(MAGIC)]) != MAGIC[: len(head)]:
        raise ProtocolError("not a frame")
    if len(head) < HEADER.size:
        return None
    _, beam, flags, bits, reserved, _, _, pixels, first, count = HEADER.unpack_from(head)
    if beam > 1 or flags > 3 or reserved or not 8 <= bits <= 16 or not 1 <= pixels <= MAX_PIXELS:
        raise ProtocolError("a frame's header with values that there are not")
    if not count or first + count > pixels:
        raise ProtocolError("a frame with pixels outside its line")
    return HEADER.size + 2 * int(count) + CHECK.size


class Decoder:
    """Cuts a stream of bytes into frames; bytes of no frame are counted in `skipped`, damaged frames in `damaged`."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.skipped = 0
        self.damaged = 0

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Take bytes and yield the frames that they complete."""
        self._buffer += data
        while self._buffer:
            try:
                size = frame_bytes(bytes(self._buffer[: HEADER.size]))
                if size is None or len(self._buffer) < size:
                    return
                frame = parse(bytes(self._buffer[:size]))
            except ProtocolError:
                # A damaged frame may begin with an undamaged magic: the next one is looked for behind it.
                self.damaged += self._buffer.startswith(MAGIC)
                self._skip()
            else:
                del self._buffer[:size]
                yield frame

    def _skip(self) -> None:
        found = self._buffer.find(MAGIC, 1)
        if found < 0:  # the beginning of a magic may stand at the very end
            found = next((len(self._buffer) - n for n in (3, 2, 1) if self._buffer.endswith(MAGIC[:n])), 0)
            found = found or len(self._buffer)
        self.skipped += found
        del self._buffer[:found]


def ahead(one: int, other: int) -> int:
    """Return by how much a counter modulo 2^32 is ahead of another: -2^31 to 2^31 - 1."""
    return (one - other + (1 << 31)) % (1 << 32) - (1 << 31)
