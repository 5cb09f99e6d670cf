"""A tag that is heard while its item passes a reader: each further read narrows down where the item lies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import inf

from edge.lane.belt import Belt, Span
from edge.lane.tracks import Name, Sighting, Tracks

#: A tag unheard for so long has passed; heard again, it passes again.
QUIET_NS = 5_000_000_000
#: A tag heard over so many times a reader's view of belt travel lies beside the belt, not on it.
STANDING_VIEWS = 2
MAX_PASSAGES = 512


@dataclass(frozen=True, slots=True)
class View:
    """Where a device sees an item, so far along the belt in all; it says so so late, and up to `within_ns` later."""

    place_mm: float
    view_mm: float
    delay_ns: int
    within_ns: int

    def span(self, belt: Belt, at_ns: int) -> Span:
        """Return where an item lies that the device says to have seen."""
        seen_ns = at_ns - self.delay_ns
        return belt.span(self.place_mm, self.view_mm, seen_ns - self.within_ns, seen_ns)


@dataclass(slots=True)
class _Passage:
    sighting: Sighting | None
    first_ns: int
    last_ns: int
    wide: bool = False
    """It was heard farther than the reader is said to reach: where its item lies is not known well."""


@dataclass(slots=True)
class Passages:
    """The tags that readers hear at the moment."""

    tracks: Tracks
    _open: dict[tuple[str, Name], _Passage] = field(default_factory=dict)

    def hear(self, device: str, name: Name, view: View, at_ns: int) -> Sighting | None:
        """Take one read; return the sighting that it began or narrowed, None for a tag that lies beside the belt."""
        belt, key = self.tracks.belt, (device, name)
        passage = self._open.get(key)
        if passage is None or at_ns - passage.last_ns > QUIET_NS:
            return self._begin(key, view, at_ns)
        passage.last_ns = max(at_ns, passage.last_ns)
        if passage.sighting is None:
            return None
        travelled = belt.travel_mm(passage.last_ns) - belt.travel_mm(passage.first_ns)
        if travelled > STANDING_VIEWS * view.view_mm + self.tracks.gap_mm:
            self.tracks.drop(passage.sighting)
            passage.sighting = None
            return None
        self.tracks.narrowed(passage.sighting, self._both(passage, passage.sighting.span, view.span(belt, at_ns)))
        return passage.sighting

    def in_view(self, device: str, at_ns: int, within_ns: int) -> set[Name]:
        """Return the tags on items that a reader heard of late."""
        return {
            name
            for (reader, name), passage in self._open.items()
            if reader == device and passage.sighting is not None and 0 <= at_ns - passage.last_ns <= within_ns
        }

    def forget(self, before_ns: int) -> None:
        """Forget the tags that have not been heard since."""
        for key in [key for key, passage in self._open.items() if passage.last_ns < before_ns]:
            del self._open[key]

    def standing(self) -> Iterator[tuple[str, Name]]:
        """Yield the tags that lie beside the belt, with their readers."""
        return (key for key, passage in self._open.items() if passage.sighting is None)

    def _begin(self, key: tuple[str, Name], view: View, at_ns: int) -> Sighting:
        sighting = Sighting(key[0], view.span(self.tracks.belt, at_ns), key[1])
        self._open.pop(key, None)
        self._open[key] = _Passage(sighting, at_ns, at_ns)
        if len(self._open) > MAX_PASSAGES:
            del self._open[next(iter(self._open))]
        self.tracks.see(sighting)
        return sighting

    def _both(self, passage: _Passage, held: Span, new: Span) -> Span:
        """Return where an item lies that was seen in two spans by one device; where they exclude each other, all."""
        drift = self.tracks.belt.drift_mm(held.at_ns, new.at_ns)
        lo, hi = max(held.lo - drift, new.lo), min(held.hi + drift, new.hi)
        passage.wide |= lo > hi
        if passage.wide and drift < inf:
            lo, hi = min(held.lo - drift, new.lo), max(held.hi + drift, new.hi)
        return Span(lo, hi, max(held.at_ns, new.at_ns))
