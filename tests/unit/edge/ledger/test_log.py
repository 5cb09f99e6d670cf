"""How much of the log waits to be written back, and that it is written over and does not grow again."""

import sqlite3

import pytest

from edge.ledger import Mark, Note, store
from edge.ledger import ledger as module
from edge.ledger.log import Log
from tests.core import reading_hit, record, until


@pytest.fixture
def db(tmp_path):
    db = store.connect(tmp_path / "x.db")
    db.execute("CREATE TABLE t (v BLOB)")
    yield db
    db.close()


def test_what_waits_is_what_sqlite_says_waits(db, tmp_path):
    log = Log(tmp_path / "x.db")
    reader = sqlite3.connect(tmp_path / "x.db", isolation_level=None)
    for _ in range(5):
        db.execute("INSERT INTO t VALUES (?)", (b"v" * 9000,))
    before = log.waiting_bytes()
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM t").fetchone()
    db.execute("INSERT INTO t VALUES (?)", (b"w" * 9000,))  # which the reader holds up
    between = log.waiting_bytes()
    _, frames, back = db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    assert between == frames * store.PAGE_BYTES
    assert before == back * store.PAGE_BYTES
    log.written_back(back)
    assert 0 < log.waiting_bytes() == (frames - back) * store.PAGE_BYTES
    reader.close()
    log.written_back(db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()[2])
    assert log.waiting_bytes() == 0
    db.execute("INSERT INTO t VALUES (?)", (b"x" * 9000,))  # over the first frames, with more of the old behind
    _, frames, back = db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    assert log.waiting_bytes() == frames * store.PAGE_BYTES < between
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert (log.waiting_bytes(), log.size()) == (0, 0)
    log.close()


async def test_the_log_is_written_over_and_keeps_its_length(make_ledger, clock, folder, monkeypatch):
    monkeypatch.setattr(module, "CHECKPOINT_BYTES", 100_000)
    ledger = make_ledger()
    ledger.start()
    lengths = []
    for number in range(120):
        seq = (await ledger.commit(record(reading_hit(clock.now())))).seq
        lengths.append((folder / "ledger.db-wal").stat().st_size)
        if number % 20 == 19:  # a pause
            ledger.mark(Mark(sent=[seq]))
            await until(lambda: ledger._asked.empty() and not ledger._marks)
    assert ledger.commits > 120
    assert lengths == sorted(lengths)
    assert lengths[-1] < 300_000


async def test_a_log_that_a_reader_let_grow_is_cut_once_it_is_quiet(make_ledger, clock, folder, monkeypatch):
    monkeypatch.setattr(module, "CHECKPOINT_BYTES", 50_000)
    monkeypatch.setattr(store, "LOG_BYTES", 100_000)
    ledger = make_ledger()
    ledger.start()
    await ledger.commit(Note("verdict", "up/verdict/x", b"v"))
    reader = store.connect_read_only(folder / store.FILE)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM hit").fetchone()
    for _ in range(20):
        await ledger.commit(Note("verdict", "up/verdict/x", b"v" * 20_000))
    assert (folder / "ledger.db-wal").stat().st_size > 400_000
    reader.close()
    ledger.mark(Mark(sent=[1]))
    await until(lambda: (folder / "ledger.db-wal").stat().st_size <= 100_000)


async def test_where_sqlite_can_have_no_log_the_house_is_kept_all_the_same(make_ledger, clock, folder):
    """As on a file system that knows no shared memory: SQLite then keeps a journal of its own."""
    ledger = make_ledger()
    assert ledger._db.execute("PRAGMA journal_mode=DELETE").fetchone() == ("delete",)
    assert not (folder / "ledger.db-wal").exists()
    ledger.start()
    await ledger.commit(record(reading_hit(clock.now())))
    clock.advance(61)
    await until(lambda: ledger._housekept_ns == clock.monotonic_ns)
