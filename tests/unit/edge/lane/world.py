"""A simulated lane with its truth: items on a belt, devices that see them late, badly or not at all. Simulated time."""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass, field

from drivers.clock import Stamp
from drivers.contract import Identity, IdKind, ItemHint, Reading, Scan
from edge.lane import Contact, Lane, Layout, Place, Seen

WALL_NS = 1_795_000_000_000_000_000
START_S = 1_000.0
READ_S, WINDOW_S = 0.1, 0.5
READERS, SCANNER, DOG, GAUGE, CONTACTS = ("tags-1", "tags-2"), "xray-1", "k9-1", "gauge-1", "io-1"

LAYOUT = Layout(
    belt_mm_s=250.0,
    gap_mm=700.0,
    speed_error=0.02,
    stop_mm=40.0,
    running=Contact(CONTACTS, "belt"),
    places={
        "tags-1": Place(600, view_mm=450, within_ms=600),
        "xray-1": Place(1500, view_mm=150, delay_ms=200, within_ms=300),
        "k9-1": Place(3000, view_mm=300, delay_ms=400, within_ms=1600),
        "gauge-1": Place(3600, view_mm=150, within_ms=300),
        "tags-2": Place(4500, view_mm=450, within_ms=600),
    },
)


def stamp(seconds: float) -> Stamp:
    return Stamp(WALL_NS + int(seconds * 1e9), int((START_S + seconds) * 1e9))


def tag(number: int) -> str:
    return f"0220{number:06d}"


@dataclass
class Bag:
    """`at_mm`: belt travel when it passes the entry; `moved_mm`: where it was put instead, behind that place.

    `tags` are what it wears, `read` says whether any device read one.
    """

    number: int
    at_mm: float
    tags: tuple[str, ...]
    moved_mm: float | None = None
    moved_from_mm: float = 0.0
    told: bool = False
    read: bool = False

    def place(self, place_mm: float) -> float:
        """Where it lies for a device at a place."""
        return self.moved_mm if self.moved_mm is not None and place_mm > self.moved_from_mm else self.at_mm


@dataclass
class World:
    """Events of all devices in the order in which the appliance hears of them."""

    seed: int
    bags: list[Bag] = field(default_factory=list)
    missed: float = 0.2
    missed_items: float = 0.0
    true_speed: float = 251.5
    stops: list[tuple[float, float]] = field(default_factory=list)
    contact_lag_s: float = 0.08
    told_tags: float = 0.0
    """The part of the bags whose tag the scanner itself tells."""

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)

    def when(self, travel_mm: float) -> float:
        """Return when the belt has gone so far; `stops` are (travel in mm, seconds)."""
        return travel_mm / self.true_speed + sum(s for at, s in self.stops if at < travel_mm)

    def travel(self, seconds: float) -> float:
        gone = 0.0
        for at, length in sorted(self.stops):
            begins = self.when(at)
            if seconds <= begins:
                break
            gone += min(length, seconds - begins)
        return (seconds - gone) * self.true_speed

    def events(self):
        """Yield (seconds, device, observation, bag or None)."""
        heap: list = []
        count = 0

        def at(seconds, device, observation, bag=None):
            nonlocal count
            count += 1
            heapq.heappush(heap, (seconds, count, device, observation, bag))

        at(-1, CONTACTS, contact(-1, "belt", True))
        for travel, length in self.stops:
            for seconds, runs in ((self.when(travel), False), (self.when(travel) + length, True)):
                seconds += self.rng.uniform(0, self.contact_lag_s)
                at(seconds, CONTACTS, contact(seconds, "belt", runs))
        for reader in READERS:
            for seconds, heard in self._heard(reader):
                identities = tuple(Identity(IdKind.BAG_TAG, tag) for tag in heard)
                at(seconds, reader, Reading(stamp(seconds), {}, identities=identities))
        for bag in self.bags:
            for device, low, high in ((SCANNER, 0.2, 0.5), (DOG, 0.4, 2.0), (GAUGE, 0.0, 0.3)):
                place = LAYOUT.places[device].at_mm
                off = self.rng.uniform(-70, 70)
                seconds = self.when(bag.place(place) + place + off) + self.rng.uniform(low, high)
                if device == SCANNER:
                    told = bag.tags and self.rng.random() < self.told_tags
                    bag.told = bool(told)
                    bag.read |= bag.told
                    hint = ItemHint(bag.tags[0], "BARCODE", "BAGGAGE") if told else ItemHint(type="BAGGAGE")
                    scan = Scan(
                        stamp(seconds), str(bag.number), b"", "x/y", "n", scan_id=f"1.2.{bag.number}", item=hint
                    )
                    at(seconds, device, scan, bag)
                else:
                    at(seconds, device, Reading(stamp(seconds), {"simulated": True}), bag)
        while heap:
            seconds, _, device, observation, bag = heapq.heappop(heap)
            yield seconds, device, observation, bag

    def _heard(self, reader):
        place = LAYOUT.places[reader]
        windows: dict[int, set[str]] = {}
        for bag in self.bags:
            for tag in bag.tags:
                if self.rng.random() < self.missed_items:
                    continue
                reach = place.view_mm / 2 * self.rng.uniform(0.7, 1.0)
                middle = bag.place(place.at_mm) + place.at_mm
                seconds, end = self.when(middle - reach), self.when(middle + reach)
                seconds += self.rng.uniform(0, READ_S)
                while seconds < end:
                    if self.rng.random() >= self.missed:
                        windows.setdefault(int(seconds / WINDOW_S), set()).add(tag)
                        bag.read = True
                    seconds += READ_S
        for number, heard in sorted(windows.items()):
            yield (number + 1) * WINDOW_S, sorted(heard)

    def run(self, lane: Lane) -> list[tuple[Bag, Seen]]:
        """Feed a lane, which is asked again about what it saw, as the appliance does; return what was of which bag."""
        seen: list[tuple[Bag, Seen]] = []
        for number, (seconds, device, observation, bag) in enumerate(self.events()):
            one = lane.see(device, observation)
            lane.item(one)
            if bag is not None:
                seen.append((bag, one))
            if number % 20 == 0:
                lane.forget(stamp(seconds).monotonic_ns)
                for _, each in seen[-60:]:
                    lane.item(each)
        return seen


def contact(seconds: float, label: str, on: bool | None) -> Reading:
    return Reading(stamp(seconds), {"points": {label: on}})


def spaced(rng: random.Random, count: int, tagged: float = 0.97, least: float = 720, most: float = 1500) -> list[Bag]:
    """Bags so far apart, most of them with a tag."""
    bags, at = [], 0.0
    for number in range(count):
        at += rng.uniform(least, most)
        bags.append(Bag(number, at, (tag(number),) if rng.random() < tagged else ()))
    return bags
