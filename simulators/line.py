"""One end of a simulated device's line: a pseudo-terminal linked where one asks for it, or a TCP port."""

from __future__ import annotations

import asyncio
import os
import tty
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from simulators.uart import heard, speed_of

READ_BYTES = 4096


class Line:
    """Sends what it is told to whoever is connected; `took` answers what comes in.

    `spoil` may change what is sent, `mute` keeps it back. With `baud` a pseudo-terminal is a line of that speed, and
    garbles what is not said at it.
    """

    def __init__(
        self, pty: Path | None = None, took: Callable[[bytes], bytes] = lambda data: b"", baud: int = 0
    ) -> None:
        self.spoil: Callable[[bytes], bytes] = lambda data: data
        self.mute = False
        self._pty = pty
        self._took = took
        self._baud = baud
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._master = self._slave = -1

    async def listen(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Begin to serve and return the TCP port, or 0 for a pseudo-terminal. Raises OSError."""
        if self._pty is None:
            self._server = await asyncio.start_server(self._serve, host, port)
            bound: int = self._server.sockets[0].getsockname()[1]
            return bound
        # Both ends stay open here: else the line hangs up whenever the driver closes its own.
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self._pty.unlink(missing_ok=True)
        self._pty.symlink_to(os.ttyname(self._slave))
        os.set_blocking(self._master, False)
        asyncio.get_running_loop().add_reader(self._master, self._came)
        return 0

    @property
    def connected(self) -> bool:
        """Whether anybody may be listening; a pseudo-terminal cannot tell."""
        return self._master >= 0 or bool(self._writers)

    def send(self, data: bytes) -> None:
        """Send to whoever is connected; what nobody takes is lost, as on a real line."""
        data = b"" if self.mute else self.spoil(data)
        if not data:
            return
        if self._master >= 0:
            there = heard(data, self._baud, speed_of(self._master)) if self._baud else data
            with suppress(BlockingIOError):
                os.write(self._master, there)
        for writer in self._writers:
            writer.write(data)

    async def close(self) -> None:
        """Hang up; safe to call twice."""
        if self._master >= 0:
            asyncio.get_running_loop().remove_reader(self._master)
            if self._pty:  # before its number is free, and some other process's terminal has it
                self._pty.unlink(missing_ok=True)
            os.close(self._master)
            os.close(self._slave)
            self._master = -1
        server, self._server = self._server, None
        if server:
            server.close()
            for writer in self._writers:
                writer.close()
            await server.wait_closed()

    def _came(self) -> None:
        try:
            data = os.read(self._master, READ_BYTES)
        except OSError:
            return  # the driver's end went
        if self._baud:
            data = heard(data, speed_of(self._master), self._baud)
        self.send(self._took(data))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while data := await reader.read(READ_BYTES):
                self.send(self._took(data))
        except ConnectionError:
            pass  # the driver went
        finally:
            self._writers.discard(writer)
            writer.close()
