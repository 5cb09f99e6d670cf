"""Modbus/TCP: a counter that rises at every request, and a register that must never show another's value."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from drivers.conformance.case import Case
from drivers.contract import Observation, Reading
from simulators.modbus.model import Device
from simulators.modbus.wire import Faults, Server


@asynccontextmanager
async def serve() -> AsyncIterator[int]:
    server = Server(Device(counter_hz=1.0), 1, Faults(), map(float, itertools.count()).__next__)
    try:
        yield await server.listen("127.0.0.1", 0)
    finally:
        await server.close()


def settings(url: str) -> dict[str, Any]:
    points = [
        {"name": "counter", "table": "holding", "address": 0, "alarm": "on_change"},
        {"name": "scratch", "table": "holding", "address": 100},
    ]
    return {"url": url, "poll_ms": 10, "timeout_ms": 200, "max_timeouts": 3, "points": points}


def possible(observation: Observation) -> bool:
    """The scratch register stays 0; what the counter shows is not long after the start, whatever was garbled."""
    assert isinstance(observation, Reading)
    values = observation.values["points"]
    return values.get("scratch") in (0, None) and (values.get("counter") or 0) < 30_000


def good(observation: Observation) -> bool:
    return possible(observation) and isinstance(observation, Reading) and bool(observation.findings)


CASES = (Case(driver="modbus", settings=settings, serve=serve, good=good, possible=possible),)
