"""The dicos driver against dcmtk's storescu and echoscu, and what it keeps against the reference toolkit."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drivers.contract import DeviceState, Outcome
from drivers.dicos import tdr
from drivers.dicos.driver import DicosDriver
from drivers.dicos.settings import DicosSettings
from drivers.dicos.uids import PERSONS
from simulators.xray import make_scan
from simulators.xray.wire import Identity, datasets
from tests.fakeport import FakePort, running
from tests.peers import free_port

pytestmark = pytest.mark.protocol
PEER_DEADLINE_S = 30.0


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Twelve scans as a scanner would write them."""
    folder = tmp_path_factory.mktemp("scans")
    rng = np.random.default_rng(3)
    for number in range(12):
        scan = make_scan(number, "pistol" if number % 3 == 0 else None, 160, 120)
        for ds in datasets(scan, Identity.make(rng, number)):
            ds.save_as(folder / f"{number:02d}.dcs", enforce_file_format=True)
    return sorted(folder.iterdir())


@asynccontextmanager
async def listening(tmp_path: Path, **settings: Any) -> AsyncIterator[tuple[FakePort, int]]:
    number = free_port()
    port = FakePort(tmp_path)
    driver = DicosDriver(DicosSettings(listen=f"127.0.0.1:{number}", **settings))
    async with running(driver, port):
        await port.until(lambda: port.last and port.last.state is DeviceState.UP)
        yield port, number


async def dcmtk(program: str, *arguments: object) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        program, *map(str, arguments), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    out, _ = await asyncio.wait_for(process.communicate(), PEER_DEADLINE_S)
    return process.returncode or 0, out.decode(errors="replace")


async def storescu(port: int, *arguments: object) -> tuple[int, str]:
    return await dcmtk("storescu", "-v", "-R", "-aec", "EDGE", "127.0.0.1", port, *arguments)


async def test_echo(tmp_path: Path) -> None:
    async with listening(tmp_path) as (_, port):
        status, out = await dcmtk("echoscu", "-aec", "EDGE", "127.0.0.1", port)
        assert status == 0, out


async def test_twelve_scans_over_one_association(tmp_path: Path, files: list[Path]) -> None:
    async with listening(tmp_path) as (core, port):
        status, out = await storescu(port, *files)
    assert status == 0, out
    assert out.count("Success") == 12
    assert len({scan.scan_id for scan in core.scans}) == len({scan.key for scan in core.scans}) == 12
    assert all(scan.pictures and scan.problem is None for scan in core.scans)


async def test_success_is_answered_only_once_the_core_has_committed(tmp_path: Path, files: list[Path]) -> None:
    async with listening(tmp_path) as (core, port):
        core.open.clear()
        store = asyncio.create_task(storescu(port, files[0]))
        await core.until(lambda: core.scans)
        assert not store.done()
        core.open.set()
        status, out = await store
    assert status == 0 and "Success" in out


async def test_a_refused_scan_is_out_of_resources(tmp_path: Path, files: list[Path]) -> None:
    async with listening(tmp_path) as (core, port):
        core.answer = lambda _: Outcome.REFUSED
        _, out = await storescu(port, files[0])
    assert "Refused: OutOfResources" in out or "0xa700" in out.lower(), out


async def test_a_core_without_an_answer_does_not_hold_the_scanner(
    tmp_path: Path, files: list[Path]
) -> None:
    async with listening(tmp_path, answer_s=1) as (core, port):
        core.open.clear()
        _, out = await storescu(port, files[0])
        core.open.set()
    assert "Refused: OutOfResources" in out or "0xa700" in out.lower(), out


async def test_two_scanners_at_once(tmp_path: Path, files: list[Path]) -> None:
    async with listening(tmp_path) as (core, port):
        results = await asyncio.gather(storescu(port, *files[:6]), storescu(port, *files[6:]))
    assert [status for status, _ in results] == [0, 0]
    assert len(core.scans) == 12


async def test_what_is_kept_is_what_was_sent_and_the_reference_toolkit_reads_it(
    tmp_path: Path, files: list[Path]
) -> None:
    async with listening(tmp_path) as (core, port):
        await storescu(port, files[0])
    kept = tmp_path / "kept.dcs"
    kept.write_bytes(core.scans[0].original)
    sent = files[0].read_bytes()
    assert bytes(core.scans[0].original)[-38_400:] == sent[-38_400:]
    assert read_by_reference_toolkit(kept) == "DXLoader"


