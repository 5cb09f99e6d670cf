"""The nouns that the core adds to the drivers' `Scan` and `Reading`: Item, ThreatReport and Hit."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from drivers.clock import Stamp
from drivers.contract import Category, Measurement, Severity


class Decision(StrEnum):
    """DICOS Alarm Decision (4010,1031), in the contract's lower case."""

    ALARM = "alarm"
    CLEAR = "clear"
    UNKNOWN = "unknown"


class TiedBy(StrEnum):
    """How an observation is tied to its item: the device read its tag; the belt brought it; it was alone in view."""

    TAG = "tag"
    BELT = "belt"
    VIEW = "view"
    NONE = "none"


class NoMatch(StrEnum):
    """Why an item has no name, where the lane ties what its devices see."""

    NO_TAG = "no_tag"
    TWO_TAGS = "two_tags"
    TWO_ITEMS = "two_items"
    NO_ITEM = "no_item"
    MOVED = "moved"
    BELT_UNKNOWN = "belt_unknown"
    BELT_WRONG = "belt_wrong"


@dataclass(frozen=True, slots=True)
class Match:
    """How sure it is which item this was: by how much belt time it may be off, or why it is not known and of how many.

    `candidates` counts the items, or the tags, that it may have been.
    """

    by: TiedBy
    uncertainty_ms: int | None = None
    reason: NoMatch | None = None
    candidates: int | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """What is being screened (DICOS: object of inspection).

    `scan_id` is the Scan Instance UID, or a UUID of the lane's where the device has none. `match` is there where the
    lane knows where the device stands.
    """

    scan_id: str
    bag_tag: str | None = None
    type: str | None = None
    parcel: str | None = None
    match: Match | None = None


@dataclass(frozen=True, slots=True)
class Threat:
    """A potential threat object: where it is (box in pixels of `view`, or body zone, or a measurement) and what."""

    label: str
    category: Category
    score: float | None = None
    box: tuple[float, float, float, float] | None = None
    view: int = 0
    zone: str | None = None
    measurement: Measurement | None = None


@dataclass(frozen=True, slots=True)
class ModelName:
    """Which model judged, down to its bytes; where a server is configured, whose graph ran, and why the local one."""

    name: str
    version: str
    sha256: str
    at: Literal["server", "local"] | None = None
    fallback: str | None = None


@dataclass(frozen=True, slots=True)
class ThreatReport:
    """The verdict on one item at one device.

    An analysis that failed is UNKNOWN with a reason, never CLEAR. `peak` is (x, y) of the highest score, in pixels.
    """

    decision: Decision
    reason: str | None = None
    score: float | None = None
    threshold: float | None = None
    peak: tuple[float, float] | None = None
    threats: tuple[Threat, ...] = ()
    severity: Severity | None = None
    model: ModelName | None = None
    thumb: bytes | None = None
    ms: float | None = None
    started: Stamp | None = None
    ended: Stamp | None = None


@dataclass(frozen=True, slots=True)
class Targeted:
    """The entry of the target list that an item matches; `covert`: only the console may show the hit."""

    target_id: str
    risk: Literal["elevated", "high"]
    covert: bool = False


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a hit rests on: original bits, to be kept as they came."""

    original: bytes | memoryview
    media_type: str


@dataclass(frozen=True, slots=True)
class Spot:
    """A place on earth, WGS 84, in degrees."""

    latitude_deg: float
    longitude_deg: float


@dataclass(frozen=True, slots=True)
class Canine:
    """What a handler reported of a dog: which team, whether it may search, where, by which button.

    A lapsed certification is a warning and blocks nothing. Where it is not sure which team it was, none is named.
    """

    team: str | None
    dog: str | None
    handler: str | None
    teams_in_view: int
    button: str
    response: str
    search: str
    place: str | None = None
    certified_by: str | None = None
    odours: tuple[str, ...] = ()
    certified_until: str | None = None
    certification_lapsed: bool | None = None
    spot: Spot | None = None


@dataclass(frozen=True, slots=True)
class Corroboration:
    """What another device found on the same item; without a hit of its own where it was faint."""

    device: str
    kind: str
    at: Stamp
    hit_id: str | None


@dataclass(frozen=True, slots=True)
class Pictured:
    """A scan of the item that a hit without a picture is of, and the verdict on it."""

    device: str
    scan_id: str
    decision: Decision
    score: float | None
    at: Stamp


@dataclass(frozen=True, slots=True)
class Hit:
    """An alarm on its way to the console; the ledger gives it its sequence number and its time of commit."""

    hit_id: str
    rev: int
    device: str
    driver: str
    observed: Stamp
    item: Item
    report: ThreatReport
    evidence: Evidence | None = None
    raw: bytes = b""
    count: int | None = None
    scan_type: str | None = None
    tip_type: str | None = None
    targeted: Targeted | None = None
    covert: bool = False
    corroboration: tuple[Corroboration, ...] = ()
    pictures: tuple[Pictured, ...] = ()
    canine: Canine | None = None
    rule: str | None = None
    """The rule that made a hit of two faint findings."""

    @property
    def is_test(self) -> bool:
        """Whether it is of a test run or a projected threat, and counts in no figure."""
        return self.scan_type is not None or self.tip_type is not None
