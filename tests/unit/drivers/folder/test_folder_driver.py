"""The driver on real folders: when a file counts, in which order, how often."""

from __future__ import annotations

import asyncio
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import watchfiles

from drivers.clock import Stamp, SystemClock
from drivers.contract import DeviceState, Observation, Outcome
from drivers.errors import LinkLost, LinkTimeout
from drivers.folder import intake
from drivers.folder.bounded import Bounded
from drivers.folder.driver import FolderDriver
from drivers.folder.mounts import Mount
from drivers.folder.settings import FolderSettings
from tests.fakeport import FakePort, running
from tests.pictures import FILES, coded, grey16
from tests.unit.drivers.folder.exported import PNG, watching, write_atomically

pytestmark = pytest.mark.usefixtures("short_patience")


async def test_a_renamed_file_counts_at_once_and_stays_where_it_is(export: Path, port: FakePort) -> None:
    async with watching(export, port):
        assert port.last and port.last.state is DeviceState.UP
        assert port.last.facts["watching"] == "file events"
        write_atomically(export, "bag.png", PNG)
        await port.until(lambda: port.scans)
    (scan,) = port.scans
    assert (scan.name, bytes(scan.original)) == ("bag.png", PNG)
    assert (export / "bag.png").read_bytes() == PNG
    assert not (export / "rejected").exists()


async def test_a_file_that_comes_before_events_do_is_not_left_for_the_next_listing(
    export: Path, port: FakePort, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "SWEEP_S", 3600.0)
    written, real = threading.Event(), watchfiles.watch

    def late(*given: Any, **how: Any) -> Iterator[Any]:
        assert written.wait(60)
        yield from real(*given, **how)

    monkeypatch.setattr(watchfiles, "watch", late)
    async with watching(export, port):
        write_atomically(export, "bag.png", PNG)
        written.set()
        await port.until(lambda: port.scans)


