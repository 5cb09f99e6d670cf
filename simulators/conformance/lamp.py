"""A relay board that answers each command; nothing is ordered, so everything is off."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from drivers.conformance.case import Case, Wire
from drivers.contract import Observation, Reading
from simulators.lamp.board import Board, on_a_line


@asynccontextmanager
async def serve() -> AsyncIterator[int]:
    line = on_a_line(Board())
    try:
        yield await line.listen()
    finally:
        await line.close()


def settings(url: str) -> dict[str, Any]:
    switches = [
        {"name": name, "form": "text", "on": f"SET {n} 1\r\n", "off": f"SET {n} 0\r\n", "answer": "OK\r\n"}
        for n, name in enumerate(("lamp", "buzzer"))
    ]
    return {"url": url, "switches": switches, "repeat_s": 0.05, "timeout_ms": 150, "max_timeouts": 3}


def possible(observation: Observation) -> bool:
    assert isinstance(observation, Reading)
    return not observation.findings and not any(observation.values["outputs"].values())


def good(observation: Observation) -> bool:
    return possible(observation) and isinstance(observation, Reading) and len(observation.values["outputs"]) == 2


CASES = (
    Case(
        driver="lamp",
        settings=settings,
        serve=serve,
        good=good,
        possible=possible,
        wires=(Wire.TCP, Wire.PTY),
        patient={"timeout_ms": 5000},
    ),
)
