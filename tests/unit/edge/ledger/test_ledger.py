"""The writer: what is committed together, numbered, chained, marked; and that everyone is answered once."""

import asyncio
import hashlib
import json
import sqlite3

import pytest

from drivers.errors import StoreError, StoreFull, StoreRejected
from edge.ledger import Mark, Note
from edge.ledger import ledger as module
from edge.ledger.chain import FIRST_LINK, chain_link
from edge.ledger.entries import StoreState
from edge.ledger.reader import Reader
from tests.core import hit, reading_hit, record, scan_hit, until


async def test_what_waits_together_is_one_commit(make_ledger, clock):
    ledger = make_ledger()
    asked = [ledger.commit(record(reading_hit(clock.now()))) for _ in range(100)]
    ledger.start()
    written = await asyncio.gather(*asked)
    assert [w.seq for w in written] == list(range(1, 101))
    assert ledger.commits == 1
    assert ledger.told == [(list(range(1, 101)), [])]
    assert ledger.waiting == 0


async def test_one_alone_does_not_wait_for_company(ledger, clock):
    for number in (1, 2, 3):
        assert (await ledger.commit(record(reading_hit(clock.now())))).seq == number
    assert ledger.commits == 3


async def test_a_commit_is_on_the_disk_when_its_future_is_done(ledger, clock, ask):
    made = scan_hit(clock.now())
    await ledger.commit(record(made, verdict=b"{}", thumb=b"jpeg", key="k"))
    assert ask("SELECT hit_id FROM hit") == [(made.hit_id,)]
    assert ask("SELECT class, topic FROM outbox ORDER BY id") == [
        ("verdict", "up/verdict/xray-1"),
        ("thumb", f"up/thumb/{made.hit_id}"),
    ]


async def test_the_event_says_what_the_row_says(ledger, clock, ask):
    made = scan_hit(clock.now(), b"bits")
    clock.advance(0.25)
    await ledger.commit(record(made))
    [(payload, committed_ns)] = ask("SELECT payload, committed_ns FROM hit")
    data = json.loads(payload)["data"]
    assert data["seq"] == 1
    assert data["evidence"]["sha256"] == hashlib.sha256(b"bits").hexdigest()
    assert committed_ns == clock.wall_ns
    assert data["committed_at"] > data["observed_at"]


async def test_no_gap_over_a_restart(make_ledger, clock):
    first = make_ledger()
    first.start()
    await first.commit(record(reading_hit(clock.now())))
    await first.close()
    second = make_ledger()
    second.start()
    assert second.ledger_id == first.ledger_id
    assert not second.new
    assert (await second.commit(record(reading_hit(clock.now())))).seq == 2


async def test_no_gap_and_no_trace_after_a_transaction_that_came_to_nothing(ledger, clock, ask, monkeypatch):
    await ledger.commit(record(scan_hit(clock.now())))
    before = ledger.accounts.copy()
    broken = OSError(5, "Input/output error")
    with monkeypatch.context() as patch, pytest.raises(StoreError):
        patch.setattr("edge.ledger.batch.report_json", lambda _: (_ for _ in ()).throw(broken))
        await ledger.commit(record(scan_hit(clock.now()), verdict=b"{}", thumb=b"t"))
    assert ledger.accounts == before
    assert (await ledger.commit(record(scan_hit(clock.now())))).seq == 2
    await until(lambda: ledger.state is StoreState.OK)
    assert ask("SELECT count(*) FROM outbox") == [(0,)]


async def test_an_entry_that_is_no_row_takes_nobody_with_it(make_ledger, clock, caplog):
    ledger = make_ledger()
    twice = reading_hit(clock.now())
    asked = [
        ledger.commit(record(reading_hit(clock.now()))),
        ledger.commit(record(twice)),
        ledger.commit(record(twice)),
        ledger.commit(record(hit(clock.now(), hit_id="\ud800"))),
        ledger.commit(record(reading_hit(clock.now()))),
    ]
    ledger.start()
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(a).__name__ for a in answers] == ["Written", "Written", "StoreRejected", "StoreRejected", "Written"]
    assert [a.seq for a in answers if not isinstance(a, StoreRejected)] == [1, 2, 3]
    assert ledger.state is StoreState.OK
    assert ledger.waiting == 0
    assert "what portal-1 saw is no row of the ledger" in caplog.text


