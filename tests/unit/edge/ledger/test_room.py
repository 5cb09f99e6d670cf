"""Who gets the room: shares, what goes first, evidence and its age; and that hits are never dropped."""

import asyncio
import hashlib
import sqlite3
from pathlib import Path

import pytest

from drivers import fsync
from drivers.errors import StoreFull
from edge.ledger import Mark, Note, batch, originals, room, store
from edge.ledger.entries import StoreState
from edge.nouns import Evidence
from tests.core import reading_hit, record, scan_hit, until
from tests.unit.edge.ledger.conftest import BALLAST_BYTES, MB

DAY_S = 86_400.0


def files(folder):
    return {path.name for path in (folder / "evidence").glob("*/*")}


def digest(hit):
    return hashlib.sha256(hit.evidence.original).hexdigest()


async def received(ledger, *numbers):
    ledger.mark(Mark(received=list(numbers), proven=list(numbers)))
    await until(lambda: ledger._asked.empty() and not ledger._marks)


async def test_a_class_over_its_share_loses_its_oldest(make_ledger, ask):
    ledger = make_ledger(quota_bytes=10 * MB)  # a share of 0.5 MB for verdicts, 1 MB for thumbnails
    ledger.start()
    for number in range(60):
        await ledger.commit(Note("verdict", f"up/verdict/{number}", b"v" * 10_000))
        await ledger.commit(Note("thumb", f"up/thumb/{number}", b"t" * 10_000))
    verdicts = [int(topic.rpartition("/")[2]) for (topic,) in ask("SELECT topic FROM outbox WHERE class='verdict'")]
    assert 40 <= len(verdicts) <= 52
    assert sorted(verdicts) == list(range(60 - len(verdicts), 60))
    assert ask("SELECT count(*) FROM outbox WHERE class='thumb'") == [(60,)]
    assert ledger.accounts.dropped == {"thumb": 0, "verdict": 60 - len(verdicts), "evidence": 0, "audit": 0, "reply": 0}
    assert ledger.accounts.rows["verdict"] == len(verdicts)


async def test_short_of_room_thumbnails_go_first_then_verdicts_then_received_evidence(ledger, clock, folder, ask):
    old, young = scan_hit(clock.now(), b"o" * 1000), scan_hit(clock.now(), b"y" * 1000)
    await ledger.commit(record(old, verdict=b"v" * 1000, thumb=b"t" * 1000))
    await ledger.commit(record(young))
    await received(ledger, 1)

    def give_up(wanted):
        with ledger._transaction():
            return ledger.room.make_room(wanted)

    await ledger.close()
    ledger.room.db = ledger._db = sqlite3.connect(folder / "ledger.db", isolation_level=None)
    assert give_up(500)
    assert ask("SELECT class FROM outbox") == [("verdict",)]
    assert give_up(500)
    assert ask("SELECT class FROM outbox") == []
    assert files(folder) == {digest(old), digest(young)}
    assert give_up(500)
    assert files(folder) == {digest(young)}  # its hit is not received: that stays, whatever happens
    assert not give_up(500)
    assert ask("SELECT count(*) FROM hit") == [(2,)]


async def test_in_the_reserve_hits_go_without_a_thumbnail_and_say_so(make_ledger, clock, ask):
    ledger = make_ledger(quota_bytes=2 * MB)
    ledger.start()
    await ledger.commit(record(scan_hit(clock.now(), b"x" * 1_850_000), thumb=b"jpeg"))
    await until(lambda: ledger.state is StoreState.RESERVE)
    await ledger.commit(record(scan_hit(clock.now()), thumb=b"jpeg"))
    assert ledger.accounts.dropped["thumb"] >= 1
    assert ask("SELECT payload ->> '$.data.evidence.thumb' FROM hit ORDER BY seq") == [(1,), (0,)]


async def test_a_full_quota_refuses_until_there_is_room_and_is_not_left_by_an_empty_commit(make_ledger, clock, folder):
    ledger = make_ledger(quota_bytes=2 * MB)
    ledger.start()
    await ledger.commit(record(scan_hit(clock.now(), b"x" * 2_050_000)))
    for _ in range(3):
        with pytest.raises(StoreFull):
            await ledger.commit(record(reading_hit(clock.now())))
        assert ledger.state is StoreState.FULL
    await received(ledger, 1)  # a mark needs no room that is not there
    assert (await ledger.commit(record(reading_hit(clock.now())))).seq == 2
    assert files(folder) == set()
    await until(lambda: ledger.state is StoreState.OK)


