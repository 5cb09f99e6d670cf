"""A collar's receiver on a serial line and over TCP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from drivers.conformance.case import Case, Wire
from drivers.contract import Observation, Reading
from simulators.collar.cli import Collar
from simulators.collar.model import Walk

WALK = Walk(radius_m=50)
#: In degrees: the walk's radius and a little more.
NEAR = 0.001


@asynccontextmanager
async def serve() -> AsyncIterator[int]:
    collar = Collar(WALK, every_s=0.03)
    try:
        yield await collar.listen()
    finally:
        await collar.close()


def settings(url: str) -> dict[str, Any]:
    return {"url": url, "report_s": 0.05, "silence_s": 0.5}


def good(observation: Observation) -> bool:
    if not isinstance(observation, Reading) or observation.findings or not observation.values["fix"]:
        return False
    at = observation.values["position"]
    return abs(at["latitude_deg"] - WALK.latitude) < NEAR and abs(at["longitude_deg"] - WALK.longitude) < NEAR


def possible(observation: Observation) -> bool:
    """Who is not heard is nowhere, and that is told."""
    return good(observation) or (
        isinstance(observation, Reading) and observation.values == {"fix": False, "position": None}
    )


CASES = (
    Case(
        driver="nmea",
        settings=settings,
        serve=serve,
        good=good,
        possible=possible,
        wires=(Wire.TCP, Wire.PTY),
        late_s=0.7,
        patient={"silence_s": 5},
    ),
)
