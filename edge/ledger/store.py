"""The ledger's file: opening, migrating, checking, and what to do when it is damaged."""

from __future__ import annotations

import errno
import logging
import os
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any

from drivers.errors import StoreError, StoreFull
from drivers.fsync import sync_folder

log = logging.getLogger("jaitf.ledger")

FILE = "ledger.db"
REPLACEMENT = "ledger.db.new"
ADOPT = "adopt"
"""In `meta` until the evidence folder has been looked through: files may lie there whose rows a ledger before held."""

PAGE_BYTES = 4096
LOG_BYTES = 4 * 1024 * 1024
"""The write-ahead log is cut back to this after a checkpoint. Well below the ballast: on a full disk the ledger may
have to grow by as much before its log can be cut."""
CHECKPOINT_BYTES = LOG_BYTES * 3 // 4
"""So much of the log is in use when it is written back, and begun anew. It stays as long as it was: to write over what
a file has already takes half as long to sync as to make it longer, which is to change the file system, too."""

SEQ_GAP = 1_000_000
"""A new ledger begins this far above the last number that could be read in a damaged one: no number comes twice."""

_TABLES = {
    "evidence": "rowid",
    "hit": "seq",
    "outbox": "id",
    "seen": "device, key",
    "act": "number",
    "disposition": "disposition_id",
    "command": "transaction_id",
}
"""What is saved of a damaged ledger, and the order in which each table is read."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A ledger ready for its writer.

    `new`: this call made it. `notice` tells the console what happened to the ledger before, if anything did.
    """

    db: sqlite3.Connection
    ledger_id: str
    seq_start: int
    new: bool
    notice: str | None


def is_full(error: Exception) -> bool:
    """Return whether an error says that the disk, or this user's part of it, has no room."""
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", 0)
        # SQLite cannot tell why it could not lengthen the log's index; it is nearly always this.
        return code & 0xFF == sqlite3.SQLITE_FULL or code == sqlite3.SQLITE_IOERR_SHMSIZE
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def migrations() -> list[tuple[int, str]]:
    """Return the schema's numbered steps, in order."""
    folder = resources.files("edge.ledger") / "schema"
    steps = [(int(f.name[:4]), f.read_text()) for f in folder.iterdir() if f.name.endswith(".sql")]
    return sorted(steps)


def connect(path: Path) -> sqlite3.Connection:
    """Open a ledger for writing: WAL, every commit on disk before it returns. Raises sqlite3.DatabaseError."""
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5)
    try:
        if db.execute("PRAGMA page_count").fetchone() == (0,):
            db.execute(f"PRAGMA page_size={PAGE_BYTES}")
            db.execute("PRAGMA auto_vacuum=INCREMENTAL")
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.execute("PRAGMA wal_autocheckpoint=0")
        db.execute(f"PRAGMA journal_size_limit={LOG_BYTES}")
        db.execute("PRAGMA foreign_keys=ON")
        db.execute("PRAGMA cache_size=-4096")
        # Debian's SQLite writes zeros over all that is deleted: twice the writing, just when a full disk is relieved.
        db.execute("PRAGMA secure_delete=FAST")
        db.execute("PRAGMA temp_store=MEMORY")
    except sqlite3.Error:
        db.close()
        raise
    return db


def connect_read_only(path: Path) -> sqlite3.Connection:
    """Open a ledger beside a running appliance, for reading. Raises StoreError where there is none."""
    if not path.exists():
        raise StoreError(f"{path}: no ledger here yet; has `jaitf-edge run` been started with this configuration?")
    db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=5)
    db.execute("PRAGMA query_only=ON")
    return db


@contextmanager
def at_one_moment(path: Path) -> Iterator[sqlite3.Connection]:
    """Give a ledger as it is at one moment, however long the reading takes and whatever is committed meanwhile.

    Raises StoreError where there is none.
    """
    db = connect_read_only(path)
    try:
        db.execute("BEGIN")
        yield db
    finally:
        db.close()


