"""The ledger's file: opening, migrating, checking, and what to do when it is damaged."""

from __future__ import annotations

import logging
import sqlite3
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from drivers.errors import StoreError
from drivers.fsync import sync_folder

log = logging.getLogger("jaitf.ledger")

FILE = "ledger.db"
PAGE_BYTES = 4096
SEQ_GAP = 1_000_000
"""A new ledger begins this far above the last number that could be read in a damaged one: no number comes twice."""

_TABLES = {"evidence": "rowid", "hit": "seq", "outbox": "id"}


@dataclass(frozen=True, slots=True)
class Opened:
    """A ledger ready for its writer. `notice` tells the console what happened to the one before, if anything did."""

    db: sqlite3.Connection
    ledger_id: str
    seq_start: int
    notice: str | None


def migrations() -> list[tuple[int, str]]:
    """Return the schema's numbered steps, in order."""
    folder = resources.files("edge.ledger") / "schema"
    steps = [(int(f.name[:4]), f.read_text()) for f in folder.iterdir() if f.name.endswith(".sql")]
    return sorted(steps)


def connect(path: Path) -> sqlite3.Connection:
    """Open a ledger for writing: WAL, every commit on disk before it returns. Raises sqlite3.DatabaseError."""
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0.2)
    try:
        db.execute(f"PRAGMA page_size={PAGE_BYTES}")
        db.execute("PRAGMA auto_vacuum=INCREMENTAL")
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.execute("PRAGMA wal_autocheckpoint=0")
        db.execute("PRAGMA foreign_keys=ON")
        db.execute("PRAGMA cache_size=-4096")
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
    new ledger with an identity and a start of its own, and the notice says so. Raises StoreError where even that fails.
    """
    path = folder / FILE
    try:
        db = connect(path)
        problem = _damage(db)
    except sqlite3.DatabaseError as error:
        if not _is_damage(error):
            raise StoreError(f"{path}: {error}") from error
        problem, db = str(error), None
    if problem is None and db is not None:
        migrate(db)
        ledger_id, seq_start = _identify(db, 1)
        sync_folder(folder)
        return Opened(db, ledger_id, seq_start, None)
    if db is not None:
        db.close()
    return _replace(folder, path, problem or "damaged")


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    return error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _damage(db: sqlite3.Connection) -> str | None:
    rows = [str(row[0]) for row in db.execute("PRAGMA quick_check(5)")]
    return None if rows == ["ok"] else "; ".join(rows)[:300]


def _identify(db: sqlite3.Connection, seq_start: int) -> tuple[str, int]:
    db.execute("BEGIN IMMEDIATE")
    db.execute("INSERT OR IGNORE INTO meta VALUES ('ledger_id', ?)", (str(uuid.uuid4()),))
    db.execute("INSERT OR IGNORE INTO meta VALUES ('seq_start', ?)", (str(seq_start),))
    db.execute("COMMIT")
    meta = dict(db.execute("SELECT key, value FROM meta"))
    return meta["ledger_id"], int(meta["seq_start"])


def _replace(folder: Path, path: Path, problem: str) -> Opened:
    number = 1
    while (aside := folder / f"{FILE}.damaged-{number}").exists():
        number += 1
    for suffix in ("", "-wal"):
        part = Path(f"{path}{suffix}")
        if part.exists():
            part.rename(f"{aside}{suffix}")
    Path(f"{path}-shm").unlink(missing_ok=True)
    sync_folder(folder)
    db = connect(path)
    migrate(db)
    saved, last = _salvage(aside, db)
    seq_start = (last // SEQ_GAP + 1) * SEQ_GAP + 1
    ledger_id, seq_start = _identify(db, seq_start)
    sync_folder(folder)
    notice = (
        f"the ledger was damaged ({problem}); it is set aside as {aside.name}; "
        f"{saved['hit']} hits and {saved['outbox']} other messages were saved; a new ledger begins at {seq_start}"
    )
    log.error(notice)
    return Opened(db, ledger_id, seq_start, notice)


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
        columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
        insert = f"INSERT OR IGNORE INTO {table} VALUES ({','.join('?' * len(columns))})"
        for row in _readable(old, table, key, columns):
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


def _readable(old: sqlite3.Connection, table: str, key: str, columns: list[str]) -> Iterator[tuple[object, ...]]:
    """Yield the rows that can be read: forwards to the first damage, then backwards to the last."""
    names = ", ".join(columns)
    for order in ("ASC", "DESC"):
        try:
            yield from old.execute(f"SELECT {names} FROM {table} NOT INDEXED ORDER BY {key} {order}")
            return
        except sqlite3.Error as error:
            log.warning("reading %s %s stopped: %s", table, order, error)
