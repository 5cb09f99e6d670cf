"""Reports out: dcmtk's storescp and the reference toolkit's server take them, and the toolkit reads them."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pydicom
import pytest

from drivers.contract import Category, DeviceState, Outcome, Scan, Verdict, VerdictThreat
from drivers.dicos import outbox, scu
from drivers.dicos.driver import DicosDriver
from drivers.dicos.settings import DicosSettings
from drivers.ports import free_port
from simulators.certificates import Authority
from simulators.dicosfiles import made
from tests import sdicos
from tests.core import DEADLINE_S, until
from tests.fakeport import FakePort, running
from tests.protocol.test_dicos_dialect import Listening
from tests.protocol.test_dicos_joined import files, store, waiting

pytestmark = [pytest.mark.protocol, pytest.mark.filterwarnings("ignore:Invalid value for VR")]

THREAT = VerdictThreat("dense object", Category.PI, 0.93, (1.0, 2.0, 3.0, 4.0), view=0)


def judged(scan: Scan) -> Verdict:
    """What the core would say: an alarm, or why there is none."""
    decision, reason, threats = ("unknown", scan.problem, ()) if scan.problem else ("alarm", None, (THREAT,))
    return Verdict(
        decision,  # type: ignore[arg-type]
        scan.scan_id or "s",
        *(1_795_000_000_000_000_000, 1_795_000_000_040_000_000, "baggage", "1.0", "lfw", "t1", "edge-01", "0.1"),
        reason=reason,
        hit_id=None if scan.problem else "019d3c6e-7a51-7c1e-b1a0-5f0c7d6f2c11",
        threshold=0.6,
        threats=threats,
        bag_tag="0220123456",
        type="BAGGAGE",
    )


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A workstation that shares a busy machine with us takes its time to answer a call."""
    monkeypatch.setattr(scu, "CONNECT_S", DEADLINE_S)


