"""Serial reader modules, written apart from the appliance's driver: M100/R200 (BB ... 7E) and the UHFReader18 family.

A module is served over TCP, as a terminal server would, or over a pseudo-terminal.
"""

from __future__ import annotations

import asyncio
import os
import time
import tty
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from simulators.tagreader.model import Gate, Heard
from simulators.uart import heard, speed_of

#: A command of which no more comes for so long is none.
BROKEN_OFF_S = 0.1
#: Takes what came so far and the tags in view; returns how many bytes were used up, and the answer.
Answerer = Callable[[bytes, list[Heard]], tuple[int, bytes]]


def crc_mcrf4xx(data: bytes) -> int:
    """Return CRC-16/MCRF4XX: reflected 1021, start FFFF."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x8408 if crc & 1 else 0)
    return crc


def crc_genibus(data: bytes) -> int:
    """Return CRC-16/GENIBUS, a Gen2 tag's own: 1021, start FFFF, inverted."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = crc << 1 ^ (0x1021 if crc & 0x8000 else 0)
    return crc & 0xFFFF ^ 0xFFFF


def bb_frame(kind: int, command: int, values: bytes) -> bytes:
    """Return a frame of an M100."""
    inner = bytes([kind, command]) + len(values).to_bytes(2, "big") + values
    return b"\xbb" + inner + bytes([sum(inner) & 0xFF, 0x7E])


def m100(data: bytes, heard: list[Heard]) -> tuple[int, bytes]:
    """Answer the first command in `data`: module information and single poll; error 17 to others."""
    if len(data) < 7 or data[0] != 0xBB:
        return (1, b"") if data and data[0] != 0xBB else (0, b"")
    size = 7 + int.from_bytes(data[3:5], "big")
    if len(data) < size:
        return 0, b""
    if data[2] == 0x03:
        return size, bb_frame(1, 0x03, b"\x00simulated V1.0")
    if data[2] != 0x22:
        return size, bb_frame(1, 0xFF, b"\x17")
    answer = b""
    for tag in heard:
        told = (len(tag.epc) // 2 << 11).to_bytes(2, "big") + tag.epc
        answer += bb_frame(2, 0x22, tag.rssi_dbm.to_bytes(1, "big", signed=True) + told + crc_genibus(told).to_bytes(2))
    return size, answer or bb_frame(1, 0xFF, b"\x15")


def reader18(data: bytes, heard: list[Heard]) -> tuple[int, bytes]:
    """Answer the first command in `data`: reader information and inventory; status FE to others."""
    if not data or len(data) < data[0] + 1:
        return 0, b""
    size = data[0] + 1
    if data[0] < 4 or crc_mcrf4xx(data[: size - 2]) != int.from_bytes(data[size - 2 : size], "little"):
        return 1, b""
    command = data[2]
    if command == 0x21:
        status, values = 0, bytes([0x01, 0x00, 0x09, 0x03, 0x31, 0x00, 0x1E, 0x0A])
    elif command == 0x01:
        listed = b"".join(bytes([len(tag.epc)]) + tag.epc for tag in heard[:8])
        status, values = (1, bytes([len(heard[:8])]) + listed) if heard else (0xFB, b"")
    else:
        status, values = 0xFE, b""
    reply = bytes([5 + len(values), data[1] if data[1] != 0xFF else 0, command, status]) + values
    return size, reply + crc_mcrf4xx(reply).to_bytes(2, "little")


@dataclass
class Module:
    """One module on its line; `spoil` may change what it sends, `mute` keeps it quiet."""

    answer: Answerer
    gate: Gate = field(default_factory=Gate)
    pty: Path | None = None
    baud: int = 0
    """How fast the module's line is; 0: it understands any speed, as a pseudo-terminal does."""
    now: Callable[[], float] = time.monotonic
    spoil: Callable[[bytes], bytes] = lambda data: data
    mute: bool = False
    _server: asyncio.Server | None = None
    _master: int = -1
    _buffer: bytes = b""
    _came_at: float = float("-inf")

    async def listen(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Begin to serve and return the TCP port, or 0 for a pseudo-terminal. Raises OSError."""
        self._start = self.now()
        if self.pty is None:
            self._server = await asyncio.start_server(self._serve, host, port)
            bound: int = self._server.sockets[0].getsockname()[1]
            return bound
        self._master, slave = os.openpty()
        tty.setraw(slave)
        name = os.ttyname(slave)
        # The other end stays open here too: else the line hangs up whenever the driver closes it.
        self._slave = slave
        self.pty.unlink(missing_ok=True)
        self.pty.symlink_to(name)
        os.set_blocking(self._master, False)
        asyncio.get_running_loop().add_reader(self._master, self._came)
        return 0

    async def close(self) -> None:
        """Hang up; safe to call twice."""
        if self._master >= 0:
            asyncio.get_running_loop().remove_reader(self._master)
            if self.pty:  # before its number is free, and some other process's terminal has it
                self.pty.unlink(missing_ok=True)
            os.close(self._master)
            os.close(self._slave)
            self._master = -1
        server, self._server = self._server, None
        if server:
            server.close()
            await server.wait_closed()

    def reply(self, data: bytes) -> bytes:
        """Take bytes and return what the module sends for them; what broke off is forgotten, as real ones do."""
        came_at = self.now()
        if came_at - self._came_at > BROKEN_OFF_S:
            self._buffer = b""
        self._came_at = came_at
        self._buffer += data
        sent = b""
        while True:
            used, answer = self.answer(self._buffer, self.gate.at(self.now() - self._start))
            if not used:
                return b"" if self.mute else self.spoil(sent)
            self._buffer = self._buffer[used:]
            sent += answer

    def _came(self) -> None:
        try:
            came = os.read(self._master, 4096)
            theirs = speed_of(self._master) if self.baud else 0
            sent = self.reply(heard(came, theirs, self.baud) if theirs else came)
        except OSError:
            return  # the driver's end went
        sent = heard(sent, self.baud, theirs) if theirs else sent
        with suppress(BlockingIOError):  # nobody reads: a real module's bytes would be lost too
            os.write(self._master, sent)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(4096):
                writer.write(self.reply(data))
        except ConnectionError:
            pass  # the driver went
        finally:
            writer.close()
