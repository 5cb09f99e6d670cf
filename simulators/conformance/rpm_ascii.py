"""A radiation portal without any source in its traffic: whatever comes over the wire, nothing may alarm."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from drivers.conformance.case import Case, Wire
from drivers.contract import Observation, Reading
from simulators.rpm import wire
from simulators.rpm.model import Portal, Traffic

TRAFFIC = Traffic(every_s=5, gamma_share=0, neutron_share=0, sigma=30)
#: Far above what the portal counts, far below what a digit too many makes of it.
MOST_CPS = 5_000


@asynccontextmanager
async def serve() -> AsyncIterator[int]:
    server = wire.Wire(speed=40)
    bound = await server.listen()
    playing = asyncio.create_task(server.play(Portal(TRAFFIC, seed=3).lines()))
    try:
        yield bound
    finally:
        playing.cancel()
        await server.close()


def settings(url: str) -> dict[str, Any]:
    return {"url": url, "silence_s": 1}


def possible(observation: Observation) -> bool:
    if not isinstance(observation, Reading) or observation.findings:
        return False
    passed = observation.values.get("occupancies", ())
    return all((each["gamma_max_cps"] or 0) < MOST_CPS and (each["neutron_max_cps"] or 0) < 100 for each in passed)


def good(observation: Observation) -> bool:
    if not possible(observation) or not isinstance(observation, Reading):
        return False
    gamma = observation.values.get("gamma_background_cps")
    return gamma is not None and sum(gamma["detectors"]) < MOST_CPS


CASES = (
    Case(
        driver="rpm-ascii",
        settings=settings,
        serve=serve,
        good=good,
        possible=possible,
        wires=(Wire.TCP, Wire.PTY),
        late_s=1.5,
        patient={"silence_s": 5},
    ),
)
