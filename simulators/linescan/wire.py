"""The simulated detector's wire, written apart from the appliance's driver, after the frame's description alone."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from simulators.linescan.model import BITS, Taken

#: Pixels a frame: with header and checksum it fits a datagram on Ethernet (MTU 1500).
PIXELS_A_FRAME = 640
MAX_LATE_S = 0.05


def frames(line: Taken, at_most: int = PIXELS_A_FRAME) -> Iterator[bytes]:
    """Yield a line's frames, low energy first."""
    pixels = line.counts.shape[1]
    for energy in (0, 1):
        for first in range(0, pixels, at_most):
            values = line.counts[energy, first : first + at_most]
            head = struct.pack(
                "<4sBBBBIIHHH",
                b"JLS1", energy, line.flags, BITS, 0, line.number, line.position, pixels, first, len(values),
            )  # fmt: skip
            body = head + values.astype("<u2").tobytes()
            yield body + struct.pack("<I", zlib.crc32(body))


@dataclass
class Trouble:
    """What the network does to datagrams: shares that are lost, sent twice, or come up to `span` later."""

    loss: float = 0.0
    twice: float = 0.0
    reorder: float = 0.0
    span: int = 6
    seed: int = 1
    lost: int = 0
    _held: list[tuple[int, bytes]] = field(default_factory=list)
    _count: int = 0

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)

    def through(self, data: bytes) -> Iterator[bytes]:
        """Yield what comes out for a datagram that goes in."""
        self._count += 1
        if self._chance.random() < self.loss:
            self.lost += 1
        elif self._chance.random() < self.reorder:
            self._held.append((self._count + self._chance.randint(1, self.span), data))
        else:
            yield data
            if self._chance.random() < self.twice:
                yield data
        due = [held for held in self._held if held[0] <= self._count]
        for held in due:
            self._held.remove(held)
            yield held[1]


class Sender:
    """Sends datagrams to the appliance."""

    def __init__(self, host: str, port: int, trouble: Trouble | None = None) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.connect((host, port))
        self._socket.setblocking(False)
        self._trouble = trouble or Trouble()

    async def send(self, line: Taken) -> None:
        loop = asyncio.get_running_loop()
        for frame in frames(line):
            for data in self._trouble.through(frame):
                try:
                    await loop.sock_sendall(self._socket, data)
                except ConnectionRefusedError:
                    continue  # nobody listens yet: a detector does not mind

    async def close(self) -> None:
        self._socket.close()


class Server:
    """A detector that the appliance connects to; who does not read fast enough loses whole lines."""

    MOST_WAITING_BYTES = 8 * 1024 * 1024

    def __init__(self) -> None:
        self._clients: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.came = asyncio.Event()

    async def listen(self, host: str = "127.0.0.1", port: int = 0) -> int:
        self._server = await asyncio.start_server(self._serve, host, port)
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    async def send(self, line: Taken) -> None:
        data = b"".join(frames(line))
        for client in self._clients:
            if client.transport.get_write_buffer_size() < self.MOST_WAITING_BYTES:
                client.write(data)

    async def close(self) -> None:
        server, self._server = self._server, None
        if server:
            server.close()
            for client in list(self._clients):
                client.close()
            await server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients.add(writer)
        self.came.set()
        try:
            while await reader.read(4096):
                pass
        except ConnectionError:
            pass  # the driver went
        finally:
            self._clients.discard(writer)
            writer.close()


async def play(lines: Iterable[Taken], to: Sender | Server, lines_per_s: float) -> None:
    """Send lines at this rate, in small bursts as a detector's electronics do; who was kept waiting does not hurry."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    for number, line in enumerate(lines):
        ahead_s = number / lines_per_s - (loop.time() - start)
        if ahead_s < -MAX_LATE_S:
            start -= ahead_s
        if ahead_s > 0.005:
            await asyncio.sleep(ahead_s)
        elif number % 32 == 0:
            await asyncio.sleep(0)
        await to.send(line)
