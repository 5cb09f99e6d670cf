"""Body scanners over the wire: zones come through, pictures do not, and leave no trace on the disk."""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
import pytest

from drivers.contract import Category, Outcome, Scan
from drivers.dicos import tdr
from drivers.dicos.codec import file_meta
from drivers.dicos.uids import TDR
from simulators.bodyscanner.model import PLACES, Anomaly, Passage
from simulators.bodyscanner.wire import AIT_2D, picture, report
from simulators.dicomwire import Scanner, associate_rq, command, data
from simulators.dicosfiles import made
from tests import sdicos
from tests.protocol.test_dicos_dialect import Listening
from tests.protocol.test_dicos_joined import store

pytestmark = [pytest.mark.protocol, pytest.mark.filterwarnings("ignore:.*VR")]
ZONES = {words: zone for words, (_, zone) in PLACES.items()}
AT = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
TRACE = b"PERSON-PICTURE!"
#: For all of them, each with a picture that is refused and a report that is answered.
PASSAGES_S = 180.0


async def simulated(port: int, *arguments: str) -> list[dict[str, Any]]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "simulators.cli", "bodyscanner", "--to", f"127.0.0.1:{port}", "--json"),
        *("--every-s", "0", *arguments),
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await asyncio.wait_for(process.communicate(), PASSAGES_S)
    assert process.returncode == 0
    return [json.loads(line) for line in out.splitlines()]


def traces(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and TRACE in path.read_bytes()]


async def test_the_simulators_passages_are_readings_and_its_pictures_are_refused(tmp_path: Path) -> None:
    async with Listening(tmp_path / "state", zones=ZONES) as here:
        told = await simulated(here.number, "--count", "12", "--seed", "3", "--alarm-rate", "0.6", "--pictures")
    assert len(told) == len(here.core.readings) == 12 and not here.core.scans
    for truth, reading in zip(told, here.core.readings, strict=True):
        assert reading.values["decision"] == truth["decision"]
        assert reading.values["zones"] == [f"dhs17:{zone}" for zone in truth["zones"]]
    assert any(truth["zones"] for truth in told)
    assert not any(truth["picture_taken"] for truth in told)
    assert not traces(tmp_path)


@pytest.mark.parametrize("offered", ["1.2.840.10008.5.1.4.1.1.501.4", "1.2.840.10008.5.1.4.1.1.501.5.3"])
async def test_a_picture_of_a_person_has_no_context_and_leaves_no_trace(offered: str, tmp_path: Path) -> None:
    """Refused at the association; a scanner that stores all the same is not listened to."""
    async with Listening(tmp_path / "state") as here:
        async with Scanner.connected(here.number) as peer:
            peer.writer.write(associate_rq(offered))
            kind, body = await peer.pdu()
            assert kind == 2
            at = body.index(b"\x21\x00")
            assert body[at + 6] != 0, "the presentation context is not accepted"
            peer.writer.write(command(1, offered, "1.2.3") + data(TRACE * 100))
            await peer.ended()
        assert not here.core.observations
    assert not traces(tmp_path)


async def test_a_picture_under_another_name_is_refused_too(tmp_path: Path) -> None:
    """A scanner that says DX and sends what its own attributes call a body scanner's image."""
    ds = picture(1)
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.501.2.2"
    file = tmp_path / "sent" / "dx.dcs"
    file.parent.mkdir()
    ds.save_as(file, enforce_file_format=True)
    async with Listening(tmp_path / "state", views=2) as here:
        out = await store(here.number, file)
        assert "(Success)" not in out, out
        assert not here.core.observations
    assert not traces(tmp_path / "state") and AIT_2D not in out


async def test_what_else_there_is_of_a_person_is_refused(tmp_path: Path) -> None:
    """A spectrum, say: it has no pixels, and would be kept with the person's identifier in it."""
    file = tmp_path / "qr.dcs"
    file.write_bytes(made(SOPClassUID="1.2.840.10008.5.1.4.1.1.501.6", OOIType="PERSON", PixelData=None))
    async with Listening(tmp_path / "state") as here:
        assert "(Success)" not in await store(here.number, file)
        assert not here.core.observations


