"""The dicos driver against dcmtk's storescu and echoscu, and what it keeps against the reference toolkit."""

from __future__ import annotations

import asyncio
import hashlib
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drivers.clock import Stamp
from drivers.contract import DeviceState, Outcome
from drivers.dicos import codec
from drivers.dicos.driver import DicosDriver
from drivers.dicos.settings import DicosSettings
from drivers.dicos.uids import PERSONS
from drivers.ports import free_port
from simulators.dicosfiles import made
from simulators.xray import make_scan
from simulators.xray.wire import Identity, datasets
from tests import sdicos
from tests.fakeport import FakePort, running

pytestmark = pytest.mark.protocol
PEER_DEADLINE_S = 60.0
AT = Stamp(1_700_000_000_000_000_000, 5)


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


def refused(out: str) -> bool:
    return "Refused: OutOfResources" in out or "0xa700" in out.lower()


async def test_echo(tmp_path: Path) -> None:
    async with listening(tmp_path) as (core, port):
        status, out = await dcmtk("echoscu", "-aec", "EDGE", "127.0.0.1", port)
        assert status == 0, out
    assert core.last is not None and core.last.facts == {"listen": f"127.0.0.1:{port}", "ae_title": "EDGE"}


async def test_twelve_scans_over_one_association(tmp_path: Path, files: list[Path]) -> None:
    async with listening(tmp_path) as (core, port):
        status, out = await storescu(port, *files)
    assert status == 0, out
    assert out.count("Success") == 12
    assert len({scan.scan_id for scan in core.scans}) == len({scan.key for scan in core.scans}) == 12
    assert all(scan.pictures and scan.problem is None and scan.item.id for scan in core.scans)


async def test_the_same_scan_again_has_the_same_key(tmp_path: Path, files: list[Path]) -> None:
    async with listening(tmp_path) as (core, port):
        core.answer = lambda _: Outcome.REPEATED if len(core.scans) > 1 else Outcome.COMMITTED
        for title in ("SCANNER1", "SCANNER2"):
            status, out = await storescu(port, "-aet", title, files[0])
            assert status == 0, out
    assert len({scan.key for scan in core.scans}) == 1
    assert all(scan.answer_repeats for scan in core.scans)


async def test_success_is_answered_only_once_the_core_has_committed(tmp_path: Path, files: list[Path]) -> None:
    async with listening(tmp_path) as (core, port):
        core.open.clear()
        store = asyncio.create_task(storescu(port, files[0]))
        await core.until(lambda: core.scans)
        assert not (await asyncio.wait({store}, timeout=0.3))[0]
        core.open.set()
        status, out = await store
    assert status == 0 and "Success" in out


async def test_a_refused_scan_is_out_of_resources(tmp_path: Path, files: list[Path]) -> None:
    async with listening(tmp_path) as (core, port):
        core.answer = lambda _: Outcome.REFUSED
        _, out = await storescu(port, files[0])
    assert refused(out), out


async def test_a_core_without_an_answer_does_not_hold_the_scanner(tmp_path: Path, files: list[Path]) -> None:
    async with listening(tmp_path, answer_s=1) as (core, port):
        core.open.clear()
        _, out = await storescu(port, files[0])
        assert refused(out), out
        await core.until(lambda: core.last and core.last.code == "no-answer")
        assert core.last is not None and core.last.state is DeviceState.DEGRADED
        core.open.set()
        async with asyncio.timeout(PEER_DEADLINE_S):
            while (await storescu(port, files[0]))[0] != 0:  # within a second: on a busy machine not at once
                pass
        await core.until(lambda: core.last and core.last.state is DeviceState.UP)


async def test_two_scanners_at_once(tmp_path: Path, files: list[Path]) -> None:
    async with listening(tmp_path, answer_s=PEER_DEADLINE_S) as (core, port):
        core.open.clear()
        stores = [asyncio.create_task(storescu(port, *part)) for part in (files[:6], files[6:])]
        await core.until(lambda: len(core.scans) == 2)  # one of each, neither of them answered
        core.open.set()
        results = await asyncio.gather(*stores)
    assert [status for status, _ in results] == [0, 0]
    assert len(core.scans) == 12


async def test_what_is_kept_is_what_was_sent_and_the_reference_toolkit_reads_it(
    tmp_path: Path, files: list[Path]
) -> None:
    async with listening(tmp_path) as (core, port):
        await storescu(port, files[0])
    (scan,) = core.scans
    kept = tmp_path / "kept.dcs"
    kept.write_bytes(scan.original)
    size = 160 * 120 * 2
    assert bytes(scan.original[-size:]) == files[0].read_bytes()[-size:]
    said = sdicos.read("DX", kept)
    assert said["read"] and not said["errors"], said
    assert sorted(said["shape"]) == [120, 160]
    assert said["sha256"] == hashlib.sha256(scan.pictures[0].data).hexdigest()


