"""A scanner that exports a picture after the other into a folder, the folder in a trial's hands.

Here a late reply is a file that comes late, garbage a file of it, half a frame one whose writer died, a pulled cable a
share that is gone. Silence is a belt that stands.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from drivers.conformance.case import Case, Silence, Wire
from drivers.conformance.marks import Marks
from drivers.contract import Observation, Scan

EVERY_S = 0.05
ROWS, COLUMNS = 8, 12
#: A flood ends after so long: a driver may not take more.
FLOOD_S = 2.0
FLOOD_FILE_BYTES = 16 * 1024


@cache
def picture(number: int) -> bytes:
    """Return a small picture that says its number in each value."""
    done, data = cv2.imencode(".png", np.full((ROWS, COLUMNS), number, np.uint16))
    assert done
    return bytes(data)


class Share(Marks):
    """The folder, and its exporter; see `drivers.conformance.case.Line`."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.path = folder / "export"
        self.where = str(self.path)
        self._away = folder / "away"
        self._number = self._strays = 0
        self._held: list[tuple[str, bytes]] | None = None

    def export(self) -> None:
        """Write the next picture, as far as the trial lets it."""
        if self._silent:
            return
        self._number += 1
        data, name = picture(self._number), f"bag-{self._number}.png"
        if self._noise:
            self._stray(self._noise)
            self._noise = b""
        if self._held is not None:
            self._held.append((name, data))
        elif self._halve:
            self._silent = True
            self._write(name, data[: len(data) // 2])
        else:
            self._write(name, data)

    def _stray(self, data: bytes) -> None:
        self._strays += 1
        self._write(f"stray-{self._strays}.png", data)

    def _write(self, name: str, data: bytes) -> None:
        with suppress(FileNotFoundError):  # the share is gone, and its exporter with it
            (self.path / name).write_bytes(data)

    def hold(self) -> None:
        self._held = []

    def release(self) -> None:
        held, self._held = self._held or [], None
        for name, data in held:
            self._write(name, data)

    async def unplug(self) -> None:
        self.path.rename(self._away)

    async def plug(self) -> None:
        self._away.rename(self.path)

    async def flood(self, noise: bytes, total_bytes: int) -> None:
        """Write files of noise, and the last picture under other names."""
        with suppress(TimeoutError):
            async with asyncio.timeout(FLOOD_S):
                for number in range(total_bytes // FLOOD_FILE_BYTES):
                    again = number % 2 and self._number
                    self._stray(picture(self._number) if again else noise * (FLOOD_FILE_BYTES // len(noise)))
                    await asyncio.sleep(0)


@asynccontextmanager
async def share(folder: Path) -> AsyncIterator[Share]:
    line = Share(folder)
    line.path.mkdir()

    async def export() -> None:
        while True:
            line.export()
            await asyncio.sleep(EVERY_S)

    exporting = asyncio.create_task(export())
    try:
        yield line
    finally:
        exporting.cancel()
        with suppress(asyncio.CancelledError):
            await exporting


def settings(where: str) -> dict[str, Any]:
    return {"path": where, "settle_ms": 50}


def good(observation: Observation) -> bool:
    """Say whether it is one whole picture: of the size that there is, with one number in each value."""
    if not isinstance(observation, Scan) or observation.problem or len(observation.pictures) != 1:
        return False
    (found,) = observation.pictures
    values = np.frombuffer(found.data, "<u2")
    whole = (found.rows, found.columns, found.bits) == (ROWS, COLUMNS, 16) and len(set(values.tolist())) == 1
    return whole and bytes(observation.original) == picture(int(values[0]))


CASES = (Case(driver="folder", settings=settings, line=share, good=good, wires=(Wire.TCP,), silence=Silence.QUIET),)
