"""Which sightings are of the same item: by its name (a tag), else by where on the belt it lies; never by a guess.

Two items lie at least `gap_mm` apart. So two sightings whose farthest possible distance is less than that are of the
same item, two whose nearest is more than nothing are of different ones, and for any others it is not known.
"""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum
from itertools import combinations

from edge.lane.belt import Belt, Span
from edge.nouns import NoMatch

MAX_TRACKS = 256
#: What was seen longer ago than this is of no item that is still here.
KEEP_NS = 600_000_000_000
#: An item that was lifted off its place is put back somewhere on the belt within this time, or not at all.
LOST_NS = 60_000_000_000
#: Of so many items that two devices named, so few at least must be where the belt brings them: else it is not trusted.
TRUST_SAMPLES = 16
TRUST_LEAST = 8
TRUST_SHARE = 0.6

Name = tuple[str, str]
"""What marks an item as itself: a kind (`bag_tag`, `parcel`) and a value."""


class Relation(Enum):
    """Whether two sightings are of one item, as far as the belt tells."""

    SAME = "same"
    MAYBE = "maybe"
    DIFFERENT = "different"


@dataclass(slots=True, eq=False)
class Sighting:
    """One item in the sight of one device. `sole`: each sighting of this device is an item (a scanner's picture).

    `name` is what the device itself read. A `stale` sighting's place is void: its item was lifted since.
    """

    device: str
    span: Span
    name: Name | None = None
    sole: bool = False
    stale: bool = False
    track: Track = field(init=False)


@dataclass(slots=True, eq=False)
class Track:
    """An item: what is known of it. Without a `span` its place is no longer known.

    A `disturbed` one is what is left of an item whose place the belt no longer tells, for the reason it names: it
    turned up elsewhere, another took its place, or two lie closer together than items may. Its sightings were tied by
    the belt alone, and need not be of one item.
    """

    id: str
    span: Span | None
    sightings: list[Sighting]
    disturbed: NoMatch | None = None
    gone: bool = False
    moves: int = 0
    """How often it turned up elsewhere than the belt brought it: what was tied to it before is void."""

    @property
    def names(self) -> set[Name]:
        """What devices read of it; more than one of a kind is more than an item can have."""
        return {each.name for each in self.sightings if each.name}


