"""The rules by which a file waits, and the journal of what is done."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.folder.journal import SLACK_LINES, Journal
from drivers.folder.mounts import mount_of
from drivers.folder.waiting import Seen, Waiting

SETTLE = 500


def seen(path: str = "a", size: int = 1, mtime: int = 1, inode: int = 1) -> Seen:
    return Seen(path, size, mtime, inode, changed_ns=mtime)


def test_a_file_is_ready_once_it_has_not_changed_for_the_settling_time() -> None:
    waiting = Waiting(SETTLE)
    waiting.saw(seen(size=1), 1000)
    waiting.saw(seen(size=1), 1400)
    assert waiting.ready(1499) == []
    assert waiting.next_ns() == 1500
    waiting.saw(seen(size=2), 1499)
    assert waiting.ready(1998) == []
    assert waiting.ready(1999) == [seen(size=2)]
    assert not waiting.slow(seen(size=2))


def test_what_lay_there_before_is_ready_at_once_unless_it_has_to_settle() -> None:
    waiting = Waiting(SETTLE)
    waiting.saw(seen("old"), 10_000, age_ns=5_000)
    waiting.saw(seen("remote"), 10_000, age_ns=5_000, settles=True)
    assert waiting.ready(10_000) == [seen("old")]
    assert waiting.ready(10_500) == [seen("old"), seen("remote")]
    assert waiting.since_ns(seen("remote")) == 5_000


def test_files_are_ready_in_the_order_in_which_they_were_written_then_by_name() -> None:
    waiting = Waiting(SETTLE)
    for name, mtime in (("c", 1), ("b", 3), ("a", 3), ("d", 2)):
        waiting.saw(seen(name, mtime=mtime), 0)
    assert [s.path for s in waiting.ready(SETTLE)] == ["c", "d", "a", "b"]


def test_a_file_put_off_comes_back_then_and_sooner_when_it_changes() -> None:
    waiting = Waiting(SETTLE)
    waiting.saw(seen(), 0)
    waiting.later(seen(), 10_000)
    assert waiting.ready(9_999) == []
    assert waiting.ready(10_000) == [seen()]
    waiting.saw(seen(size=9), 2_000)
    assert waiting.ready(2_500) == [seen(size=9)]
    assert waiting.slow(seen(size=9)), "it was ready once, and changed again"
    waiting.later(seen(), 50_000)
    assert waiting.ready(2_500) == [seen(size=9)], "what is said of an earlier state is void"


def test_gone_files_are_forgotten() -> None:
    waiting = Waiting(SETTLE)
    for name in "abc":
        waiting.saw(seen(name), 0)
    waiting.gone("a")
    waiting.keep({"b"})
    assert len(waiting) == 1
    assert "b" in waiting
    assert waiting.since_ns(seen("a")) is None


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 3), st.integers(0, 400)), max_size=30))
def test_no_file_is_ready_before_it_was_still_for_the_settling_time(steps: list[tuple[str, int, int]]) -> None:
    waiting, now, last = Waiting(SETTLE), 0, dict[str, tuple[int, int]]()
    for path, size, pause in steps:
        now += pause
        if path not in last or last[path][0] != size:
            last[path] = (size, now)
        waiting.saw(seen(path, size=size), now)
        assert {s.path for s in waiting.ready(now)} == {p for p, (_, since) in last.items() if now - since >= SETTLE}


def test_the_journal_remembers_over_a_restart(tmp_path: Path) -> None:
    odd = "sub/\udcff ü.png"
    journal = Journal(tmp_path / "dev" / "done.jsonl")
    journal.add("a", (1, 2, 3))
    journal.add(odd, (4, 5, 6))
    journal.add("a", (7, 8, 9))
    journal.close()
    journal = Journal(tmp_path / "dev" / "done.jsonl")
    assert journal.has("a", (7, 8, 9))
    assert not journal.has("a", (1, 2, 3))
    assert journal.has(odd, (4, 5, 6))


@given(st.binary(max_size=300))
def test_a_damaged_journal_is_read_as_far_as_it_makes_sense(junk: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "done.jsonl"
        file.write_bytes(json.dumps(["good", 1, 2, 3]).encode() + b"\n" + junk)
        journal = Journal(file)
        assert journal.has("good", (1, 2, 3)) or b"good" in junk
        journal.add("next", (1, 1, 1))
        journal.close()
        assert Journal(file).has("next", (1, 1, 1))


def test_the_journal_forgets_what_is_gone_and_shrinks(tmp_path: Path) -> None:
    file = tmp_path / "done.jsonl"
    journal = Journal(file)
    for number in range(SLACK_LINES + 10):
        journal.add(f"f{number}", (number, 1, 1))
    journal.keep({"f3", "other"})
    assert len(journal) == 1
    assert file.read_text("ascii").count("\n") == 1
    journal.add("f4", (1, 1, 1))
    journal.close()
    assert len(Journal(file)) == 2


def test_an_empty_folder_does_not_empty_the_journal(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "done.jsonl")
    journal.add("a", (1, 2, 3))
    journal.keep(())
    assert journal.has("a", (1, 2, 3))
    journal.close()


def test_a_journal_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "dev").write_text("a file where the folder should be")
    journal = Journal(tmp_path / "dev" / "done.jsonl")
    journal.add("a", (1, 2, 3))
    assert journal.has("a", (1, 2, 3))


MOUNTINFO = """\
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
40 27 0:50 / /srv/exp\\040ort rw,relatime shared:1 - cifs //scanner/export rw
41 27 0:51 / /srv/exp\\040ort/deep rw - tmpfs none rw
42 27 0:52 / /mnt/a rw master:2 - fuse.sshfs x rw
43 27 0:53 / /mnt/a rw - xfs y rw
nonsense
"""


@pytest.mark.parametrize(
    ("path", "point", "kind", "events"),
    [
        ("/srv/exp ort/2026", "/srv/exp ort", "cifs", False),
        ("/srv/exp ort", "/srv/exp ort", "cifs", False),
        ("/srv/exp ort/deep/er", "/srv/exp ort/deep", "tmpfs", True),
        ("/srv/exp orts", "/", "ext4", True),
        ("/mnt/a/b", "/mnt/a", "xfs", True),
    ],
)
def test_the_file_system_under_a_path(path: str, point: str, kind: str, events: bool) -> None:
    mount = mount_of(Path(path), MOUNTINFO)
    assert (mount.point, mount.type, mount.gives_events) == (point, kind, events)


@pytest.mark.parametrize(("kind", "events"), [("nfs4", False), ("9p", False), ("fuse.sshfs", False), ("fuseblk", True)])
def test_which_file_systems_tell_of_changes(kind: str, events: bool) -> None:
    assert mount_of(Path("/x"), f"1 1 0:1 / /x rw - {kind} s rw\n").gives_events is events


def test_our_own_mounts_can_be_read(tmp_path: Path) -> None:
    assert mount_of(tmp_path).type != "unknown"
