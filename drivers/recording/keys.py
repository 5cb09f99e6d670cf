"""A keyboard's records, played to the driver through a named pipe in the keyboard's place."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from drivers.contract import Settings
from drivers.recording.play import Played
from drivers.recording.tape import Event, Kind

#: How long a keyboard that was pulled out is not there, for the driver to see it.
_AWAY_S = 0.01


@asynccontextmanager
async def replayed(settings: Settings, played: Played) -> AsyncIterator[Settings]:
    """Yield the settings with which the driver is to run while a recording's records come through a pipe."""
    with tempfile.TemporaryDirectory(prefix="jaitf-keys-") as folder:
        keyboard = _Keyboard(Path(folder) / "event0")
        playing = asyncio.create_task(_play_all(played, keyboard))
        try:
            yield settings.model_copy(update={"url": f"hid://{keyboard.path}"})
        finally:
            playing.cancel()
            with suppress(asyncio.CancelledError):
                await playing
            keyboard.pull_out()


async def _play_all(played: Played, keyboard: _Keyboard) -> None:
    """Play what was typed between one plugging in and the next pulling out, with what lay between them."""
    before_ns = 0
    while (events := played.peek()) is not None:
        await asyncio.sleep((events[0].at_ns - before_ns) / 1e9)
        await played.play(keyboard, events)
        before_ns = events[-1].at_ns


class _Keyboard:
    """The pipe; see `drivers.recording.play.End`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.out = bytearray()
        self.exact = False
        os.mkfifo(path, 0o600)
        self._fd = os.open(path, os.O_RDWR | os.O_NONBLOCK)

    async def hear(self, event: Event) -> None:
        """Type what was typed, or be pulled out for a moment."""
        if event.kind is Kind.IN:
            with suppress(BlockingIOError):  # nobody reads
                os.write(self._fd, event.data)
        elif event.kind is Kind.HANGUP:
            self.pull_out()
            await asyncio.sleep(_AWAY_S)
            self._fd = os.open(self.path, os.O_RDWR | os.O_NONBLOCK)

    async def said(self, count: int, closed: bool, until_s: float) -> None:
        """Return at once: nothing is ever said to a keyboard."""

    def pull_out(self) -> None:
        """Be gone; safe to call twice."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)
