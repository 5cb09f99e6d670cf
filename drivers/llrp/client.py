"""One connection to one reader: orders with a deadline, keepalives answered, and nothing that came meanwhile lost."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from dataclasses import replace

from drivers.errors import DeviceRefused, LinkBusy, LinkError, LinkLost, LinkTimeout, ProtocolError
from drivers.links.serial import Stream, open_stream
from drivers.llrp import codec
from drivers.llrp.codec import Message, Type
from drivers.llrp.settings import DEFAULT_PORT

READ_BYTES = 64 * 1024
GOODBYE_S = 0.5


class Client:
    """The reader's one client, from `connect` on."""

    def __init__(self, url: str, timeout_s: float) -> None:
        self._url = url
        self._timeout_s = timeout_s
        self._stream: Stream | None = None
        self._decoder = codec.Decoder()
        self._waiting: deque[Message] = deque()
        self._number = 0

    async def connect(self) -> None:
        """Connect and hear the reader agree.

        Raises LinkBusy where it serves another client, DeviceRefused where it does not want to, ProtocolError where
        it is no LLRP reader, LinkError where there is none.
        """
        self._stream = await open_stream(self._url, self._timeout_s, default_port=DEFAULT_PORT)
        try:
            first = await self.receive(self._timeout_s)
        except LinkTimeout:
            raise LinkTimeout(
                f"{self._url}: connected, but no greeting within {self._timeout_s:g} s; is it an LLRP port?"
            ) from None
        if first.type != Type.READER_EVENT_NOTIFICATION:
            raise ProtocolError(f"{self._url}: the reader begins with message {first.type}, not with a notification")
        attempt = codec.parse_event(first.body).attempt
        if attempt in (codec.Attempt.READER_HAS_CLIENT, codec.Attempt.CLIENT_EXISTS, codec.Attempt.ANOTHER_TRIED):
            raise LinkBusy(f"{self._url}: the reader serves another client; it takes one. Which other program has it?")
        if attempt != codec.Attempt.SUCCESS:
            raise DeviceRefused(f"{self._url}: the reader refused the connection (status {attempt})")

    async def receive(self, deadline_s: float) -> Message:
        """Return the next message; keepalives are answered and returned. Raises LinkTimeout, LinkLost, ProtocolError.

        A cancelled or late call loses nothing: what came in part is kept.
        """
        if not self._waiting:
            loop = asyncio.get_running_loop()
            due = loop.time() + deadline_s
            while not self._waiting:
                data = await self._open.read(READ_BYTES, max(due - loop.time(), 0))
                self._waiting.extend(self._decoder.feed(data))
        message = self._waiting.popleft()
        if message.type == Type.KEEPALIVE:
            await self._open.write(codec.encode(Message(Type.KEEPALIVE_ACK, id=message.id)), self._timeout_s)
        return message

    async def order(self, request: Message, *, tolerate: bool = False) -> Message:
        """Send a request and return its response; what else comes meanwhile waits for `receive`.

        Raises DeviceRefused where the reader says no (with `tolerate` only where it does not know the request), and as
        `receive`.
        """
        self._number += 1
        request = replace(request, id=self._number)
        await self._open.write(codec.encode(request), self._timeout_s)
        response = await self._response(request)
        status = codec.parse_status(response.body)
        if response.type == Type.ERROR_MESSAGE or (status.code and not tolerate):
            raise DeviceRefused(f"{self._url}: {Type(request.type).name}: status {status.code} {status.text}".rstrip())
        return response

    async def tell(self, kind: Type) -> None:
        """Send a message that has no response."""
        self._number += 1
        await self._open.write(codec.encode(Message(kind, id=self._number)), self._timeout_s)

    async def _response(self, request: Message) -> Message:
        wanted = codec.RESPONSES[Type(request.type)]
        loop = asyncio.get_running_loop()
        due = loop.time() + self._timeout_s
        aside, self._waiting = self._waiting, deque()
        try:
            while True:
                try:
                    message = await self.receive(max(due - loop.time(), 0))
                except LinkTimeout:
                    name = Type(request.type).name
                    raise LinkTimeout(f"{self._url}: {name}: no answer within {self._timeout_s:g} s") from None
                if message.id == request.id and message.type in (wanted, Type.ERROR_MESSAGE):
                    return message
                aside.append(message)
                if loop.time() >= due:  # a reader that reports without pause must not keep us here
                    raise LinkTimeout(f"{self._url}: {Type(request.type).name}: reports, but no answer")
        finally:
            aside.extend(self._waiting)
            # Answered already, were they keepalives: they must not be answered again.
            self._waiting = deque(each for each in aside if each.type != Type.KEEPALIVE)

    @property
    def _open(self) -> Stream:
        if self._stream is None:
            raise LinkLost(f"{self._url}: not connected")
        return self._stream

    async def goodbye(self) -> None:
        """Tell the reader that its client goes, so that it takes the next one at once; then close. Never raises."""
        if self._stream is None:
            return
        try:
            with suppress(LinkError, DeviceRefused, ProtocolError, TimeoutError):
                async with asyncio.timeout(GOODBYE_S):
                    await self.order(Message(Type.CLOSE_CONNECTION))
        finally:
            self._stream.close()
            self._stream = None
