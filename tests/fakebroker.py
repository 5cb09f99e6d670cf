"""A broker of a few lines that says what a test wants said: an old one, a rude one, one that speaks nonsense.

It answers CONNECT, PUBLISH (QoS 1), SUBSCRIBE and PING in MQTT 3.1.1 or 5 (OASIS, sections 3 of both) and keeps what
was published. Nothing is passed on to anyone.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field

CONNACK, PUBACK, SUBACK, PINGRESP, DISCONNECT = 0x20, 0x40, 0x90, 0xD0, 0xE0


@dataclass
class FakeBroker:
    """`versions` it accepts; `silent`: hangs up on the others without a word, and else with CONNACK's code for it.

    `after_publishes`: bytes that it sends after so many messages, before it hangs up.
    """

    versions: tuple[int, ...] = (4, 5)
    silent: bool = False
    deaf: bool = False
    after_publishes: tuple[int, bytes] | None = None
    connects: list[int] = field(default_factory=list)
    published: list[tuple[str, bytes]] = field(default_factory=list)
    port: int = 0

    async def __aenter__(self) -> FakeBroker:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                await self._talk(reader, writer)
        finally:
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, body = await self._packet(reader)
        version = body[6]
        self.connects.append(version)
        if self.deaf:
            await reader.read()
            return
        if version not in self.versions:
            if not self.silent:
                writer.write(bytes((CONNACK, 2, 0, 1)))  # 3.1.1, 3.2.2.3: unacceptable protocol version
                await writer.drain()
            return
        writer.write(bytes((CONNACK, 3, 0, 0, 0)) if version == 5 else bytes((CONNACK, 2, 0, 0)))
        while True:
            kind, body = await self._packet(reader)
            if kind & 0xF0 == 0x30:
                await self._publish(kind, body, writer)
                if self.after_publishes and len(self.published) >= self.after_publishes[0]:
                    writer.write(self.after_publishes[1])
                    await writer.drain()
                    return
            elif kind & 0xF0 == 0x80:
                granted = b"\x00\x01" if version == 5 else b"\x01"
                writer.write(bytes((SUBACK, 2 + len(granted))) + body[:2] + granted)
            elif kind & 0xF0 == 0xC0:
                writer.write(bytes((PINGRESP, 0)))
            elif kind & 0xF0 == 0xE0:
                return

    async def _publish(self, kind: int, body: bytes, writer: asyncio.StreamWriter) -> None:
        size = int.from_bytes(body[:2], "big")
        topic, rest = body[2 : 2 + size].decode(), body[2 + size :]
        if kind & 0x06:
            writer.write(bytes((PUBACK, 2)) + rest[:2])
            rest = rest[2:]
        self.published.append((topic, rest))

    @staticmethod
    async def _packet(reader: asyncio.StreamReader) -> tuple[int, bytes]:
        kind = (await reader.readexactly(1))[0]
        size, shift = 0, 0
        while True:
            byte = (await reader.readexactly(1))[0]
            size |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                return kind, await reader.readexactly(size)
