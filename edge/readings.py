"""What devices without pictures saw, gathered until it is told: the latest of each value, every one of a list."""

from __future__ import annotations

import json
from typing import Any

from drivers.contract import Reading

MAX_LISTED = 200


class Readings:
    """The news of each device since it was last told. For the event loop alone."""

    def __init__(self) -> None:
        self._waiting: dict[str, dict[str, Any]] = {}

    def add(self, device: str, reading: Reading) -> None:
        """Take a reading: its values replace older ones; lists (tags) and tables (contacts) join what waits."""
        if not reading.values:
            return
        waiting = self._waiting.setdefault(device, {})
        for key, value in reading.values.items():
            held = waiting.get(key)
            if isinstance(value, list) and isinstance(held, list):
                waiting[key] = [*held, *value][-MAX_LISTED:]
            elif isinstance(value, dict) and isinstance(held, dict):
                waiting[key] = held | value
            else:
                waiting[key] = value
        waiting["at"] = reading.at.rfc3339()

    def take(self) -> list[tuple[str, bytes]]:
        """Return each device's news as it is published, and forget them."""
        told = [(name, json.dumps(body, separators=(",", ":")).encode()) for name, body in self._waiting.items()]
        self._waiting.clear()
        return told
