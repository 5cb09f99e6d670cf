"""Who else has a hand on a serial port: a recording, or a replay in the port's place. Nobody, on a lane.

TCP connections need no such place: `drivers.recording` brings an event loop of its own for them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from drivers.links.address import SerialAddress
    from drivers.links.serial import Stream


class Tap(Protocol):
    """What `open_stream` asks before it opens a serial port."""

    async def serial(self, where: SerialAddress, deadline_s: float, opened: Callable[[], Awaitable[Stream]]) -> Stream:
        """Return the port's stream: what `opened` returns, listened to; or another in its place. Raises LinkError."""


TAP: ContextVar[Tap | None] = ContextVar("tap", default=None)