class Tracks:
    """The items on one belt, at most 256: the oldest are forgotten. For one thread alone."""

    def __init__(self, belt: Belt, gap_mm: float, new_id: Callable[[], str] = lambda: str(uuid.uuid4())) -> None:
        self.belt = belt
        self.gap_mm = gap_mm
        self.live: list[Track] = []
        self._new_id = new_id
        self._named: dict[Name, Track] = {}
        self._trust: deque[bool] = deque(maxlen=TRUST_SAMPLES)

    @property
    def trusted(self) -> bool:
        """Whether items that have names turn up where the belt brings them; else its speed is not what is stated."""
        return len(self._trust) < TRUST_LEAST or sum(self._trust) >= TRUST_SHARE * len(self._trust)

    def see(self, sighting: Sighting) -> Track:
        """Take a sighting and return its item, a new one or one that is known."""
        known = self._named.get(sighting.name) if sighting.name else None
        if known is None:
            self._start([sighting], sighting.span)
            self._part(sighting.track)
            self._settle([sighting.track])
            return sighting.track
        if known.span is not None:
            fits = self.relation(known.span, sighting.span) is not Relation.DIFFERENT
            if all(each.device != sighting.device for each in known.sightings):
                self._trust.append(fits)
            if not fits:
                self._moved(known, sighting)
            elif sighting.sole and any(s.sole and s.device == sighting.device and not s.name for s in known.sightings):
                self._uproot(known, NoMatch.TWO_ITEMS)
            assert sighting.name is not None
            known = self._named[sighting.name]
        around = self.near(known)
        known.sightings.append(sighting)
        sighting.track = known
        self._place(known)
        self._settle([sighting.track, *around])
        return sighting.track

    def narrowed(self, sighting: Sighting, span: Span) -> None:
        """Take a better span of a sighting that goes on: a tag that is still heard."""
        track = sighting.track
        around = self.near(track)
        sighting.span = span
        self._place(track)
        self._settle([track, *around])

    def drop(self, sighting: Sighting) -> None:
        """Take a sighting back: it was of nothing on the belt."""
        track = sighting.track
        around = self.near(track)
        track.sightings.remove(sighting)
        if sighting.name and sighting.name not in track.names:
            self._named.pop(sighting.name, None)
        if track.sightings:
            self._place(track)
        else:
            self._forget(track)
        self._settle([track, *around])

    def relation(self, a: Span, b: Span) -> Relation:
        """Return whether an item in one span is the one in another."""
        if max(a.lo, b.lo) - min(a.hi, b.hi) > self.belt.drift_mm(a.at_ns, b.at_ns):
            return Relation.DIFFERENT
        return Relation.SAME if self._farthest(a, b) < self.gap_mm else Relation.MAYBE

    def _farthest(self, a: Span, b: Span) -> float:
        """Return how far apart two items in these spans may lie, in millimetres."""
        return max(a.hi, b.hi) - min(a.lo, b.lo) + self.belt.drift_mm(a.at_ns, b.at_ns)

    def around(self, span: Span) -> list[Track]:
        """Return the items that may be the one in a span: those whose place is known well enough to be told apart."""
        if not self.trusted:
            return []
        return [t for t in self.live if self._placed(t, span) and self._relation(t, span) is not Relation.DIFFERENT]

    def near(self, track: Track) -> list[Track]:
        """Return the other items that may be this one."""
        if track.span is None or not self._placed(track, track.span):
            return []
        return [each for each in self.around(track.span) if each is not track]

    def retire(self, before_mm: float, now_ns: int) -> list[Track]:
        """Forget and return the items that have passed a point of belt travel, or were not seen for long."""
        over = [
            each
            for each in self.live
            if now_ns - _last_ns(each) > (KEEP_NS if each.span else LOST_NS) or (each.span and each.span.hi < before_mm)
        ]
        for track in over:
            self._forget(track)
        return over

    def _placed(self, track: Track, span: Span) -> bool:
        """Whether a track can be told from its neighbours, and the belt was known in between."""
        mine = track.span
        return (
            mine is not None and mine.width < self.gap_mm and self.belt.drift_mm(mine.at_ns, span.at_ns) < self.gap_mm
        )

    def _relation(self, track: Track, span: Span) -> Relation:
        assert track.span is not None
        return self.relation(track.span, span)

    def _start(self, sightings: list[Sighting], span: Span | None, disturbed: NoMatch | None = None) -> Track:
        track = Track(self._new_id(), span, sightings, disturbed)
        for each in sightings:
            each.track = track
            if each.name:
                self._named[each.name] = track
        self.live.append(track)
        if len(self.live) > MAX_TRACKS:
            self._forget(self.live[0])
        return track

    def _moved(self, known: Track, sighting: Sighting) -> None:
        """Untie an item that is not where the belt brought it, and the one whose place it took."""
        # Whatever was seen at that place before may be of the item that lay there then.
        for each in {known, *self.around(sighting.span)}:
            self._uproot(each, NoMatch.MOVED)

    def _part(self, track: Track) -> None:
        """Untie two items that a scanner saw closer together than items may lie: either may have the other's tag."""
        for each in list(self.live):
            if each is track or each.span is None or track.span is None or not _two_items(each, track):
                continue
            if self._farthest(each.span, track.span) < self.gap_mm:
                for one in (each, track):
                    self._uproot(one, NoMatch.TWO_ITEMS)

    def _uproot(self, track: Track, reason: NoMatch) -> None:
        """Leave of an item, for each of its names, what was read by name; the rest was tied by belt, and is loose.

        Where it only lies too close to another, what is loose keeps its place, so that nothing is taken for alone; and
        so does what a scanner saw and named in one.
        """
        track.moves += 1
        named: dict[Name, list[Sighting]] = {}
        loose: list[Sighting] = []
        for each in track.sightings:
            each.stale = reason is NoMatch.MOVED or (each.name is not None and not each.sole)
            (named.setdefault(each.name, []) if each.name else loose).append(each)
        if not named:
            track.disturbed = reason
            self._place(track)
            return
        first, *others = named.values()
        track.sightings = first
        self._place(track)
        for sightings in others:
            self._place(self._start(sightings, None))
        if loose:
            self._place(self._start(loose, None, reason))

    def _place(self, track: Track) -> None:
        """Work out where a track is from all its sightings: what they have in common, as of the latest."""
        good = [each.span for each in track.sightings if not each.stale]
        if not good:
            track.span = None
            return
        at_ns = max(span.at_ns for span in good)
        drifts = [(span, self.belt.drift_mm(span.at_ns, at_ns)) for span in good]
        lo = max(span.lo - drift for span, drift in drifts)
        hi = min(span.hi + drift for span, drift in drifts)
        if lo <= hi:
            track.span = Span(lo, hi, at_ns)
        else:  # they contradict each other: only what was read by name still holds
            self._uproot(track, NoMatch.MOVED)

    def _settle(self, tracks: Iterable[Track]) -> None:
        """Make one item of those that must be one, as far as this follows from what has changed about some."""
        waiting = list(tracks)
        while waiting:
            track = waiting.pop()
            if track.gone or track.span is None:
                continue
            group = self._group(track)
            if len(group) > 1:
                waiting.append(self._merge(group))

    def _group(self, track: Track) -> list[Track]:
        """Return the tracks that are all certainly this item, and that nothing else may be."""
        group = [track, *self.near(track)]
        for a, b in combinations(group, 2):
            assert a.span is not None and b.span is not None
            if self.relation(a.span, b.span) is not Relation.SAME or _two_items(a, b):
                return [track]
        if any(each not in group for one in group[1:] for each in self.near(one)):
            return [track]
        return group

    def _merge(self, group: list[Track]) -> Track:
        first = min(group, key=self.live.index)
        for each in group:
            if each is first:
                continue
            self._forget(each, merged=True)
            for sighting in each.sightings:
                sighting.track = first
            first.sightings += each.sightings
        for name in first.names:
            self._named[name] = first
        self._place(first)
        return first

    def _forget(self, track: Track, merged: bool = False) -> None:
        track.gone = True
        self.live.remove(track)
        if not merged:
            for name in track.names:
                if self._named.get(name) is track:
                    del self._named[name]


def _two_items(a: Track, b: Track) -> bool:
    """Return whether a device that sees each item once has seen both."""
    return not {s.device for s in a.sightings if s.sole}.isdisjoint(s.device for s in b.sightings if s.sole)


def _last_ns(track: Track) -> int:
    return max(each.span.at_ns for each in track.sightings)
