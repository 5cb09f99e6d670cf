"""Opening: a ledger of every earlier version, a newer one, a damaged one, and a crash while one is replaced."""

import contextlib
import shutil
import sqlite3
from pathlib import Path

import pytest

from drivers.errors import StoreError, StoreFull
from edge.ledger import store
from edge.ledger.chain import FIRST_LINK, chain_link
from edge.ledger.entries import StoreState
from edge.ledger.reader import Reader
from tests.core import reading_hit, record, scan_hit, until

VERSIONS = Path(__file__).parent / "versions"


def dump_into(path: Path, sql: str) -> None:
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.executescript(sql)


def schema(path: Path) -> list[tuple[str, str]]:
    with contextlib.closing(sqlite3.connect(path)) as db:
        rows = db.execute("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name").fetchall()
        return [(name, " ".join(sql.split())) for name, sql in rows]


def test_the_steps_are_numbered_without_a_gap():
    assert [number for number, _ in store.migrations()] == list(range(1, len(store.migrations()) + 1))


def test_there_is_a_ledger_of_every_version_to_test_with():
    """A new step needs a dump of the version before it: `sqlite3 ledger.db .dump`, with `PRAGMA user_version`."""
    kept = sorted(int(path.stem) for path in VERSIONS.glob("*.sql"))
    assert kept == [number for number, _ in store.migrations()]


@pytest.mark.parametrize("dump", sorted(VERSIONS.glob("*.sql")), ids=lambda path: path.stem)
async def test_a_ledger_of_an_earlier_version_goes_on(dump, folder, make_ledger, clock, tmp_path, ask):
    folder.mkdir(parents=True)
    dump_into(folder / "ledger.db", dump.read_text())
    rows = ask("SELECT seq, hit_id, payload, hash FROM hit ORDER BY seq")
    notes = ask("SELECT class, topic, payload FROM outbox ORDER BY id")
    ledger = make_ledger()
    ledger.start()
    assert (ledger.ledger_id, ledger.seq_start, ledger.notice) == ("5f0c7d6f-0000-4000-8000-000000000001", 1, None)
    assert ask("SELECT seq, hit_id, payload, hash FROM hit ORDER BY seq") == rows
    assert ask("SELECT class, topic, payload FROM outbox ORDER BY id") == notes
    assert (await ledger.commit(record(reading_hit(clock.now())))).seq == rows[-1][0] + 1
    assert ask("SELECT prev FROM hit ORDER BY seq DESC LIMIT 1") == [(rows[-1][3],)]
    assert (await ledger.commit(record(None, key="uid-1"))).repeated

    make_ledger(at=tmp_path)
    assert schema(folder / "ledger.db") == schema(tmp_path / "ledger.db")


async def test_a_new_ledger_has_an_identity_and_the_settings_that_it_needs(ledger, ask):
    assert ledger.new
    assert ledger.notice is None
    assert ledger.seq_start == 1
    assert ask("PRAGMA user_version") == [(store.migrations()[-1][0],)]
    assert ask("PRAGMA journal_mode") == [("wal",)]
    assert ask("PRAGMA auto_vacuum") == [(2,)]
    settings = {name: ledger._db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("synchronous", "foreign_keys")}
    assert settings == {"synchronous": 2, "foreign_keys": 1}


async def test_a_newer_ledger_is_refused_and_left_alone(folder, make_ledger):
    make_ledger()._db.close()
    with contextlib.closing(sqlite3.connect(folder / "ledger.db")) as db:
        db.execute("PRAGMA user_version=99")
    before = (folder / "ledger.db").read_bytes()
    with pytest.raises(StoreError, match="newer software"):
        make_ledger()
    assert (folder / "ledger.db").read_bytes() == before


async def test_a_step_that_fails_leaves_the_version_before(folder, make_ledger, monkeypatch):
    make_ledger()._db.close()
    bad = [*store.migrations(), (99, "CREATE TABLE new (x); CREATE TABLE hit (y);")]
    with monkeypatch.context() as patch:
        patch.setattr(store, "migrations", lambda: bad)
        with pytest.raises(StoreError, match="hit"):
            make_ledger()
    assert "new" not in dict(schema(folder / "ledger.db"))
    assert not make_ledger().new


async def filled(make_ledger, clock, count):
    ledger = make_ledger()
    ledger.start()
    hits = [scan_hit(clock.now()) for _ in range(count)]
    for made in hits:
        await ledger.commit(record(made, verdict=b"{}", key=f"key {made.hit_id}"))
    await ledger.close()
    return ledger, hits


def damage(path: Path, page: int, pages: int = 1) -> None:
    with path.open("r+b") as file:
        file.seek(page * store.PAGE_BYTES)
        file.write(b"\xa5" * store.PAGE_BYTES * pages)


