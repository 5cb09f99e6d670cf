"""A simulated device in a process of its own, as `jaitf-sim` runs it."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.core import DEADLINE_S


@asynccontextmanager
async def simulated(*words: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run `jaitf-sim WORDS` from when it says that it is there; a test may kill it before."""
    command = [sys.executable, "-m", "simulators.cli", *words, "--json"]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout
    try:
        async with asyncio.timeout(DEADLINE_S):
            said = json.loads(await process.stdout.readline())
        assert said["simulated"] is True
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        async with asyncio.timeout(DEADLINE_S):
            await process.wait()
