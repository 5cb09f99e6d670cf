"""A line detector in a process of its own: a UDP stream with 1 % loss and reordering, calibrated by the command."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from drivers.linescan.calibrating import What, ask
from drivers.linescan.driver import LinescanDriver
from drivers.linescan.settings import LinescanSettings
from drivers.ports import free_port
from tests.fakeport import FakePort, running

pytestmark = pytest.mark.protocol
DEADLINE_S = 60.0
BAGS = 8
#: A machine that is busy may be too slow for a stream now and then; it is asked again.
ATTEMPTS = 4


@asynccontextmanager
async def simulated(*options: str) -> AsyncIterator[asyncio.StreamReader]:
    """Run the simulator and yield what it says."""
    command = [sys.executable, "-m", "simulators.cli", "linescan", "--json", *options]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout
    try:
        yield process.stdout
    finally:
        if process.returncode is None:
            process.terminate()
        async with asyncio.timeout(DEADLINE_S):
            await process.wait()


def kernels_losses(number: int) -> int:
    """Datagrams to a port that this machine's kernel had no room for: the process that reads it was kept waiting."""
    rows = [row.split() for row in Path("/proc/net/udp").read_text().splitlines()[1:]]
    return sum(int(row[-1]) for row in rows if int(row[1].rpartition(":")[2], 16) == number)


async def some_bags(state_dir: Path) -> tuple[FakePort, int]:
    """Calibrate, take some bags, and return what came of them, and how many lines this machine itself lost."""
    number = free_port()
    port = FakePort(state_dir=state_dir)
    settings = {"url": f"udp://127.0.0.1:{number}", "covered_pixels": 2, "silence_s": 60}
    size = ("--pixels", "160", "--rows", "200", "--gap", "900", "--lines-per-s", "2000", "--dead", "2")
    trouble = ("--loss", "0.01", "--reorder", "0.01", "--stop-every", "3", "--back-every", "4")
    async with running(LinescanDriver(LinescanSettings.model_validate(settings)), port):
        await port.rounds_more(1)
        async with simulated("--to", f"127.0.0.1:{number}", *size, *trouble, "--threat-rate", "0") as said:
            answer = await asyncio.to_thread(ask, port.state_dir, What.BOTH, DEADLINE_S)
            assert answer.ok, answer.detail
            assert answer.dead_pixels == (2, 2)
            await port.until(lambda: len(port.scans) >= BAGS, DEADLINE_S)
            assert json.loads(await said.readline())["simulated"] is True
            losses = kernels_losses(number)
    return port, losses


async def test_every_bag_of_a_lossy_stream_is_one_whole_scan(tmp_path: Path):
    for attempt in range(ATTEMPTS):
        port, losses = await some_bags(tmp_path / f"state-{attempt}")
        if not losses:
            break
    assert not port.errors
    assert [scan.incomplete for scan in port.scans[1:BAGS]] == [None] * (BAGS - 1)
    rows = [scan.pictures[0].rows for scan in port.scans[1:BAGS]]
    assert all(60 < each <= 200 + 16 for each in rows), rows
