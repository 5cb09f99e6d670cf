"""The ledger's one writer: a thread that takes what is asked for, and puts it on the disk in one commit at a time."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from drivers.clock import Clock
from drivers.errors import EdgeError, StoreError, StoreFull, StoreRejected
from edge.event import EventWriter
from edge.ledger import store
from edge.ledger.accounts import Accounts
from edge.ledger.batch import Batch
from edge.ledger.entries import Entry, Mark, Record, StoreState, Written, name_of
from edge.ledger.log import Log
from edge.ledger.originals import Originals
from edge.ledger.room import BALLAST_BYTES, NS_PER_DAY, Room, drop_ballast
from edge.signing import SigningKey

log = logging.getLogger("jaitf.ledger")

MAX_BATCH = 512
MAX_BATCH_BYTES = 64 * 1024 * 1024
MARKS_LINGER_S = 0.25
MAX_MARKS = 200_000
IDLE_S = 1.0
CHECKPOINT_BYTES = store.CHECKPOINT_BYTES
VACUUM_PAGES = 2000
HOUSEKEEPING_S = 60.0
MEND_S = 1.0
LEAVE_FULL_BYTES = BALLAST_BYTES // 4


@dataclass(slots=True)
class _Asked:
    entry: Entry
    done: asyncio.Future[Written]


def _open(folder: Path) -> store.Opened:
    """Open the ledger; on a disk so full that SQLite cannot make its files, give up the ballast first."""
    try:
        return store.open_ledger(folder)
    except StoreFull:
        if not drop_ballast(folder):
            raise
        return store.open_ledger(folder)


_REJECTIONS = (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.InterfaceError, sqlite3.ProgrammingError)


def _is_of_the_entry(error: Exception) -> bool:
    """Return whether an error says that an entry is no row, and not that the store cannot be written."""
    if isinstance(error, sqlite3.Error):
        return isinstance(error, _REJECTIONS)
    return not isinstance(error, (OSError, MemoryError))


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
        key: SigningKey | None = None,
    ) -> None:
        self.folder = folder
        self.state = StoreState.OK
        self.reason = ""
        self.commits = 0
        (folder / "evidence").mkdir(parents=True, exist_ok=True)
        opened = _open(folder)
        self.ledger_id, self.seq_start, self.notice = opened.ledger_id, opened.seq_start, opened.notice
        self.room = Room(folder, opened.db, quota_bytes, int(keep_days * NS_PER_DAY), clock, key)
        self._db = opened.db
        self.new = opened.new
        self._originals = Originals(folder)
        self._events = events
        self._key = key
        self._clock = clock
        self._on_commit = on_commit
        self._loop = asyncio.get_running_loop()
        self._asked: queue.SimpleQueue[_Asked | Mark | None] = queue.SimpleQueue()
        self._marks = Mark()
        self._head: tuple[int, bytes] | None = None
        self._log = Log(folder / store.FILE)
        self._housekept_ns = clock.now().monotonic_ns
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)
        self.beat: Callable[[], None] = lambda: None
        self.used_bytes = 0
        self.accounts = Accounts()
        self.waiting = 0
        self._closed = False

    def start(self) -> None:
        """Begin to write. A disk that is full or read-only now is a state of the store, as it is later.

        Raises StoreError where the ledger cannot even be read.
        """
        try:
            self._db.execute("PRAGMA busy_timeout=200")  # nobody else's reading may hold up a hit for long
            self.room.accounts = Accounts.read(self._db)
            self.accounts = self.room.accounts.copy()
        except sqlite3.Error as error:
            raise StoreError(f"the ledger cannot be read: {error}") from error
        try:
            with self._transaction():
                # What a broker once refused gets one more chance with each start: someone may have mended its rules.
                self._db.execute("UPDATE hit SET set_aside=NULL WHERE set_aside IS NOT NULL AND received_ns IS NULL")
                self._db.execute("UPDATE outbox SET set_aside=NULL WHERE set_aside IS NOT NULL")
                self.room.accounts.set_aside = 0
                adopt = self._db.execute("DELETE FROM meta WHERE key=? RETURNING 1", (store.ADOPT,)).fetchone()
                self.room.sweep(adopt=adopt is not None)
            self.room.take_ballast()
            self._assess()
        except (OSError, sqlite3.Error) as error:
            self._enter_bad(error)
        self._thread.start()

    def commit(self, entry: Entry) -> asyncio.Future[Written]:
        """Ask for an entry to be written; the future is done once it is on the disk.

        It fails with StoreFull where there is no room for it, StoreRejected where it can never be written as it is,
        StoreError where the disk cannot be written.
        """
        done: asyncio.Future[Written] = self._loop.create_future()
        if self._closed:
            done.set_exception(StoreError("the ledger is closed"))
            return done
        self.waiting += 1
        self._asked.put(_Asked(entry, done))
        return done

    def foresee(self, original: bytes | memoryview) -> None:
        """Begin to put a hit's original bits on the disk while the hit is still being made; from any thread."""
        if self.state is StoreState.OK and not self._closed:
            self._originals.begin(original)

    def mark(self, mark: Mark) -> None:
        """Ask for marks to be written, with the next commit or soon; one that is lost in a crash is made again."""
        self._asked.put(mark)

    async def close(self) -> None:
        """Write what was asked for, then close the file."""
        self._closed = True
        self._asked.put(None)
        await asyncio.to_thread(self._thread.join)

    # From here on: the ledger's thread.

    def _run(self) -> None:
        open_ = True
        while open_:
            batch, open_ = self._gather()
            self.beat()
            if batch or self._marks:
                self._write(batch)
            try:
                self._keep_house(idle=not batch)
                self.used_bytes = self.room.used_bytes()
            except (OSError, sqlite3.Error) as error:
                log.debug("housekeeping: %s", error)
        self._originals.close()
        self._checkpoint("TRUNCATE")
        self._db.close()
        self._log.close()

    def _gather(self) -> tuple[list[_Asked], bool]:
        """Wait for something to write; marks alone wait a moment for company, a record never does."""
        batch: list[_Asked] = []
        size, marks, wait_s = 0, 0, IDLE_S
        until_ns = 0
        while len(batch) < MAX_BATCH and size < MAX_BATCH_BYTES and marks < MAX_BATCH:
            try:
                asked = self._asked.get(block=wait_s > 0, timeout=wait_s or None)
            except queue.Empty:
                break
            if asked is None:
                return batch, False
            if isinstance(asked, Mark):
                self._join(asked)
                marks += 1
                now_ns = self._clock.now().monotonic_ns
                until_ns = until_ns or now_ns + int(MARKS_LINGER_S * 1e9)
                wait_s = 0 if batch else max(0.0, (until_ns - now_ns) / 1e9)
            else:
                batch.append(asked)
                evidence = asked.entry.evidence if isinstance(asked.entry, Record) else None
                size += len(evidence.original) if evidence else 0
                wait_s = 0
        return batch, True

    def _join(self, mark: Mark) -> None:
        if self._marks.count() > MAX_MARKS:
            # The disk has refused them for long; what they say, broker and console will say again.
            self._marks = Mark()
        marks = self._marks
        marks.sent += mark.sent
        marks.received += mark.received
        marks.proven += mark.proven
        marks.done += mark.done
        marks.hits_set_aside += mark.hits_set_aside
        marks.notes_set_aside += mark.notes_set_aside

    def _write(self, batch: list[_Asked]) -> None:
        """Write a batch and the marks that wait, and answer everyone in it, once, whatever happens."""
        batch = self._admit(batch)
        try:
            try:
                self._commit(batch)
            except (OSError, sqlite3.Error) as error:
                if not store.is_full(error) or not self._free():
                    raise
                self._commit(batch)
        except Exception as error:  # noqa: BLE001  # answered, logged, and shown as the store's state
            # Whatever an entry is made of, it must not end the one thread that writes.
            self._fail(batch, error)
            return
        if self.state is not StoreState.OK or self.room.tight():  # what else makes it worse says so itself
            with contextlib.suppress(OSError, sqlite3.Error):
                self._assess()

    def _admit(self, batch: list[_Asked]) -> list[_Asked]:
        """Return what the quota has room for; the rest is refused before anything of it is written."""
        try:
            if not self.room.tight():
                return batch
            with self._transaction():
                self.room.make_room(BALLAST_BYTES)
            self._assess()
            if not self.room.full():
                return batch
        except (OSError, sqlite3.Error) as error:
            log.debug("the quota could not be kept to: %s", error)
            return batch
        self._answer(batch, StoreFull(self.reason))
        return []

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        """Open a transaction and commit it, the accounts with it: what fails leaves neither a row nor a count."""
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")  # left by an earlier ROLLBACK that the disk refused
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.room.measure()
            self._db.execute("COMMIT")
        except BaseException:
            self.room.forget(self.accounts.copy())
            if self._db.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
            raise
        self.accounts = self.room.accounts.copy()
        if told := self.room.settle():
            self._call(self._on_commit, [], told)

    def _commit(self, asked: list[_Asked]) -> None:
        """Put a batch on the disk: evidence files and their folders first, then one transaction."""
        lean = self.state is not StoreState.OK
        head, self._head = self._head, None  # kept for the next commit where this one comes to be
        batch = Batch(self._db, self._originals, self._events, self._clock, self.room, lean, self._key, head)
        batch.write_evidence([a.entry for a in asked if isinstance(a.entry, Record)])
        with self._transaction():
            written = [batch.write(a.entry) for a in asked]
            batch.write_marks(self._marks)
            self.room.keep_to_shares()
        self._head = batch.head
        self.commits += 1
        self._marks = Mark()
        self._call(self._tell, asked, written, batch.hits, batch.notes)

    def _tell(self, asked: list[_Asked], written: list[Written], hits: list[int], notes: list[tuple[int, str]]) -> None:
        self.waiting -= len(asked)
        for one, result in zip(asked, written, strict=True):
            if not one.done.done():
                one.done.set_result(result)
        if hits or notes:
            self._on_commit(hits, notes)

    def _fail(self, batch: list[_Asked], error: Exception) -> None:
        if _is_of_the_entry(error):
            self._single_out(batch, error)
            return
        self._enter_bad(error)
        failure = StoreFull if self.state is StoreState.FULL else StoreError
        self._answer(batch, failure(str(error)))

    def _single_out(self, batch: list[_Asked], error: Exception) -> None:
        """Find the entry that cannot be written as it is, so that it does not take the others with it."""
        if len(batch) > 1:
            for asked in batch:
                self._write([asked])
        elif batch:
            log.error("%s is no row of the ledger", name_of(batch[0].entry), exc_info=error)
            self._answer(batch, StoreRejected(f"{type(error).__name__}: {error}"))
        else:
            log.error("marks that cannot be written: %r", self._marks, exc_info=error)
            self._marks = Mark()

    def _enter_bad(self, error: Exception) -> None:
        if store.is_full(error):
            self._enter(StoreState.FULL, f"no room on the disk: {error}")
        else:
            self._enter(StoreState.FAILING, f"the store cannot be written: {error}")

    def _answer(self, batch: list[_Asked], failure: EdgeError) -> None:
        def tell() -> None:
            self.waiting -= len(batch)
            for asked in batch:
                if not asked.done.done():
                    asked.done.set_exception(failure)

        self._call(tell)

    def _call(self, function: Callable[..., None], *arguments: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to be told
            self._loop.call_soon_threadsafe(function, *arguments)

    def _free(self) -> bool:
        """Give the disk room back: the ballast, the log, then what matters least; return whether to try again."""
        freed = drop_ballast(self.folder)
        self._checkpoint("TRUNCATE")  # after the ballast: the ledger may have to grow before its log can shrink
        try:
            with self._transaction():
                made = self.room.make_room(BALLAST_BYTES)
            freed |= made
        except (OSError, sqlite3.Error) as error:
            log.debug("no room could be made: %s", error)
        if freed:
            self._enter(StoreState.RESERVE, "the disk is full: what is left is kept for hits")
        return freed

    def _assess(self) -> None:
        """Say how the store is, now that it could be written. Raises sqlite3.Error, OSError."""
        if self.state is StoreState.FULL and self.room.disk_free_bytes() < LEAVE_FULL_BYTES:
            return  # the last bytes of a full disk come and go; the state does not with them
        if self.room.full():
            self._enter(StoreState.FULL, f"the quota is used up, the reserve for hits too{self.room.why_kept()}")
        elif self.room.tight():
            kept = self.room.why_kept()
            self._enter(StoreState.RESERVE, f"the quota is used up but for the reserve for hits{kept}")
        elif not self.room.has_ballast():
            self._enter(StoreState.RESERVE, "the disk is nearly full: what is left is kept for hits")
        else:
            self._enter(StoreState.OK, "")

    def _enter(self, state: StoreState, reason: str) -> None:
        if state is not self.state:
            level = logging.INFO if state is StoreState.OK else logging.ERROR
            log.log(level, "storage: %s%s", state, f": {reason}" if reason else "")
        self.state, self.reason = state, reason

    def _keep_house(self, *, idle: bool) -> None:
        """Keep the log short; once a minute, and each second of a bad state, see what can be mended."""
        with contextlib.suppress(FileNotFoundError):  # a file system on which SQLite can have no such log
            if self._log.waiting_bytes() > CHECKPOINT_BYTES:
                self._checkpoint("PASSIVE")
            elif idle and self._log.size() > store.LOG_BYTES:  # somebody read for long while hits came
                self._checkpoint("TRUNCATE")
        now_ns = self._clock.now().monotonic_ns
        well = self.state is StoreState.OK
        due = now_ns - self._housekept_ns >= (HOUSEKEEPING_S if well else MEND_S) * 1e9
        if due or (idle and not well):
            self._housekept_ns = now_ns
            self._mend()

    def _mend(self) -> None:
        """Purge what is over its age, and leave a bad state once a write goes through and there is room again."""
        with self._transaction():
            self.room.purge_old()
            if self.state in (StoreState.FULL, StoreState.FAILING):
                now = str(self._clock.now().wall_ns)
                self._db.execute("INSERT OR REPLACE INTO meta VALUES ('recovered_ns', ?)", (now,))
        if self.state is StoreState.OK:  # it moves pages through the log, and that takes room before it gives any
            # As a script: `execute` would take the pragma's first step for all of it, and free one page.
            self._db.executescript(f"PRAGMA incremental_vacuum({VACUUM_PAGES})")
        self.room.take_ballast()
        self._assess()

    def _checkpoint(self, how: str) -> None:
        try:
            _, _, back = self._db.execute(f"PRAGMA wal_checkpoint({how})").fetchone()
            self._log.written_back(back)
        except sqlite3.Error as error:
            log.debug("checkpoint: %s", error)
