"""One stay at an export folder: looks for files, hands whole ones over in order, sets bad ones aside."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging

from drivers.clock import Stamp
from drivers.contract import DeviceState, Observation, Outcome, Port, Reading
from drivers.errors import ProtocolError
from drivers.folder.bounded import Bounded
from drivers.folder.codec import is_person_picture
from drivers.folder.decode import Decoder, shown
from drivers.folder.formats import CutShort
from drivers.folder.journal import Journal
from drivers.folder.rejected import Bad, Rejected
from drivers.folder.settings import FolderSettings
from drivers.folder.share import Changed, InUse, Opened, Share, Taken
from drivers.folder.waiting import Seen, Waiting
from drivers.folder.watch import Watcher

log = logging.getLogger("jaitf.device.folder")

NS = 1_000_000_000
NEVER_NS = 1 << 62

#: How often to look where there are no events; whether the folder is still there; at everything, for a lost event.
POLL_S, CHECK_S, SWEEP_S = 1.0, 2.0, 60.0
#: Deadlines; reading gets a second more for each megabyte.
LIST_DEADLINE_S, READ_DEADLINE_S, DECODE_DEADLINE_S = 30.0, 20.0, 60.0
READ_BYTES_PER_S = 1_000_000
#: How long a file that cannot be read must have been unchanged before it is rejected, for its writer may only pause:
#: where it ends early; where its writer was seen to pause; where the file system cannot say whether it is closed.
CUT_SHORT_S, SLOW_S, UNSURE_S = 5.0, 30.0, 15.0
#: When to look again at a file that someone writes; that cannot be opened; after a refusal, first and at most.
IN_USE_S, TROUBLE_S, REFUSED_S, MAX_REFUSED_S = 0.5, 30.0, 1.0, 30.0
LONG_IN_USE_S = 60.0
#: Readings (of N42 files) that were told, by their content: how many are remembered, and what the journal says of each.
TOLD_KEPT, TOLD = 10_000, (0, 0, 0)
#: The journal of files that are done, in the device's own folder.
DONE = "done.jsonl"
#: Files handed to the core and not answered yet.
IN_FLIGHT, IN_FLIGHT_BYTES = 4, 192 * 1024 * 1024


class Intake:
    """Serves one export folder until cancelled, or until the folder is lost; `close` ends what it started."""

    def __init__(self, settings: FolderSettings, port: Port, io: Bounded) -> None:
        self._settings = settings
        self._port = port
        self._io = io
        self._share = Share(settings)
        self._journal = Journal(port.state_dir / DONE)
        self._told = Journal(port.state_dir / "told.jsonl")
        self._waiting = Waiting(settings.settle_ms * 1_000_000)
        self._rejected = Rejected(settings.path, port.state_dir)
        self._decoder = Decoder(io, port.state_dir / "decoding.json")
        self._watcher: Watcher | None = None
        self._wake = asyncio.Event()
        self._changed: set[str] = set()
        self._local = False
        self._swept = False
        self._poll_s = settings.poll_s
        self._next_sweep_ns = 0
        self._next_check_ns = 0
        self._sending: dict[asyncio.Task[None], int] = {}
        self._failure: BaseException | None = None
        self._refusals = 0
        self._hold_until_ns = 0
        self._troubles: dict[str, tuple[str, str]] = {}
        self._facts: dict[str, str | int | float | bool] = {"rejected": 0}

    async def run(self) -> None:
        """Serve the folder. Raises LinkLost, LinkDenied or LinkTimeout when it is lost."""
        self._watch(await self._io.call(LIST_DEADLINE_S, f"opening {self._settings.path}", self._share.open))
        while True:
            await self._look()
            await self._take_ready()
            self._say()
            self._port.progress()
            await self._rest()

    async def close(self) -> None:
        """Stop watching and give up what the core has not answered; it is handed over again at the next stay."""
        if self._watcher:
            self._watcher.close()
        for task in self._sending:
            task.cancel()
        if self._sending:
            await asyncio.wait(self._sending)
        self._journal.close_quietly()
        self._told.close_quietly()

    def _now(self) -> int:
        return self._port.clock.now().monotonic_ns

    # Looking.

    def _watch(self, opened: Opened) -> None:
        self._local = opened.mount.gives_events
        self._facts["file_system"] = opened.mount.type
        if self._poll_s or not self._local:
            self._poll_s = self._poll_s or POLL_S
            self._facts["watching"] = f"a look every {self._poll_s:g} s"
            return
        self._facts["watching"] = "file events"
        self._watcher = Watcher(
            self._settings.path, self._settings.recursive, self._on_events, self._on_changed, self._on_no_events
        )

    def _on_events(self) -> None:
        self._next_sweep_ns = 0
        self._wake.set()

    def _on_changed(self, paths: set[str]) -> None:
        self._changed |= paths
        self._wake.set()

    def _on_no_events(self, reason: str) -> None:
        log.warning("no file events (%s): looking every %g s instead", reason, POLL_S)
        self._poll_s = POLL_S
        self._facts["watching"] = f"a look every {POLL_S:g} s, for want of file events: {reason}"[:500]
        self._next_sweep_ns = 0
        self._wake.set()

    async def _look(self) -> None:
        self._wake.clear()
        if self._now() < self._next_sweep_ns and self._changed:
            paths, self._changed = self._changed, set()
            found, folders = await self._io.call(LIST_DEADLINE_S, "looking at files", self._share.look, paths)
            for path in paths.difference(seen.path for seen in found):
                self._waiting.gone(path)
            self._saw(found)
            if folders:  # what lies in a new folder gave no event of its own
                self._next_sweep_ns = 0
        if self._now() >= self._next_sweep_ns:
            self._changed.clear()
            what = f"listing {self._settings.path}"
            found = await self._io.call(LIST_DEADLINE_S, what, self._share.sweep)
            paths = {seen.path for seen in found}
            self._waiting.keep(paths)
            self._journal.keep(paths)
            self._saw(found)
            self._swept = True
            self._next_sweep_ns = self._now() + int((self._poll_s or SWEEP_S) * NS)
            self._next_check_ns = self._now() + int(CHECK_S * NS)
        elif self._now() >= self._next_check_ns:
            await self._io.call(LIST_DEADLINE_S, f"looking at {self._settings.path}", self._share.check)
            self._next_check_ns = self._now() + int(CHECK_S * NS)

    def _saw(self, found: list[Seen]) -> None:
        now = self._port.clock.now()
        for seen in found:
            if not self._journal.has(seen.path, seen.identity):
                # What lay here before we came, came when the file system says. Later on our own clock is the better
                # witness, and whether a network share's file has settled, only two looks of our own can tell.
                age_ns = 0 if self._swept else max(0, now.wall_ns - seen.changed_ns)
                self._waiting.saw(seen, now.monotonic_ns, age_ns, settles=not self._local)

    # Taking.

    async def _take_ready(self) -> None:
        for seen in self._waiting.ready(self._now()):
            while self._full(seen.size):
                await asyncio.wait(self._sending, timeout=1, return_when=asyncio.FIRST_COMPLETED)
                self._port.progress()
            if self._failure:
                raise self._failure
            if self._now() < self._hold_until_ns:
                break
            await self._take(seen)
            self._port.progress()
        self._forget_troubles()

    def _full(self, more_bytes: int) -> bool:
        waiting = len(self._sending)
        return waiting >= IN_FLIGHT or (waiting > 0 and sum(self._sending.values()) + more_bytes > IN_FLIGHT_BYTES)

    async def _take(self, seen: Seen) -> None:
        try:
            deadline_s = READ_DEADLINE_S + seen.size / READ_BYTES_PER_S
            taken = await self._io.call(deadline_s, f"reading {shown(seen.path)}", self._share.take, seen)
        except Changed as changed:
            if changed.now:
                self._waiting.saw(changed.now, self._now())
            else:
                self._waiting.gone(seen.path)
        except InUse:
            self._later(seen, IN_USE_S)
            if self._unchanged_s(seen) > LONG_IN_USE_S:
                self._trouble(
                    seen, "file-in-use", "is kept open by its writer: close it, or restart the scanner's export"
                )
        except OSError as error:
            await self._io.call(LIST_DEADLINE_S, f"looking at {self._settings.path}", self._share.check)
            self._trouble(seen, "file-unreadable", f"{error.strerror or error}: let the appliance's user read it")
            self._later(seen, TROUBLE_S)
        else:
            await self._decode(seen, taken)

    async def _decode(self, seen: Seen, taken: Taken) -> None:
        now = self._port.clock.now()
        since_ns = self._waiting.since_ns(seen)
        age_ns = 0 if since_ns is None else now.monotonic_ns - since_ns
        at = Stamp(max(0, now.wall_ns - age_ns), max(0, now.monotonic_ns - age_ns))
        try:
            if seen.size > self._settings.max_file_bytes:
                raise ProtocolError(
                    f"the file has {seen.size} bytes; max_file_bytes is {self._settings.max_file_bytes}"
                )
            found = await self._decoder.decode(taken.data, seen, at, DECODE_DEADLINE_S)
        except ProtocolError as error:
            if is_person_picture(error):
                await self._remove(seen, str(error), now)
            elif (patience_s := self._patience_s(seen, error, taken.closed)) > self._unchanged_s(seen):
                self._later(seen, patience_s - self._unchanged_s(seen))
            else:
                await self._reject(Bad(seen.path, seen.size, str(error), now), seen, taken.data)
        else:
            self._waiting.later(seen, NEVER_NS)
            digest = hashlib.sha256(taken.data).hexdigest() if isinstance(found, Reading) else None
            task = asyncio.create_task(self._send(seen, found, digest))
            self._sending[task] = 2 * seen.size
            task.add_done_callback(self._sent)

    def _patience_s(self, seen: Seen, error: ProtocolError, closed: bool | None) -> float:
        if self._waiting.slow(seen):
            return SLOW_S
        if closed is None:
            return UNSURE_S
        return CUT_SHORT_S if isinstance(error, CutShort) else 0

    async def _send(self, seen: Seen, found: Observation, digest: str | None) -> None:
        """Hand one over. A scan is known by its key; a reading has none, so those told are remembered by `digest`."""
        try:
            told = digest is not None and self._told.has(digest, TOLD)
            outcome = Outcome.REPEATED if told else await self._port.emit(found)
        except ValueError as error:  # a scan that breaks the wire's limits: pydantic's ValidationError among them
            now = self._port.clock.now()
            await self._reject(Bad(seen.path, seen.size, f"it cannot be handed over: {error}", now), seen, None)
            return
        if outcome is Outcome.REFUSED:
            wait_s = min(REFUSED_S * 2**self._refusals, MAX_REFUSED_S)
            self._refusals = min(self._refusals + 1, 10)
            self._hold_until_ns = self._now() + int(wait_s * NS)
            self._later(seen, wait_s)
            self._troubles[""] = ("no-room", "the appliance has no room for scans: files wait in the folder")
            return
        self._refusals = 0
        self._troubles.pop("", None)
        if digest is not None and outcome is Outcome.COMMITTED:
            self._told.add(digest, TOLD)
            self._told.keep_newest(TOLD_KEPT)
        self._done(seen)

    def _sent(self, task: asyncio.Task[None]) -> None:
        del self._sending[task]
        if not task.cancelled() and (failure := task.exception()):
            self._failure = failure
        self._wake.set()

    # Setting aside.

    async def _reject(self, bad: Bad, seen: Seen, data: bytes | None) -> None:
        try:
            aside = await self._io.call(
                READ_DEADLINE_S, f"setting {shown(bad.path)} aside", self._rejected.put, bad, data
            )
        except OSError as error:
            self._trouble(seen, "rejected-unwritable", f"cannot be read, nor set aside ({error.strerror or error})")
            self._later(seen, TROUBLE_S)
            return
        log.warning("rejected %s: %s (see %s)", shown(bad.path), bad.why, aside.text)
        self._facts["rejected"] = int(self._facts["rejected"]) + 1
        if not aside.moved:
            self._journal.add(seen.path, seen.identity)
        self._done(seen, journal=False)

    async def _remove(self, seen: Seen, why: str, at: Stamp) -> None:
        try:
            await self._io.call(
                READ_DEADLINE_S, "removing a picture of a person", self._rejected.remove, seen.path, why, at
            )
        except OSError as error:
            self._troubles[seen.path] = (
                "person-picture",
                f"a picture of a person lies in the folder and cannot be removed ({error.strerror or error}): "
                "remove it, and exclude body scanners from this export",
            )
            self._later(seen, TROUBLE_S)
            return
        log.warning("removed a picture of a person")
        self._facts["rejected"] = int(self._facts["rejected"]) + 1
        self._done(seen, journal=False)

    # Keeping count.

    def _done(self, seen: Seen, journal: bool = True) -> None:
        if journal:
            self._journal.add(seen.path, seen.identity)
        if self._waiting.since_ns(seen) is not None:
            self._waiting.gone(seen.path)
        self._troubles.pop(seen.path, None)

    def _later(self, seen: Seen, wait_s: float) -> None:
        self._waiting.later(seen, self._now() + int(wait_s * NS))

    def _unchanged_s(self, seen: Seen) -> float:
        since = self._waiting.since_ns(seen)
        return 0 if since is None else (self._now() - since) / NS

    def _trouble(self, seen: Seen, code: str, reason: str) -> None:
        self._troubles[seen.path] = (code, f"{shown(seen.path)} {reason}")

    def _forget_troubles(self) -> None:
        for path in [path for path in self._troubles if path and path not in self._waiting]:
            del self._troubles[path]

    def _say(self) -> None:
        if self._failure:
            raise self._failure
        for code, reason in self._troubles.values():
            self._port.state(DeviceState.DEGRADED, reason, code, **self._facts)
            return
        self._port.state(DeviceState.UP, "", "", **self._facts)

    async def _rest(self) -> None:
        now = self._now()
        moments = [self._next_sweep_ns, self._next_check_ns]
        if (next_ready := self._waiting.next_ns()) is not None:
            moments.append(max(next_ready, self._hold_until_ns))
        wait_s = min(max((min(moments) - now) / NS, 0.005), CHECK_S)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._wake.wait()
