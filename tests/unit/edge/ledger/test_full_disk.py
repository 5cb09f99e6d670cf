"""A disk that is full, read-only or failing is a state: entered, said, and left without a restart."""

import contextlib
import errno
import logging
import os
import subprocess

import pytest

from drivers.errors import StoreError, StoreFull
from edge.ledger import Mark, Note, room
from edge.ledger import ledger as module
from edge.ledger.entries import StoreState
from edge.ledger.reader import Reader
from tests.core import reading_hit, record, scan_hit, until
from tests.mounts import keep_to_ourselves

KB = 1024


class Disk:
    """A file system of 8 MB in memory; `fill` leaves this much of it free."""

    def __init__(self, path):
        self.path = path
        self._filler = path / "filler"

    def free(self):
        stat = os.statvfs(self.path)
        return stat.f_bavail * stat.f_frsize

    def fill(self, leave=0):
        with self._filler.open("ab") as file:
            while (room := self.free() - leave) > 0:
                try:
                    os.write(file.fileno(), b"\0" * min(room, 64 * KB))
                except OSError as error:
                    assert error.errno == errno.ENOSPC
                    return

    def clear(self):
        self._filler.unlink()

    def remount(self, how):
        subprocess.run(["mount", "-o", f"remount,{how}", self.path], check=True)


@pytest.fixture
def disk(tmp_path):
    """Needs root, and a machine that lets root mount; the tests below with patches need neither."""
    where = tmp_path / "disk"
    where.mkdir()
    keep_to_ourselves()
    mounted = (
        os.geteuid() == 0
        and not subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", where], capture_output=True, check=False
        ).returncode
    )
    if not mounted:
        pytest.skip("cannot mount a small disk here")
    yield Disk(where)
    subprocess.run(["umount", "--lazy", where], check=True)


@pytest.fixture(autouse=True)
def ballast(quick, monkeypatch):
    monkeypatch.setattr(module, "BALLAST_BYTES", 512 * KB)
    monkeypatch.setattr(module, "CHECKPOINT_BYTES", 128 * KB)
    monkeypatch.setattr(room, "BALLAST_BYTES", 512 * KB)


@pytest.fixture
def folder(disk):
    return disk.path


async def test_a_disk_that_fills_up_keeps_its_last_bytes_for_hits(disk, make_ledger, clock, caplog):
    ledger = make_ledger()
    ledger.start()
    assert ledger.state is StoreState.OK
    disk.fill()
    first = await ledger.commit(record(reading_hit(clock.now()), thumb=b"t" * 60_000))
    assert first.seq == 1
    assert ledger.state is StoreState.RESERVE
    assert not ledger.room.has_ballast()
    # Further hits find room until there is really none.
    written = 1
    with pytest.raises(StoreFull):
        while True:
            written = (await ledger.commit(record(reading_hit(clock.now())))).seq
    assert written > 20
    assert ledger.state is StoreState.FULL
    assert "no room on the disk" in ledger.reason

    disk.clear()
    await until(lambda: ledger.state is StoreState.OK)
    assert ledger.room.has_ballast()
    assert (await ledger.commit(record(reading_hit(clock.now())))).seq == written + 1
    said = [r.getMessage() for r in caplog.records if r.getMessage().startswith("storage:")]
    assert len(said) < 12  # each state once on its way down and up, whatever number of hits met it


async def test_evidence_that_finds_no_room_leaves_nothing_behind(disk, make_ledger, clock):
    ledger = make_ledger()
    ledger.start()
    disk.fill(leave=100 * KB)
    with pytest.raises(StoreFull):
        await ledger.commit(record(scan_hit(clock.now(), b"x" * 700 * KB)))
    assert not list((disk.path / "evidence").glob("*/*"))
    assert ledger.waiting == 0
    disk.clear()
    assert (await ledger.commit(record(scan_hit(clock.now(), b"x" * 700 * KB)))).seq == 1


async def test_on_a_full_disk_verdicts_make_room_for_hits(disk, make_ledger, clock):
    ledger = make_ledger()
    ledger.start()
    for _ in range(20):
        await ledger.commit(Note("verdict", "up/verdict/x", b"v" * 100 * KB))
    disk.fill()
    for _ in range(300):
        await ledger.commit(record(reading_hit(clock.now())))
    assert ledger.accounts.hits == 300
    assert ledger.accounts.dropped["verdict"] > 0


