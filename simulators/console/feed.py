"""From the thread that hears to the pages that show: something changed, look again."""

from __future__ import annotations

import asyncio
import contextlib


class Feed:
    """A version that rises with each change. Made and awaited in the event loop; `wake` comes from any thread."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self.version = 0
        self.closed = False

    def wake(self) -> None:
        """Say that something changed."""
        with contextlib.suppress(RuntimeError):  # the loop has ended, and nobody looks any more
            self._loop.call_soon_threadsafe(self._bump)

    def close(self) -> None:
        """End all waiting: the console stops."""
        self.closed = True
        self._bump()

    def _bump(self) -> None:
        self.version += 1
        self._changed.set()
        self._changed = asyncio.Event()

    async def after(self, version: int, timeout_s: float) -> bool:
        """Wait until there is something newer than `version`; False when nothing came in time."""
        if self.version != version or self.closed:
            return True
        try:
            await asyncio.wait_for(self._changed.wait(), timeout_s)
        except TimeoutError:
            return False
        return True