def migrate(db: sqlite3.Connection) -> None:
    """Bring the schema up to date, one transaction a step.

    Raises StoreError for a ledger of a newer version than this software's.
    """
    (version,) = db.execute("PRAGMA user_version").fetchone()
    steps = migrations()
    if version > steps[-1][0]:
        raise StoreError(
            f"the ledger is of version {version}, this software knows up to {steps[-1][0]}: install the newer software"
        )
    for number, sql in steps:
        if number > version:
            db.executescript(f"BEGIN IMMEDIATE;\n{sql}\nPRAGMA user_version={number};\nCOMMIT;")


def open_ledger(folder: Path) -> Opened:
    """Open the ledger of a data directory, making it where there is none.

    A damaged file is set aside beside its evidence as `ledger.db.damaged-N`, the rows that can still be read go into a
    new ledger with an identity and a start of its own, and the notice says so. Raises StoreError where even that fails,
    StoreFull where it is for want of room.
    """
    path = folder / FILE
    try:
        _finish_replacing(folder, path)
        try:
            return _open_sound(folder, path)
        except sqlite3.DatabaseError as error:
            if not _is_damage(error):
                raise
            return _replace(folder, path, str(error))
    except (sqlite3.DatabaseError, OSError) as error:
        read_only = os.statvfs(folder).f_flag & os.ST_RDONLY
        reason = "the file system is read-only" if read_only else str(error)
        raise (StoreFull if is_full(error) else StoreError)(f"{path}: {reason}") from error


def _open_sound(folder: Path, path: Path) -> Opened:
    from edge.ledger import chain  # needs cryptography, which who only reads the file has no use for

    log = Path(f"{path}-wal")
    if log.exists() and log.stat().st_size:
        from edge.ledger import wal  # needs numpy, which a lane without pictures has no other use for

        if problem := wal.damage(log, PAGE_BYTES):
            raise _Damaged(problem)
    db = connect(path)
    try:
        rows = [str(row[0]) for row in db.execute("PRAGMA integrity_check(5)")]
        if rows != ["ok"]:
            raise _Damaged("; ".join(rows)[:300])
        migrate(db)
        if wrong := chain.altered(db):
            raise _Damaged(f"{len(wrong)} hits are not as they were committed, the first of them number {wrong[0]}")
        opened = _identify(db, 1, None)
        sync_folder(folder)
    except BaseException:
        db.close()
        raise
    return opened


class _Damaged(sqlite3.DatabaseError):
    """A ledger does not hold what was put into it."""

    sqlite_errorcode = sqlite3.SQLITE_CORRUPT


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    return error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _identify(db: sqlite3.Connection, seq_start: int, notice: str | None) -> Opened:
    """Give a ledger its identity where it has none, and return it as it is known from now on."""
    db.execute("BEGIN IMMEDIATE")
    new = db.execute("INSERT OR IGNORE INTO meta VALUES ('ledger_id', ?)", (str(uuid.uuid4()),)).rowcount > 0
    if new:
        values = {"seq_start": str(seq_start), ADOPT: "1"} | ({"notice": notice} if notice else {})
        db.executemany("INSERT INTO meta VALUES (?, ?)", values.items())
    db.execute("COMMIT")
    meta = dict(db.execute("SELECT key, value FROM meta"))
    return Opened(db, meta["ledger_id"], int(meta["seq_start"]), new, meta.get("notice"))


