"""A flapping contact makes one hit that counts, not a hundred: further alarms of the same kind raise its `rev`."""

from __future__ import annotations

from dataclasses import dataclass, field

from drivers.contract import Reading

QUIET_NS = 10_000_000_000
REVISE_NS = 5_000_000_000


@dataclass(slots=True)
class Flap:
    """A hit that may still grow: its identity, how often it was raised, and when."""

    hit_id: str
    scan_id: str
    rev: int
    count: int
    last_ns: int
    committed_ns: int
    pending: int = 0
    labels: tuple[str, ...] = field(default=())


class Collapse:
    """Finds the hit that a reading belongs to. For the event loop alone."""

    def __init__(self) -> None:
        self._flaps: dict[tuple[str, tuple[str, ...]], Flap] = {}

    def find(self, device: str, reading: Reading) -> Flap | None:
        """Return the hit that this reading repeats: same device, same labels, not more than 10 s after the last."""
        if reading.distinct:
            return None
        flap = self._flaps.get(self._key(device, reading))
        if flap and reading.at.monotonic_ns - flap.last_ns <= QUIET_NS:
            return flap
        return None

    def open(self, device: str, reading: Reading, hit_id: str, scan_id: str) -> None:
        """Remember a hit just committed, so that its repeats find it."""
        if not reading.distinct:
            now = reading.at.monotonic_ns
            self._flaps[self._key(device, reading)] = Flap(hit_id, scan_id, 0, 1, now, now)

    @staticmethod
    def _key(device: str, reading: Reading) -> tuple[str, tuple[str, ...]]:
        return device, tuple(finding.label for finding in reading.findings)
