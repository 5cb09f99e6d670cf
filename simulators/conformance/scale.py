"""Scales of all three protocols; parcels come and go, so that there is always something to tell."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from drivers.conformance.case import Case, Wire
from drivers.contract import Observation, Reading
from simulators.scale.cli import Protocol, Scale
from simulators.scale.model import Platform

PLATFORM = Platform(seed=3, parcel_s=0.4, swing_s=0.05)
WEIGHTS = {0.0} | {float(PLATFORM.parcel_kg(number)) for number in range(5000)}


def serving(protocol: Protocol) -> Callable[[], AbstractAsyncContextManager[int]]:
    @asynccontextmanager
    async def serve() -> AsyncIterator[int]:
        scale = Scale(protocol, PLATFORM)
        try:
            yield await scale.listen()
        finally:
            await scale.close()

    return serve


def good(observation: Observation) -> bool:
    return (
        isinstance(observation, Reading)
        and observation.values["weight_kg"] in WEIGHTS
        and observation.values["empty"] == (observation.values["weight_kg"] == 0)
        and not observation.findings
    )


def noise(chance: random.Random) -> bytes:
    """No check stands over MT-SICS and NCI: digits put into a weight are a weight, so there are none in this noise."""
    return bytes(byte for byte in chance.randbytes(40) if not 0x30 <= byte & 0x7F <= 0x3F)


def case(protocol: Protocol) -> Case:
    def settings(url: str) -> dict[str, Any]:
        return {"url": url, "protocol": protocol.value, "poll_ms": 20, "timeout_ms": 300, "max_timeouts": 2}

    return Case(
        driver="scale",
        name=protocol.value,
        settings=settings,
        serve=serving(protocol),
        good=good,
        wires=(Wire.TCP, Wire.PTY) if protocol is Protocol.SICS else (Wire.PTY,),
        noise=noise,
        late_s=0.7,
        patient={"timeout_ms": 5000},
    )


CASES = tuple(case(protocol) for protocol in Protocol)