def _replace(folder: Path, path: Path, problem: str) -> Opened:
    """Put a new ledger with all that can be read of the damaged one in its place; a crash on the way loses neither."""
    number = max(_set_aside(folder), default=0) + 1
    aside = folder / f"{FILE}.damaged-{number}"
    fresh = folder / REPLACEMENT
    _move(fresh, None)
    db = connect(fresh)
    try:
        migrate(db)
        saved, last = _salvage(path, db)
        # Where no number can be read, how many ledgers were set aside says how far the numbers may have come.
        seq_start = max(last // SEQ_GAP + 1, number) * SEQ_GAP + 1
        notice = (
            f"the ledger was damaged ({problem}); it is set aside as {aside.name}; "
            f"{saved['hit']} hits and {saved['outbox']} other messages were saved; a new ledger begins at {seq_start}"
        )
        _identify(db, seq_start, notice)
    finally:
        db.close()  # and with that its log is in it: one file, to be renamed
    log.error(notice)
    sync_folder(folder)
    _move(path, aside)
    sync_folder(folder)
    _finish_replacing(folder, path)
    return replace(_open_sound(folder, path), new=True)


def _finish_replacing(folder: Path, path: Path) -> None:
    """Put a finished replacement in its place; while the ledger stands there, an unfinished one is of no use."""
    fresh = folder / REPLACEMENT
    if fresh.exists() and not path.exists():
        # A crash may have left the old one's log: it must not meet the new ledger.
        _move(path, folder / f"{FILE}.damaged-{max(_set_aside(folder), default=0)}")
        fresh.rename(path)
        sync_folder(folder)


def _set_aside(folder: Path) -> list[int]:
    """Return the numbers of the ledgers that were set aside."""
    numbers = (path.name.removeprefix(f"{FILE}.damaged-") for path in folder.glob(f"{FILE}.damaged-*"))
    return [int(number) for number in numbers if number.isdigit()]


def _move(path: Path, to: Path | None) -> None:
    """Rename a ledger's file and its log, or remove them; the log's index is made anew from the log."""
    for suffix in ("", "-wal", "-shm"):
        part = Path(f"{path}{suffix}")
        if to is None or suffix == "-shm":
            part.unlink(missing_ok=True)
        elif part.exists():
            part.rename(f"{to}{suffix}")


def _salvage(damaged: Path, db: sqlite3.Connection) -> tuple[dict[str, int], int]:
    """Copy what can be read of a damaged ledger; return the rows saved by table and the last sequence number seen."""
    saved = dict.fromkeys(_TABLES, 0)
    try:
        old = sqlite3.connect(damaged, isolation_level=None)
        old.execute("PRAGMA query_only=ON")
    except sqlite3.Error:
        return saved, 0
    db.execute("PRAGMA foreign_keys=OFF")  # a hit is saved even where the row of its evidence is not
    db.execute("BEGIN IMMEDIATE")
    for table, key in _TABLES.items():
        columns = _common_columns(old, db, table)
        insert = f"INSERT OR IGNORE INTO {table} ({', '.join(columns)}) VALUES ({','.join('?' * len(columns))})"
        for row in _readable(old, table, key, columns):
            if table == "hit" and not _as_committed(columns, row):
                log.warning("hit %s is not as it was committed, and is not taken over", row[columns.index("seq")])
                continue
            try:
                saved[table] += db.execute(insert, row).rowcount
            except sqlite3.IntegrityError as error:
                # A row torn by the damage itself: what is left of it would not be a hit.
                log.warning("a row of %s could not be saved: %s", table, error)
    db.execute("COMMIT")
    db.execute("PRAGMA foreign_keys=ON")
    old.close()
    (last,) = db.execute("SELECT coalesce(max(seq), 0) FROM hit").fetchone()
    return saved, last


def _as_committed(columns: list[str], row: tuple[Any, ...]) -> bool:
    from edge.ledger import chain  # as above

    named = dict(zip(columns, row, strict=True))
    return chain.Row(**{name: named[name] for name in chain.COLUMNS}).as_committed()


def _common_columns(old: sqlite3.Connection, new: sqlite3.Connection, table: str) -> list[str]:
    """Return a table's columns that both ledgers have: the damaged one may be of an earlier version."""
    ask = f"PRAGMA table_info({table})"
    try:
        known = {row[1] for row in old.execute(ask)}
    except sqlite3.Error:
        known = set()
    columns = [row[1] for row in new.execute(ask)]
    return [column for column in columns if column in known] or columns


def _readable(old: sqlite3.Connection, table: str, key: str, columns: list[str]) -> Iterator[tuple[Any, ...]]:
    """Yield the rows that can be read: forwards to the first damage, then backwards to the last."""
    names = ", ".join(columns)
    for order in ("ASC", "DESC"):
        try:
            yield from old.execute(f"SELECT {names} FROM {table} NOT INDEXED ORDER BY {key} {order}")
            return
        except sqlite3.Error as error:
            log.warning("reading %s %s stopped: %s", table, order, error)
