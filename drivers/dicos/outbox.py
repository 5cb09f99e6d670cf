"""Reports on their way to a workstation: on the disk first, then stored there in order until it takes them."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import random
import threading
from collections.abc import Callable
from pathlib import Path

from drivers.dicos.known import Known
from drivers.errors import LinkError
from drivers.fsync import sync_folder, write_whole

log = logging.getLogger("jaitf.dicos")

BATCH = 50
MAX_REFUSED = 1000
FIRST_RETRY_S = 1.0
MAX_RETRY_S = 60.0
_OUT_OF_RESOURCES = 0xA700

#: Stores files, and tells of each what the workstation answered, as soon as it did; raises LinkError. Blocks.
Send = Callable[[list[Path], Callable[[Path, int], None]], None]


class Outbox:
    """Keeps reports in `folder` until they are taken. `put` is for any thread, `run` for the event loop.

    At most `max_waiting` wait: beyond it the oldest gives way, is counted in `lost` and said. What the workstation
    refuses for good is kept in `refused` beside them. `told` hears each change of `problem`.
    """

    def __init__(self, folder: Path, max_waiting: int, send: Send, told: Callable[[], None]) -> None:
        self.lost = 0
        self.refused = 0
        self.problem = ""
        self._folder = folder
        self._max_waiting = max_waiting
        self._send = send
        self._told = told
        self._lock = threading.Lock()
        self._waiting: list[Path] = []
        self._reported = Known(folder / "reported.jsonl")
        self._news = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    @property
    def waiting(self) -> int:
        """How many reports wait."""
        with self._lock:
            return len(self._waiting)

    def load(self) -> None:
        """Take up what waited when the process before this one ended. Raises OSError."""
        self._folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        for torn in self._folder.glob("*.partial"):
            torn.unlink()
        with self._lock:
            self._waiting = sorted(self._folder.glob("*.dcs"))

    def has(self, key: str) -> bool:
        """Return whether the report on a scan was put here before, waiting still or not."""
        return self._reported.get(key) is not None

    def put(self, key: str, at_ns: int, report: bytes) -> None:
        """Keep a report, on the disk when this returns, and have it sent. Raises OSError."""
        name = f"{at_ns:020d}-{hashlib.sha256(key.encode()).hexdigest()[:24]}"
        path = self._folder / f"{name}.dcs"
        with self._lock:
            write_whole(path, report)
            sync_folder(self._folder)
            if path not in self._waiting:
                self._waiting.append(path)
            while len(self._waiting) > self._max_waiting:
                self._lose(self._waiting.pop(0))
        self._reported.add([key], name)
        self._loop.call_soon_threadsafe(self._news.set)

    def _lose(self, oldest: Path) -> None:
        oldest.unlink(missing_ok=True)
        self.lost += 1
        log.error("the report %s gives way to a newer one: the workstation does not take them", oldest.name)

    async def run(self) -> None:
        """Send what waits, oldest first, until cancelled; after a failure again, at growing intervals."""
        wait_s = FIRST_RETRY_S
        while True:
            self._news.clear()
            with self._lock:
                batch = self._waiting[:BATCH]
            if not batch:
                await self._news.wait()
                continue
            try:
                await asyncio.to_thread(self._send, batch, self._answered)
            except LinkError as error:
                self._say(f"{error}; {self.waiting} reports wait")
                await asyncio.sleep(wait_s * random.uniform(0.5, 1))
                wait_s = min(wait_s * 2, MAX_RETRY_S)
            else:
                wait_s = FIRST_RETRY_S
                self._say("")

    def _answered(self, path: Path, status: int) -> None:
        """Deal with one answer, in the sending thread: taken, to be tried again, or refused for good."""
        if status & 0xFF00 == _OUT_OF_RESOURCES:
            raise LinkError(f"the workstation has no room (status {status:04X})")
        with self._lock:
            if path in self._waiting:
                self._waiting.remove(path)
            if status == 0 or status & 0xF000 == 0xB000:
                path.unlink(missing_ok=True)
                return
            self._set_aside(path, status)

    def _set_aside(self, path: Path, status: int) -> None:
        aside = self._folder / "refused"
        aside.mkdir(mode=0o750, exist_ok=True)
        if path.exists():
            path.rename(aside / path.name)
        for old in sorted(aside.glob("*.dcs"))[:-MAX_REFUSED]:
            old.unlink()
        self.refused += 1
        log.error("the workstation refused the report %s with status %04X; it is kept in %s", path.name, status, aside)

    def _say(self, problem: str) -> None:
        if problem != self.problem:
            self.problem = problem
            self._told()
