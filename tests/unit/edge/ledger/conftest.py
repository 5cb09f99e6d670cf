"""A ledger in a folder of the test's own, and a look into its file beside it."""

import contextlib
import os
import sqlite3
import tempfile
from pathlib import Path

import pytest

from edge.ledger import ledger as module
from edge.ledger import room
from edge.ledger.ledger import Ledger
from tests.core import FakeClock, events

MB = 1024 * 1024
BALLAST_BYTES = 64 * 1024


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """The ledger's thread looks up from an empty queue after a moment, not after a second."""
    monkeypatch.setattr(module, "IDLE_S", 0.01)
    monkeypatch.setattr(module, "MARKS_LINGER_S", 0.01)
    monkeypatch.setattr(module, "BALLAST_BYTES", BALLAST_BYTES)
    monkeypatch.setattr(room, "BALLAST_BYTES", BALLAST_BYTES)


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def folder():
    """A folder in memory where there is such a thing: what is tested here is not how fast a disk syncs."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as where:
        yield Path(where) / "data"


@pytest.fixture
async def make_ledger(folder, clock):
    """`make_ledger()` opens the ledger of the test's folder; it is not started yet. All are closed with the test."""
    opened = []

    def make(at=None, quota_bytes=1000 * MB, keep_days=30.0):
        told = []
        where = at or folder
        where.mkdir(parents=True, exist_ok=True)
        ledger = Ledger(
            where,
            events(),
            clock,
            quota_bytes=quota_bytes,
            keep_days=keep_days,
            on_commit=lambda hits, notes: told.append((hits, notes)),
        )
        ledger.told = told
        opened.append(ledger)
        return ledger

    yield make
    for ledger in opened:
        if ledger._thread.is_alive():
            await ledger.close()
        else:
            with contextlib.suppress(sqlite3.ProgrammingError):
                ledger._db.close()


@pytest.fixture
async def ledger(make_ledger):
    started = make_ledger()
    started.start()
    return started


@pytest.fixture
def ask(folder):
    """`ask("SELECT ...")` returns the rows of the test's ledger, read beside its writer."""

    def run(sql, *values, at=None):
        uri = f"{((at or folder) / 'ledger.db').as_uri()}?mode=ro"
        with contextlib.closing(sqlite3.connect(uri, uri=True)) as db:
            return db.execute(sql, values).fetchall()

    return run
