"""What is kept: once, whole, with its conflicts and gaps; and nothing of a batch that could not be written."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from simulators.console import intake
from simulators.console.intake import Arrival
from simulators.console.store import writer as writer_module
from simulators.console.store.file import Lock, Place, StoreError, open_reader, open_writer
from simulators.console.store.writer import Receipt, Writer
from simulators.console.topics import Topics
from tests.unit.simulators.console.appliance import encoded, hit, uuid7

NOW_MS = 1_795_300_000_000
TOPICS = Topics("jaitf")
JPEG = b"\xff\xd8\xff\xe0 a picture"


class Console:
    """A store, fed as the broker would."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.writer = Writer(open_writer(place))
        self.now_ms = NOW_MS

    def hear(self, *messages: tuple[str, object], edge: str = "edge-01", retained: bool = False) -> list[Receipt]:
        return self.writer.commit(
            intake.read(
                TOPICS,
                Arrival(
                    f"jaitf/v1/lfw/{edge}/up/{rest}",
                    body if isinstance(body, bytes) else encoded(body),
                    self.now_ms,
                    retained,
                ),
            )
            for rest, body in messages
        )

    def hits(self, *numbers: int, **data: Any) -> list[Receipt]:
        return self.hear(*(("hit/xray-1", hit(number, **data)) for number in numbers))

    def birth(self, ledger_id: str = "L1", seq_start: int = 1, **more: Any) -> None:
        self.hear(("birth", {"ledger_id": ledger_id, "seq_start": seq_start} | more))

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        reader = open_reader(self.place)
        try:
            return [tuple(row) for row in reader.execute(sql)]
        finally:
            reader.close()

    def missing(self, ledger_id: str = "L1") -> tuple[int, int | None]:
        (row,) = self.ask(f"SELECT missing, gap_since_ms FROM ledger WHERE ledger_id='{ledger_id}'")
        return row[0], row[1]


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Console]:
    made = Console(Place(tmp_path / "console.db"))
    yield made
    made.writer.close()


def test_a_hit_is_kept_byte_for_byte_and_receipted(console: Console) -> None:
    payload = encoded(hit(1)) + b"  "
    (receipt,) = console.hear(("hit/xray-1", payload))
    (kept,) = console.ask("SELECT payload, sha256 FROM hit")
    assert kept[0] == payload
    assert receipt == Receipt("lfw", "edge-01", uuid7(1), 0, kept[1].hex())


def test_a_hit_that_comes_again_is_receipted_again_and_kept_once(console: Console) -> None:
    first = console.hits(1)
    assert console.hits(1) == first
    assert console.hits(1, 1)[1:] == first
    assert console.ask("SELECT count(*) FROM hit") == [(1,)]
    assert console.ask("SELECT sum(n) FROM tally WHERE what='hit'") == [(1,)]
    assert console.ask("SELECT count(*) FROM conflict") == [(0,)]


def test_other_bytes_for_the_same_hit_are_a_conflict_and_the_first_stays(console: Console) -> None:
    (first,) = console.hits(1)
    (again,) = console.hits(1, severity="low")
    assert again.sha256 == first.sha256, "the receipt names what is kept, not what was refused"
    console.hits(1, severity="low")
    assert console.ask("SELECT severity FROM hit") == [("high",)]
    assert console.ask("SELECT kind, times FROM conflict") == [("content", 2)]


def test_nobody_takes_over_anothers_hit(console: Console) -> None:
    console.hits(1)
    forged = hit(1, edge="edge-02", rev=1, severity="low")
    assert console.hear(("hit/xray-1", forged), edge="edge-02") == []
    assert console.ask("SELECT edge, rev FROM hit") == [("edge-01", 0)]
    assert console.ask("SELECT kind, edge FROM conflict") == [("owner", "edge-02")]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_the_highest_revision_is_shown_in_whatever_order_they_come(console: Console, order: tuple[int, ...]) -> None:
    for rev in order:
        console.hear(("hit/xray-1", hit(1, rev=rev, seq=rev + 1)))
    assert console.ask("SELECT rev FROM hit WHERE latest") == [(2,)]
    assert console.ask("SELECT count(*) FROM hit") == [(3,)]
    assert console.ask("SELECT sum(n) FROM tally WHERE what='hit'") == [(1,)]


def test_a_clock_that_is_ahead_does_not_sit_on_top(console: Console) -> None:
    console.hear(("hit/xray-1", hit(1, observed_at="2031-01-01T00:00:00.000Z")))
    assert console.ask("SELECT shown_ms, arrived_ms FROM hit") == [(NOW_MS, NOW_MS)]


