"""The lane: which item is this? Ties what each device saw to one item, says how, and takes it back where it was wrong.

Pure: no I/O and no clock of its own. Times are the observations', on the monotonic clock of this boot.
"""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass
from math import inf

from drivers.contract import Identity, IdKind, Observation, Reading, Scan
from edge.lane.belt import Belt, Motion, Span
from edge.lane.hints import bag_tag
from edge.lane.layout import Contact, Layout, Place, Station
from edge.lane.passages import Passages, View
from edge.lane.tracks import KEEP_NS, Name, Relation, Sighting, Track, Tracks
from edge.nouns import Item, Match, NoMatch, TiedBy

#: An item that has passed the last device by so much is gone.
PASSED_MM = 3_000.0
#: A tag heard so lately is at the reader now.
IN_VIEW_NS = 2_000_000_000
MAX_READS = 256
ENTRY = "entry"
#: The entry sees an item's front edge, whose distance from its middle is not known.
ENTRY_VIEW_MM = 300.0
#: A device that is found to be down may have been so for this long.
UNHEARD_NS = 10_000_000_000

#: Which identities an item goes by: it has one of each kind at most.
NAMING = {IdKind.BAG_TAG, IdKind.PARCEL}
#: What tells one item from another as well, but is no name: an item may have many such tags in it.
TYING = {*NAMING, IdKind.EPC}


@dataclass(slots=True, eq=False)
class Seen:
    """What one observation was of. Its item may be known better later: ask the lane again.

    A `sighting` is of an item on the belt; a `span` says where the item lay that someone pointed at (a dog's handler).
    """

    device: str
    at_ns: int
    scan_id: str
    type: str | None
    identities: frozenset[Identity]
    sighting: Sighting | None = None
    span: Span | None = None
    in_view: frozenset[Name] = frozenset()
    station: Station | None = None
    pointed: _Pointed | None = None
    """The item that was pointed at, as it was last known: it stays that when the item has left."""

    @property
    def placed(self) -> bool:
        """Whether the lane knows where this device stands, and so may tie what it sees."""
        return self.sighting is not None or self.span is not None or self.station is not None


@dataclass(frozen=True, slots=True)
class _Pointed:
    track: Track | None
    match: Match
    moves: int = 0


@dataclass(frozen=True, slots=True)
class _Read:
    station: str
    at_ns: int
    identities: frozenset[Identity]


