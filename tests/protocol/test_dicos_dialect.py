"""DICOS's own dialect over the wire: the reference toolkit's client, beside dcmtk's, on one port."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from io import BytesIO
from pathlib import Path

import pydicom
import pytest

from drivers.contract import DeviceState
from drivers.dicos.dialect import DICOS_DIALECTS
from drivers.dicos.driver import DicosDriver
from drivers.dicos.settings import DicosSettings
from drivers.dicos.uids import DX_FOR_PROCESSING
from drivers.ports import free_port
from simulators.dicomwire import associate_rq
from simulators.dicosfiles import made
from tests import sdicos
from tests.fakeport import FakePort, running

pytestmark = pytest.mark.protocol


class Listening:
    """A driver that listens, and its port."""

    def __init__(self, tmp_path: Path, **settings: object) -> None:
        self.number = free_port()
        self.core = FakePort(tmp_path)
        self.driver = DicosDriver(DicosSettings.model_validate({"listen": f"127.0.0.1:{self.number}", **settings}))
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Listening:
        await self._stack.enter_async_context(running(self.driver, self.core))
        await self.core.until(lambda: self.core.last and self.core.last.state is DeviceState.UP)
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self._stack.aclose()


@pytest.mark.parametrize("classes", [sdicos.DX | sdicos.ECHO, sdicos.DX | sdicos.CT | sdicos.TDR | sdicos.ECHO])
async def test_a_session_of_the_reference_toolkit(classes: int, tmp_path: Path) -> None:
    async with Listening(tmp_path) as here:
        said = await asyncio.to_thread(sdicos.client, here.number, "session", classes)
    assert said == {"connected": True, "session": True, "echo": True}


@pytest.mark.parametrize("person", [sdicos.AIT_2D, sdicos.AIT_3D])
async def test_a_session_that_proposes_pictures_of_people_is_no_session(person: int, tmp_path: Path) -> None:
    async with Listening(tmp_path) as here:
        said = await asyncio.to_thread(sdicos.client, here.number, "session", person | sdicos.DX)
    assert said["session"] is False


@pytest.mark.parametrize("size", [4, 64, 600])
async def test_an_object_of_the_reference_toolkit(size: int, tmp_path: Path) -> None:
    """Of one PDU, of a few and of many: command and data come in one value."""
    async with Listening(tmp_path) as here:
        said = await asyncio.to_thread(sdicos.client, here.number, "ct", 0, size)
    assert said["sent"] is True, said
    (scan,) = here.core.scans
    assert scan.problem == "not supported: DICOS CT Image"
    kept = pydicom.dcmread(BytesIO(scan.original))
    assert (kept.SOPClassUID, kept.Rows, kept.Columns) == ("1.2.840.10008.5.1.4.1.1.501.1", size, size)


@pytest.mark.parametrize("name", DICOS_DIALECTS)
async def test_each_application_context_is_answered_by_its_own_name(name: str, tmp_path: Path) -> None:
    async with Listening(tmp_path) as here:
        reader, writer = await asyncio.open_connection("127.0.0.1", here.number)
        writer.write(associate_rq(DX_FOR_PROCESSING, application=name))
        head = await asyncio.wait_for(reader.readexactly(6), 60)
        answer = await asyncio.wait_for(reader.readexactly(int.from_bytes(head[2:], "big")), 60)
        writer.close()
    length = int.from_bytes(answer[70:72], "big")
    assert head[0] == 2 and answer[72 : 72 + length].decode() == name


async def test_both_dialects_at_once(tmp_path: Path) -> None:
    file = tmp_path / "dx.dcs"
    file.write_bytes(made())
    async with Listening(tmp_path) as here:
        dicom = await asyncio.create_subprocess_exec(
            "storescu", "-R", "-aec", "EDGE", "127.0.0.1", str(here.number), file
        )
        said = await asyncio.to_thread(sdicos.client, here.number, "ct", 0, 16)
        assert await asyncio.wait_for(dicom.wait(), 60) == 0 and said["sent"] is True
    assert len(here.core.scans) == 2
