"""Scans of several objects over the wire: dcmtk stores them, the appliance joins them."""

from __future__ import annotations

import asyncio
import os
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from drivers.contract import Energy, Outcome
from drivers.dicos import joined
from simulators.dicosfiles import VALUES, made
from tests.protocol.test_dicos_dialect import Listening

pytestmark = pytest.mark.protocol


def files(folder: Path, count: int = 2, kinds: tuple[str, ...] = ("HIGH ENERGY",), **attributes: Any) -> list[Path]:
    """Objects of one scan, in two energies where there are two kinds."""
    paths = []
    for number in range(count):
        values = VALUES + number
        told = {"SOPInstanceUID": f"1.2.3.{number}", "InstanceNumber": number // len(kinds) + 1, **attributes}
        data = made(values, ImageType=["ORIGINAL", kinds[number % len(kinds)]], **told)
        path = folder / f"{number}.dcs"
        path.write_bytes(data)
        paths.append(path)
    return paths


def waiting(folder: Path) -> list[str]:
    """The objects that wait. Not by `glob`, which minds a folder that goes away while it looks."""
    return [name for _, _, names in os.walk(folder / "state") for name in names if name.endswith(".dcs")]


async def store(port: int, *paths: Path) -> str:
    process = await asyncio.create_subprocess_exec(
        *("storescu", "-v", "-R", "-aec", "EDGE", "127.0.0.1", str(port), *map(str, paths)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await asyncio.wait_for(process.communicate(), 60)
    return out.decode(errors="replace")


async def test_two_views_in_two_energies_are_one_scan(tmp_path: Path) -> None:
    four = files(tmp_path, 4, ("LOW ENERGY", "HIGH ENERGY"))
    async with Listening(tmp_path / "state", views=2, dual_energy=True) as here:
        out = await store(here.number, *reversed(four))
        assert out.count("Received Store Response (Success)") == 4, out
        (scan,) = here.core.scans
    assert [(p.view, p.energy) for p in scan.pictures] == [
        *((0, Energy.LOW), (0, Energy.HIGH)),
        *((1, Energy.LOW), (1, Energy.HIGH)),
    ]
    kept = dict(joined.parted(scan.original))
    assert list(kept) == ["00-low.dcs", "00-high.dcs", "01-low.dcs", "01-high.dcs"]
    for path, data in zip(four, kept.values(), strict=True):
        assert data[-VALUES.nbytes :] == path.read_bytes()[-VALUES.nbytes :]


async def test_the_object_that_completes_a_scan_is_answered_once_it_is_committed(tmp_path: Path) -> None:
    two = files(tmp_path)
    async with Listening(tmp_path / "state", views=2) as here:
        here.core.open.clear()
        sending = asyncio.create_task(store(here.number, *two))
        await here.core.until(lambda: here.core.scans)
        assert len(waiting(tmp_path)) == 2, "on the disk until then"
        assert not (await asyncio.wait({sending}, timeout=0.3))[0]
        here.core.open.set()
        assert (await sending).count("(Success)") == 2
        assert not waiting(tmp_path)


async def test_half_a_scan_is_emitted_as_half_a_scan(tmp_path: Path) -> None:
    async with Listening(tmp_path / "state", views=2, join_s=0.3) as here:
        assert "(Success)" in await store(here.number, files(tmp_path)[0])
        await here.core.until(lambda: here.core.scans)
        (scan,) = here.core.scans
        assert scan.incomplete == "1 of 2 pictures came within 0.3 s"
        await here.core.until(lambda: not waiting(tmp_path))


async def test_a_killed_process_has_lost_nothing_that_it_answered(tmp_path: Path) -> None:
    first, second = files(tmp_path)
    async with Listening(tmp_path / "state", views=2) as here:
        assert "(Success)" in await store(here.number, first)
        assert not here.core.scans
    async with Listening(tmp_path / "state", views=2) as here:
        assert "(Success)" in await store(here.number, second)
        (scan,) = here.core.scans
        assert len(scan.pictures) == 2 and scan.incomplete is None


async def test_a_part_that_comes_again_after_the_commit_is_no_scan_of_its_own(tmp_path: Path) -> None:
    two = files(tmp_path)
    async with Listening(tmp_path / "state", views=2) as here:
        await store(here.number, *two)
        here.core.answer = lambda _: Outcome.REPEATED
        assert "(Success)" in await store(here.number, two[0])
        whole, again = here.core.scans
        assert whole.key == again.key and not waiting(tmp_path)


async def test_a_scan_that_the_core_refuses_is_brought_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drivers.dicos.joiner.RETRY_S", 0.1)
    two = files(tmp_path)
    async with Listening(tmp_path / "state", views=2) as here:
        here.core.answer = lambda _: Outcome.REFUSED
        out = await store(here.number, *two)
        assert "(Success)" in out and "Refused" in out, out
        here.core.answer = lambda _: Outcome.COMMITTED
        await here.core.until(lambda: not waiting(tmp_path))
    keys = {scan.key for scan in here.core.scans}
    assert len(keys) == 1 and len(here.core.scans) >= 2
    assert len({sha256(scan.original).hexdigest() for scan in here.core.scans}) == 1
