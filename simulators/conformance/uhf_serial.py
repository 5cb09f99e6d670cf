"""Both families of serial reader modules, over a pseudo-terminal and over a terminal server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from drivers.conformance.case import Case, Wire
from drivers.contract import Observation, Reading
from simulators.tagreader.model import TEAM, Gate
from simulators.tagreader.module import Answerer, Module, m100, reader18

GATE = Gate(missed=0, bag_s=1e9, view_s=1e9)
EVERYONE = {epc.hex().upper() for epc in (GATE.bag(0), *TEAM)}


def serving(answer: Answerer) -> Callable[[], AbstractAsyncContextManager[int]]:
    @asynccontextmanager
    async def serve() -> AsyncIterator[int]:
        module = Module(answer, GATE)
        try:
            yield await module.listen()
        finally:
            await module.close()

    return serve


def good(observation: Observation) -> bool:
    if not isinstance(observation, Reading) or observation.findings:
        return False
    tags = observation.values["tags"]
    return bool(tags) and {tag["epc"] for tag in tags} <= EVERYONE


def case(protocol: str, answer: Answerer) -> Case:
    def settings(url: str) -> dict[str, Any]:
        return {"url": url, "protocol": protocol, "poll_ms": 20, "timeout_ms": 200, "report_ms": 50, "max_timeouts": 3}

    return Case(
        driver="uhf-serial",
        name=protocol,
        settings=settings,
        serve=serving(answer),
        good=good,
        wires=(Wire.TCP, Wire.PTY),
        patient={"timeout_ms": 5000},
    )


CASES = (case("m100", m100), case("reader18", reader18))
