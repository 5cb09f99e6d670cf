"""How the appliance and its devices last were, in a file: for commands beside it, and for after it has ended."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from drivers.fsync import write_whole
from edge.messages import DeviceMessage, Health

log = logging.getLogger("jaitf.core")

FILE = "standing.json"
MAX_BYTES = 1024 * 1024


class StandingFile:
    """Writes the file, in a thread and never twice at once: a disk that hangs holds up nothing else."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / FILE
        self._under_way: asyncio.Task[None] | None = None

    def keep(self, health: Health, devices: Mapping[str, DeviceMessage]) -> bool:
        """Write how it is in the place of how it was, unless the write before is still under way: False then."""
        if self._under_way is not None and not self._under_way.done():
            return False
        said = {"health": health.model_dump(mode="json"), "devices": {}}
        said["devices"] = {name: each.model_dump(mode="json") for name, each in devices.items()}
        self._under_way = asyncio.create_task(asyncio.to_thread(self._write, json.dumps(said).encode()))
        return True

    def _write(self, data: bytes) -> None:
        try:
            write_whole(self._path, data)
        except OSError as error:
            log.debug("%s: %s", self._path, error)  # the state of the store says so, loudly


def read(data_dir: Path) -> dict[str, Any] | None:
    """Return what was said last, None where nothing was or it cannot be read."""
    try:
        with (data_dir / FILE).open("rb") as file:
            said = json.loads(file.read(MAX_BYTES))
    except (OSError, ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) else None
