"""A proxy between appliance and broker that does what cables, switches and firewalls do to a connection."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass

CHUNK = 16 * 1024
NO_LINGER = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Weather:
    """How the way is now, both ways, for new connections and old ones.

    `delay_s` before each chunk; `bytes_per_s` at most; `stall`: open, and nothing moves; `cut_after`: so many bytes
    more go through each connection towards the broker, then it is reset, in the middle of a packet more often than
    not; `refuse`: whoever connects is hung up on; `deaf`: what is sent towards the broker vanishes while the way back
    works (half-open).
    """

    delay_s: float = 0.0
    bytes_per_s: float = 0.0
    stall: bool = False
    cut_after: int | None = None
    refuse: bool = False
    deaf: bool = False


FAIR = Weather()


class Proxy:
    """Listens on a loopback port and passes on to another; `weather` may be set at any time, from any thread."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._weather = FAIR
        self._open: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._changed: asyncio.Event
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()
        self.port: int = self._do(self._listen)
        self.connections = 0

    def _do(self, work: Callable[[], object]) -> int:
        async def run() -> int:
            result = work()
            if asyncio.iscoroutine(result):
                result = await result
            return int(result or 0)  # type: ignore[call-overload]

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(10)

    async def _listen(self) -> int:
        self._changed = asyncio.Event()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    @property
    def weather(self) -> Weather:
        return self._weather

    @weather.setter
    def weather(self, weather: Weather) -> None:
        def change() -> None:
            self._weather = weather
            self._changed.set()
            self._changed = asyncio.Event()

        self._do(change)

    def cut(self) -> None:
        """Reset every connection now."""

        def reset() -> None:
            for writer in list(self._open):
                self._reset(writer)

        self._do(reset)

    def close(self) -> None:
        """Hang up on everyone and stop listening."""
        self.cut()
        self._do(lambda: self._server.close())
        self._do(self._finish)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    @staticmethod
    async def _finish() -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    @staticmethod
    def _reset(writer: asyncio.StreamWriter) -> None:
        sock = writer.get_extra_info("socket")
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if self._weather.refuse:
            self._reset(writer)
            return
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            self._reset(writer)
            return
        self._open |= {writer, up_writer}
        ways = (self._pass(reader, up_writer, upwards=True), self._pass(up_reader, writer, upwards=False))
        tasks = [asyncio.create_task(way) for way in ways]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for each in (writer, up_writer):
                self._reset(each)
                self._open.discard(each)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, upwards: bool) -> None:
        passed, began_in = 0, self._weather
        while True:
            weather = self._weather
            if weather.stall:
                await self._changed.wait()
                continue
            size = CHUNK if not weather.bytes_per_s else max(1, int(weather.bytes_per_s / 20))
            try:
                data = await reader.read(size)
            except OSError:
                return
            if not data:
                return
            weather = self._weather
            if weather.stall:
                await self._changed.wait()
            await asyncio.sleep(weather.delay_s + (len(data) / weather.bytes_per_s if weather.bytes_per_s else 0))
            if self._weather.deaf and upwards:
                continue
            if self._weather is not began_in:
                passed, began_in = 0, self._weather
            if upwards and self._weather.cut_after is not None:
                data = data[: self._weather.cut_after - passed]
                if not data:
                    return
            passed += len(data)
            with contextlib.suppress(OSError):
                writer.write(data)
                await writer.drain()