class Lane:
    """One lane's items. For the event loop alone; what it remembers is bounded in number and in age."""

    def __init__(
        self,
        layout: Layout,
        new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
        worn: frozenset[str] = frozenset(),
    ) -> None:
        """`worn` are the tags (EPC) of people and dogs, which are on no item."""
        self.layout = layout
        self._worn = worn
        self._new_id = new_id
        speed = layout.belt_mm_s
        self.belt = Belt(
            speed or 0.0,
            speed_error=layout.speed_error,
            stop_mm=layout.stop_mm,
            always_runs=layout.always_runs and speed is not None,
        )
        # Without a speed nothing is ever known of the belt, whatever a contact says.
        self._running = layout.running if speed is not None and not layout.always_runs else None
        self.tracks = Tracks(self.belt, layout.gap_mm, new_id)
        self.passages = Passages(self.tracks)
        self._views = {name: _view(place) for name, place in layout.places.items()}
        self.version = 0
        """Rises with everything that may change what is known of any item."""
        self._stations = {device: station for station in layout.stations for device in station.devices}
        self._reads: deque[_Read] = deque(maxlen=MAX_READS)
        self._entered = False
        self._counting_mm = 0.0 if layout.entry else None
        """From which place on every item has been counted, by the entry or by a scanner."""
        self._passed_mm = -inf
        self._last_mm = max((place.at_mm for place in layout.places.values()), default=0.0)

    def see(self, device: str, observation: Observation) -> Seen:
        """Take an observation, and return what ties it to its item."""
        self.version += 1
        at_ns = observation.at.monotonic_ns
        tag = bag_tag(observation.item)
        names = {Identity(IdKind.BAG_TAG, tag)} if tag else set()
        scan_id = observation.scan_id if isinstance(observation, Scan) else None
        if isinstance(observation, Reading):
            names.update(i for i in observation.identities if i.kind is not IdKind.EPC or i.value not in self._worn)
            self._hear_contacts(device, observation)
        seen = Seen(device, at_ns, scan_id or "", observation.item.type, frozenset(names))
        if view := self._views.get(device):
            self._on_belt(seen, view, isinstance(observation, Scan))
        elif station := self._stations.get(device):
            seen.station = station
            if names:
                self._reads.append(_Read(station.name, at_ns, seen.identities))
        seen.scan_id = seen.scan_id or (seen.sighting.track.id if seen.sighting else self._new_id())
        return seen

    def lost(self, device: str, now_ns: int) -> None:
        """Take note that a device is down: where it watched the belt, nothing is known of it since it last answered."""
        self.version += 1
        if self._running and self._running.device == device:
            self.belt.tell(Motion.UNKNOWN, now_ns - UNHEARD_NS)

    def item(self, seen: Seen) -> Item:
        """Return the item of an observation, as far as it is known by now."""
        match, names = self._match(seen) if seen.placed else (None, _names(seen.identities))
        if seen.station and match and match.reason is NoMatch.NO_TAG:
            match = None  # people have none, and a parcel's may come in a moment
        known = dict(names)
        return Item(seen.scan_id, known.get(IdKind.BAG_TAG), seen.type, known.get(IdKind.PARCEL), match)

    def identities(self, seen: Seen) -> frozenset[Identity]:
        """Return everything by which the item may be looked for: its own, and what others read of it."""
        if seen.station:
            read = self._at_station(seen)
            kinds = [each.kind for each in read]
            return frozenset(each for each in read if kinds.count(each.kind) == 1)
        match, names = self._match(seen) if seen.placed else (None, frozenset[Name]())
        if match is None or match.by is TiedBy.NONE:
            return seen.identities
        return seen.identities | {Identity(IdKind(kind), value) for kind, value in names}

    def key(self, seen: Seen) -> str | None:
        """Return what is the same for all that was seen of one item; None while it is not known which one it is."""
        match, names = self._match(seen) if seen.placed else (None, _names(seen.identities))
        if len(names) == 1:
            return ":".join(next(iter(names)))
        if match is None or seen.station:
            return None
        track = seen.sighting.track if seen.sighting else self._pointed_at(seen)[0]
        return None if track is None or track.disturbed else track.id

    def has_left(self, seen: Seen, now_ns: int) -> bool:
        """Return whether nothing more can become known of which item it was."""
        if seen.sighting:
            return seen.sighting.track.gone
        if seen.span:
            return self._is_leaving(seen.span)
        return seen.station is None or now_ns - seen.at_ns > 2 * seen.station.within_ns

    def take_back(self, seen: Seen) -> None:
        """Forget an observation that was refused."""
        self.version += 1
        if seen.sighting:
            self.tracks.drop(seen.sighting)

    def forget(self, now_ns: int) -> None:
        """Forget the items that have left the lane."""
        self.version += 1
        self._passed_mm = self.belt.travel_mm(now_ns) - self._last_mm - PASSED_MM
        self.tracks.retire(self._passed_mm, now_ns)
        self.passages.forget(now_ns - KEEP_NS)

    def _hear_contacts(self, device: str, reading: Reading) -> None:
        """Take what the belt's contact and the entry's say in a reading."""
        at_ns = reading.at.monotonic_ns
        running, entry = self._running, self.layout.entry
        if running and running.device == device and (motion := _motion(running, reading)) is not None:
            self.belt.tell(motion, at_ns)
        if entry and entry.device == device and (motion := _motion(entry, reading)) is not None:
            entered = motion is Motion.RUNS
            if entered and not self._entered:
                self.tracks.see(Sighting(ENTRY, self.belt.span(0.0, ENTRY_VIEW_MM, at_ns, at_ns)))
            self._entered = entered

    def _on_belt(self, seen: Seen, view: View, picture: bool) -> None:
        names = sorted(_names(seen.identities, TYING))
        if picture:
            # A scanner counts every item, so that behind it none is unknown.
            if self._counting_mm is None or view.place_mm < self._counting_mm:
                self._counting_mm = view.place_mm
            seen.sighting = Sighting(
                seen.device, view.span(self.belt, seen.at_ns), names[0] if len(names) == 1 else None, sole=True
            )
            self.tracks.see(seen.sighting)
            return
        for name in names:
            sighting = self.passages.hear(seen.device, name, view, seen.at_ns)
            if sighting and len(names) == 1:
                seen.sighting = sighting
        if seen.sighting is None:
            seen.span = view.span(self.belt, seen.at_ns)
            heard = self.passages.in_view(seen.device, seen.at_ns, IN_VIEW_NS)
            seen.in_view = frozenset(name for name in heard if name[0] in NAMING)

    def _match(self, seen: Seen) -> tuple[Match, frozenset[Name]]:
        """Return how an observation is tied to its item, and by which names the item goes."""
        if seen.station:
            names = _names(self._at_station(seen))
            if _several(names):
                return Match(TiedBy.NONE, reason=NoMatch.TWO_TAGS, candidates=len(names)), frozenset()
            return (Match(TiedBy.VIEW), names) if names else (Match(TiedBy.NONE, reason=NoMatch.NO_TAG), names)
        if seen.sighting:
            return self._matched(seen, seen.sighting)
        track, match = self._pointed_at(seen)
        if track is None:
            if match.reason is NoMatch.BELT_UNKNOWN and len(seen.in_view) == 1:
                return Match(TiedBy.VIEW), seen.in_view
            return match, frozenset()
        return self._by_belt(track, match)

    def _matched(self, seen: Seen, sighting: Sighting) -> tuple[Match, frozenset[Name]]:
        own = _names(seen.identities)
        if own and not _several(own):
            return Match(TiedBy.TAG, 0), own
        track = sighting.track
        if track.disturbed:
            return Match(TiedBy.NONE, reason=track.disturbed), frozenset()
        if _plates(track) or track.span is None:
            return self._by_belt(track, Match(TiedBy.BELT, self._apart_ms(sighting.span, track)))
        others = len(self.tracks.near(track))
        reason = NoMatch.TWO_ITEMS if others else self._why_unknown(seen.at_ns) or NoMatch.NO_TAG
        return Match(TiedBy.NONE, reason=reason, candidates=1 + others if others else None), frozenset()

    def _by_belt(self, track: Track, match: Match) -> tuple[Match, frozenset[Name]]:
        names = _plates(track)
        if not self.tracks.trusted:
            return Match(TiedBy.NONE, reason=NoMatch.BELT_WRONG), frozenset()
        if _several(names):
            return Match(TiedBy.NONE, reason=NoMatch.TWO_TAGS, candidates=len(names)), frozenset()
        if not names:
            return Match(TiedBy.NONE, reason=NoMatch.NO_TAG), frozenset()
        return match, names

    def _pointed_at(self, seen: Seen) -> tuple[Track | None, Match]:
        """Return the item at a place where a device only says that there was one, or why it is not known which."""
        assert seen.span is not None
        if seen.pointed is None or not self._is_leaving(seen.span):
            track, match = self._point(seen)
            seen.pointed = _Pointed(track, match, track.moves if track else 0)
        known = seen.pointed
        if known.track and known.track.moves != known.moves:
            return None, Match(TiedBy.NONE, reason=NoMatch.MOVED)
        return known.track, known.match

    def _is_leaving(self, span: Span) -> bool:
        """Return whether items at a place may have been forgotten already."""
        return span.lo - self.layout.gap_mm < self._passed_mm

    def _point(self, seen: Seen) -> tuple[Track | None, Match]:
        span = seen.span
        assert span is not None
        if reason := self._why_unknown(seen.at_ns):
            return None, Match(TiedBy.NONE, reason=reason)
        found = self.tracks.around(span)
        view = self._views[seen.device]
        if counted := self._counting_mm is not None and view.place_mm > self._counting_mm:
            # Any other track is a tag: of one of these, or beside the belt.
            found = [each for each in found if _is_counted(each)]
        if len(found) != 1:
            reason = NoMatch.TWO_ITEMS if found else NoMatch.NO_ITEM
            return None, Match(TiedBy.NONE, reason=reason, candidates=len(found) or None)
        [track] = found
        assert track.span is not None
        if self.tracks.relation(track.span, span) is not Relation.SAME:
            # It can be no other only where every item was counted before, and each is where it was.
            if not counted:
                return None, Match(TiedBy.NONE, reason=NoMatch.TWO_ITEMS)
            if any(each.span is None for each in self.tracks.live):
                return None, Match(TiedBy.NONE, reason=NoMatch.MOVED)
        return track, Match(TiedBy.BELT, self._apart_ms(span, track))

    def _why_unknown(self, at_ns: int) -> NoMatch | None:
        """Return why the belt says nothing of a moment, None where it does."""
        if not self.belt.known_at(at_ns):
            return NoMatch.BELT_UNKNOWN
        return None if self.tracks.trusted else NoMatch.BELT_WRONG

    def _apart_ms(self, span: Span, track: Track) -> int:
        """Return by how much what was seen and the item it is tied to may lie apart, in milliseconds of belt time."""
        if track.span is None:
            return 0
        drift = self.belt.drift_mm(span.at_ns, track.span.at_ns)
        apart = max(span.hi, track.span.hi) - min(span.lo, track.span.lo) + drift
        return round(apart / self.belt.speed_mm_s * 1000)

    def _at_station(self, seen: Seen) -> set[Identity]:
        """Return what was read at a station about when this was seen."""
        station = seen.station
        assert station is not None
        return {
            identity
            for each in self._reads
            if each.station == station.name and abs(each.at_ns - seen.at_ns) <= station.within_ns
            for identity in each.identities
        }


