"""A code reader on a serial line and over a terminal server; it is quiet where nothing is read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from drivers.conformance.case import Case, Silence, Wire
from drivers.contract import Observation, Reading
from simulators.codereader.model import Desk
from simulators.codereader.wire import said
from simulators.line import Line

DESK = Desk(seed=11)
SENT = {DESK.codes(number)[0][1] for number in range(10_000)}
EVERY_S = 0.02


@asynccontextmanager
async def serve() -> AsyncIterator[int]:
    line = Line()

    async def read_codes() -> None:
        for number in range(10_000):
            line.send(said(DESK.codes(number), aim=True).encode())
            await asyncio.sleep(EVERY_S)

    bound = await line.listen()
    reading = asyncio.create_task(read_codes())
    try:
        yield bound
    finally:
        reading.cancel()
        with suppress(asyncio.CancelledError):
            await reading
        await line.close()


def settings(url: str) -> dict[str, Any]:
    return {"url": url, "aim_required": True, "gap_ms": 100, "repeat_ms": 0}


def good(observation: Observation) -> bool:
    return isinstance(observation, Reading) and observation.item.id in SENT and not observation.findings


def possible(observation: Observation) -> bool:
    """Noise may be printable: then something was read, and it is not said what."""
    if good(observation):
        return True
    return isinstance(observation, Reading) and [c["kind"] for c in observation.values["codes"]] == ["other"]


CASES = (
    Case(
        driver="codereader",
        settings=settings,
        serve=serve,
        good=good,
        possible=possible,
        wires=(Wire.TCP, Wire.PTY),
        silence=Silence.QUIET,
    ),
)
