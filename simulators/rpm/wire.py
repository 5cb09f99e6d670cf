"""The simulated portal's wire, written apart from the appliance's driver: a TCP server or a pseudo-terminal."""

from __future__ import annotations

import asyncio
import os
import random
import tty
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from simulators.rpm.model import Line

#: Later than this a portal goes on from now: all that it owes, at once, is more than a terminal holds.
MAX_LATE_S = 0.02


@dataclass
class Wire:
    """Sends lines when they are due to whoever listens; `speed` is how many times faster than life.

    `noise` is the share of lines that are damaged on their way; `mute` keeps the portal quiet.
    """

    pty: Path | None = None
    speed: float = 1.0
    noise: float = 0.0
    mute: bool = False
    chance: random.Random = field(default_factory=lambda: random.Random(1))
    sent: int = 0
    _server: asyncio.Server | None = None
    _clients: set[asyncio.StreamWriter] = field(default_factory=set)
    _came: asyncio.Event = field(default_factory=asyncio.Event)
    _master: int = -1
    _slave: int = -1

    async def listen(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Begin to serve and return the TCP port, or 0 for a pseudo-terminal. Raises OSError."""
        if self.pty is None:
            self._server = await asyncio.start_server(self._serve, host, port)
            bound: int = self._server.sockets[0].getsockname()[1]
            return bound
        self._master, self._slave = os.openpty()  # our own slave end keeps the line up while no driver has it open
        tty.setraw(self._slave)
        self.pty.unlink(missing_ok=True)
        self.pty.symlink_to(os.ttyname(self._slave))
        os.set_blocking(self._master, False)
        self._came.set()
        return 0

    async def close(self) -> None:
        """Hang up; safe to call twice."""
        if self._master >= 0:
            if self.pty:  # before its number is free, and some other process's terminal has it
                self.pty.unlink(missing_ok=True)
            os.close(self._master)
            os.close(self._slave)
            self._master = -1
        server, self._server = self._server, None
        if server:
            server.close()
            for client in list(self._clients):
                client.close()
            await server.wait_closed()

    async def someone(self) -> None:
        """Return once somebody listens; at a serial line somebody always may."""
        await self._came.wait()

    async def play(self, lines: Iterable[Line]) -> None:
        """Send each line when it is due, until there are no more; who was kept waiting does not hurry afterwards."""
        loop = asyncio.get_running_loop()
        start = loop.time()
        for line in lines:
            wait_s = line.at_s / self.speed - (loop.time() - start)
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            elif wait_s < -MAX_LATE_S:
                start -= wait_s
            self.send(line.encode())

    def send(self, data: bytes) -> None:
        """Send bytes as one line, or damaged."""
        if self.mute:
            return
        if self.chance.random() < self.noise:
            spoilt = bytearray(data)
            spoilt[self.chance.randrange(len(spoilt))] = self.chance.randrange(256)
            data = (
                bytes(spoilt[: self.chance.randrange(1, len(spoilt))]) if self.chance.random() < 0.3 else bytes(spoilt)
            )
        self.sent += 1
        if self._master >= 0:
            with suppress(BlockingIOError):  # nobody reads: a real portal's bytes would be lost too
                os.write(self._master, data)
        for client in self._clients:
            client.write(data)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients.add(writer)
        self._came.set()
        try:
            while await reader.read(4096):  # a portal listens to nobody
                pass
        except ConnectionError:
            pass  # the driver went
        finally:
            self._clients.discard(writer)
            writer.close()
