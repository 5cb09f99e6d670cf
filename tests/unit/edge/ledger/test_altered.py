"""A row whose bytes changed on the disk, which SQLite's own check does not see, is never published."""

import sqlite3

import pytest

from edge.ledger import chain, store
from tests.core import reading_hit, record


@pytest.fixture
async def written(make_ledger, clock, folder):
    """A closed ledger of ten hits, none received."""
    ledger = make_ledger()
    ledger.start()
    for _ in range(10):
        await ledger.commit(record(reading_hit(clock.now())))
    await ledger.close()
    return folder


def change(folder, sql):
    with sqlite3.connect(folder / store.FILE) as db:
        assert db.execute(sql).rowcount == 1
    db.close()


ALTERATIONS = {
    "payload": "UPDATE hit SET payload = CAST(replace(payload, 'lfw', 'lfx') AS BLOB) WHERE seq = 4",
    "raw": "UPDATE hit SET raw = x'FFFF' WHERE seq = 4",
    "link": "UPDATE hit SET hash = zeroblob(32) WHERE seq = 4",
    "name": "UPDATE hit SET hit_id = '019d3c6e-7a51-7c1e-b1a0-5f0c7d6f2c11' WHERE seq = 4",
    "evidence": "UPDATE hit SET evidence = 'no digest' WHERE seq = 4",
}


@pytest.mark.parametrize("what", ALTERATIONS)
async def test_an_altered_row_on_its_way_is_damage_and_the_others_are_saved(written, what):
    change(written, ALTERATIONS[what])
    opened = store.open_ledger(written)
    assert "1 hits are not as they were committed, the first of them number 4" in opened.notice
    assert (opened.new, opened.seq_start) == (True, 1_000_001)
    assert [row[0] for row in opened.db.execute("SELECT seq FROM hit ORDER BY seq")] == [1, 2, 3, 5, 6, 7, 8, 9, 10]
    assert chain.altered(opened.db) == []
    opened.db.close()
    assert (written / "ledger.db.damaged-1").exists()


async def test_an_altered_row_that_is_received_does_not_end_its_ledger(written):
    change(written, "UPDATE hit SET received_ns = 1, raw = x'FFFF' WHERE seq = 4")
    opened = store.open_ledger(written)
    assert opened.notice is None
    opened.db.close()
