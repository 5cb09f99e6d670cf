"""How many observations each device brought in each of the last minutes. Pure; for the event loop alone."""

from __future__ import annotations

from collections import deque

MINUTES = 60
MINUTE_NS = 60_000_000_000


class Pulse:
    """Counts by device and minute of monotonic time; bounded by the devices that are configured."""

    def __init__(self) -> None:
        self._counts: dict[str, deque[int]] = {}
        self._minute: dict[str, int] = {}

    def beat(self, device: str, now_ns: int) -> None:
        """Count one observation."""
        counts = self._turn(device, now_ns)
        counts[-1] += 1

    def counts(self, device: str, now_ns: int) -> list[int]:
        """Return the counts of the last MINUTES minutes, the oldest first; the last one is under way."""
        return list(self._turn(device, now_ns))

    def _turn(self, device: str, now_ns: int) -> deque[int]:
        minute = now_ns // MINUTE_NS
        counts = self._counts.setdefault(device, deque([0] * MINUTES, maxlen=MINUTES))
        passed = max(0, minute - self._minute.setdefault(device, minute))
        counts.extend([0] * min(passed, MINUTES))
        self._minute[device] = max(minute, self._minute[device])
        return counts