async def test_a_repeat_is_committed_once(ledger, clock, ask):
    first = await ledger.commit(record(scan_hit(clock.now()), verdict=b"1", key="uid"))
    again = await ledger.commit(record(scan_hit(clock.now()), verdict=b"2", key="uid"))
    other = await ledger.commit(record(None, device="xray-2", verdict=b"3", key="uid"))
    assert (first.repeated, again.repeated, other.repeated) == (False, True, False)
    assert again.seq is None
    assert ask("SELECT payload FROM outbox ORDER BY id") == [(b"1",), (b"3",)]
    assert ask("SELECT count(*) FROM hit") == [(1,)]


async def test_a_repeat_is_answered_with_the_first_verdict_where_asked(ledger, ask):
    for _ in range(2):
        await ledger.commit(record(None, verdict=b"first", key="uid", answer_repeats=True))
    await ledger.commit(record(None, key="uid", answer_repeats=True))
    assert ask("SELECT payload FROM outbox") == [(b"first",)] * 3


async def test_two_repeats_in_one_commit(make_ledger, ask):
    ledger = make_ledger()
    asked = [ledger.commit(record(None, verdict=b"v", key="uid")) for _ in range(2)]
    ledger.start()
    assert [w.repeated for w in await asyncio.gather(*asked)] == [False, True]


async def test_the_chain_links_every_row(ledger, clock, ask):
    for made in (scan_hit(clock.now()), reading_hit(clock.now()), scan_hit(clock.now())):
        await ledger.commit(record(made))
    prev = FIRST_LINK
    for payload, raw, evidence, before, link in ask("SELECT payload, raw, evidence, prev, hash FROM hit ORDER BY seq"):
        assert before == prev
        assert link == chain_link(prev, payload, raw or b"", evidence)
        prev = link


async def test_marks_are_written_and_a_second_time_change_nothing(ledger, clock, ask):
    await ledger.commit(record(reading_hit(clock.now())))
    await ledger.commit(record(reading_hit(clock.now())))
    await ledger.commit(Note("verdict", "up/verdict/x", b"12345"))
    for _ in range(2):
        clock.advance(1)
        ledger.mark(Mark(sent=[1, 2], done=[1]))
        ledger.mark(Mark(received=[1], hits_set_aside=[("too large", 2)]))
        await until(lambda: not ledger._marks and ledger._asked.empty())
        await ledger.commit(Note("audit", "up/audit", b"now"))
        ledger.mark(Mark(done=[ask("SELECT max(id) FROM outbox")[0][0]]))
    await until(lambda: ledger.accounts.queued() == {"hit": 1})
    assert ask("SELECT seq, received_ns IS NOT NULL, set_aside FROM hit") == [(1, 1, None), (2, 0, "too large")]
    [(sent, received)] = ask("SELECT sent_ns, received_ns FROM hit WHERE seq=1")
    assert sent == received  # of the first round, not of the second
    accounts = ledger.accounts
    assert (accounts.hits, accounts.set_aside, accounts.row_bytes["verdict"]) == (1, 1, 0)
    assert accounts.hit_bytes == ask("SELECT length(payload) FROM hit WHERE seq=2")[0][0]


async def test_a_receipt_alone_also_says_sent_and_ends_what_was_set_aside(ledger, clock, ask):
    await ledger.commit(record(reading_hit(clock.now())))
    ledger.mark(Mark(hits_set_aside=[("not authorised", 1)]))
    ledger.mark(Mark(received=[1]))
    await until(lambda: ask("SELECT sent_ns = received_ns, set_aside FROM hit") == [(1, None)])
    assert ledger.accounts.set_aside == 0


async def test_a_steady_stream_of_marks_is_written_while_it_lasts(ledger, clock, monkeypatch):
    """A drain of a long backlog brings marks without a pause and no record at all."""
    monkeypatch.setattr(module, "MARKS_LINGER_S", 60.0)
    await ledger.commit(record(reading_hit(clock.now())))
    for _ in range(module.MAX_BATCH * 2):
        ledger.mark(Mark(received=[1]))
    await until(lambda: ledger.accounts.hits == 0)


async def test_marks_wait_for_a_disk_that_refuses_and_are_written_then(ledger, clock, ask, monkeypatch):
    await ledger.commit(record(reading_hit(clock.now())))
    broken = sqlite3.OperationalError("disk I/O error")
    with monkeypatch.context() as patch:
        patch.setattr("edge.ledger.batch.Batch.write_marks", lambda *_: (_ for _ in ()).throw(broken))
        patch.setattr(module.Ledger, "_mend", lambda _: None)
        ledger.mark(Mark(received=[1]))
        await until(lambda: ledger.state is StoreState.FAILING)
    await until(lambda: ask("SELECT received_ns IS NOT NULL FROM hit") == [(1,)])


