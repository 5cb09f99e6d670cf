"""The driver on files that it cannot take: moved aside with the reason, removed, or set aside after they killed it."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path
from typing import Any

import pytest

from drivers.errors import ProtocolError
from drivers.folder import codec, decode, intake
from drivers.folder.driver import FolderDriver
from drivers.folder.rejected import Rejected
from drivers.folder.settings import FolderSettings
from tests.fakeport import FakePort, running
from tests.pictures import FILES
from tests.unit.drivers.folder.exported import PNG, watching, write_atomically

pytestmark = pytest.mark.usefixtures("short_patience")


async def test_what_cannot_be_read_is_moved_aside_beside_the_reason(export: Path, port: FakePort) -> None:
    async with watching(export, port):
        write_atomically(export, "notes.docx", b"PK\3\4 not a picture" * 20)
        write_atomically(export, "half.png", PNG[: len(PNG) // 2])
        write_atomically(export, "good.png", PNG)
        await port.until(lambda: port.last and port.last.facts["rejected"] == 2 and port.scans)
        await port.rounds_more(2)
    assert sorted(p.name for p in export.iterdir()) == ["good.png", "rejected"]
    rejected = export / "rejected"
    assert (rejected / "half.png").read_bytes() == PNG[: len(PNG) // 2]
    text = (rejected / "half.png.txt").read_text()
    assert "half.png" in text
    assert "ends early" in text
    assert "neither PNG, JPEG, TIFF nor DICOS" in (rejected / "notes.docx.txt").read_text()
    assert [s.name for s in port.scans] == ["good.png"]


async def test_a_second_bad_file_of_a_name_does_not_replace_the_first(export: Path, port: FakePort) -> None:
    async with watching(export, port):
        for number in range(2):
            write_atomically(export, "x.png", b"junk %d" % number * 50)
            await port.until(lambda n=number: port.last and port.last.facts["rejected"] == n + 1)
    assert sorted(p.name for p in (export / "rejected").iterdir()) == [
        "x-2.png", "x-2.png.txt", "x.png", "x.png.txt",
    ]  # fmt: skip


async def test_a_bomb_is_rejected_and_the_rest_goes_on(export: Path, port: FakePort) -> None:
    bomb = bytearray(FILES["grey8.png"])
    import struct
    import zlib

    struct.pack_into(">II", bomb, 16, 60_000, 60_000)
    struct.pack_into(">I", bomb, 29, zlib.crc32(bomb[12:29]))
    async with watching(export, port):
        write_atomically(export, "bomb.png", bytes(bomb))
        write_atomically(export, "good.png", PNG)
        await port.until(lambda: port.scans and port.last and port.last.facts["rejected"] == 1)
    assert "60000 x 60000" in (export / "rejected" / "bomb.png.txt").read_text()


async def test_a_file_over_the_limit_is_rejected_unread(export: Path, port: FakePort) -> None:
    async with watching(export, port, max_file_bytes=1024):
        write_atomically(export, "large.png", PNG)
        await port.until(lambda: port.last and port.last.facts["rejected"] == 1)
    assert "max_file_bytes is 1024" in (export / "rejected" / "large.png.txt").read_text()
    assert (export / "rejected" / "large.png").read_bytes() == PNG


async def test_a_file_that_cannot_be_moved_is_copied_aside_once(
    export: Path, port: FakePort, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(self: Rejected) -> Path:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Rejected, "_folder", read_only)
    (export / "bad.png").write_bytes(b"junk" * 50)
    for _ in range(2):
        async with watching(export, port):
            await port.rounds_more(4)
    own = port.state_dir / "rejected"
    assert sorted(p.name for p in own.iterdir()) == ["bad.png", "bad.png.txt"]
    assert "read-only" in (own / "bad.png.txt").read_text()
    assert (export / "bad.png").exists()


async def test_pictures_of_people_are_removed_and_not_moved(
    export: Path, port: FakePort, monkeypatch: pytest.MonkeyPatch
) -> None:
    class PersonImage(ProtocolError):
        code = "person-image"

    def refuse(data: bytes, name: str, at: object) -> None:
        raise PersonImage("a body scan")

    monkeypatch.setattr(codec, "read", refuse)
    async with watching(export, port):
        write_atomically(export, "DOE^JANE.dcm", b"x" * 500)
        await port.until(lambda: port.last and port.last.facts["rejected"] == 1)
    left = [p.name for p in export.rglob("*") if p.is_file()]
    assert len(left) == 1
    assert left[0].startswith("person-picture-")
    assert "DOE" not in left[0] + (export / "rejected" / left[0]).read_text()
    assert "a body scan" in (export / "rejected" / left[0]).read_text()


async def test_a_file_that_killed_this_process_too_often_is_set_aside(export: Path, port: FakePort) -> None:
    killer = export / "killer.png"
    killer.write_bytes(PNG)
    status = killer.stat()
    port.state_dir.mkdir()
    identity = [status.st_size, status.st_mtime_ns, status.st_ino]
    (port.state_dir / "decoding.json").write_text(json.dumps(["killer.png", *identity, decode.MAX_TRIES]))
    async with watching(export, port):
        await port.until(lambda: port.last and port.last.facts["rejected"] == 1)
    assert "crashed or hung over this file 3 times" in (export / "rejected" / "killer.png.txt").read_text()
    assert port.scans == []


async def test_a_file_being_decoded_leaves_its_mark_and_takes_it_back(
    export: Path, port: FakePort, monkeypatch: pytest.MonkeyPatch
) -> None:
    marks, real = [], codec.read

    def read(data: bytes, name: str, at: Any) -> Any:
        marks.append(json.loads((port.state_dir / "decoding.json").read_text()))
        return real(data, name, at)

    monkeypatch.setattr(codec, "read", read)
    port.state_dir.mkdir()
    async with watching(export, port):
        write_atomically(export, "a.png", PNG)
        await port.until(lambda: port.scans)
    assert [(mark[0], mark[-1]) for mark in marks] == [("a.png", 1)]
    assert not (port.state_dir / "decoding.json").exists()


async def test_a_hanging_decoder_ends_the_process(
    export: Path, port: FakePort, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = threading.Event()
    monkeypatch.setattr(codec, "read", lambda *_: release.wait(60))
    monkeypatch.setattr(intake, "DECODE_DEADLINE_S", 0.1)
    (export / "a.png").write_bytes(PNG)
    try:
        with pytest.raises(decode.StuckDecoder):
            async with running(FolderDriver(FolderSettings(path=export, settle_ms=50)), port) as task:
                await asyncio.wait({task})
    finally:
        release.set()
