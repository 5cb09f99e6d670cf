"""The page's end of the wire to the core: takes what is told into the feed, and gives orders."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import socket
from typing import Any

from drivers.errors import ProtocolError
from edge.web import wire
from edge.web.feed import Feed
from edge.web.guard.visitor import SignEvent, logged

log = logging.getLogger("jaitf.page")

BEAT_S = 2.0
ORDER_S = 120.0
"""As long as an order may take before whoever gave it is told that there is no answer yet."""


class Core:
    """The core, as the page sees it. `lost` is set when the core is gone: the page ends then."""

    def __init__(self, sock: socket.socket, feed: Feed) -> None:
        sock.setblocking(False)
        self.lost = asyncio.Event()
        self._sock = sock
        self._feed = feed
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}

    def open(self) -> None:
        """Begin to hear."""
        asyncio.get_running_loop().add_reader(self._sock, self._hear)

    def hello(self, url: str) -> None:
        """Say that the page is served, and where."""
        self._send(wire.Message("hello", {"url": url}))

    def sign(self, event: SignEvent) -> None:
        """Have the core audit who came and who went."""
        said = {"deed": event.deed.value, "name": event.name, "address": event.address, "detail": event.detail}
        self._send(wire.Message("sign", said))
        logged(event)

    def taken(self, what: str, name: str) -> None:
        """Have the core audit that somebody took something away."""
        self._send(wire.Message("sign", {"deed": f"{what} taken", "name": name}))

    async def beat(self) -> None:
        """Say now and then, and when somebody comes or goes, that this process lives, until cancelled."""
        while True:
            self._feed.on_watchers.clear()
            self._send(wire.Message("beat", {"watchers": self._feed.watchers}))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._feed.on_watchers.wait(), BEAT_S)

    async def order(self, name: str, by: str, args: dict[str, Any]) -> dict[str, Any]:
        """Return the core's reply to an order. Raises ProtocolError for one that is too large; TimeoutError."""
        number = next(self._numbers)
        told = self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            if not self._send(wire.Message("order", {"number": number, "name": name, "by": by, "args": args})):
                return {"status": "failed", "code": "busy", "detail": "the appliance is busy: try again"}
            return await asyncio.wait_for(told, ORDER_S)
        finally:
            del self._waiting[number]

    def _send(self, message: wire.Message) -> bool:
        try:
            return wire.send(self._sock, message)
        except OSError:
            self._end()
            return False

    def _hear(self) -> None:
        try:
            while message := wire.receive(self._sock):
                self._take(message)
        except (OSError, ProtocolError) as error:
            log.debug("the core's wire: %s", error)
            self._end()

    def _take(self, message: wire.Message) -> None:
        said, feed = message.said, self._feed
        match message.kind:
            case "state":
                feed.told(said["state"])
            case "scores":
                feed.scores[said.pop("device")] = said
                feed.changed()
            case "log":
                feed.add_lines(said["number"], said["lines"])
            case "scan":
                feed.add_scan(said, message.body)
            case "answer":
                waiting = self._waiting.get(said["number"])
                if waiting is not None and not waiting.done():
                    waiting.set_result(said["reply"])

    def _end(self) -> None:
        asyncio.get_running_loop().remove_reader(self._sock)
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_result({"status": "failed", "code": "gone", "detail": "the appliance has ended"})
        self.lost.set()