async def test_a_damaged_ledger_is_set_aside_and_its_rows_are_saved(folder, make_ledger, clock, ask):
    old, hits = await filled(make_ledger, clock, 60)
    rows_at = (folder / "ledger.db").read_bytes().find(f"{hits[30].hit_id}:0".encode())
    damage(folder / "ledger.db", rows_at // store.PAGE_BYTES)
    new = make_ledger()
    new.start()
    assert new.new
    assert new.ledger_id != old.ledger_id
    assert new.seq_start == 1_000_001
    assert "set aside as ledger.db.damaged-1" in new.notice
    assert (folder / "ledger.db.damaged-1").exists()
    saved = ask("SELECT seq, hit_id FROM hit ORDER BY seq")
    assert 30 < len(saved) < 60
    assert (saved[0][0], saved[-1][0]) == (1, 60)  # on both sides of the damage
    assert all(hits[seq - 1].hit_id == hit_id for seq, hit_id in saved)

    assert (await new.commit(record(reading_hit(clock.now())))).seq == 1_000_001
    [(prev, payload, raw, link)] = ask("SELECT prev, payload, raw, hash FROM hit WHERE seq=1000001")
    assert prev == FIRST_LINK
    assert link == chain_link(prev, payload, raw, None)
    reader = Reader(folder)
    assert [out.number for out in reader.hits_after(0, 1000, 2_000_000)] == [seq for seq, _ in saved] + [1_000_001]
    reader.close()


async def test_the_notice_stays_with_the_ledger_that_it_is_about(folder, make_ledger, clock):
    await filled(make_ledger, clock, 3)
    damage(folder / "ledger.db", 0)
    first = make_ledger()
    notice = first.notice
    first._db.close()
    again = make_ledger()
    assert again.notice == notice
    assert not again.new  # it is told once as news, and on every birth as a fact


async def test_evidence_is_kept_where_the_rows_that_named_it_are_lost(folder, make_ledger, clock, ask):
    _, hits = await filled(make_ledger, clock, 5)
    files = {path.name for path in (folder / "evidence").glob("*/*")}
    damage(folder / "ledger.db", 0)
    new = make_ledger()
    new.start()
    assert ask("SELECT count(*) FROM hit") == [(0,)]
    assert {path.name for path in (folder / "evidence").glob("*/*")} == files
    assert ask("SELECT count(*), sum(hold) FROM evidence") == [(5, 5)]
    assert new.accounts.evidence_bytes == sum(len(made.evidence.original) for made in hits)
    await new.close()
    third = make_ledger()
    third.start()
    assert {path.name for path in (folder / "evidence").glob("*/*")} == files


async def test_numbers_never_come_twice_even_where_none_can_be_read(folder, make_ledger, clock):
    starts = []
    for _ in range(3):
        await filled(make_ledger, clock, 2)
        damage(folder / "ledger.db", 0)
        ledger = make_ledger()
        starts.append(ledger.seq_start)
        ledger._db.close()
    assert starts == [1_000_001, 2_000_001, 3_000_001]
    assert len(list(folder.glob("ledger.db.damaged-?"))) == 3


async def test_what_is_no_database_at_all_is_set_aside(folder, make_ledger):
    folder.mkdir(parents=True)
    (folder / "ledger.db").write_bytes(b"not a database, but long enough to be looked at" * 100)
    assert "0 hits" in make_ledger().notice


async def test_a_damaged_ledger_of_an_earlier_version_is_saved_too(folder, make_ledger, clock, monkeypatch, ask):
    await filled(make_ledger, clock, 40)
    damage(folder / "ledger.db", (folder / "ledger.db").stat().st_size // store.PAGE_BYTES - 2)
    later = [*store.migrations(), (99, "ALTER TABLE hit ADD COLUMN later TEXT;")]
    monkeypatch.setattr(store, "migrations", lambda: later)
    assert make_ledger().notice
    assert ask("SELECT count(*) FROM hit WHERE later IS NULL")[0][0] > 20


@pytest.mark.parametrize("step", range(6))
async def test_a_crash_while_it_is_replaced_loses_no_row(step, folder, make_ledger, clock, ask, monkeypatch):
    """Power fails after any of the steps that change names; the next start ends where an undisturbed one would."""
    await filled(make_ledger, clock, 40)
    damage(folder / "ledger.db", (folder / "ledger.db").stat().st_size // store.PAGE_BYTES - 2)
    (folder / "ledger.db-wal").write_bytes(b"")  # a log that must be moved too

    class PowerCut(Exception):
        pass

    left = step

    def count_down():
        nonlocal left
        left -= 1
        if left < 0:
            raise PowerCut

    real_move, real_finish = store._move, store._finish_replacing
    with monkeypatch.context() as patch, contextlib.suppress(PowerCut):
        patch.setattr(store, "_move", lambda *a: (count_down(), real_move(*a)))
        patch.setattr(store, "_finish_replacing", lambda *a: (count_down(), real_finish(*a)))
        patch.setattr(store, "sync_folder", lambda _: count_down())
        make_ledger()
    again = make_ledger()
    again.start()
    assert ask("SELECT count(*) FROM hit")[0][0] > 20
    assert again.notice
    assert again.seq_start == 1_000_001
    assert not (folder / "ledger.db.new").exists()


async def test_the_old_log_never_meets_the_new_ledger(folder, make_ledger, clock, ask):
    """As a crash leaves it between two renames: the damaged file is gone, its log still lies there."""
    await filled(make_ledger, clock, 5)
    shutil.copy(folder / "ledger.db", folder / "ledger.db.new")
    (folder / "ledger.db").rename(folder / "ledger.db.damaged-1")
    (folder / "ledger.db-wal").write_bytes(b"old frames")
    make_ledger()
    assert (folder / "ledger.db.damaged-1-wal").read_bytes() == b"old frames"
    assert ask("SELECT count(*) FROM hit") == [(5,)]


async def test_an_index_of_the_log_that_finds_no_room_is_called_full(folder, make_ledger, monkeypatch):
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR_SHMSIZE
    monkeypatch.setattr(store, "connect", lambda _: (_ for _ in ()).throw(error))
    with pytest.raises(StoreFull):
        make_ledger()


async def test_the_ballast_is_given_up_to_open_at_all(folder, make_ledger, monkeypatch):
    first = make_ledger()
    first.start()
    await first.close()
    real, error = store.connect, sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorcode = sqlite3.SQLITE_FULL
    monkeypatch.setattr(store, "connect", lambda p: real(p) if not (folder / "ballast").exists() else raise_(error))
    second = make_ledger()
    second.start()
    await until(lambda: second.state is StoreState.OK)


def raise_(error):
    raise error
