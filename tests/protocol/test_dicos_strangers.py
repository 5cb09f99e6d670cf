"""The dicos driver and what no scanner should send: it costs nobody anything but its sender."""

from __future__ import annotations

import logging
import threading
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from struct import pack

import pytest

from drivers.contract import DeviceState
from drivers.dicos import scp
from drivers.dicos.driver import DicosDriver
from drivers.dicos.elements import file_meta
from drivers.dicos.settings import DicosSettings
from drivers.dicos.uids import DX_FOR_PROCESSING, PERSONS
from drivers.ports import free_port
from simulators.dicomwire import Scanner, associate_rq, command, data
from simulators.dicosfiles import made
from tests.fakeport import FakePort, running

pytestmark = pytest.mark.protocol
FILE = made()
DATASET = FILE[file_meta(FILE)[1] :]


@asynccontextmanager
async def listening(tmp_path: Path, **settings: object) -> AsyncIterator[tuple[FakePort, int]]:
    """A driver that says nothing to stderr, and leaves no thread behind."""
    number = free_port()
    port = FakePort(tmp_path)
    driver = DicosDriver(DicosSettings.model_validate({"listen": f"127.0.0.1:{number}", **settings}))
    async with running(driver, port):
        await port.until(lambda: port.last and port.last.state is DeviceState.UP)
        before = set(threading.enumerate())
        yield port, number
        await port.until(lambda: set(threading.enumerate()) <= before)


async def stores(core: FakePort, port: int) -> None:
    """A scanner that behaves gets its scan through."""
    count = len(core.scans)
    async with Scanner.associated(port) as scanner:
        assert await scanner.store(DX_FOR_PROCESSING, DATASET) == 0
    assert len(core.scans) == count + 1


STRANGERS = {
    "a health check": b"",
    "a browser": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
    "an endless PDU": b"\x01\x00\xff\xff\xff\xff" + bytes(64),
    "half a PDU": associate_rq(DX_FOR_PROCESSING)[:40],
    "an empty request": pack(">BxI", 1, 68) + bytes(68),
    "data without an association": command(1, DX_FOR_PROCESSING, "1.2") + data(DATASET),
    "a release without an association": b"\x05\0\0\0\0\4\0\0\0\0",
    "zeros": bytes(5000),
}


@pytest.mark.parametrize("name", STRANGERS)
async def test_a_stranger_costs_nothing(
    name: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    with caplog.at_level(logging.INFO):
        async with listening(tmp_path) as (core, port):
            for _ in range(3):
                async with Scanner.connected(port) as stranger:
                    stranger.writer.write(STRANGERS[name])
                    stranger.says_no_more()
                    await stranger.ended()
            await stores(core, port)
    assert "Traceback" not in caplog.text + capfd.readouterr().err
    assert len([r for r in caplog.records if r.levelno >= logging.WARNING]) <= 1, "the same is said once"


async def test_a_connection_that_says_nothing_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scp, "ASSOCIATE_S", 3.0)  # in which one that behaves says what it wants
    async with listening(tmp_path) as (core, port), Scanner.connected(port) as silent:
        await stores(core, port)
        await silent.ended()


async def test_an_association_that_says_no_more_is_ended(tmp_path: Path) -> None:
    async with listening(tmp_path, idle_s=4, answer_s=3) as (core, port), Scanner.associated(port) as silent:
        await stores(core, port)
        await silent.ended()


async def test_more_connections_than_anyone_needs(tmp_path: Path) -> None:
    async with listening(tmp_path, max_associations=2) as (core, port):
        quiet = set(threading.enumerate())
        async with AsyncExitStack() as crowd:
            strangers = [await crowd.enter_async_context(Scanner.connected(port)) for _ in range(40)]
            for stranger in strangers[-20:]:
                await stranger.ended()
        await core.until(lambda: set(threading.enumerate()) <= quiet)
        await stores(core, port)


async def test_a_scanner_that_does_not_wait_for_answers(tmp_path: Path) -> None:
    async with listening(tmp_path) as (core, port), Scanner.associated(port) as scanner:
        core.open.clear()
        for number in range(1, 6):
            scanner.writer.write(command(number, DX_FOR_PROCESSING, f"1.2.3.{number}") + data(DATASET))
        await core.until(lambda: core.scans)
        core.open.set()
        assert [await scanner.status() for _ in range(5)] == [0] * 5
    assert len(core.scans) == 5


async def test_a_scanner_that_hangs_up_before_the_answer(tmp_path: Path) -> None:
    async with listening(tmp_path) as (core, port):
        core.open.clear()
        async with Scanner.associated(port) as scanner:
            scanner.writer.write(command(1, DX_FOR_PROCESSING, "1.2.3.1") + data(DATASET))
            await core.until(lambda: core.scans)
            scanner.writer.transport.abort()
        core.open.set()
        await stores(core, port)


async def test_an_object_cut_short_is_kept_with_its_reason(tmp_path: Path) -> None:
    async with listening(tmp_path) as (core, port), Scanner.associated(port) as scanner:
        assert await scanner.store(DX_FOR_PROCESSING, DATASET[:-20]) == 0
    (scan,) = core.scans
    assert scan.problem is not None and "48 bytes are announced, 28 are there" in scan.problem
    assert bytes(scan.original).endswith(DATASET[:-20])


async def test_an_empty_object_is_damaged(tmp_path: Path) -> None:
    async with listening(tmp_path) as (core, port), Scanner.associated(port) as scanner:
        assert await scanner.store(DX_FOR_PROCESSING, b"") == 0
    assert [scan.problem for scan in core.scans] == ["a damaged DICOM object: it is empty"]


async def test_a_store_without_an_object_gets_nowhere(tmp_path: Path) -> None:
    async with listening(tmp_path, idle_s=4, answer_s=3) as (core, port), Scanner.associated(port) as scanner:
        scanner.writer.write(command(1, DX_FOR_PROCESSING, "1.2.3.1", has_dataset=False))
        await scanner.ended()
        await stores(core, port)


async def test_a_person_under_a_context_for_bags(tmp_path: Path) -> None:
    async with listening(tmp_path / "state") as (core, port), Scanner.associated(port) as scanner:
        scanner.writer.write(command(1, next(iter(PERSONS)), "1.2.3.1") + data(DATASET))
        await scanner.ended()
        await stores(core, port)
    assert len(core.scans) == 1 and not (tmp_path / "state").exists()


@pytest.mark.parametrize("end", range(4, 120, 13))
async def test_an_association_that_breaks_off_anywhere(end: int, tmp_path: Path) -> None:
    sent = associate_rq(DX_FOR_PROCESSING) + command(1, DX_FOR_PROCESSING, "1.2") + data(DATASET)
    async with listening(tmp_path) as (core, port), Scanner.connected(port) as scanner:
        scanner.writer.write(sent[: len(sent) * end // 120])
        scanner.says_no_more()
        await scanner.ended()
        await stores(core, port)


async def test_another_dialect_is_rejected_and_not_misunderstood(tmp_path: Path) -> None:
    async with listening(tmp_path) as (core, port):
        async with Scanner.connected(port) as dicos:
            dicos.writer.write(associate_rq(DX_FOR_PROCESSING, application="1.2.840.10008.3.1.1.1.9"))
            kind, body = await dicos.pdu()
            assert (kind, body) == (3, b"\0\1\1\2"), "rejected, permanently, application context name not supported"
            await dicos.ended()
        await stores(core, port)
