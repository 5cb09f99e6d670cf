"""An LLRP 1.0.1 reader: its server side, written apart from the appliance's client. It keeps ROSpecs over connections.

It takes one client, sends keepalives as asked, reports while a ROSpec runs, and tells of its input. It can be made to
misbehave: `silent` stops all it sends without closing, `stubborn` names message types that it refuses.
"""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from simulators.tagreader.model import Gate, Heard

_KEEPALIVE, _EVENT, _REPORT, _ERROR = 62, 63, 61, 100
_NAME = "simulated reader 1.0"


def frame(kind: int, number: int, body: bytes = b"") -> bytes:
    """Return a message: version 1, its type, its whole length, its number."""
    return struct.pack(">HII", 0x0400 | kind, 10 + len(body), number) + body


def parameter(kind: int, body: bytes) -> bytes:
    """Return a parameter with a length."""
    return struct.pack(">HH", kind, 4 + len(body)) + body


def status(code: int = 0, text: str = "") -> bytes:
    """Return an LLRPStatus."""
    said = text.encode()
    return parameter(287, struct.pack(">HH", code, len(said)) + said)


def event(inner: bytes) -> bytes:
    """Return the body of a notification, with the time in it."""
    return parameter(246, parameter(128, struct.pack(">Q", time.time_ns() // 1000)) + inner)


def report(heard: list[Heard]) -> bytes:
    """Return the body of a tag report: 96-bit EPCs in their short form."""
    body = b""
    for tag in heard:
        epc = b"\x8d" + tag.epc if len(tag.epc) == 12 else parameter(241, struct.pack(">H", 8 * len(tag.epc)) + tag.epc)
        body += parameter(240, epc + struct.pack(">BHBb", 0x81, tag.antenna, 0x86, tag.rssi_dbm))
    return body


def _find(body: bytes, wanted: int) -> list[bytes]:
    """Return the values of all parameters of a type at this level; all here have lengths."""
    found, at = [], 0
    while at + 4 <= len(body):
        kind, length = struct.unpack_from(">HH", body, at)
        if kind & 0x3FF == wanted:
            found.append(body[at + 4 : at + length])
        at += max(length, 4)
    return found


@dataclass
class Reader:
    """One reader; `rospecs` are kept by number, with whether each is enabled and runs."""

    gate: Gate = field(default_factory=Gate)
    now: Callable[[], float] = time.monotonic
    every_s: float = 0.1
    antennas: int = 4
    rospecs: dict[int, str] = field(default_factory=dict)
    silent: bool = False
    stubborn: frozenset[int] = frozenset()
    acks: int = 0
    connections: int = 0
    received: list[int] = field(default_factory=list)
    keepalive_s: float = 0.0
    watched: set[int] = field(default_factory=set)
    level: bool = False
    _client: asyncio.StreamWriter | None = None
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def listen(self, host: str, port: int) -> int:
        """Begin to serve and return the port, which the system chooses where 0 is given. Raises OSError."""
        self._start = self.now()
        self._server = await asyncio.start_server(self._serve, host, port)
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    async def close(self) -> None:
        """Stop serving and end the connection; safe to call twice."""
        server, self._server = self._server, None
        for task in self._tasks:
            task.cancel()
        self.drop()
        if server:
            server.close()
            await server.wait_closed()

    def drop(self) -> None:
        """Cut the client's connection."""
        if self._client:
            self._client.transport.abort()

    def send(self, kind: int, body: bytes = b"", number: int = 0) -> None:
        """Send a message to the client, if there is one and the reader is not silent."""
        if self._client and not self.silent and not self._client.is_closing():
            self._client.write(frame(kind, number, body))

    def press(self, pressed: bool) -> None:
        """Drive input 1 (pressed: high); the client hears of it where it asked to."""
        if self.level != pressed:
            self.level = pressed
            if 1 in self.watched:
                self.send(_EVENT, event(parameter(248, struct.pack(">HB", 1, 0x80 * pressed))))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._client:
            writer.write(frame(_EVENT, 0, event(parameter(256, b"\x00\x02"))))
            writer.close()
            return
        self._client = writer
        self.connections += 1
        self.keepalive_s = 0.0
        self.send(_EVENT, event(parameter(256, b"\x00\x00")))
        background = [asyncio.create_task(work()) for work in (self._keep_alive, self._report)]
        self._tasks.update(background)
        try:
            while True:
                head, length, number = struct.unpack(">HII", await reader.readexactly(10))
                body = await reader.readexactly(length - 10)
                self.received.append(head & 0x3FF)
                self._answer(head & 0x3FF, number, body)
                if head & 0x3FF == 14:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client went
        finally:
            for task in background:
                task.cancel()
            self._tasks.difference_update(background)
            self._client = None
            with suppress(ConnectionError):
                writer.close()

    def _answer(self, kind: int, number: int, body: bytes) -> None:
        if kind in self.stubborn:
            self.send(_ERROR, status(109, "unsupported message"), number)
        elif kind == 1:
            name = _NAME.encode()
            general = struct.pack(">HHIIH", self.antennas, 0x4000, 0, 1, len(name)) + name
            self.send(11, status() + parameter(137, general + parameter(141, b"\x00\x01\x00\x00")), number)
        elif kind == 2:
            self.send(12, status() + parameter(225, struct.pack(">HBB", 1, 0x80, self.level)), number)
        elif kind == 3:
            for spec in _find(body[1:], 220):
                self.keepalive_s = struct.unpack(">BI", spec)[1] / 1000 if spec[0] else 0.0
            self.watched = {struct.unpack_from(">H", state)[0] for state in _find(body[1:], 225)}
            self.send(13, status(), number)
        elif kind == 14:
            self.send(4, status(), number)
        elif kind == 20:
            (rospec,) = struct.unpack_from(">I", body, 4)
            code = 109 if rospec in self.rospecs else 0
            self.rospecs.setdefault(rospec, "disabled")
            self.send(30, status(code, "there is such a ROSpec" if code else ""), number)
        elif kind in (21, 22, 24):
            self._order(kind, number, struct.unpack(">I", body)[0])
        elif kind == 72:
            self.acks += 1
        elif kind != 64:
            self.send(_ERROR, status(109, "unsupported message"), number)

    def _order(self, kind: int, number: int, rospec: int) -> None:
        wanted = list(self.rospecs) if rospec == 0 else [one for one in self.rospecs if one == rospec]
        for one in wanted:
            if kind == 21:
                del self.rospecs[one]
            else:
                self.rospecs[one] = "running" if kind == 22 else "enabled"
        code = 0 if wanted else 100
        self.send(kind + 10, status(code, "" if wanted else f"no ROSpec {rospec}"), number)

    async def _keep_alive(self) -> None:
        number = 0
        while True:
            await asyncio.sleep(self.keepalive_s or 0.05)
            if self.keepalive_s:
                number += 1
                self.send(_KEEPALIVE, b"", number)

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(self.every_s)
            seconds = self.now() - self._start
            heard = self.gate.at(seconds)
            if heard and "running" in self.rospecs.values():
                self.send(_REPORT, report(heard))
            if self.gate.button_s:
                self.press(self.gate.pressed(seconds))
