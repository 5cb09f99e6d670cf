"""Views of the ledger beside its writer: what they return, and that they hold nothing up."""

import asyncio

import pytest

from drivers.errors import StoreError
from edge.ledger import Mark, Note
from edge.ledger import reader as module
from edge.ledger.reader import Reader
from tests.core import reading_hit, record, until


@pytest.fixture
async def reader(ledger, folder):
    opened = Reader(folder)
    yield opened
    opened.close()


async def commit(ledger, clock, count):
    made = [reading_hit(clock.now()) for _ in range(count)]
    await asyncio.gather(*(ledger.commit(record(hit)) for hit in made))
    return made


async def mark(ledger, **marks):
    ledger.mark(Mark(**marks))
    await until(lambda: ledger._asked.empty() and not ledger._marks)


async def test_hits_on_their_way_in_order(ledger, reader, clock):
    await commit(ledger, clock, 6)
    await mark(ledger, sent=[1], received=[2], hits_set_aside=[("too large", 3)])
    assert [out.number for out in reader.hits_after(0, 10, 100)] == [1, 4, 5, 6]
    assert [out.number for out in reader.hits_after(1, 2, 5)] == [4, 5]
    assert [reader.hit(n) is not None for n in range(1, 8)] == [True, False, False, True, True, True, False]


async def test_a_hit_has_its_topic_and_its_bytes(ledger, reader, clock, ask):
    [made] = await commit(ledger, clock, 1)
    out = reader.hit(1)
    assert (out.topic, out.hit_id, out.rev) == ("up/hit/portal-1", made.hit_id, 0)
    assert ask("SELECT payload FROM hit") == [(out.payload,)]
    assert (reader.seq_of(made.hit_id, 0), reader.seq_of(made.hit_id, 1), reader.seq_of("x", 0)) == (1, None, None)


async def test_notes_by_class(ledger, reader):
    for cls in ("verdict", "thumb", "verdict"):
        await ledger.commit(Note(cls, f"up/{cls}/x", cls.encode()))
    await mark(ledger, notes_set_aside=[("too large", 3)])
    assert [out.number for out in reader.notes_after(0, "verdict", 10, 100)] == [1]
    assert reader.note(2).payload == b"thumb"
    assert reader.note(3) is None
    assert reader.last() == (0, 3)


async def test_the_oldest_that_no_broker_took(ledger, reader, clock):
    assert reader.oldest_unsent_ns() is None
    first = clock.wall_ns
    await commit(ledger, clock, 1)
    clock.advance(5)
    await commit(ledger, clock, 1)
    assert reader.oldest_unsent_ns() == first
    await mark(ledger, sent=[1])
    assert reader.oldest_unsent_ns() == first + 5 * 10**9


async def test_every_hit_with_where_it_is(ledger, reader, clock, monkeypatch):
    monkeypatch.setattr(module, "PAGE", 2)
    await commit(ledger, clock, 5)
    await mark(ledger, sent=[2], received=[4], hits_set_aside=[("not authorised", 5)])
    rows = list(reader.hits())
    assert [row["seq"] for row in rows] == [1, 2, 3, 4, 5]
    assert [row["state"] for row in rows] == ["queued", "sent", "queued", "received", "queued"]
    assert [row["set_aside"] for row in rows] == [None, None, None, None, "not authorised"]
    assert rows[0]["observed_at"].endswith("Z")
    assert (rows[0]["sent_at"], rows[3]["received_at"] is not None) == (None, True)
    assert [row["seq"] for row in reader.hits("queued")] == [1, 3, 5]
    assert [row["seq"] for row in reader.hits("sent")] == [2]
    assert [row["seq"] for row in reader.hits("received")] == [4]


async def test_a_reader_that_rests_keeps_no_log_from_being_cut(ledger, reader, clock, monkeypatch, folder):
    """`jaitf-edge hits | less`, left open over the week-end."""
    monkeypatch.setattr(module, "PAGE", 2)
    await commit(ledger, clock, 10)
    resting = reader.hits()
    assert next(resting)["seq"] == 1
    await commit(ledger, clock, 10)
    await ledger.close()
    assert not (folder / "ledger.db-wal").exists() or (folder / "ledger.db-wal").stat().st_size == 0
    assert [row["seq"] for row in resting] == list(range(2, 21))


async def test_the_few_on_their_way_are_found_without_reading_the_many_that_are_not(reader):
    questions = {
        "SELECT seq FROM hit INDEXED BY hit_on_its_way WHERE received_ns IS NULL AND set_aside IS NULL"
        " AND seq > 0 AND seq <= 9 ORDER BY seq LIMIT 5": "SEARCH hit USING INDEX hit_on_its_way",
        "SELECT id FROM outbox WHERE class='verdict' AND set_aside IS NULL AND id > 0 AND id <= 9"
        " ORDER BY id LIMIT 5": "SEARCH outbox USING INDEX outbox_class",
        "SELECT 1 FROM seen WHERE device='x' AND key='y'": "SEARCH seen USING PRIMARY KEY",
        "SELECT seq FROM hit WHERE hit_id='x' AND rev=0": "SEARCH hit USING COVERING INDEX",
    }
    for sql, plan in questions.items():
        assert reader._rows(f"EXPLAIN QUERY PLAN {sql}")[0][3].startswith(plan), sql


async def test_what_cannot_be_read_is_a_store_error(ledger, folder, tmp_path):
    with pytest.raises(StoreError, match="no ledger here yet"):
        Reader(tmp_path / "empty")
    reader = Reader(folder)
    reader.close()
    for ask in (
        reader.last,
        reader.oldest_unsent_ns,
        reader.waiting,
        lambda: reader.hit(1),
        lambda: list(reader.hits()),
        lambda: reader.knows("x", "y"),
    ):
        with pytest.raises(StoreError):
            ask()