@contextlib.contextmanager
def storescp(folder: Path, port: int, *arguments: object) -> Iterator[None]:
    folder.mkdir(exist_ok=True)
    process = subprocess.Popen(
        ["storescp", "--promiscuous", "-aet", "VIEWER", "-od", folder, *map(str, arguments), str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.kill()
        process.wait(60)


def received(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*") if path.is_file())


@contextlib.asynccontextmanager
async def reporting(tmp_path: Path, to: str, **settings: object) -> AsyncIterator[Listening]:
    here = Listening(tmp_path / "state", tdr_to=to, **settings)
    here.core.verdict = judged
    async with here:
        yield here


async def test_each_item_has_its_report_at_the_workstation(tmp_path: Path) -> None:
    port, inbox = free_port(), tmp_path / "inbox"
    (alarm,) = files(tmp_path, 1)
    ct_file = tmp_path / "ct.dcs"
    ct_file.write_bytes(made(SOPClassUID="1.2.840.10008.5.1.4.1.1.501.1", SOPInstanceUID="1.2.9"))
    with storescp(inbox, port):
        async with reporting(tmp_path, f"dicom://VIEWER@127.0.0.1:{port}") as here:
            await store(here.number, alarm, ct_file)
            await until(lambda: len(received(inbox)) == 2)
            await until(lambda: not waiting(tmp_path))
    said = {}
    for path in received(inbox):
        reference = sdicos.read("TDR", _as_dicos(path))
        assert reference == {"read": True, "errors": ""}, reference
        ds = pydicom.dcmread(path)
        said[ds[0x40101031].value] = ds
    assert set(said) == {"ALARM", "UNKNOWN"}
    assert said["UNKNOWN"][0x40101024].value == "ABORT"
    assert said["UNKNOWN"][0x40101021].value == "UNKNOWN_DATATYPE"
    where = said["ALARM"][0x40101011][0][0x40101037][0]
    assert where[0x0008114A][0].ReferencedSOPInstanceUID == "1.2.3.0"


def _as_dicos(path: Path) -> Path:
    """A copy with DICOS's version in its file meta: it does not come over the wire, so storescp cannot write it."""
    ds = pydicom.dcmread(path)
    ds.file_meta.add_new(0x00020004, "CS", "V03")
    copy = path.parent.parent / f"{path.name}.dcs"
    ds.save_as(copy, enforce_file_format=True)
    return copy


async def test_the_reference_toolkits_server_takes_them(tmp_path: Path) -> None:
    port = free_port()
    with sdicos.server(port):
        async with reporting(tmp_path, f"dicos://VIEWER@127.0.0.1:{port}") as here:
            await store(here.number, *files(tmp_path))
            reports = tmp_path / "state" / "reports"
            await until(lambda: (reports / "reported.jsonl").exists() and not list(reports.glob("*.dcs")))
            assert not list(reports.glob("refused/*"))
            await here.core.until(lambda: here.core.last and here.core.last.state is DeviceState.UP)  # or is, by now


async def test_the_probe_asks_the_workstation(tmp_path: Path) -> None:
    port = free_port()
    driver = DicosDriver(DicosSettings(listen=f"127.0.0.1:{free_port()}", tdr_to=f"dicom://VIEWER@127.0.0.1:{port}"))
    report = await driver.probe(20)
    assert (report.ok, report.code) == (False, "link-lost") and report.mend and "VIEWER" in report.steps[-1]
    with storescp(tmp_path / "inbox", port):
        async with asyncio.timeout(60):
            while not (report := await driver.probe(20)).ok:
                await asyncio.sleep(0.1)
    assert report.steps[-1] == f"VIEWER at 127.0.0.1:{port} answers C-ECHO"


async def test_a_workstation_that_is_away_gets_every_report_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "MAX_RETRY_S", 0.5)
    port, inbox = free_port(), tmp_path / "inbox"
    inbox.mkdir()
    async with reporting(tmp_path, f"dicom://VIEWER@127.0.0.1:{port}") as here:
        out = await store(here.number, *files(tmp_path))
        assert out.count("(Success)") == 2, "a scanner waits for no workstation"
        await here.core.until(lambda: here.core.last and here.core.last.code == "workstation")
        assert here.core.last is not None and "VIEWER" in here.core.last.reason
    async with reporting(tmp_path, f"dicom://VIEWER@127.0.0.1:{port}") as here:
        with storescp(inbox, port):
            # Both hits have one id here, as the test's core says, and thus one instance.
            await until(lambda: received(inbox))
            await here.core.until(lambda: here.core.last and here.core.last.state is DeviceState.UP)


async def test_a_report_that_could_not_be_kept_is_made_when_the_scan_comes_again(tmp_path: Path) -> None:
    port = free_port()
    async with reporting(tmp_path, f"dicom://VIEWER@127.0.0.1:{port}") as here:
        reports = tmp_path / "state" / "reports"
        for path in reports.iterdir():
            path.unlink()
        reports.rmdir()
        reports.write_text("no folder any more")
        (one,) = files(tmp_path, 1)
        assert "Refused" in await store(here.number, one)
        reports.unlink()
        reports.mkdir()
        here.core.answer = lambda _: Outcome.REPEATED
        assert "(Success)" in await store(here.number, one)
        assert len(list(reports.glob("*.dcs"))) == 1
        assert "(Success)" in await store(here.number, one)
        assert len(list(reports.glob("*.dcs"))) == 1, "the report on a repeat is made once"


async def test_tls_both_ways(tmp_path: Path) -> None:
    """dcmtk stores to us over TLS with its certificate, and takes our report over TLS with ours."""
    authority, stranger = Authority(tmp_path, "ca"), Authority(tmp_path, "stranger")
    edge_cert, edge_key = authority.issue("edge")
    scanner_cert, scanner_key = authority.issue("scanner")
    other_cert, other_key = stranger.issue("other")
    port, inbox = free_port(), tmp_path / "inbox"
    (one,) = files(tmp_path, 1)
    secured = ("+tls", scanner_key, scanner_cert, "+cf", authority.file, "-ic")
    certificates = {"cert_file": str(edge_cert), "key_file": str(edge_key), "ca_file": str(authority.file)}
    with storescp(inbox, port, "+tls", scanner_key, scanner_cert, "+cf", authority.file):
        to = f"dicom-tls://VIEWER@127.0.0.1:{port}"
        async with reporting(tmp_path, to, tls=True, **certificates) as here:
            for wrong in ((), ("+tls", other_key, other_cert, "+cf", authority.file, "-ic"), ("+tla", "-ic")):
                assert "(Success)" not in await _storescu(here.number, *wrong, one)
            assert not here.core.scans
            async with asyncio.timeout(DEADLINE_S):  # dcmtk's patience with a handshake is its own
                while "(Success)" not in await _storescu(here.number, *secured, one):
                    pass
            await until(lambda: received(inbox))
            assert len({scan.key for scan in here.core.scans}) == 1
            report = await here.driver.probe(60)
            assert report.ok and "it answers C-ECHO" in report.steps


async def _storescu(port: int, *arguments: object) -> str:
    process = await asyncio.create_subprocess_exec(
        *("storescu", "-v", "-R", "-aec", "EDGE", "127.0.0.1", str(port), *map(str, arguments)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await asyncio.wait_for(process.communicate(), 60)
    return out.decode(errors="replace")


async def test_a_certificate_that_is_none_is_told_and_mended_by_another(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "ca")
    cert, key = authority.issue("edge")
    good = cert.read_bytes()
    cert.write_text("no certificate")
    port = FakePort(tmp_path / "state")
    port.state_dir.mkdir()
    driver = DicosDriver(
        DicosSettings(listen=f"127.0.0.1:{free_port()}", tls=True, cert_file=cert, key_file=key, ca_file=authority.file)
    )
    async with running(driver, port):
        await port.until(lambda: port.last and port.last.code == "link-tls")
        assert port.last is not None and "cert_file" in port.last.reason
        cert.write_bytes(good)
        await port.until(lambda: port.last and port.last.state is DeviceState.UP)