@pytest.mark.parametrize(
    "syntax", ["enumLosslessJPEG", "enumLosslessRLE", "enumLittleEndianExplicit", "enumLittleEndianImplicit"]
)
async def test_what_the_reference_toolkit_writes(syntax: str, tmp_path: Path, files: list[Path]) -> None:
    sdicos.rewrite(syntax, files[0], tmp_path / "theirs.dcs")
    ours, theirs = (codec.read_file(p.read_bytes(), p.name, AT) for p in (files[0], tmp_path / "theirs.dcs"))
    assert bytes(theirs.pictures[0].data) == bytes(ours.pictures[0].data)
    assert (theirs.scan_id, theirs.item, theirs.pictures[0].energy) == (
        ours.scan_id,
        ours.item,
        ours.pictures[0].energy,
    )


#: How dcmtk compresses or converts a file, and the option with which its storescu offers the result.
CONVERSIONS = {
    "run lengths": (["dcmcrle"], "-xr"),
    "JPEG lossless": (["dcmcjpeg", "+e1"], "-xs"),
    "JPEG-LS": (["dcmcjpls", "+el"], "-xt"),
    "deflated": (["dcmconv", "+td"], "-xd"),
    "implicit VR": (["dcmconv", "+ti"], "-xi"),
    "big endian": (["dcmconv", "+tb"], "-xb"),
}


@pytest.mark.parametrize("name", CONVERSIONS)
async def test_every_offered_transfer_syntax_as_dcmtk_writes_it(name: str, tmp_path: Path, files: list[Path]) -> None:
    (program, *options), offer = CONVERSIONS[name]
    status, out = await dcmtk(program, *options, files[0], tmp_path / "converted.dcs")
    assert status == 0, out
    async with listening(tmp_path) as (core, port):
        for arguments in ([files[0]], [offer, tmp_path / "converted.dcs"]):
            status, out = await storescu(port, *arguments)
            assert status == 0, out
    plain, converted = core.scans
    assert converted.problem is None
    assert bytes(converted.pictures[0].data) == bytes(plain.pictures[0].data)
    assert bytes(converted.original) != bytes(plain.original)


async def test_what_is_not_judged_is_kept_and_said(tmp_path: Path) -> None:
    ct, cut = tmp_path / "ct.dcs", tmp_path / "short.dcs"
    ct.write_bytes(made(SOPClassUID="1.2.840.10008.5.1.4.1.1.501.1"))
    cut.write_bytes(made(Rows=60_000, Columns=60_000))
    async with listening(tmp_path) as (core, port):
        status, out = await storescu(port, ct, cut)
    assert status == 0, out
    assert [scan.problem for scan in core.scans] == [
        "not supported: DICOS CT Image",
        "an image of 60000 x 60000 pixels is over the limit of 20000 a side",
    ]
    assert all(scan.original and not scan.pictures and scan.scan_id == "1.2.3" for scan in core.scans)


async def test_a_file_cut_in_half_stops_its_sender_and_nobody_else(tmp_path: Path, files: list[Path]) -> None:
    cut = tmp_path / "cut.dcs"
    cut.write_bytes(files[0].read_bytes()[:9000])
    async with listening(tmp_path / "state") as (core, port):
        status, _ = await storescu(port, cut)
        assert status != 0
        status, out = await storescu(port, files[1])
    assert status == 0, out
    assert [scan.problem for scan in core.scans if scan.pictures] == [None]
    assert all(scan.problem for scan in core.scans if not scan.pictures)


@pytest.mark.parametrize("uid", PERSONS)
async def test_a_picture_of_a_person_is_offered_no_way_in(uid: str, tmp_path: Path) -> None:
    person = tmp_path / "person.dcs"
    person.write_bytes(made(SOPClassUID=uid))
    async with listening(tmp_path / "state") as (core, port):
        status, out = await storescu(port, person)
    assert status != 0 and "Success" not in out
    assert not core.observations and not (tmp_path / "state").exists()


async def test_a_picture_of_a_person_under_another_name_is_refused_and_kept_nowhere(tmp_path: Path) -> None:
    person = tmp_path / "person.dcs"
    person.write_bytes(made(OOIType="PERSON"))
    async with listening(tmp_path / "state") as (core, port):
        _, out = await storescu(port, person)
    assert "SOPClassNotSupported" in out, out
    assert not core.observations and not (tmp_path / "state").exists()


