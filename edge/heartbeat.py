"""Heartbeats: each part of the core beats when it gets on; the watchdog is fed only while all of them do.

A hang is what a restart mends: a part that does not get on, or a loop that does not turn. States are no hang: a full
disk, a console that is away, a device that is dead and a model that is blind are told, and the hearts go on. Parts
that only wait for others' news have no beat: where the loop turns, they do.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from drivers.clock import Clock
from edge.notify import ServiceManager

log = logging.getLogger("jaitf.core")

LONGEST_S = 5.0
"""Between two signs of life, and between two looks for the status line."""

Beat = Callable[[], None]


@dataclass(slots=True)
class _Part:
    budget_ns: int
    last_ns: int


class Heartbeats:
    """Which parts of the core get on. A part beats from the event loop or from its own thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._parts: dict[str, _Part] = {}

    def part(self, name: str, budget_s: float) -> Beat:
        """Return what a part calls whenever it gets on: at least every `budget_s`, or it hangs."""
        part = self._parts[name] = _Part(int(budget_s * 1e9), self._clock.now().monotonic_ns)

        def beat() -> None:
            part.last_ns = self._clock.now().monotonic_ns

        return beat

    def hanging(self) -> str:
        """Return which parts do not get on and for how long, "" where all do."""
        now = self._clock.now().monotonic_ns
        late = {name: now - part.last_ns for name, part in self._parts.items() if now - part.last_ns > part.budget_ns}
        return ", ".join(f"{name} for {ns / 1e9:.0f} s" for name, ns in late.items())


async def feed(heartbeats: Heartbeats, manager: ServiceManager, status: Callable[[], str]) -> None:
    """Feed the watchdog by the heartbeats, and keep the status line true, until cancelled."""
    wait_s = min(LONGEST_S, (manager.watchdog_s or LONGEST_S * 3) / 3)
    told = False
    while True:
        if hanging := heartbeats.hanging():
            if not told:
                log.critical("no progress: %s; the watchdog is not fed", hanging)
            told = True
            manager.status(f"HANGS: {hanging}")
        else:
            told = False
            manager.alive()
            manager.status(status())
        await asyncio.sleep(wait_s)
