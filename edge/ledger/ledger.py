"""The ledger's one writer: a thread that takes what is asked for, and puts it on the disk in one commit at a time."""

from __future__ import annotations

import asyncio
import errno
import logging
import queue
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from drivers.clock import Clock
from drivers.errors import EdgeError, StoreError, StoreFull
from edge.event import EventWriter
from edge.ledger import store
from edge.ledger.batch import Batch
from edge.ledger.entries import Mark, Note, Record, StoreState, Written
from edge.ledger.room import BALLAST_BYTES, NS_PER_DAY, Room

log = logging.getLogger("jaitf.ledger")

MAX_BATCH = 512
MAX_BATCH_BYTES = 64 * 1024 * 1024
MARKS_LINGER_S = 0.25
IDLE_S = 1.0
CHECKPOINT_BYTES = 8 * 1024 * 1024
HOUSEKEEPING_S = 60.0


@dataclass(slots=True)
class _Asked:
    entry: Record | Note
    done: asyncio.Future[Written]


class Ledger:
    """Hits, outbox, evidence: written by one thread, many requests to a commit; one alone when nothing else waits.

    `on_commit` is called in the event loop after each commit, with the sequence numbers of its hits and the ids of its
    other messages, in order.
    """

    def __init__(
        self,
        folder: Path,
        events: EventWriter,
        clock: Clock,
        *,
        quota_bytes: int,
        keep_days: float,
        on_commit: Callable[[list[int], list[tuple[int, str]]], None],
    ) -> None:
        self.folder = folder
        self.state = StoreState.OK
        self.reason = ""
        self.commits = 0
        (folder / "evidence").mkdir(parents=True, exist_ok=True)
        opened = store.open_ledger(folder)
        self.ledger_id, self.seq_start, self.notice = opened.ledger_id, opened.seq_start, opened.notice
        self.room = Room(folder, opened.db, quota_bytes, int(keep_days * NS_PER_DAY), clock)
        self._db = opened.db
        self._events = events
        self._clock = clock
        self._on_commit = on_commit
        self._loop = asyncio.get_running_loop()
        self._asked: queue.SimpleQueue[_Asked | Mark | None] = queue.SimpleQueue()
        self._marks = Mark()
        self._housekept = clock.now().monotonic_ns
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)
        self.beat_ns = clock.now().monotonic_ns
        self.used_bytes = 0
        self.waiting = 0

    def start(self) -> None:
        """Begin to write."""
        self._db.execute("BEGIN IMMEDIATE")
        # What a broker once refused gets one more chance with each start: someone may have mended its rules.
        self._db.execute("UPDATE hit SET set_aside=NULL WHERE set_aside IS NOT NULL")
        self._db.execute("UPDATE outbox SET set_aside=NULL WHERE set_aside IS NOT NULL")
        self._db.execute("COMMIT")
        self.room.load()
        self.room.sweep()
        self.room.take_ballast()
        self._thread.start()

    def commit(self, entry: Record | Note) -> asyncio.Future[Written]:
        """Ask for an entry to be written; the future is done once it is on the disk.

        It fails with StoreFull where there is no room for it, StoreError where the disk cannot be written.
        """
        done: asyncio.Future[Written] = self._loop.create_future()
        self.waiting += 1
        self._asked.put(_Asked(entry, done))
        return done

    def mark(self, mark: Mark) -> None:
        """Ask for marks to be written, with the next commit or soon; they may be lost, and are then made again."""
        self._asked.put(mark)

    async def close(self) -> None:
        """Write what was asked for, then close the file."""
        self._asked.put(None)
        await asyncio.to_thread(self._thread.join)

    # From here on: the ledger's thread.

    def _run(self) -> None:
        open_ = True
        while open_:
            batch, open_ = self._gather()
            self.beat_ns = self._clock.now().monotonic_ns
            if batch or self._marks:
                self._write(batch)
            elif self.state is not StoreState.OK:
                self._try_to_recover()
            self._keep_house(idle=not batch)
            self.used_bytes = self.room.used_bytes()
        self._checkpoint("TRUNCATE")
        self._db.close()

    def _gather(self) -> tuple[list[_Asked], bool]:
        """Wait for something to write; marks alone wait a moment for company, a record never does."""
        batch: list[_Asked] = []
        size, wait_s = 0, IDLE_S
        while len(batch) < MAX_BATCH and size < MAX_BATCH_BYTES:
            try:
                asked = self._asked.get(block=wait_s > 0, timeout=wait_s or None)
            except queue.Empty:
                break
            if asked is None:
                return batch, False
            if isinstance(asked, Mark):
                self._join(asked)
                wait_s = MARKS_LINGER_S if not batch else 0
            else:
                batch.append(asked)
                hit = asked.entry.hit if isinstance(asked.entry, Record) else None
                size += len(hit.evidence.original) if hit and hit.evidence else 0
                wait_s = 0
        return batch, True

    def _join(self, mark: Mark) -> None:
        marks = self._marks
        marks.sent += mark.sent
        marks.received += mark.received
        marks.done += mark.done
        marks.hits_set_aside += mark.hits_set_aside
        marks.notes_set_aside += mark.notes_set_aside

    def _write(self, batch: list[_Asked]) -> None:
        self._admit(batch)
        try:
            try:
                self._commit(batch)
            except (OSError, sqlite3.Error) as error:
                if not self._is_full(error) or not self._free():
                    raise
                self._commit(batch)
        except (OSError, sqlite3.Error, EdgeError) as error:
            self._fail(batch, error)

    def _admit(self, batch: list[_Asked]) -> None:
        """Refuse what the quota has no room for, before anything of it is written."""
        if self.room.full_for_scans():
            self._begin()
            self.room.make_room(BALLAST_BYTES)
            self._db.execute("COMMIT")
            self.room.settle()
        full, tight = self.room.full(), self.room.full_for_scans()
        if full:
            self._enter(StoreState.FULL, "the quota is used up, the reserve for hits too")
            for asked in list(batch):
                batch.remove(asked)
                self._answer([(asked.done, StoreFull(self.reason))])
        elif tight:
            self._enter(StoreState.RESERVE, "the quota is used up but for the reserve for hits")

    def _begin(self) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")
        self._db.execute("BEGIN IMMEDIATE")

    def _commit(self, asked: list[_Asked]) -> None:
        """Put a batch on the disk: evidence files and their folders first, then one transaction."""
        lean = self.state is not StoreState.OK
        batch = Batch(self._db, self.folder, self._events, self._clock, self.room, lean)
        batch.write_evidence([a.entry for a in asked if isinstance(a.entry, Record)])
        self._begin()
        try:
            written = [batch.write(a.entry) for a in asked]
            batch.write_marks(self._marks)
            self.room.keep_to_shares()
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            self.room.load()
            raise
        self.commits += 1
        self._marks = Mark()
        batch.settle()
        if self.state in (StoreState.FULL, StoreState.FAILING):
            self._enter(StoreState.RESERVE if not self.room.has_ballast() else StoreState.OK, "")
        self._loop.call_soon_threadsafe(self._tell, asked, written, batch.hits, batch.notes)

    def _tell(self, asked: list[_Asked], written: list[Written], hits: list[int], notes: list[tuple[int, str]]) -> None:
        self.waiting -= len(asked)
        for one, result in zip(asked, written, strict=True):
            if not one.done.done():
                one.done.set_result(result)
        if hits or notes:
            self._on_commit(hits, notes)

    def _fail(self, batch: list[_Asked], error: Exception) -> None:
        if isinstance(error, (sqlite3.IntegrityError, sqlite3.DataError, EdgeError)) and len(batch) > 1:
            # One of them cannot be written as it is: find out which, so that it does not take the others with it.
            for asked in batch:
                self._write([asked])
            return
        if self._is_full(error):
            self._enter(StoreState.FULL, f"no room on the disk: {error}")
            failure: EdgeError = StoreFull(str(error))
        else:
            self._enter(StoreState.FAILING, f"the store cannot be written: {error}")
            failure = StoreError(str(error))
        self._answer([(asked.done, failure) for asked in batch])

    def _answer(self, failures: list[tuple[asyncio.Future[Written], EdgeError]]) -> None:
        def tell() -> None:
            self.waiting -= len(failures)
            for future, failure in failures:
                if not future.done():
                    future.set_exception(failure)

        self._loop.call_soon_threadsafe(tell)

    @staticmethod
    def _is_full(error: Exception) -> bool:
        if isinstance(error, sqlite3.Error):
            return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL
        return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)

    def _free(self) -> bool:
        """Give the disk room back: the log, the ballast, then what matters least; return whether to try again."""
        self._checkpoint("TRUNCATE")
        dropped = self.room.drop_ballast()
        self._enter(StoreState.RESERVE, "the disk is full: what is left is kept for hits")
        try:
            self._begin()
            freed = self.room.make_room(BALLAST_BYTES)
            self._db.execute("COMMIT")
            self.room.settle()
        except (OSError, sqlite3.Error) as error:
            log.debug("no room could be made: %s", error)
            self.room.load()
            freed = False
        return dropped or freed

    def _try_to_recover(self) -> None:
        """Leave a bad state as soon as a write goes through and there is room again, without a restart."""
        try:
            self._begin()
            self.room.purge_old()
            now = str(self._clock.now().wall_ns)
            self._db.execute("INSERT OR REPLACE INTO meta VALUES ('recovered_ns', ?)", (now,))
            self._db.execute("COMMIT")
            self.room.settle()
            self.room.take_ballast()
        except (OSError, sqlite3.Error) as error:
            log.debug("still not writable: %s", error)
            return
        if self.room.full():
            return
        if self.room.has_ballast() and not self.room.full_for_scans():
            self._enter(StoreState.OK, "")
        elif self.state is not StoreState.RESERVE:
            self._enter(StoreState.RESERVE, "writable again; what is left is kept for hits")

    def _enter(self, state: StoreState, reason: str) -> None:
        if state is not self.state:
            level = logging.INFO if state is StoreState.OK else logging.ERROR
            log.log(level, "storage: %s%s", state, f": {reason}" if reason else "")
        self.state, self.reason = state, reason

    def _keep_house(self, *, idle: bool) -> None:
        wal = Path(f"{self.folder / store.FILE}-wal")
        try:
            size = wal.stat().st_size if wal.exists() else 0
        except OSError:
            size = 0
        if size > CHECKPOINT_BYTES * (1 if idle else 4):
            self._checkpoint("TRUNCATE" if idle else "PASSIVE")
        if not idle or (self._clock.now().monotonic_ns - self._housekept) < HOUSEKEEPING_S * 1e9:
            return
        self._housekept = self._clock.now().monotonic_ns
        try:
            self._begin()
            self.room.purge_old()
            self._db.execute("COMMIT")
            self.room.settle()
            self._db.execute("PRAGMA incremental_vacuum(2000)").fetchall()
            self.room.take_ballast()
        except (OSError, sqlite3.Error) as error:
            log.warning("housekeeping: %s", error)

    def _checkpoint(self, how: str) -> None:
        try:
            self._db.execute(f"PRAGMA wal_checkpoint({how})").fetchall()
        except sqlite3.Error as error:
            log.debug("checkpoint: %s", error)
