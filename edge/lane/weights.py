"""What parcels weigh beside what their labels declare, where the lane knows that both are of one item."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace

from drivers.contract import Reading
from drivers.scale.declared import finding, is_far
from edge.config import DeviceConfig
from edge.config.lane import WeightToml
from edge.lane.lane import Lane, Seen

MAX_KEPT = 64
#: A label and a scale further apart than this say nothing of each other.
KEEP_NS = 120_000_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Weighed:
    """A weighing, and what the scale said; once it is found to be far from what is declared, with the finding."""

    device: DeviceConfig
    reading: Reading
    seen: Seen
    kg: float


class Weights:
    """The last weighings and labels of one lane; without tolerances nothing is kept."""

    def __init__(self, lane: Lane, tolerances: WeightToml | None) -> None:
        self._lane = lane
        self._tolerances = tolerances
        self._declared: deque[tuple[Seen, float]] = deque(maxlen=MAX_KEPT)
        self._weighed: deque[Weighed] = deque(maxlen=MAX_KEPT)

    def hear(self, device: DeviceConfig, reading: Reading, seen: Seen) -> bool:
        """Take the weight or the declaration in a reading; return whether there was one that may say something."""
        if self._tolerances is None or not seen.placed:
            return False
        declared, kg = reading.values.get("declared_kg"), reading.values.get("weight_kg")
        if isinstance(declared, int | float) and declared > 0:
            self._declared.append((seen, float(declared)))
            return True
        if isinstance(kg, int | float) and not reading.values.get("empty") and not reading.findings:
            self._weighed.append(Weighed(device, reading, seen, float(kg)))
            return True
        return False

    def found(self, now_ns: int) -> Iterator[Weighed]:
        """Yield the weighings that are far from what their item's label declares, each once.

        An item with two labels that declare different weights is left alone: nobody knows which of them is its own.
        """
        if self._tolerances is None:
            return
        self._forget(now_ns)
        if not self._weighed or not self._declared:
            return
        declared: dict[str, set[float]] = {}
        for seen, kg in self._declared:
            if key := self._lane.key(seen):
                declared.setdefault(key, set()).add(kg)
        for weighed in list(self._weighed):
            key = self._lane.key(weighed.seen)
            said = declared.get(key, set()) if key else set()
            if len(said) != 1 or weighed not in self._weighed:
                continue
            self._weighed.remove(weighed)
            limits = self._tolerances
            if is_far(weighed.kg, min(said), limits.tolerance_kg, limits.tolerance_percent):
                far = finding(weighed.kg, limits.category, limits.severity)
                yield replace(weighed, reading=replace(weighed.reading, findings=(far,)))

    def _forget(self, now_ns: int) -> None:
        while self._declared and now_ns - self._declared[0][0].at_ns > KEEP_NS:
            self._declared.popleft()
        while self._weighed and now_ns - self._weighed[0].seen.at_ns > KEEP_NS:
            self._weighed.popleft()