def test_gaps_open_close_and_keep_their_time(console: Console) -> None:
    console.birth()
    console.hits(1, 2)
    assert console.missing() == (0, None)
    console.hits(9)
    assert console.missing() == (6, NOW_MS)
    console.now_ms += 1000
    console.hits(5, 4)
    assert console.missing() == (4, NOW_MS)
    console.hits(8, 7, 6, 3)
    assert console.missing() == (0, None)


def test_a_hit_that_comes_again_closes_no_gap_and_opens_none(console: Console) -> None:
    console.birth()
    console.hits(1, 3)
    console.hits(3, 3, 1)
    assert console.missing()[0] == 1


def test_each_ledger_has_its_own_numbers(console: Console) -> None:
    console.birth("L1")
    console.hits(1, 2, 3)
    console.birth("L2")
    console.hear(("hit/xray-1", hit(101, seq=1)), ("hit/xray-1", hit(102, seq=2)))
    assert console.missing("L1") == console.missing("L2") == (0, None)
    assert console.ask("SELECT count(*) FROM conflict") == [(0,)]


def test_a_new_ledger_in_the_middle_of_a_batch(console: Console) -> None:
    console.birth("L1")
    console.hear(
        ("hit/xray-1", hit(1)),
        ("birth", {"ledger_id": "L2", "seq_start": 1}),
        ("hit/xray-1", hit(102, seq=1)),
    )
    assert console.ask("SELECT ledger_id, seq FROM hit ORDER BY id") == [("L1", 1), ("L2", 1)]


def test_hits_before_any_birth_count_to_the_ledger_that_is_born(console: Console) -> None:
    console.hits(5)
    assert console.missing("") == (0, None)
    console.birth("L1", seq_start=3)
    assert console.missing("L1") == (2, NOW_MS)
    assert console.ask("SELECT ledger_id FROM ledger") == [("L1",)]


def test_hits_and_then_the_birth_come_in_one_batch(console: Console) -> None:
    console.hear(("hit/xray-1", hit(5)), ("birth", {"ledger_id": "L1", "seq_start": 3}), ("hit/xray-1", hit(6)))
    assert console.missing("L1") == (2, NOW_MS)
    assert console.ask("SELECT ledger_id FROM ledger") == [("L1",)]


def test_a_number_used_by_two_hits_is_a_conflict(console: Console) -> None:
    console.hits(1)
    console.hear(("hit/xray-1", hit(2, seq=1)))
    assert console.ask("SELECT kind FROM conflict") == [("seq",)]
    assert console.ask("SELECT count(*) FROM hit") == [(2,)]


def test_numbers_outlive_the_program(console: Console) -> None:
    console.birth()
    console.hits(1, 2, 5)
    console.writer.close()
    again = Console(console.place)
    again.hits(4)
    assert again.missing()[0] == 1
    assert again.ask("SELECT ledger_id FROM hit WHERE seq=4") == [("L1",)]
    again.writer.close()


def test_wills_and_births(console: Console) -> None:
    def state(word: str, session: str, second: int) -> tuple[str, object]:
        return "state", {"state": word, "session": session, "at": f"2026-11-21T09:30:{second:02d}.000Z"}

    console.hear(state("online", "a", 1), state("online", "b", 5), state("offline", "a", 1))
    assert console.ask("SELECT state, session, late_wills FROM appliance") == [("online", "b", 1)]
    console.now_ms += 5000
    console.hear(state("offline", "b", 5))
    assert console.ask("SELECT state, since_ms, since_before FROM appliance") == [("offline", NOW_MS + 5000, 0)]


def test_verdicts_are_counted_once_by_the_hour_they_were_given(console: Console) -> None:
    def verdict(scan: int, decision: str, at: str = "2026-11-21T09:30:00.000Z") -> tuple[str, object]:
        return "verdict/xray-1", {"scan_id": str(scan), "decision": decision, "at": at}

    console.hear(verdict(1, "clear"), verdict(1, "clear"), verdict(2, "clear"), verdict(3, "unknown"))
    console.hear(verdict(2, "clear"), verdict(2, "clear", "2026-11-21T11:30:00.000Z"))
    assert console.ask("SELECT what, n FROM tally ORDER BY hour, what") == [
        ("clear", 2),
        ("unknown", 1),
        ("clear", 1),
    ]
    console.writer.forget_old_digests(NOW_MS + writer_module.KEEP_DIGESTS_MS + 1)
    assert console.ask("SELECT count(*) FROM verdict_seen") == [(0,)]


def test_test_runs_and_projected_threats_count_in_no_figure_but_their_own(console: Console) -> None:
    plain = {"scan_id": "1", "decision": "alarm", "at": "2026-11-21T09:30:00.000Z"}
    console.hear(
        ("verdict/xray-1", {**plain, "tip_type": "FTI"}),
        ("verdict/xray-1", {**plain, "scan_type": "NON_OPERATIONAL"}),
    )
    console.hits(1, tip_type="FTI")
    console.hits(2, scan_type="NON_OPERATIONAL")
    console.hits(3)
    assert console.ask("SELECT what, sum(n) FROM tally GROUP BY what") == [("hit", 1), ("test", 2)]