async def test_a_start_on_a_full_disk_is_a_start(disk, make_ledger, clock, folder):
    first = make_ledger()
    first.start()
    await first.commit(record(reading_hit(clock.now())))
    first.room.take_ballast()
    await first.close()
    disk.fill()
    again = make_ledger()
    again.start()
    assert again.state in (StoreState.RESERVE, StoreState.FULL)
    assert again.accounts.hits == 1
    reader = Reader(folder)
    assert reader.hit(1)
    reader.close()
    disk.clear()
    await until(lambda: again.state is StoreState.OK)
    assert (await again.commit(record(reading_hit(clock.now())))).seq == 2


async def test_a_disk_that_turns_read_only(disk, make_ledger, clock, caplog):
    ledger = make_ledger()
    ledger.start()
    await ledger.commit(record(reading_hit(clock.now())))
    # A remount is refused while files are open for writing; a device that fails does not ask.
    error = OSError(errno.EROFS, "Read-only file system")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("drivers.fsync.os.open", lambda *_: (_ for _ in ()).throw(error))
        with pytest.raises(StoreError, match="Read-only"):
            await ledger.commit(record(scan_hit(clock.now())))
        assert ledger.state is StoreState.FAILING
    ledger.mark(Mark(received=[1]))
    assert (await ledger.commit(record(scan_hit(clock.now())))).seq == 2
    await until(lambda: ledger.state is StoreState.OK)


async def test_a_start_on_a_read_only_disk_says_why(disk, make_ledger):
    first = make_ledger()
    first.start()
    await first.close()
    disk.remount("ro")
    try:
        with pytest.raises(StoreError, match="read-only"):
            make_ledger().start()
    finally:
        disk.remount("rw")


@pytest.mark.parametrize(("number", "state"), [(errno.ENOSPC, "full"), (errno.EDQUOT, "full"), (errno.EIO, "failing")])
async def test_an_error_at_the_sync_is_answered_and_nothing_is_half_there(
    number, state, make_ledger, clock, tmp_path, monkeypatch, caplog
):
    caplog.set_level(logging.INFO)
    ledger = make_ledger(at=tmp_path / "elsewhere")
    ledger.start()
    # On a full disk the ballast goes, and a second try is made; neither helps here.
    with monkeypatch.context() as patch:
        patch.setattr("drivers.fsync.os.fsync", lambda _: (_ for _ in ()).throw(OSError(number, os.strerror(number))))
        patch.setattr("edge.ledger.ledger.drop_ballast", lambda _: False)
        patch.setattr("edge.ledger.ledger.Ledger._mend", lambda _: None)
        with pytest.raises(StoreError, match=os.strerror(number)):
            await ledger.commit(record(scan_hit(clock.now())))
        assert ledger.state == state
    assert not list(ledger.folder.glob("evidence/*/*"))
    assert (await ledger.commit(record(scan_hit(clock.now())))).seq == 1
    await until(lambda: ledger.state is StoreState.OK)


async def test_a_full_disk_is_left_though_hits_keep_coming(disk, make_ledger, clock, monkeypatch):
    monkeypatch.setattr(module, "IDLE_S", 3600)  # nothing happens but with a hit
    ledger = make_ledger()
    ledger.start()
    disk.fill()
    with pytest.raises(StoreFull):
        while True:
            await ledger.commit(record(reading_hit(clock.now())))
    disk.clear()
    for _ in range(10):
        clock.advance(0.5)
        await ledger.commit(record(reading_hit(clock.now())))
    assert ledger.state is StoreState.OK
    assert ledger.room.has_ballast()


async def test_hits_that_wait_for_a_full_disk_do_not_make_it_flap(disk, make_ledger, clock, caplog):
    ledger = make_ledger()
    ledger.start()
    disk.fill()
    with pytest.raises(StoreFull):
        while True:
            await ledger.commit(record(reading_hit(clock.now())))
    caplog.clear()
    for _ in range(50):
        with contextlib.suppress(StoreFull):
            await ledger.commit(Note("audit", "up/audit", b"x"))
        with contextlib.suppress(StoreFull):
            await ledger.commit(record(reading_hit(clock.now())))
    assert ledger.state is StoreState.FULL
    assert [r for r in caplog.records if r.getMessage().startswith("storage:")] == []
