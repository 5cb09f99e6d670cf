"""Who else has a hand on a serial port or a keyboard: a recording, or a replay in its place. Nobody, on a lane.

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
    """What `open_stream` asks before it opens a serial port, and `open_hid` once it has opened a keyboard."""

    async def serial(self, where: SerialAddress, deadline_s: float, opened: Callable[[], Awaitable[Stream]]) -> Stream:
        """Return the port's stream: what `opened` returns, listened to; or another in its place. Raises LinkError."""

    def keyboard(self, path: str) -> Callable[[bytes | None], None]:
        """Return who is told what a keyboard types: its records, and None when it goes away or is closed."""


TAP: ContextVar[Tap | None] = ContextVar("tap", default=None)
