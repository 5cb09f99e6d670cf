"""An export folder, what is written there, and the driver on it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from drivers.folder.driver import FolderDriver
from drivers.folder.settings import FolderSettings
from tests.fakeport import FakePort, running
from tests.pictures import FILES

PNG = FILES["grey16.png"]


@asynccontextmanager
async def watching(export: Path, port: FakePort, **settings: Any) -> AsyncIterator[None]:
    driver = FolderDriver(FolderSettings(path=export, **{"settle_ms": 50, **settings}))
    async with running(driver, port):
        await port.until(lambda: port.last)
        yield


def write_atomically(folder: Path, name: str, data: bytes) -> None:
    part = folder / f".{name}.part"
    part.write_bytes(data)
    part.rename(folder / name)