async def test_an_object_over_the_limit_is_cut_off_and_the_next_one_taken(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    for name, rows in (("large", 900), ("small", 60)):
        (ds,) = datasets(make_scan(1, None, rows, 500 if rows > 100 else 60), Identity.make(rng, 1))
        ds.save_as(tmp_path / f"{name}.dcs", enforce_file_format=True)
    async with listening(tmp_path / "state", max_object_bytes=200_000) as (core, port):
        status, _ = await storescu(port, tmp_path / "large.dcs")
        assert status != 0 and not core.scans
        await core.until(lambda: core.last and core.last.code == "object-too-large")
        status, out = await storescu(port, tmp_path / "small.dcs")
        assert status == 0, out
        assert len(core.scans) == 1
        await core.until(lambda: core.last and core.last.state is DeviceState.UP)


@pytest.mark.parametrize(
    ("settings", "stranger", "known"),
    [
        ({"calling_ae_titles": ["SCANNER"]}, ["-aet", "OTHER"], ["-aet", "SCANNER"]),
        ({"check_called_ae_title": True}, ["-aec", "OTHER"], ["-aec", "EDGE"]),
    ],
)
async def test_a_stranger_by_name_is_refused(
    settings: dict[str, Any], stranger: list[str], known: list[str], tmp_path: Path, files: list[Path]
) -> None:
    async with listening(tmp_path, **settings) as (core, port):
        status, _ = await storescu(port, *stranger, files[0])
        assert status != 0 and not core.scans
        status, out = await storescu(port, *known, files[0])
        assert status == 0, out


@pytest.mark.parametrize(("addresses", "admitted"), [(["10.9.9.9"], False), (["10.0.0.0/8", "127.0.0.0/8"], True)])
async def test_a_stranger_by_address_is_refused(
    addresses: list[str], admitted: bool, tmp_path: Path, files: list[Path]
) -> None:
    async with listening(tmp_path, addresses=addresses) as (core, port):
        status, _ = await storescu(port, files[0])
    assert (status == 0, len(core.scans)) == (admitted, int(admitted))


async def test_one_association_more_than_allowed_is_told_so(tmp_path: Path, files: list[Path]) -> None:
    async with listening(tmp_path, max_associations=1, answer_s=PEER_DEADLINE_S) as (core, port):
        core.open.clear()
        first = asyncio.create_task(storescu(port, files[0]))
        await core.until(lambda: core.scans)
        status, out = await storescu(port, files[1])
        assert status != 0 and "Local Limit Exceeded" in out.replace("-", " "), out
        core.open.set()
        assert (await first)[0] == 0


async def test_a_port_in_use_is_said_with_its_holder(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        number = other.getsockname()[1]
        port = FakePort(tmp_path)
        async with running(DicosDriver(DicosSettings(listen=f"127.0.0.1:{number}")), port):
            await port.until(lambda: port.last and port.last.code == "link-busy")
    assert port.last is not None and "process" in port.last.reason and str(number) in port.last.reason


async def test_an_address_that_is_not_ours(tmp_path: Path) -> None:
    port = FakePort(tmp_path)
    async with running(DicosDriver(DicosSettings(listen="192.0.2.1:11112")), port):
        await port.until(lambda: port.last and port.last.code == "link-lost")


async def test_the_port_is_free_again_once_the_driver_is_stopped(tmp_path: Path, files: list[Path]) -> None:
    async with listening(tmp_path) as (core, number):
        core.open.clear()
        store = asyncio.create_task(storescu(number, files[0]))
        await core.until(lambda: core.scans)
    assert (await store)[0] != 0, "it was never told that the scan was stored"
    port = FakePort(tmp_path)
    async with running(DicosDriver(DicosSettings(listen=f"127.0.0.1:{number}")), port):
        await port.until(lambda: port.last and port.last.state is DeviceState.UP)


async def test_probe(tmp_path: Path) -> None:
    def driver(number: int, **settings: Any) -> DicosDriver:
        return DicosDriver(DicosSettings(listen=f"127.0.0.1:{number}", **settings))

    free = await driver(free_port()).probe(60)
    assert free.ok and "free" in free.steps[0]
    async with listening(tmp_path, calling_ae_titles=["SCANNER"]) as (_, number):
        ours = await driver(number, calling_ae_titles=["SCANNER"]).probe(60)
        assert ours.ok and ours.identity == {"ae_title": "EDGE"}
        elsewhere = await driver(number, addresses=["10.0.0.1"]).probe(60)
        assert elsewhere.ok and "not in addresses" in elsewhere.steps[1]
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = await driver(other.getsockname()[1]).probe(1.5)
    assert not taken.ok and taken.code == "link-busy" and "process" in taken.steps[0]
