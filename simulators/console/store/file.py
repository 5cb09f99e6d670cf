"""The SQLite file: opened for one writer, or for readers; its schema, its lock, its refusals."""

from __future__ import annotations

import fcntl
import os
import secrets
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import IO

SCHEMA_VERSION = 2
STEPS = ("schema.sql", "desk.sql")
"""What brings a file from each version to the next."""
BUSY_S = 5.0


class StoreError(Exception):
    """The console's file cannot be used; the text says which and why."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the console keeps its data: `file` is the database, its lock and its write-ahead log lie beside it."""

    file: Path

    @classmethod
    def of(cls, path: Path) -> Place:
        """Return the place a user means: an existing folder or a path without a suffix is a folder."""
        if path.is_file() or (not path.is_dir() and path.suffix):
            return cls(path)
        return cls(path / "console.db")


class Lock:
    """One console a file: a second would answer under the same MQTT client id and both would be thrown out in turn."""

    def __init__(self, place: Place) -> None:
        self._file: IO[str] | None = None
        path = place.file.with_name(place.file.name + ".lock")
        try:
            place.file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._file = path.open("a+")
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            assert self._file is not None
            self._file.seek(0)
            holder = self._file.read().strip()
            self._file.close()
            raise StoreError(
                f"{place.file}: another console has it open{f' (pid {holder})' if holder else ''}"
            ) from None
        except OSError as error:
            raise StoreError(f"{place.file}: {error.strerror or error}") from error
        self._file.truncate(0)
        self._file.write(f"{os.getpid()}\n")
        self._file.flush()

    def release(self) -> None:
        """Let the file go."""
        if self._file is not None:
            self._file.close()
            self._file = None


def open_writer(place: Place) -> sqlite3.Connection:
    """Open the file for its one writer, and make its tables where it is new.

    `synchronous=FULL`: a receipt allows the appliance to purge its evidence, so what it speaks of must outlive a power
    cut of this machine, not only a crash of this program. One flush a batch, not one a hit, keeps that cheap.
    Raises StoreError with the file's name.
    """
    try:
        place.file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        db = sqlite3.connect(place.file, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.execute("PRAGMA cache_size=-16384")
        db.execute("PRAGMA journal_size_limit=67108864")
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version < SCHEMA_VERSION:
            _bring_up(db, version)
        elif version != SCHEMA_VERSION:
            raise StoreError(f"{place.file}: written by a console of another version (schema {version})")
    except (sqlite3.Error, OSError) as error:
        raise StoreError(f"{place.file}: {error}") from error
    place.file.chmod(0o600)
    return db


def _bring_up(db: sqlite3.Connection, version: int) -> None:
    """Make the tables that a file of this version lacks, all or none; two that open a new file at once do it once."""
    db.execute("BEGIN EXCLUSIVE")
    try:
        (version,) = db.execute("PRAGMA user_version").fetchone()
        for name in STEPS[version:]:
            for statement in _statements(files("simulators.console.store").joinpath(name).read_text("utf-8")):
                db.execute(statement)
        db.execute("INSERT OR IGNORE INTO meta VALUES ('client_id', ?)", (f"jaitf-console-{secrets.token_hex(6)}",))
        db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        db.execute("COMMIT")
    except BaseException:
        db.execute("ROLLBACK")
        raise


def _statements(script: str) -> Iterator[str]:
    waiting = ""
    for line in script.splitlines(keepends=True):
        waiting += line
        if sqlite3.complete_statement(waiting):
            yield waiting
            waiting = ""


def open_reader(place: Place) -> sqlite3.Connection:
    """Open the file for reading alone: pages cannot change it, whatever they are asked."""
    uri = f"{place.file.absolute().as_uri()}?mode=ro"
    db = sqlite3.connect(uri, uri=True, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
    db.execute("PRAGMA query_only=ON")
    db.row_factory = sqlite3.Row
    return db
