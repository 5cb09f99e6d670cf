"""Modbus over TCP, TLS and a serial line: a counter that rises at every request, and a register that stays.

What one register held must never show as the other's: they are read by requests of the same length.
"""

from __future__ import annotations

import atexit
import itertools
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from drivers.conformance.case import Case, Wire
from drivers.contract import Observation, Reading
from simulators.certificates import Authority
from simulators.modbus.model import Device
from simulators.modbus.wire import Faults, Server, server_tls

POINTS = [
    {"name": "counter", "table": "holding", "address": 0, "alarm": "on_change"},
    {"name": "scratch", "table": "holding", "address": 100, "alarm": "on_change"},
]


def serving(*, rtu: bool = False) -> Callable[[], AbstractAsyncContextManager[int]]:
    @asynccontextmanager
    async def serve() -> AsyncIterator[int]:
        server = Server(Device(counter_hz=1.0), 1, Faults(), map(float, itertools.count(1)).__next__)
        try:
            yield await server.listen("127.0.0.1", 0, rtu=rtu)
        finally:
            await server.close()

    return serve


def settings(url: str, **more: Any) -> dict[str, Any]:
    return {"url": url, "poll_ms": 10, "timeout_ms": 200, "max_timeouts": 3, "points": POINTS, **more}


def possible(observation: Observation) -> bool:
    """See that the scratch register stays 0, and that the counter is not long after its start, whatever was garbled."""
    assert isinstance(observation, Reading)
    values = observation.values["points"]
    counter = values.get("counter")
    return values.get("scratch") in (0, None) and (counter is None or 0 < counter < 30_000)


def good(observation: Observation) -> bool:
    return possible(observation) and isinstance(observation, Reading) and bool(observation.findings)


FOLDER = Path(tempfile.mkdtemp(prefix="modbus-tls-"))
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)
AUTHORITY = Authority(FOLDER, "ca")
CERT, KEY = AUTHORITY.issue("device")


@asynccontextmanager
async def serve_tls() -> AsyncIterator[int]:
    server = Server(Device(counter_hz=1.0), 1, Faults(), map(float, itertools.count(1)).__next__)
    try:
        yield await server.listen("127.0.0.1", 0, server_tls(CERT, KEY))
    finally:
        await server.close()


def over_tls(url: str) -> dict[str, Any]:
    return settings(url.replace("tcp://", "tls://"), ca_file=str(AUTHORITY.file))


def on_a_line(url: str) -> dict[str, Any]:
    return settings(f"{url}?baud=115200", quiet_ms=300)


_case = partial(Case, driver="modbus", good=good, possible=possible, patient={"timeout_ms": 5000})
CASES = (
    _case(settings=settings, serve=serving()),
    _case(name="tls", settings=over_tls, serve=serve_tls),
    _case(name="rtu", settings=on_a_line, serve=serving(rtu=True), wires=(Wire.PTY,)),
)
