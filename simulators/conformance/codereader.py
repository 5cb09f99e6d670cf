"""A code reader on a serial line, over a terminal server, and as a keyboard; it is quiet where nothing is read."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from drivers.codereader.keys import RECORD
from drivers.conformance.case import Case, Silence, Wire
from drivers.conformance.marks import Marks
from drivers.contract import Observation, Reading
from simulators.codereader.model import Desk
from simulators.codereader.wire import Keyboard, record, said, stroke, typed
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


class KeyboardLine(Marks):
    """A keyboard in a trial's hands. The kernel hands over whole records alone: what is spoilt here are keys."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.keyboard = Keyboard(folder / "event0")
        self.where = f"hid://{folder}/event0"
        self._there = False
        self._held: bytes | None = None

    def type(self, records: bytes) -> None:
        """Take what the reader types, and hand on what the trial lets through."""
        if not self._there or self._silent:
            return
        if self._halve:
            self._silent = True
            records = records[: len(records) // 2 // RECORD.size * RECORD.size]
        records, self._noise = self._noise + records, b""
        if self._held is not None:
            self._held += records
        else:
            self.keyboard.send(records)

    def hold(self) -> None:
        self._held = b""

    def release(self) -> None:
        held, self._held = self._held, None
        self.keyboard.send(held or b"")

    async def unplug(self) -> None:
        self._there = False
        self.keyboard.pull_out()

    async def plug(self) -> None:
        self.keyboard.plug_in()
        self._there = True

    async def flood(self, noise: bytes, total_bytes: int) -> None:
        for _ in range(total_bytes // (len(noise) or 1)):
            self.keyboard.send(noise)
            await asyncio.sleep(0)
        self.keyboard.send(stroke(28))


@asynccontextmanager
async def keyboard(folder: Path) -> AsyncIterator[KeyboardLine]:
    line = KeyboardLine(folder)
    await line.plug()

    async def read_codes() -> None:
        for number in range(10_000):
            line.type(typed(said(DESK.codes(number), aim=True)))
            await asyncio.sleep(EVERY_S)

    reading = asyncio.create_task(read_codes())
    try:
        yield line
    finally:
        reading.cancel()
        with suppress(asyncio.CancelledError):
            await reading
        line.keyboard.pull_out()


def keys(chance: random.Random) -> bytes:
    """Keys of no meaning, some beyond any layout; shift may stay down, the enter key is not among them."""
    return b"".join(record(1, chance.choice([*range(2, 12), 42, 59, 200, 300]), 1) for _ in range(20)) + record(
        1, 42, 0
    )


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
    Case(
        driver="codereader",
        name="hid",
        settings=settings,
        line=keyboard,
        good=good,
        possible=possible,
        silence=Silence.QUIET,
        noise=keys,
        flood_bytes=512 * 1024,
    ),
)