def test_a_picture_is_its_senders_and_a_new_one_takes_its_place(console: Console) -> None:
    hit_id = uuid7(1)
    console.hear((f"thumb/{hit_id}", JPEG))
    console.hear((f"thumb/{hit_id}", JPEG + b"of another"), edge="edge-02")
    console.hear((f"thumb/{hit_id}", JPEG))
    assert console.ask("SELECT id, edge FROM thumb") == [(1, "edge-01"), (2, "edge-02")]
    console.hear((f"thumb/{hit_id}", JPEG + b" anew"))
    assert console.ask("SELECT id, jpeg FROM thumb WHERE edge='edge-01'") == [(3, JPEG + b" anew")]


def test_devices_health_and_what_is_not_kept(console: Console) -> None:
    console.hear(
        ("device/xray-1", {"state": "down", "reason": "no answer", "since": "2026-11-21T09:30:00.000Z"}),
        ("health", {"rss_bytes": 1}),
        ("reading/k9-1", {"tags": []}),
        ("device/xray-1", {"state": "up", "reason": None, "since": None}),
    )
    assert console.ask("SELECT device, state, reason FROM device") == [("xray-1", "up", "")]
    assert console.ask("SELECT health, heard_ms FROM appliance") == [(b'{"rss_bytes":1}', NOW_MS)]


def test_bad_messages_are_counted_and_the_last_are_kept(console: Console) -> None:
    for _ in range(3):
        assert console.hear(*[("hit/xray-1", b"\x00" * 9000)] * 100) == []
    assert console.ask("SELECT sum(n) FROM tally WHERE what='bad'") == [(300,)]
    assert console.ask("SELECT count(*), max(length(payload)), max(bytes) FROM bad") == [(200, 8192, 9000)]


def test_a_batch_that_cannot_be_written_leaves_nothing_and_can_come_again(console: Console) -> None:
    db = sqlite3.connect(console.place.file)
    db.execute("CREATE TRIGGER full BEFORE INSERT ON tally BEGIN SELECT RAISE(ABORT, 'disk full'); END")
    batch = [("birth", {"ledger_id": "L1", "seq_start": 1}), ("hit/xray-1", hit(1))]
    with pytest.raises(sqlite3.Error, match="disk full"):
        console.hear(*batch)
    assert console.ask("SELECT count(*) FROM hit") == [(0,)]
    db.execute("DROP TRIGGER full")
    db.close()
    assert len(console.hear(*batch)) == 1
    assert console.missing() == (0, None)


def test_the_client_id_belongs_to_the_file(console: Console, tmp_path: Path) -> None:
    mine = console.writer.client_id
    console.writer.close()
    again = Writer(open_writer(console.place))
    other = Writer(open_writer(Place(tmp_path / "other.db")))
    assert again.client_id == mine != other.client_id
    again.close()
    other.close()


def test_a_commit_is_flushed_to_the_disk(console: Console) -> None:
    db = open_writer(console.place)
    assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert db.execute("PRAGMA synchronous").fetchone() == (2,)
    db.close()


def test_pages_cannot_write(console: Console) -> None:
    reader = open_reader(console.place)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.execute("DELETE FROM hit")
    reader.close()


@pytest.mark.parametrize(
    ("given", "file"), [("folder", "folder/console.db"), ("hits.db", "hits.db"), ("there", "there/console.db")]
)
def test_a_folder_or_a_file(tmp_path: Path, given: str, file: str) -> None:
    (tmp_path / "there").mkdir()
    assert Place.of(tmp_path / given).file == tmp_path / file


def test_a_second_console_on_the_same_file_is_refused(tmp_path: Path) -> None:
    place = Place(tmp_path / "new" / "console.db")
    first = Lock(place)
    with pytest.raises(StoreError, match=r"another console has it open \(pid \d+\)"):
        Lock(place)
    first.release()
    Lock(place).release()


@pytest.mark.parametrize("content", [b"not a database, but long enough to be read as one" * 40, b""])
def test_a_file_that_is_none_of_ours(tmp_path: Path, content: bytes) -> None:
    place = Place(tmp_path / "console.db")
    place.file.write_bytes(content)
    if content:
        with pytest.raises(StoreError, match="not a database"):
            open_writer(place)
        assert place.file.read_bytes() == content
    else:
        open_writer(place).close()


def test_a_file_of_a_later_console(tmp_path: Path) -> None:
    place = Place(tmp_path / "console.db")
    db = open_writer(place)
    db.execute("PRAGMA user_version=99")
    db.close()
    with pytest.raises(StoreError, match="schema 99"):
        open_writer(place)