async def test_what_was_set_aside_gets_another_chance_with_the_next_start(make_ledger, clock, ask):
    first = make_ledger()
    first.start()
    await first.commit(record(reading_hit(clock.now())))
    first.mark(Mark(hits_set_aside=[("too large", 1)]))
    await until(lambda: first.accounts.set_aside == 1)
    await first.close()
    second = make_ledger()
    second.start()
    assert ask("SELECT set_aside FROM hit") == [(None,)]
    assert (second.accounts.hits, second.accounts.set_aside) == (1, 0)


async def test_the_accounts_are_what_counting_all_rows_gives(ledger, clock, folder):
    for number in range(20):
        await ledger.commit(record(scan_hit(clock.now()), verdict=b"v" * number, thumb=b"t" * number))
    ledger.mark(Mark(received=[2, 3, 4], done=[1, 2, 9], hits_set_aside=[("x", 7)], notes_set_aside=[("y", 12)]))
    await until(lambda: ledger.accounts.hits == 17)
    reader = Reader(folder)
    counted = reader.waiting()
    reader.close()
    kept = ledger.accounts
    assert (counted["queued"], counted["bytes"]) == (kept.queued(), kept.queued_bytes())
    assert counted["set_aside"] == kept.set_aside == 2


async def test_close_writes_what_was_asked_for_and_then_takes_no_more(ledger, clock, ask):
    asked = ledger.commit(record(reading_hit(clock.now())))
    ledger.mark(Mark(received=[1]))
    await ledger.close()
    assert (await asked).seq == 1
    assert ask("SELECT received_ns IS NOT NULL FROM hit") == [(1,)]
    with pytest.raises(StoreError, match="closed"):
        await ledger.commit(record(reading_hit(clock.now())))


async def test_a_future_that_nobody_waits_for_any_more_hurts_nobody(make_ledger, clock):
    ledger = make_ledger()
    given_up, waited_for = (ledger.commit(record(reading_hit(clock.now()))) for _ in range(2))
    given_up.cancel()
    ledger.start()
    assert (await waited_for).seq == 2


async def test_the_log_is_bounded_under_a_load_without_a_pause(make_ledger, clock, folder, monkeypatch):
    monkeypatch.setattr(module, "CHECKPOINT_BYTES", 64 * 1024)
    ledger = make_ledger()
    ledger._db.execute("PRAGMA journal_size_limit=65536")
    for _ in range(40):
        ledger.commit(Note("verdict", "up/verdict/x", b"v" * 50_000))
    monkeypatch.setattr(module, "MAX_BATCH", 2)
    ledger.start()
    largest = 0
    while ledger.waiting:
        largest = max(largest, (folder / "ledger.db-wal").stat().st_size)
        await asyncio.sleep(0)
    assert largest < 1024 * 1024


async def test_what_is_refused_for_room_names_the_reason(make_ledger, clock):
    ledger = make_ledger(quota_bytes=4096)
    ledger.start()
    with pytest.raises(StoreFull, match="quota"):
        await ledger.commit(record(reading_hit(clock.now())))
    assert ledger.state is StoreState.FULL


@pytest.mark.parametrize("hours", [-48, -5, 5, 48])
async def test_a_wall_clock_that_is_set_neither_reorders_nor_loses_nor_purges(ledger, clock, ask, folder, hours):
    await ledger.commit(record(scan_hit(clock.now()), key="k"))
    ledger.mark(Mark(received=[1]))
    clock.wall_ns += hours * 3600 * 10**9
    clock.monotonic_ns += 61 * 10**9  # housekeeping is due
    for expected in (2, 3):
        seen = clock.now()
        assert (await ledger.commit(record(scan_hit(seen)))).seq == expected
    assert (await ledger.commit(record(None, key="k"))).repeated
    assert ask("SELECT count(*) FROM evidence WHERE purged_ns IS NULL") == [(3,)]
    assert ask("SELECT payload ->> '$.data.historical' FROM hit ORDER BY seq") == [(0,)] * 3
    reader = Reader(folder)
    assert [out.number for out in reader.hits_after(0, 10, 100)] == [2, 3]
    reader.close()
