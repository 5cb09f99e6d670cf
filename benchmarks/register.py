"""A Modbus device whose one register changes when it is told to, at a moment that is known: the wire is pymodbus's.

It runs in a thread of the benchmark, so that the moment of a change and that of a message are of one clock.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

from simulators.modbus.model import Image
from simulators.modbus.wire import Faults, Server

T = TypeVar("T")

GAP_S = (0.11, 0.19)
MODULUS = 1 << 16


class Register:
    """Holding register 0 of unit 1; `port` is where it is served once `serving` was entered."""

    coils = 0
    kept = range(0)

    def __init__(self) -> None:
        self.value = 0
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server = Server(self, 1, Faults(), time.monotonic)

    def at(self, _seconds: float) -> Image:
        """Return what the device shows now."""
        return Image(holding={0: self.value})

    def __enter__(self) -> Register:
        self._thread.start()
        self.port = self._do(self._server.listen("127.0.0.1", 0))
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._server.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    @property
    def requests(self) -> int:
        """How often it was asked."""
        return self._server.requests

    def change(self) -> tuple[int, float]:
        """Change the register, and return its new value and the monotonic moment."""
        value = (self.value + 1) % MODULUS
        at_s = time.monotonic()
        self.value = value
        return value, at_s

    def changes(self, count: int, chance: random.Random, ends_s: float) -> dict[int, float]:
        """Change it so many times, never in step with who polls, and return when each value came to be."""
        made: dict[int, float] = {}
        while len(made) < count and time.monotonic() < ends_s:
            time.sleep(chance.uniform(*GAP_S))
            value, at_s = self.change()
            made[value] = at_s
        return made


def latencies(made: dict[int, float], seen: dict[int, float]) -> list[float]:
    """Return how long each change took to be seen; what never was is not in it."""
    return [seen[value] - at_s for value, at_s in made.items() if value in seen]


def first_seen(moments: list[tuple[float, int]]) -> dict[int, float]:
    """Return when each value was seen first."""
    seen: dict[int, float] = {}
    for at_s, value in moments:
        seen.setdefault(value, at_s)
    return seen