async def test_a_picture_announced_as_a_report_is_a_picture(tmp_path: Path) -> None:
    file = made()
    async with Listening(tmp_path / "state") as here:
        async with Scanner.connected(here.number) as peer:
            peer.writer.write(associate_rq(TDR))
            assert (await peer.pdu())[0] == 2
            assert await peer.store(TDR, file[file_meta(file)[1] :]) == 0
        (scan,) = here.core.scans
        assert scan.pictures and scan.problem is None


async def test_a_report_is_one_hit_however_often_it_comes(tmp_path: Path) -> None:
    file = tmp_path / "tdr.dcs"
    ds = report(Passage(1, (Anomaly("BACK", (0.5, 0.7, 0.8), 0.9),)))
    ds.save_as(file, enforce_file_format=True)
    async with Listening(tmp_path / "state", zones=ZONES) as here:
        here.core.answer = lambda _: Outcome.REFUSED
        assert "Refused" in await store(here.number, file)
        here.core.answer = lambda _: Outcome.COMMITTED
        for _ in range(2):
            assert "(Success)" in await store(here.number, file)
        assert len(here.core.readings) == 2, "once refused, once taken"
    async with Listening(tmp_path / "state", zones=ZONES) as here:
        assert "(Success)" in await store(here.number, file)
        assert not here.core.readings
    identifiers = [str(ds.SOPInstanceUID), str(ds.StudyInstanceUID), "PASSAGE"]
    for path in (tmp_path / "state").rglob("*"):
        assert not path.is_file() or not any(one.encode() in path.read_bytes() for one in identifiers), path


async def test_the_reference_toolkit_reads_what_the_simulator_sends(tmp_path: Path) -> None:
    for number, passage in enumerate(
        (Passage(1), Passage(2, aborted=True), Passage(3, (Anomaly("BACK", (0.5, 0.7, 0.8), 0.9),)))
    ):
        file = tmp_path / f"{number}.dcs"
        report(passage).save_as(file, enforce_file_format=True)
        said = await asyncio.to_thread(sdicos.read, "TDR", file)
        assert said == {"read": True, "errors": ""}, (passage, said)


async def test_what_the_reference_toolkit_writes_is_read(tmp_path: Path) -> None:
    """On baggage: of a person the toolkit reads a report, and has no way to write one."""
    source, theirs = tmp_path / "source.dcs", tmp_path / "theirs.dcs"
    ours = tdr.Report(
        *("s", "ALARM", "1.2.3", "1.2.3.4", AT, AT, ("A", "1", "-x=1")),
        (tdr.PotentialThreat("gun", Category.PI, (1, 2, 3, 4), 0.75),),
        ooi_id="0220123456",
        ooi_id_type="BARCODE",
    )
    ds = pydicom.dcmread(BytesIO(tdr.write(ours)))
    ds.DateOfLastCalibration, ds.TimeOfLastCalibration = "20261121", "090000.000000"  # it reads none, and writes one
    ds.save_as(source, enforce_file_format=True)
    await asyncio.to_thread(sdicos.rewrite, "enumLittleEndianExplicit", source, theirs, "TDR")
    async with Listening(tmp_path / "state") as here:
        assert "(Success)" in await store(here.number, theirs)
        (reading,) = here.core.readings
    assert [(f.label, f.category, f.measurement.value) for f in reading.findings] == [("gun", Category.PI, 0.75)]
    assert (reading.item.id, reading.values["decision"]) == ("0220123456", "alarm")
    assert len(reading.raw) > 1000


async def test_a_damaged_report_is_kept_and_unknown(tmp_path: Path) -> None:
    async with Listening(tmp_path / "state") as here, Scanner.connected(here.number) as peer:
        peer.writer.write(associate_rq(TDR))
        kind, _ = await peer.pdu()
        assert kind == 2
        assert await peer.store(TDR, b"\x08\x00\x16\x00UI\xff\x7f1.2") == 0
    (scan,) = here.core.observations
    assert isinstance(scan, Scan) and scan.problem is not None and "damaged" in scan.problem


async def test_a_scanner_with_nothing_but_contacts(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "simulators.cli", "bodyscanner", "--contacts", "127.0.0.1:0", "--json"),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout
        said = json.loads(await asyncio.wait_for(process.stdout.readline(), 60))
        assert said["profile"] == "bodyscanner-contacts"
        _, writer = await asyncio.open_connection("127.0.0.1", int(said["listening"].rpartition(":")[2]))
        writer.close()
    finally:
        process.kill()
        await process.wait()