async def test_evidence_is_on_the_disk_before_a_row_names_it(ledger, clock, folder, monkeypatch):
    steps = []
    real_fsync = fsync.os.fsync

    def spy(descriptor):
        steps.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()).removeprefix(str(folder.resolve())))
        real_fsync(descriptor)

    monkeypatch.setattr(fsync.os, "fsync", spy)
    real_row = batch.Batch._evidence_row
    monkeypatch.setattr(batch.Batch, "_evidence_row", lambda *a: (steps.append("row"), real_row(*a))[1])
    made = scan_hit(clock.now())
    await ledger.commit(record(made))
    sha = digest(made)
    assert steps == ["/evidence", f"/evidence/{sha[:2]}/{sha}.partial", f"/evidence/{sha[:2]}", "row"]
    assert (folder / "evidence" / sha[:2] / sha).read_bytes() == made.evidence.original


async def test_a_folder_whose_name_did_not_reach_the_disk_is_made_again(ledger, clock, folder, monkeypatch):
    real, tries = originals.sync_folder, []

    def fail_once(path):
        tries.append(path)
        if len(tries) == 1:
            raise OSError(5, "Input/output error")
        real(path)

    monkeypatch.setattr(originals, "sync_folder", fail_once)
    made = scan_hit(clock.now())
    with pytest.raises(Exception, match="Input/output"):
        await ledger.commit(record(made))
    await ledger.commit(record(made))
    assert tries[1] == folder / "evidence"


async def test_what_is_foreseen_is_written_once_and_ahead_of_its_hit(ledger, clock, folder, monkeypatch):
    real, written = originals.write_whole, []
    monkeypatch.setattr(originals, "write_whole", lambda path, data: (written.append(path.name), real(path, data)))
    made = scan_hit(clock.now())
    ledger.foresee(made.evidence.original)
    await until(lambda: files(folder) == {digest(made)})
    await ledger.commit(record(made))
    assert written == [digest(made)]
    assert ledger.accounts.evidence_bytes == len(made.evidence.original)


async def test_what_could_not_be_written_ahead_is_written_with_its_hit(ledger, clock, folder, monkeypatch):
    real, tries = originals.write_whole, []

    def fail_once(path, data):
        tries.append(path.name)
        if len(tries) == 1:
            raise OSError(28, "No space left on device")
        real(path, data)

    monkeypatch.setattr(originals, "write_whole", fail_once)
    made = scan_hit(clock.now())
    ledger.foresee(made.evidence.original)
    assert (await ledger.commit(record(made))).seq == 1
    assert (tries, files(folder)) == ([digest(made)] * 2, {digest(made)})
    assert ledger.state is StoreState.OK


async def test_what_is_foreseen_and_never_committed_goes_with_the_next_start(make_ledger, folder):
    ledger = make_ledger()
    ledger.start()
    for number in range(2 * originals.MOST_BEGUN):
        ledger.foresee(b"bits %d" % number)
    await ledger.close()
    assert len(files(folder)) == 2 * originals.MOST_BEGUN, "what was begun is finished"
    ledger.foresee(b"later")
    make_ledger().start()
    assert not files(folder)


async def test_the_same_bits_are_kept_once_and_counted_once(ledger, clock, folder):
    await asyncio.gather(*(ledger.commit(record(scan_hit(clock.now(), b"the same"))) for _ in range(3)))
    assert len(files(folder)) == 1
    assert ledger.accounts.evidence_bytes == len(b"the same")


async def test_files_that_no_row_names_are_swept_at_the_start(make_ledger, clock, folder):
    first = make_ledger()
    first.start()
    kept = scan_hit(clock.now())
    await first.commit(record(kept))
    await first.close()
    for name in ("ab" * 32, "cd" * 32 + ".partial"):
        (folder / "evidence" / name[:2]).mkdir(exist_ok=True)
        (folder / "evidence" / name[:2] / name).write_bytes(b"of a commit that never came")
    make_ledger().start()
    assert files(folder) == {digest(kept)}


async def test_evidence_past_its_age_goes_once_its_hit_is_received_and_nothing_holds_it(
    make_ledger, clock, folder, ask
):
    ledger = make_ledger(keep_days=30)
    ledger.start()
    hits = [scan_hit(clock.now()) for _ in range(4)]
    for made in hits:
        await ledger.commit(record(made, key=made.hit_id))
    await received(ledger, 1, 3, 4)
    await ledger.close()
    db = sqlite3.connect(folder / "ledger.db")
    with db:
        db.execute("UPDATE evidence SET hold=1 WHERE sha256=?", (digest(hits[3]),))
    db.close()
    clock.advance(29 * DAY_S)
    ledger = make_ledger(keep_days=30)
    ledger.start()
    await ledger.commit(record(scan_hit(clock.now(), hits[2].evidence.original)))  # seen again: young again
    await received(ledger, 5)
    clock.advance(2 * DAY_S)
    await until(lambda: files(folder) == {digest(made) for made in hits[1:]})
    assert ask("SELECT count(*) FROM evidence WHERE purged_ns IS NOT NULL") == [(1,)]
    assert ask("SELECT count(*) FROM seen") == [(0,)]


