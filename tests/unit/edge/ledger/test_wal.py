"""A log damaged in its middle is found out; one whose end a power cut left unfinished is not taken for damaged."""

import random
import sqlite3

import pytest

from edge.ledger import wal

PAGE = 4096
FRAME = PAGE + 24


@pytest.fixture
def log(tmp_path):
    """A log of twelve transactions, as SQLite wrote it: (path, offsets at which a transaction ends)."""
    db = sqlite3.connect(tmp_path / "x.db", isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA wal_autocheckpoint=0")
    db.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, b BLOB)")
    path, ends = tmp_path / "x.db-wal", []
    for _ in range(12):
        db.execute("INSERT INTO t (b) VALUES (randomblob(6000))")
        ends.append(path.stat().st_size)
    data = path.read_bytes()
    db.close()
    found = tmp_path / "log"
    found.write_bytes(data)
    return found, ends


def overwrite(path, at, data):
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


def test_a_sound_log_is_sound(log):
    path, _ = log
    assert wal.damage(path, PAGE) is None


def test_no_log_an_empty_one_and_a_stub_are_sound(tmp_path):
    path = tmp_path / "log"
    assert wal.damage(path, PAGE) is None
    for size in (0, 20, 40, 100):
        path.write_bytes(bytes(size))
        assert wal.damage(path, PAGE) is None


@pytest.mark.parametrize("seed", range(20))
def test_a_byte_changed_before_the_last_transactions_is_found(log, seed):
    path, ends = log
    chance = random.Random(seed)
    at = chance.randrange(32, ends[-3])
    before = path.read_bytes()[at]
    overwrite(path, at, bytes([before ^ chance.randrange(1, 256)]))
    assert "transactions stand behind" in wal.damage(path, PAGE)


def test_a_damaged_header_is_found(log):
    path, _ = log
    for at in (0, 9, 17, 25):
        data = path.read_bytes()
        overwrite(path, at, bytes([data[at] ^ 0xFF]))  # the salts are chance, and may be 0xff already
        assert "its header" in wal.damage(path, PAGE)
        path.write_bytes(data)


def test_an_end_that_was_never_finished_is_no_damage(log):
    path, ends = log
    data = path.read_bytes()
    for size in range(ends[-2], ends[-1], 997):
        path.write_bytes(data[:size])
        assert wal.damage(path, PAGE) is None
    path.write_bytes(data)
    overwrite(path, ends[-2] + 500, bytes(3000))  # the blocks of the last transaction, written out of order
    assert wal.damage(path, PAGE) is None


def test_what_a_log_of_before_left_behind_is_no_damage(tmp_path):
    db = sqlite3.connect(tmp_path / "x.db", isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA wal_autocheckpoint=0")
    db.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, b BLOB)")
    for _ in range(20):
        db.execute("INSERT INTO t (b) VALUES (randomblob(6000))")
    db.execute("PRAGMA wal_checkpoint(RESTART)")
    for _ in range(5):
        db.execute("INSERT INTO t (b) VALUES (randomblob(6000))")
    assert wal.damage(tmp_path / "x.db-wal", PAGE) is None
    db.close()