def read_by_reference_toolkit(path: Path) -> str:
    """What the toolkit reads a file as; in a process of its own, for it may crash."""
    code = f"import pydicos; print(type(pydicos.dcsread({str(path)!r})).__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr[-1000:]
    return done.stdout.split()[-1]


@pytest.mark.parametrize("decision", ["ALARM", "CLEAR", "UNKNOWN"])
def test_the_reference_toolkit_and_dcmtk_read_our_reports(decision: Any, tmp_path: Path) -> None:
    threat = tdr.PotentialThreat("dense object", tdr.Category.PI, (10, 20, 30, 40), 0.9)
    now = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
    path = tmp_path / "tdr.dcs"
    path.write_bytes(
        tdr.write(
            tdr.Report(
                "seed",
                decision,
                "1.2.3",
                "1.2.3.4",
                now,
                now,
                ("JAITF", "baggage 1.0"),
                (threat,) if decision == "ALARM" else (),
                abort_reason="TIMEOUT" if decision == "UNKNOWN" else None,
            )
        )
    )
    assert read_by_reference_toolkit(path) == "TDRLoader"
    dumped = subprocess.run(["dcmdump", path], capture_output=True, text=True, timeout=30, check=False)
    assert dumped.returncode == 0 and f"[{decision}" in dumped.stdout


async def test_a_picture_of_a_person_is_offered_no_way_in(tmp_path: Path, files: list[Path]) -> None:
    person = tmp_path / "person.dcs"
    data = files[0].read_bytes()
    plain, ait = b"1.2.840.10008.5.1.4.1.1.501.2.2\0", next(iter(PERSONS)).encode()
    person.write_bytes(data.replace(plain, ait.ljust(len(plain), b"\0")))
    async with listening(tmp_path / "state") as (core, port):
        status, out = await storescu(port, person)
        assert status != 0, out
        assert not core.observations
    assert not (tmp_path / "state").exists() or not list((tmp_path / "state").iterdir())


async def test_a_port_scan_and_garbage_leave_the_next_scanner_alone(tmp_path: Path, files: list[Path]) -> None:
    async with listening(tmp_path) as (core, port):
        for sent in (b"", b"GET / HTTP/1.1\r\n\r\n", b"\x01\x00\xff\xff\xff\xff" + bytes(64), b"\x04" * 5000):
            with socket.create_connection(("127.0.0.1", port), timeout=5) as stranger:
                stranger.sendall(sent)
        status, out = await storescu(port, files[0])
    assert status == 0, out
    assert len(core.scans) == 1


async def test_an_object_over_the_limit_is_cut_off_and_the_next_one_taken(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    for name, rows in (("large", 900), ("small", 60)):
        (ds,) = datasets(make_scan(1, None, rows, 500 if rows > 100 else 60), Identity.make(rng, 1))
        ds.save_as(tmp_path / f"{name}.dcs", enforce_file_format=True)
    async with listening(tmp_path / "state", max_object_bytes=200_000) as (core, port):
        status, _ = await storescu(port, tmp_path / "large.dcs")
        assert status != 0 and not core.scans
        status, out = await storescu(port, tmp_path / "small.dcs")
    assert status == 0, out
    assert len(core.scans) == 1


async def test_a_stranger_by_address_or_name_is_refused(tmp_path: Path, files: list[Path]) -> None:
    async with listening(tmp_path, calling_ae_titles=["SCANNER"]) as (core, port):
        status, _ = await storescu(port, files[0])
        assert status != 0 and not core.scans
        status, out = await storescu(port, "-aet", "SCANNER", files[0])
        assert status == 0, out
    async with listening(tmp_path, addresses=["10.9.9.9"]) as (core, port):
        status, _ = await storescu(port, files[0])
        assert status != 0 and not core.scans


async def test_a_port_in_use_is_said_with_its_holder(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        number = other.getsockname()[1]
        port = FakePort(tmp_path)
        async with running(DicosDriver(DicosSettings(listen=f"127.0.0.1:{number}")), port):
            await port.until(lambda: port.last and port.last.code == "link-busy")
    assert port.last is not None and "process" in port.last.reason and str(number) in port.last.reason


async def test_the_port_is_free_again_once_the_driver_is_stopped(tmp_path: Path) -> None:
    async with listening(tmp_path) as (_, number):
        pass
    port = FakePort(tmp_path)
    async with running(DicosDriver(DicosSettings(listen=f"127.0.0.1:{number}")), port):
        await port.until(lambda: port.last and port.last.state is DeviceState.UP)