async def test_a_slow_writer_is_not_read_half(export: Path, port: FakePort) -> None:
    async with watching(export, port):
        with (export / "bag.png").open("wb", buffering=0) as out:
            for at in range(0, len(PNG), len(PNG) // 3):
                out.write(PNG[at : at + len(PNG) // 3])
                await port.rounds_more(12)  # each round looked at the open file
        await port.until(lambda: port.scans)
    assert [bytes(s.original) for s in port.scans] == [PNG]
    assert port.last and port.last.facts["rejected"] == 0


async def test_a_writer_that_closes_between_its_writes_is_waited_for(
    export: Path, port: FakePort, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "CUT_SHORT_S", 60)
    async with watching(export, port):
        (export / "bag.png").write_bytes(PNG[:100])
        await port.rounds_more(3)
        with (export / "bag.png").open("ab") as out:
            out.write(PNG[100:])
        await port.until(lambda: port.scans)
    assert [bytes(s.original) for s in port.scans] == [PNG]


class LaterClock(SystemClock):
    """A clock for which everything that is there has been there for a minute."""

    def now(self) -> Stamp:
        now = super().now()
        return Stamp(now.wall_ns + 60_000_000_000, now.monotonic_ns)


async def test_the_order_is_that_of_writing_then_of_names(export: Path, port: FakePort) -> None:
    for number, (name, mtime) in enumerate([("b.png", 50), ("z.png", 10), ("a.png", 50), ("c.png", 99)]):
        (export / name).write_bytes(coded(".png", grey16(number)))
        os.utime(export / name, (mtime, mtime))
    port.clock = LaterClock()
    async with watching(export, port):
        await port.until(lambda: len(port.scans) == 4)
    assert [s.name for s in port.scans] == ["z.png", "a.png", "b.png", "c.png"]


async def test_the_same_content_under_another_name_has_the_same_key(export: Path, port: FakePort) -> None:
    port.answer = lambda o: Outcome.REPEATED if len(port.scans) > 1 else Outcome.COMMITTED
    async with watching(export, port):
        write_atomically(export, "a.png", PNG)
        await port.until(lambda: port.scans)
        write_atomically(export, "b.png", PNG)
        await port.until(lambda: len(port.scans) == 2)
        await port.rounds_more(3)
    assert len({s.key for s in port.scans}) == 1
    assert len(port.scans) == 2, "what is known already is done, too"


async def test_a_touched_or_rewritten_file_is_looked_at_again(export: Path, port: FakePort) -> None:
    async with watching(export, port):
        write_atomically(export, "a.png", PNG)
        await port.until(lambda: port.scans)
        write_atomically(export, "a.png", FILES["grey8.png"])
        await port.until(lambda: len(port.scans) == 2)
    assert len({s.key for s in port.scans}) == 2


async def test_a_restart_reads_nothing_again_that_is_done(export: Path, port: FakePort) -> None:
    (export / "a.png").write_bytes(PNG)
    async with watching(export, port):
        await port.until(lambda: port.scans and (port.state_dir / "done.jsonl").exists())
    async with watching(export, port):
        (export / "b.png").write_bytes(FILES["grey8.png"])
        await port.until(lambda: len(port.scans) == 2)
    assert [s.name for s in port.scans] == ["a.png", "b.png"]


async def test_a_lost_journal_costs_a_repeat_and_no_more(export: Path, port: FakePort) -> None:
    (export / "a.png").write_bytes(PNG)
    async with watching(export, port):
        await port.until(lambda: (port.state_dir / "done.jsonl").exists())
    shutil.rmtree(port.state_dir)
    port.answer = lambda _: Outcome.REPEATED
    async with watching(export, port):
        await port.until(lambda: len(port.scans) == 2 and (port.state_dir / "done.jsonl").exists())
        await port.rounds_more(3)
    assert len(port.scans) == 2
    assert port.scans[0].key == port.scans[1].key


async def test_what_was_not_answered_is_handed_over_again(export: Path, port: FakePort) -> None:
    (export / "a.png").write_bytes(PNG)
    port.open.clear()
    async with watching(export, port):
        await port.until(lambda: port.scans)
    port.open.set()
    async with watching(export, port):
        await port.until(lambda: len(port.scans) == 2)
    assert port.scans[0].key == port.scans[1].key


async def test_refused_scans_wait_in_the_folder_and_the_device_says_so(export: Path, port: FakePort) -> None:
    room = [Outcome.REFUSED, Outcome.REFUSED]
    port.answer = lambda _: room.pop() if room else Outcome.COMMITTED
    async with watching(export, port):
        write_atomically(export, "a.png", PNG)
        await port.until(lambda: len(port.scans) == 3)
        await port.until(lambda: port.last and port.last.state is DeviceState.UP)
    assert "no-room" in [said.code for said in port.said if said.state is DeviceState.DEGRADED]
    assert {s.key for s in port.scans} == {port.scans[0].key}


async def test_no_more_files_are_under_way_than_memory_allows(export: Path, port: FakePort) -> None:
    for number in range(intake.IN_FLIGHT + 3):
        (export / f"{number}.png").write_bytes(coded(".png", grey16(number)))
    port.open.clear()
    async with watching(export, port):
        await port.until(lambda: len(port.scans) == intake.IN_FLIGHT)
        assert len(port.scans) == intake.IN_FLIGHT
        port.open.set()
        await port.until(lambda: len(port.scans) == intake.IN_FLIGHT + 3)


async def test_temporary_hidden_linked_and_rejected_files_are_left_alone(
    export: Path, port: FakePort, tmp_path: Path
) -> None:
    (tmp_path / "outside.png").write_bytes(PNG)
    (export / "link.png").symlink_to(tmp_path / "outside.png")
    (export / "linked").symlink_to(tmp_path, target_is_directory=True)
    for name in ("x.png.tmp", "y.PART", ".hidden.png", "~lock.png", "Thumbs.db", ".dir/z.png", "rejected/old.png"):
        (export / name).parent.mkdir(exist_ok=True)
        (export / name).write_bytes(PNG)
    os.mkfifo(export / "pipe.png")
    async with watching(export, port):
        write_atomically(export, "good.png", PNG)
        await port.until(lambda: port.scans)
        (export / "x.png.tmp").touch()
        await port.rounds_more(5)
    assert [s.name for s in port.scans] == ["good.png"]


@pytest.mark.parametrize("recursive", [True, False])
async def test_folders_in_the_folder(export: Path, port: FakePort, recursive: bool) -> None:
    (export / "2026" / "11").mkdir(parents=True)
    (export / "2026" / "11" / "a.png").write_bytes(PNG)
    async with watching(export, port, recursive=recursive):
        await port.until(lambda: not recursive or port.scans)
        (export / "new").mkdir()
        (export / "new" / "b.png").write_bytes(FILES["grey8.png"])
        write_atomically(export, "c.png", FILES["colour.png"])
        await port.until(lambda: len(port.scans) == (3 if recursive else 1))
        await port.rounds_more(3)
    assert {s.name for s in port.scans} == ({"a.png", "b.png", "c.png"} if recursive else {"c.png"})


async def test_a_folder_that_is_missing_comes_back_by_itself(export: Path, port: FakePort) -> None:
    export.rmdir()
    async with watching(export, port):
        assert port.last and port.last.state is DeviceState.DOWN
        assert port.last.code == "link-lost"
        assert str(export) in port.last.reason
        assert "mount the share" in port.last.reason
        export.mkdir()
        (export / "a.png").write_bytes(PNG)
        await port.until(lambda: port.scans)
        await port.until(lambda: port.last and port.last.state is DeviceState.UP)


async def test_a_folder_that_is_replaced_under_us_is_noticed(export: Path, port: FakePort, tmp_path: Path) -> None:
    async with watching(export, port):
        export.rename(tmp_path / "elsewhere")
        export.mkdir()
        await port.until(lambda: any(isinstance(e, LinkLost) for e in port.errors))
        (export / "a.png").write_bytes(PNG)
        await port.until(lambda: port.scans)
        await port.until(lambda: port.last and port.last.state is DeviceState.UP)


async def test_nothing_mounted_is_down_where_a_mount_is_expected(export: Path, port: FakePort) -> None:
    async with watching(export, port, mounted=True):
        assert port.last and port.last.state is DeviceState.DOWN
        assert "nothing is mounted here" in port.last.reason


async def test_a_share_without_events_is_polled_by_itself(
    export: Path, port: FakePort, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drivers.folder.share.mount_of", lambda _: Mount(str(export), "cifs"))
    monkeypatch.setattr(intake, "POLL_S", 0.05)
    async with watching(export, port):
        assert port.last and port.last.facts == {
            "rejected": 0,
            "file_system": "cifs",
            "watching": "a look every 0.05 s",
        }
        (export / "a.png").write_bytes(PNG)
        await port.until(lambda: port.scans)


async def test_without_watches_left_it_polls_and_says_so(
    export: Path, port: FakePort, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(*_: object, **__: object) -> None:
        raise OSError(28, "OS file watch limit reached")

    monkeypatch.setattr("watchfiles.watch", none_left)
    monkeypatch.setattr(intake, "POLL_S", 0.05)
    async with watching(export, port):
        await port.until(lambda: port.last and "for want of file events" in str(port.last.facts["watching"]))
        (export / "a.png").write_bytes(PNG)
        await port.until(lambda: port.scans)


async def test_poll_s_polls(export: Path, port: FakePort) -> None:
    async with watching(export, port, poll_s=0.05):
        assert port.last and port.last.facts["watching"] == "a look every 0.05 s"
        (export / "a.png").write_bytes(PNG)
        await port.until(lambda: port.scans)


async def test_a_hanging_share_is_down_and_hangs_one_thread_only() -> None:
    release, ticks = threading.Event(), []
    io = Bounded(lambda: ticks.append(1))
    with pytest.raises(LinkTimeout, match="listing took longer than 0 s"):
        await io.call(0.05, "listing", release.wait, 20)
    with pytest.raises(LinkTimeout, match="an earlier access still hangs"):
        await io.call(60, "listing", release.wait, 20)
    release.set()
    while True:
        try:
            assert await io.call(60, "listing", lambda: 7) == 7
            break
        except LinkTimeout:
            await asyncio.sleep(0)


def test_an_access_that_comes_back_once_the_loop_has_gone_is_told_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    release, failed = threading.Event(), []
    io = Bounded(lambda: None)

    async def give_up() -> asyncio.AbstractEventLoop:
        call = asyncio.create_task(io.call(60, "listing", release.wait, 60))
        await asyncio.sleep(0)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        return asyncio.get_running_loop()

    monkeypatch.setattr(threading, "excepthook", failed.append)
    loop = asyncio.run(give_up())
    monkeypatch.setattr(loop, "is_closed", lambda: False)  # as where it is closed just after somebody looked
    release.set()
    assert io._late
    io._late.join(60)
    assert not failed


async def test_a_timeout_of_the_file_server_is_not_mistaken_for_ours() -> None:
    def times_out() -> None:
        raise TimeoutError(110, "Connection timed out")

    with pytest.raises(TimeoutError, match="Connection timed out"):
        await Bounded(lambda: None).call(60, "listing", times_out)


async def test_observed_is_when_the_last_byte_came_not_when_it_was_read(export: Path, port: FakePort) -> None:
    (export / "a.png").write_bytes(PNG)
    arrived_ns = (export / "a.png").stat().st_ctime_ns
    os.utime(export / "a.png", (1, 1))
    arrived_ns = (export / "a.png").stat().st_ctime_ns
    async with watching(export, port):
        await port.until(lambda: port.scans)
    assert abs(port.scans[0].at.wall_ns - arrived_ns) < 100_000_000


async def test_a_scan_that_the_wire_does_not_take_is_rejected(export: Path, port: FakePort) -> None:
    def too_large(_: Observation) -> Outcome:
        raise ValueError("a frame of 1 + 2 bytes is over the limit")

    port.answer = too_large
    async with watching(export, port):
        write_atomically(export, "a.png", PNG)
        await port.until(lambda: port.last and port.last.facts["rejected"] == 1)
    assert "over the limit" in (export / "rejected" / "a.png.txt").read_text()


async def test_an_unexpected_failure_of_the_core_is_not_swallowed(export: Path, port: FakePort) -> None:
    def broken(_: Observation) -> Outcome:
        raise RuntimeError("core gone")

    port.answer = broken
    (export / "a.png").write_bytes(PNG)
    with pytest.raises(RuntimeError, match="core gone"):
        async with running(FolderDriver(FolderSettings(path=export, settle_ms=50)), port) as task:
            await asyncio.wait({task})


async def test_probe_says_what_is_there(export: Path) -> None:
    driver = FolderDriver(FolderSettings(path=export))
    report = await driver.probe(60)
    assert report.ok
    assert report.sample is None
    (export / "a.png").write_bytes(PNG)
    report = await driver.probe(60)
    assert report.ok
    assert report.sample == "a.png: image/png, 60 x 40 single 16 bit"
    assert "1 files" in report.steps[1]


async def test_probe_says_what_is_wrong(export: Path) -> None:
    (export / "a.png").write_bytes(b"junk" * 100)
    report = await FolderDriver(FolderSettings(path=export)).probe(60)
    assert not report.ok
    assert "neither PNG" in report.steps[-1]
    report = await FolderDriver(FolderSettings(path=export / "missing")).probe(60)
    assert not report.ok
    assert "create the folder" in report.steps[-1] and report.code.startswith("link")
