"""What the page's process knows of the lane: the newest of everything, bounded; and who waits for something newer."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

LINES = 1000
SCANS = 24


@dataclass(frozen=True, slots=True)
class Shown:
    """A judged scan as it was told: its number here, what is said of it, and its picture, if it has one."""

    number: int
    said: dict[str, Any]
    picture: bytes


class Feed:
    """For the event loop alone. `version` rises with each change."""

    def __init__(self) -> None:
        self.state: dict[str, Any] = {}
        self.newest: dict[str, Any] = {}
        self.on_state = asyncio.Event()
        self.scores: dict[str, dict[str, Any]] = {}
        self.hits_version = 0
        self.lines: deque[tuple[int, str]] = deque(maxlen=LINES)
        self.scans: deque[Shown] = deque(maxlen=SCANS)
        self.watchers = 0
        self.version = 0
        self.closed = False
        self._changed = asyncio.Event()
        self._numbers = 0
        self.on_watchers = asyncio.Event()

    def changed(self) -> None:
        """Wake whoever waits."""
        self.version += 1
        self._changed.set()
        self._changed = asyncio.Event()

    def told(self, state: dict[str, Any]) -> None:
        """Take the newest state; it is shown once somebody has looked what of it may be."""
        self.newest = state
        self.on_state.set()

    def close(self) -> None:
        """End all waiting."""
        self.closed = True
        self.changed()

    def add_lines(self, number: int, lines: list[str]) -> None:
        """Take log lines, of which the last is the `number`th."""
        first = number - len(lines) + 1
        self.lines.extend(enumerate(lines, first))
        self.changed()

    def add_scan(self, said: dict[str, Any], picture: bytes) -> None:
        """Take a judged scan."""
        self._numbers += 1
        self.scans.append(Shown(self._numbers, said, picture))
        self.changed()

    def scan(self, number: int) -> Shown | None:
        """Return a scan that is still kept."""
        return next((scan for scan in self.scans if scan.number == number), None)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Count somebody who looks, while they do."""
        self.watchers += 1
        self.on_watchers.set()
        try:
            yield
        finally:
            self.watchers -= 1
            self.on_watchers.set()

    async def after(self, version: int, timeout_s: float) -> bool:
        """Wait until there is something newer than `version`; False when nothing came in time."""
        if self.version != version or self.closed:
            return True
        try:
            await asyncio.wait_for(self._changed.wait(), timeout_s)
        except TimeoutError:
            return False
        return True
