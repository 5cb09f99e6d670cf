"""Export files, recorded as they come into a folder, and put into a folder of a replay's own again.

The folder's driver does not run meanwhile, and nothing in the folder is touched: an appliance may be reading it.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path, PurePosixPath

from drivers.clock import SystemClock
from drivers.contract import Settings
from drivers.dicos.elements import hints_at_person
from drivers.errors import LinkError, ProtocolError
from drivers.folder import codec
from drivers.folder.intake import DONE
from drivers.folder.journal import Journal
from drivers.folder.settings import FolderSettings
from drivers.folder.share import Changed, InUse, Share
from drivers.folder.waiting import Seen
from drivers.recording.heard import Said, described
from drivers.recording.play import Played
from drivers.recording.tape import Event, Kind, Tape

LOOK_S = 0.2
#: Of a replay: how often is looked whether the driver has dealt with every file, and how long that may take.
LOOK_AGAIN_S, DEALT_WITH_S = 0.05, 60.0


class Watched:
    """A folder whose new files are kept; `look` is called again and again."""

    def __init__(self, settings: Settings, tape: Tape, tell: Callable[[Said], None]) -> None:
        assert isinstance(settings, FolderSettings)
        self._share = Share(settings)
        self._tape = tape
        self._tell = tell
        self._seen: dict[str, Seen] = {}
        self._done: dict[str, Seen] = {}

    def open(self) -> None:
        """Take note of what is there already, which is not kept. Raises LinkError where the folder cannot be listed."""
        self._share.open()
        self._done = {seen.path: seen for seen in self._share.sweep()}
        self._tell({"at_s": self._at_s, "state": "up", "code": "", "reason": ""})

    def look(self) -> None:
        """Keep each file that has not changed since the last look. Raises LinkError when the folder is lost."""
        found = self._share.sweep()
        for seen in sorted(found, key=lambda one: (one.mtime_ns, one.path)):
            if self._seen.get(seen.path) == seen and self._done.get(seen.path) != seen:
                with suppress(Changed, InUse, OSError):  # a writer has it, or a driver took it away
                    self._keep(seen, self._share.take(seen).data)
                    self._done[seen.path] = seen
        self._seen = {seen.path: seen for seen in found}

    @property
    def _at_s(self) -> float:
        return round(self._tape.now_ns / 1e9, 3)

    def _keep(self, seen: Seen, data: bytes) -> None:
        word: Said = {}
        try:
            word = described(codec.observe(data, seen.path, SystemClock().now()))
        except ProtocolError as error:
            if codec.is_person_picture(error) or hints_at_person(memoryview(data)):
                self._tape.add(0, Kind.NOTE, text=f"a file of {len(data)} bytes is left out: it may show a person")
                return
        self._tape.add(self._tape.connection(), Kind.FILE, data, text=seen.path)
        if word:
            self._tell({"at_s": self._at_s} | word)


async def record(settings: Settings, tape: Tape, tell: Callable[[Said], None], over: Callable[[], bool]) -> None:
    """Keep the files that come until it is `over`; a folder that is lost is waited for."""
    watched, lost = Watched(settings, tape, tell), True
    while not over():
        try:
            if lost:
                await asyncio.to_thread(watched.open)
                lost = False
            await asyncio.to_thread(watched.look)
        except LinkError as error:
            lost = True
            tell({"at_s": round(tape.now_ns / 1e9, 3), "state": "down", "code": error.code, "reason": str(error)})
        await asyncio.sleep(LOOK_S)


@asynccontextmanager
async def replayed(settings: Settings, played: Played) -> AsyncIterator[Settings]:
    """Yield the settings with which the driver is to run while a recording's files come into a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="jaitf-files-") as folder:
        playing = asyncio.create_task(_play_all(played, Path(folder)))
        try:
            yield settings.model_copy(update={"path": Path(folder), "mounted": False, "settle_ms": 50})
        finally:
            playing.cancel()
            with suppress(asyncio.CancelledError):
                await playing


async def _play_all(played: Played, folder: Path) -> None:
    """Let one file come after the other, with what lay between them."""
    before_ns = 0
    while (events := played.peek()) is not None:
        await asyncio.sleep((events[0].at_ns - before_ns) / 1e9 * played.pace)
        before_ns = events[0].at_ns
        await played.play(_Writer(folder, events), events)


async def dealt_with(settings: Settings, state: Path) -> None:
    """Return once the driver has told each file that lies there, or set it aside; a disk that fails is not waited for.

    `settings` are those that it runs with, `state` is its own folder.
    """
    assert isinstance(settings, FolderSettings)
    share, ends_s = Share(settings), time.monotonic() + DEALT_WITH_S

    def waiting() -> bool:
        done = Journal(state / DONE)
        return any(not done.has(seen.path, seen.identity) for seen in share.sweep())

    with suppress(LinkError):
        while time.monotonic() < ends_s:
            if not await asyncio.to_thread(waiting):
                return
            await asyncio.sleep(LOOK_AGAIN_S)


class _Writer:
    """Whoever exports; see `drivers.recording.play.End`. A file is there whole, at its first event."""

    def __init__(self, folder: Path, events: list[Event]) -> None:
        self.out = bytearray()
        self.exact = False
        name = PurePosixPath(events[0].text)
        inside = not name.is_absolute() and ".." not in name.parts and name.parts
        target = folder / (name if inside else "unnamed")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(b"".join(event.data for event in events if event.kind is Kind.FILE))

    async def hear(self, event: Event) -> None:
        """Nothing: the file is there."""

    async def said(self, count: int, closed: bool, until_s: float) -> None:
        """Return at once: nothing is ever said to whoever exports."""