def _view(place: Place) -> View:
    return View(place.at_mm, place.view_mm, round(place.delay_ms * 1e6), round(place.within_ms * 1e6))


def _names(identities: Iterable[Identity], kinds: Container[IdKind] = NAMING) -> frozenset[Name]:
    return frozenset((each.kind, each.value) for each in identities if each.kind in kinds)


def _plates(track: Track) -> frozenset[Name]:
    """Return the names that an item goes by, of all the tags that were read of it."""
    return frozenset(name for name in track.names if name[0] in NAMING)


def _is_counted(track: Track) -> bool:
    """Return whether an item was counted, by the entry or by a scanner."""
    return any(each.sole or each.device == ENTRY for each in track.sightings)


def _several(names: Iterable[Name]) -> bool:
    """Return whether there are more names of a kind than an item can have."""
    kinds = [kind for kind, _ in names]
    return len(set(kinds)) < len(kinds)


def _motion(contact: Contact, reading: Reading) -> Motion | None:
    """Return what a contact says in a reading (on: runs), None where the reading is not of it."""
    for table in ("contacts", "points"):
        values = reading.values.get(table)
        if isinstance(values, dict) and contact.label in values:
            level = values[contact.label]
            return Motion.UNKNOWN if level is None else Motion.RUNS if level else Motion.STANDS
    return None
