"""A driver that comes in by entry point: it raises a hit per count, and misbehaves in the ways that devices do."""

from __future__ import annotations

import asyncio
import itertools
import os
import resource
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from drivers.clock import Stamp
from drivers.contract import (
    DeviceState,
    Driver,
    DriverInfo,
    Energy,
    Finding,
    Measurement,
    Outcome,
    Picture,
    Port,
    ProbeReport,
    Reading,
    Scan,
    Settings,
)
from drivers.errors import LinkLost

DRIVER = DriverInfo(
    name="test",
    summary="counts, and misbehaves when told to",
    settings="jaitf_test_driver:TestSettings",
    driver="jaitf_test_driver:TestDriver",
    pictures=False,
    example='driver = "test"\n[settings]\nhz = 10\n',
)


class TestSettings(Settings):
    hz: float = 10
    count: int = 0
    fault: Literal["", "crash", "exit", "hang", "silent", "leak", "flood", "garbage", "lost", "fatal"] = ""
    after: int = 5
    distinct: bool = True
    scans: bool = False
    progress_deadline_s: float = 3.0
    padding: int = 0  # so many findings of half a kilobyte more in each hit
    acks: Path | None = None  # a file that takes the name of each observation that the core says is committed


FLOODING_AT_ONCE = 100


class TestDriver(Driver):
    def __init__(self, settings: TestSettings) -> None:
        self.settings = settings
        self.progress_deadline_s = settings.progress_deadline_s

    async def probe(self, deadline_s: float) -> ProbeReport:
        return ProbeReport(True, ("a test driver answers",))

    async def run(self, port: Port) -> None:
        settings = self.settings
        port.state(DeviceState.UP, "", "", serial="T-1")
        number = 0
        self._run = port.clock.now().monotonic_ns
        tasks: set[asyncio.Task[None]] = set()
        while not settings.count or number < settings.count:
            number += 1
            if settings.fault and number > settings.after:
                await self._misbehave(port)
            at = port.clock.now()
            task = asyncio.create_task(self._emit(port, at, number))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            port.progress()
            await asyncio.sleep(1 / settings.hz)
        while True:
            port.progress()
            await asyncio.sleep(0.5)

    async def _emit(self, port: Port, at: Stamp, number: int) -> None:
        outcome = await port.emit(self._scan(at, number) if self.settings.scans else self._reading(at, number))
        if self.settings.acks and outcome is Outcome.COMMITTED:
            with self.settings.acks.open("a") as acks:
                acks.write(f"{self._name(number)}\n")

    async def _flood(self, port: Port, numbers: Iterator[int]) -> None:
        for number in numbers:
            await port.emit(Reading(port.clock.now(), {"count": number}))
            port.progress()

    def _name(self, number: int) -> str | int:
        """What an observation is known by: with `acks`, a name that no other run of this driver gives again."""
        return f"{self._run}-{number}" if self.settings.acks else number

    def _reading(self, at: Stamp, number: int) -> Reading:
        padding = Finding("padding", Measurement("padding", "." * 500))
        findings = (Finding("counter", Measurement("counter", self._name(number))), *[padding] * self.settings.padding)
        return Reading(at, {"count": number}, findings, number.to_bytes(4, "big"), distinct=self.settings.distinct)

    def _scan(self, at: Stamp, number: int) -> Scan:
        picture = Picture(0, Energy.SINGLE, 64, 64, 1, 8, bytes([255 - number % 200]) * 4096)
        return Scan(at, f"scan-{os.getpid()}-{number}", b"original", "application/octet-stream", "t", (picture,))

    async def _misbehave(self, port: Port) -> None:
        match self.settings.fault:
            case "crash":
                os.abort()
            case "exit":
                os._exit(3)
            case "hang":
                time.sleep(600)
            case "silent":
                await asyncio.sleep(600)
            case "leak":
                # More than a device may hold, and less than where the kernel stops it: who is to find it may be late.
                limit, hoard = resource.getrlimit(resource.RLIMIT_DATA)[0], []
                while True:
                    if limit == resource.RLIM_INFINITY or sum(map(len, hoard)) < limit * 5 // 8:
                        hoard.append(bytearray(os.urandom(1 << 20)) * 8)
                    await asyncio.sleep(0.01)
            case "flood":
                # Many at once: one that waited for its answer each time would be no flood on a slow machine.
                async with asyncio.TaskGroup() as group:
                    for first in range(FLOODING_AT_ONCE):
                        group.create_task(self._flood(port, itertools.count(1_000_000 + first, FLOODING_AT_ONCE)))
            case "garbage":
                port._sock.send(b"\x00" * 64)  # type: ignore[attr-defined]
                await asyncio.sleep(600)
            case "lost":
                raise LinkLost("the cable is out")
            case "fatal":
                raise ZeroDivisionError("a driver's mistake")