async def test_purged_evidence_that_comes_again_is_kept_again(make_ledger, clock, folder, ask):
    ledger = make_ledger(keep_days=1)
    ledger.start()
    await ledger.commit(record(scan_hit(clock.now(), b"bits")))
    await received(ledger, 1)
    clock.advance(2 * DAY_S)
    await until(lambda: files(folder) == set())
    await ledger.commit(record(scan_hit(clock.now(), b"bits")))
    assert len(files(folder)) == 1
    assert ask("SELECT purged_ns, created_ns FROM evidence") == [(None, clock.wall_ns)]
    assert ledger.accounts.evidence_bytes == 4


async def test_a_purge_that_was_rolled_back_removes_no_file(ledger, clock, folder, monkeypatch):
    made = scan_hit(clock.now())
    await ledger.commit(record(made))
    await received(ledger, 1)
    real = type(ledger.room)._purge

    def purge_and_fail(*given):
        real(*given)
        raise sqlite3.OperationalError("disk I/O error")

    tried = []
    with monkeypatch.context() as patch:
        patch.setattr(type(ledger.room), "_purge", lambda *a: (tried.append(1), purge_and_fail(*a)))
        clock.advance(31 * DAY_S)
        await until(lambda: tried)
        await ledger.commit(record(reading_hit(clock.now())))
        assert files(folder) == {digest(made)}
    clock.advance(61)
    await until(lambda: files(folder) == set())


async def test_a_file_that_cannot_be_removed_does_not_undo_the_commit(ledger, clock, folder, monkeypatch, ask):
    await ledger.commit(record(scan_hit(clock.now())))
    await received(ledger, 1)
    monkeypatch.setattr(room.Path, "unlink", lambda *_, **__: (_ for _ in ()).throw(OSError(30, "Read-only")))
    clock.advance(31 * DAY_S)
    await until(lambda: ask("SELECT count(*) FROM evidence WHERE purged_ns IS NOT NULL") == [(1,)])
    assert (await ledger.commit(record(reading_hit(clock.now())))).seq == 2
    assert ledger.state is StoreState.OK


async def test_a_ballast_that_was_not_finished_is_none(make_ledger, folder):
    ledger = make_ledger()
    (folder / "ballast").write_bytes(b"")
    assert not ledger.room.has_ballast()
    ledger.start()
    assert (folder / "ballast").stat().st_size == BALLAST_BYTES


async def test_the_disk_is_back_where_it_was_once_all_is_delivered(make_ledger, clock, folder, ask):
    ledger = make_ledger(keep_days=1)
    ledger.start()
    for _ in range(100):
        ledger.commit(record(scan_hit(clock.now()), verdict=b"v" * 5000, thumb=b"t" * 20_000))
    await ledger.commit(Note("audit", "up/audit", b"{}"))
    [(last,)] = ask("SELECT max(id) FROM outbox")
    filled = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    ledger.mark(Mark(received=[*range(1, 101)], proven=[*range(1, 101)], done=[*range(1, last + 1)]))
    await until(lambda: ledger.accounts.queued() == {"hit": 0})
    clock.advance(2 * DAY_S)
    await until(lambda: files(folder) == set())
    clock.advance(61)
    await until(lambda: ask("PRAGMA freelist_count") == [(0,)])
    await ledger.close()
    left = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    assert not (folder / "ledger.db-wal").exists()
    assert filled > 2_500_000
    # A page for each hit at most, and what stays beside: the tombstones, and the tables' own first pages.
    assert left - BALLAST_BYTES < 100 * store.PAGE_BYTES + 250_000


async def test_what_no_hit_rests_on_is_kept_and_goes_before_any_of_a_hit(ledger, clock, folder, ask):
    hit = scan_hit(clock.now(), b"h" * 1000)
    await ledger.commit(record(hit))
    await received(ledger, 1)
    clock.advance(1)
    kept = Evidence(b"a CT of 1000 bytes".ljust(1000), "application/dicom")
    await ledger.commit(record(None, key="ct", kept=kept))
    await ledger.commit(record(None, key="ct", kept=kept))  # a repeat is no second one
    assert ask("SELECT media_type, bytes FROM evidence ORDER BY rowid") == [("application/dicom", 1000)] * 2
    assert files(folder) == {digest(hit), hashlib.sha256(kept.original).hexdigest()}
    assert ledger.accounts.evidence_bytes == 2000
    with sqlite3.connect(folder / "ledger.db") as db:
        rows = db.execute(
            f"SELECT sha256 FROM evidence e WHERE purged_ns IS NULL ORDER BY {room._HAS_HIT}, e.created_ns"
        ).fetchall()
    assert rows[0] == (hashlib.sha256(kept.original).hexdigest(),)
