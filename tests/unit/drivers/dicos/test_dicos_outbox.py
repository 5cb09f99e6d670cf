"""Reports on their way to a workstation: on the disk, in order, bounded, and never lost without a word."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from drivers.dicos import outbox as module
from drivers.dicos.outbox import Outbox
from drivers.dicos.peer import Peer
from drivers.errors import LinkLost
from tests.core import until


class Workstation:
    """Answers as `says` has it; `away` keeps it from answering at all."""

    def __init__(self) -> None:
        self.took: list[str] = []
        self.away = False
        self.says: Callable[[str], int] = lambda _: 0

    def __call__(self, files: list[Path], answered: Callable[[Path, int], None]) -> None:
        for file in files:
            if self.away:
                raise LinkLost("VIEWER does not answer")
            report = file.read_text()
            status = self.says(report)
            if status & 0xFF00 != 0xA700:
                self.took.append(report)
            answered(file, status)


class Desk:
    def __init__(self, folder: Path, max_waiting: int = 100) -> None:
        self.viewer = Workstation()
        self.said: list[str] = []
        self.folder = folder
        self.outbox = Outbox(folder, max_waiting, self.viewer, lambda: self.said.append(self.outbox.problem))
        self.outbox.load()

    def put(self, *numbers: int) -> None:
        for number in numbers:
            self.outbox.put(f"key {number}", number, str(number).encode())

    @contextlib.asynccontextmanager
    async def sending(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.outbox.run())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_RETRY_S", 0.01)
    monkeypatch.setattr(module, "MAX_RETRY_S", 0.05)


async def test_reports_go_in_order_and_leave_the_disk(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.put(3, 1, 2)
    async with desk.sending():
        await until(lambda: len(desk.viewer.took) == 3)
        desk.put(4)
        await until(lambda: len(desk.viewer.took) == 4)
        await until(lambda: not list(tmp_path.glob("*.dcs")))
    assert desk.viewer.took == ["3", "1", "2", "4"] and not desk.said


async def test_a_workstation_that_is_away_gets_them_when_it_is_back(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.viewer.away = True
    desk.put(1, 2)
    async with desk.sending():
        await until(lambda: desk.said)
        assert desk.outbox.problem == "VIEWER does not answer; 2 reports wait"
        desk.viewer.away = False
        await until(lambda: desk.outbox.waiting == 0)
        await until(lambda: desk.said[-1] == "")
    assert desk.viewer.took == ["1", "2"]


async def test_what_waits_survives_the_process_in_its_order(tmp_path: Path) -> None:
    Desk(tmp_path).put(1, 2, 3)
    (tmp_path / "00000000000000000009-torn.dcs.partial").write_bytes(b"half")
    desk = Desk(tmp_path)
    assert desk.outbox.waiting == 3 and desk.outbox.has("key 2") and not desk.outbox.has("key 9")
    async with desk.sending():
        await until(lambda: desk.viewer.took == ["1", "2", "3"])


async def test_a_full_backlog_gives_up_the_oldest_and_counts_it(tmp_path: Path) -> None:
    desk = Desk(tmp_path, max_waiting=2)
    desk.put(1, 2, 3)
    assert (desk.outbox.waiting, desk.outbox.lost) == (2, 1)
    async with desk.sending():
        await until(lambda: desk.viewer.took == ["2", "3"])


async def test_no_room_at_the_workstation_is_waited_out(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.viewer.says = lambda _: 0xA700
    desk.put(1)
    async with desk.sending():
        await until(lambda: desk.said)
        assert "A700" in desk.outbox.problem
        desk.viewer.says = lambda _: 0xB000
        await until(lambda: desk.outbox.waiting == 0)


async def test_what_is_refused_for_good_is_kept_and_holds_up_nothing(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.viewer.says = lambda report: 0xC000 if report == "1" else 0
    desk.put(1, 2)
    async with desk.sending():
        await until(lambda: desk.outbox.waiting == 0)
    assert desk.outbox.refused == 1
    assert [path.read_text() for path in (tmp_path / "refused").iterdir()] == ["1"]


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("dicom://VIEWER@10.0.0.9:104", ("1.2.840.10008.3.1.1.1", False, "VIEWER", "10.0.0.9", 104)),
        ("dicos://A B@viewer.lfw:11112", ("1.2.840.10008.3.1.1.1.3", False, "A B", "viewer.lfw", 11112)),
        ("dicom-tls://V@[::1]:2762", ("1.2.840.10008.3.1.1.1", True, "V", "::1", 2762)),
    ],
)
def test_addresses(address: str, told: tuple[object, ...]) -> None:
    peer = Peer.parse(address)
    assert (peer.dialect, peer.tls, peer.ae_title, peer.host, peer.port) == told


@pytest.mark.parametrize(
    "address", ["dicom://10.0.0.9:104", "http://V@h:1", "dicom://V@h", "dicom://V@h:0", "dicom://V@h:70000", "V@h:1"]
)
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(ValueError, match="dicom://AE@HOST:PORT"):
        Peer.parse(address)
