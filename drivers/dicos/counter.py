"""Where objects are handed in: what becomes of each, and what its scanner is answered.

`take` runs in threads of the SCP's, everything that touches the port in the event loop.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from drivers.contract import Outcome, Port, Reading, Scan, Verdict
from drivers.dicos import codec, joined, reports, scu, tls
from drivers.dicos import verdict as report
from drivers.dicos.joiner import Group, Joiner, Plan
from drivers.dicos.known import Known
from drivers.dicos.outbox import Outbox
from drivers.dicos.peer import Peer
from drivers.dicos.scp import SUCCESS, Stored
from drivers.dicos.settings import DicosSettings
from drivers.dicos.uids import TDR
from drivers.errors import LinkLost, StoreFull

log = logging.getLogger("jaitf.dicos")

OUT_OF_RESOURCES = 0xA700
SOP_CLASS_NOT_SUPPORTED = 0x0122
CANNOT_UNDERSTAND = 0xC000
NO_ANSWER = "no-answer"
WORKSTATION = "workstation"
AGAIN = "a part of a scan that was committed before came again"


class Refused(Exception):
    """An object is not taken: the C-STORE status for its scanner, and a code for the log."""

    def __init__(self, status: int, reason: str, code: str) -> None:
        super().__init__(reason)
        self.status = status
        self.code = code


class Counter:
    """Takes objects from when it is opened until it is closed; `well` is called once the core took a scan."""

    def __init__(
        self, settings: DicosSettings, port: Port, loop: asyncio.AbstractEventLoop, well: Callable[[], None]
    ) -> None:
        self._settings = settings
        self._port = port
        self._loop = loop
        self._well = well
        self._plan = Plan(settings.views, settings.dual_energy, settings.join_s)
        self._joiner = Joiner(port.state_dir / "waiting", self._plan, port.clock)
        self._known = Known(port.state_dir / "known.jsonl")
        self._working: set[asyncio.Task[Any]] = set()
        self._under_way: set[str] = set()
        self._lock = threading.Lock()
        peer = settings.workstation
        self._outbox = self._made_outbox(peer) if peer else None
        self._sending: asyncio.Task[None] | None = None

    @property
    def problem(self) -> str:
        """What keeps reports from the workstation, "" where nothing does."""
        return self._outbox.problem if self._outbox else ""

    def facts(self) -> dict[str, str | int | float | bool]:
        """Return what became of reports that the workstation did not take."""
        if not self._outbox:
            return {}
        counts = {"reports_lost": self._outbox.lost, "reports_refused": self._outbox.refused}
        return {name: count for name, count in counts.items() if count}

    def open(self) -> None:
        """Take up what waited when the process before this one ended. Raises LinkLost."""
        try:
            self._joiner.load()
            if self._outbox:
                self._outbox.load()
        except OSError as error:
            raise LinkLost(f"the device's folder cannot be used: {error}") from error

    def start(self) -> None:
        """Begin to send reports; in the event loop."""
        if self._outbox:
            self._sending = self._loop.create_task(self._outbox.run())

    def close(self) -> None:
        """Give up what is under way; the core's answers to it are of no use any more."""
        for task in (*self._working, *([self._sending] if self._sending else ())):
            task.cancel()

    def look_around(self) -> None:
        """Emit the scans that waited long enough for what is missing of them; in the event loop.

        Raises LinkLost where reports are not sent any more.
        """
        if self._sending and self._sending.done():
            raise LinkLost(f"reports are not sent any more: {self._sending.exception()!r}")
        for group in self._joiner.due():
            self._start(self._emit_group(group))

    def take(self, stored: Stored) -> int:
        """Take one object, and return its status once the core has it, or it waits on the disk. Raises Refused."""
        if stored.sop_class == TDR and (read := self._read_report(stored)):
            return self._reported(*read, stored)
        scan = self._read(stored)
        if not (self._plan.joins and scan.pictures and scan.scan_id):
            return self._answer(self._emit(scan), stored)
        if whole := self._known.get(scan.key):
            # The core knows its scan; should it not any more, then this is a part of one.
            part = replace(scan, key=whole, incomplete=AGAIN)
            return self._answer(self._emit(part), stored)
        try:
            group = self._joiner.put(scan)
        except (StoreFull, OSError) as error:
            stored.done()
            reason = f"it cannot wait for the rest of its scan: {error}"
            raise Refused(OUT_OF_RESOURCES, reason, StoreFull.code) from error
        if group is None:
            stored.done()
            return SUCCESS
        return self._answer(self._emit_group(group), stored)

    def _read_report(self, stored: Stored) -> tuple[Reading, str] | None:
        """Return a scanner's own verdict and its key; None for one that is damaged, to be kept as any such object."""
        try:
            with self._guarded(stored):
                found, file, key = codec.read_report(
                    *(stored.dataset, stored.sop_class, stored.instance, stored.transfer_syntax),
                    stored.calling_ae_title,
                )
                return reports.reading(found, file, self._port.clock.now(), self._settings), key
        except codec.NotDicom:
            return None

    def _reported(self, reading: Reading, key: str, stored: Stored) -> int:
        """Hand on a scanner's verdict once: neither one that is known already, nor one that is with the core now."""
        if self._known.get(key) is not None:
            stored.done()
            return SUCCESS
        with self._lock:
            if key in self._under_way:
                stored.done()
                raise Refused(OUT_OF_RESOURCES, "the same report is being committed", NO_ANSWER)
            self._under_way.add(key)
        return self._answer(self._emit_reading(reading, key), stored)

    async def _emit_reading(self, reading: Reading, key: str) -> Outcome:
        try:
            outcome = await self._port.emit(reading)
            if outcome is not Outcome.REFUSED:
                self._known.add([key], "")
        finally:
            with self._lock:
                self._under_way.discard(key)
        self._well()
        return outcome

    def _read(self, stored: Stored) -> Scan:
        with self._guarded(stored):
            return codec.read_stored(
                *(stored.dataset, stored.sop_class, stored.instance, stored.transfer_syntax),
                self._port.clock.now(),
                stored.calling_ae_title,
            )

    @contextmanager
    def _guarded(self, stored: Stored) -> Iterator[None]:
        """Turn what goes wrong with an object's bytes into its scanner's answer."""
        try:
            yield
        except codec.NotDicom:
            raise
        except codec.PersonImage as error:
            stored.done()
            reason = "it sent a picture of a person; nothing of it was kept"
            raise Refused(SOP_CLASS_NOT_SUPPORTED, reason, codec.PersonImage.code) from error
        except Exception as error:
            # A fault of ours. It must not end the association without an answer, nor keep the room of the object.
            stored.done()
            log.exception("an object could not be read")
            raise Refused(CANNOT_UNDERSTAND, "a fault of this driver; the log has it", "internal") from error

    def _answer(self, emission: Coroutine[Any, Any, Outcome], stored: Stored) -> int:
        tracked = self._tracked(emission)
        try:
            # Never cancelled from here: half a message would cut the wire to the core.
            future: Future[Outcome] = asyncio.run_coroutine_threadsafe(tracked, self._loop)
        except RuntimeError:  # the loop is closed: this process is ending
            tracked.close()
            emission.close()
            stored.done()
            return OUT_OF_RESOURCES
        future.add_done_callback(lambda _: stored.done())
        try:
            outcome = future.result(self._settings.answer_s)
        except TimeoutError:
            # The core's answer counts whenever it comes: sent again, the object is known.
            reason = f"no verdict within {self._settings.answer_s:g} s: the scanner was told to send again"
            raise Refused(OUT_OF_RESOURCES, reason, NO_ANSWER) from None
        except Exception as error:  # noqa: BLE001 - the core or the loop is gone, and the scanner is to try again
            log.info("an object was not taken: %r", error)
            return OUT_OF_RESOURCES
        return SUCCESS if outcome in (Outcome.COMMITTED, Outcome.REPEATED) else OUT_OF_RESOURCES

    async def _emit(self, scan: Scan) -> Outcome:
        screened = await self._port.screen(scan)
        if (
            self._outbox
            and screened.verdict
            and not (screened.outcome is Outcome.REPEATED and self._outbox.has(scan.key))
        ):
            try:
                await asyncio.to_thread(self._report, self._outbox, scan, screened.verdict)
            except OSError as error:
                # The scanner sends again, and the report is then made of what was committed.
                log.warning("a report cannot be kept for the workstation: %s", error)
                return Outcome.REFUSED
        self._well()
        return screened.outcome

    def _report(self, outbox: Outbox, scan: Scan, verdict: Verdict) -> None:
        original = bytes(scan.original)
        images = joined.images(original, scan.media_type)
        evidence = hashlib.sha256(original).hexdigest()
        outbox.put(scan.key, verdict.ended_ns, report.write(verdict, scan.key, images, evidence))

    def _made_outbox(self, peer: Peer) -> Outbox:
        settings = self._settings
        secure = tls.towards(peer, settings)

        def send(files: list[Path], answered: Callable[[Path, int], None]) -> None:
            for file, status in scu.store(peer, settings.ae_title, files, secure):
                answered(file, status)

        folder = self._port.state_dir / "reports"
        return Outbox(folder, settings.tdr_backlog, send, self._well)

    async def _emit_group(self, group: Group) -> Outcome:
        """Emit a joined scan; one that the core does not take is emitted again later, for its objects are answered."""
        outcome = Outcome.REFUSED
        try:
            scan = await asyncio.to_thread(self._joiner.scan, group)
            outcome = await self._emit(scan)
        finally:
            if outcome is Outcome.REFUSED:
                self._joiner.again(group)
        if outcome is Outcome.REFUSED:
            return outcome
        self._known.add(await asyncio.to_thread(self._joiner.done, group), scan.key)
        return outcome

    def _start(self, work: Coroutine[Any, Any, Outcome]) -> None:
        task = self._loop.create_task(self._tracked(work))
        task.add_done_callback(_log_failure)

    async def _tracked(self, work: Coroutine[Any, Any, Outcome]) -> Outcome:
        task = asyncio.current_task()
        assert task is not None
        self._working.add(task)
        try:
            return await work
        finally:
            self._working.discard(task)


def _log_failure(task: asyncio.Task[Outcome]) -> None:
    if not task.cancelled() and (error := task.exception()):
        log.warning("a scan that waited could not be emitted; it is tried again: %r", error)
