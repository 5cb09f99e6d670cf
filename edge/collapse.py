"""A flapping contact makes one hit that counts, not a hundred: further alarms of the same kind raise its `rev`."""

from __future__ import annotations

from dataclasses import dataclass

from drivers.contract import Reading
from edge.config import DeviceConfig
from edge.nouns import Item

QUIET_NS = 10_000_000_000
REVISE_NS = 5_000_000_000


@dataclass(slots=True)
class Flap:
    """A hit that may still grow: its identity, the last alarm of it, how many there were, and how many are untold.

    Its times are this process's own (monotonic): a device's are for the record.
    """

    device: DeviceConfig
    hit_id: str
    item: Item
    last: Reading
    last_ns: int
    told_ns: int
    rev: int = 0
    count: int = 1
    untold: int = 0

    def again(self, reading: Reading, now_ns: int) -> None:
        """Count another alarm of the same kind."""
        self.count += 1
        self.untold += 1
        self.last, self.last_ns = reading, now_ns

    def is_due(self, now_ns: int) -> bool:
        """Return whether its count has grown, and it was last told of long enough ago to be told of again."""
        return self.untold > 0 and now_ns - self.told_ns >= REVISE_NS

    def revise(self, now_ns: int) -> None:
        """Begin the next revision, which tells the count as it is."""
        self.rev += 1
        self.untold = 0
        self.told_ns = now_ns


class Collapse:
    """Finds the hit that a reading belongs to. For the event loop alone."""

    def __init__(self) -> None:
        self._flaps: dict[tuple[str, tuple[str, ...]], Flap] = {}

    def find(self, device: str, reading: Reading, now_ns: int) -> Flap | None:
        """Return the hit that this reading repeats: same device, same labels, not more than 10 s after the last."""
        if reading.distinct:
            return None
        flap = self._flaps.get(_key(device, reading))
        return flap if flap and now_ns - flap.last_ns <= QUIET_NS else None

    def open(self, device: DeviceConfig, reading: Reading, hit_id: str, item: Item, now_ns: int) -> None:
        """Remember a hit about to be committed, so that its repeats find it."""
        if not reading.distinct:
            self._flaps[_key(device.name, reading)] = Flap(device, hit_id, item, reading, now_ns, now_ns)

    def due(self, now_ns: int) -> list[Flap]:
        """Return the hits whose count is to be told now, and forget those that have ended and are told."""
        over = [key for key, flap in self._flaps.items() if not flap.untold and now_ns - flap.last_ns > QUIET_NS]
        for key in over:
            del self._flaps[key]
        return [flap for flap in self._flaps.values() if flap.is_due(now_ns)]

    def untold(self) -> list[Flap]:
        """Return the hits whose count has grown since they were told of."""
        return [flap for flap in self._flaps.values() if flap.untold]


def _key(device: str, reading: Reading) -> tuple[str, tuple[str, ...]]:
    return device, tuple(finding.label for finding in reading.findings)
