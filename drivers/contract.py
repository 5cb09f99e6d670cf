"""What a driver is and what it emits: the only things that the core and the drivers both know.

A driver runs in a process of its own. It reads one device and emits observations: a `Scan` (pictures of one item, raw
as the device gave them) or a `Reading` (anything else). It learns through the outcome of `Port.emit` whether the core
has committed what it emitted, and only then tells the device so.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

from pydantic import BaseModel, ConfigDict

from drivers.clock import Clock, Stamp
from drivers.errors import EdgeError


class Energy(StrEnum):
    """What one picture's values mean: X-ray intensity of one spectrum, or colours that someone else computed."""

    LOW = "low"
    HIGH = "high"
    SINGLE = "single"
    COLOUR = "colour"


class Polarity(StrEnum):
    """Which end of the values is clear air; `UNKNOWN` where the device does not say."""

    AIR_HIGH = "air_high"
    AIR_LOW = "air_low"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture as the device gave it: C order, little endian, `channels` 1 (grey) or 3 (RGB).

    `bits` is how many bits of a value are used; `logarithmic` says that values are log-attenuation and not intensity;
    `pixel_mm` is the size of a pixel in the belt plane in millimetres (row, column), where the device says. `offset` is
    where `data` begin in the scan's original, where they are a view of it: then they need not travel twice.
    """

    view: int
    energy: Energy
    rows: int
    columns: int
    channels: int
    bits: int
    data: bytes | memoryview
    polarity: Polarity = Polarity.UNKNOWN
    logarithmic: bool = False
    pixel_mm: tuple[float, float] | None = None
    offset: int | None = None

    @property
    def bytes_per_value(self) -> int:
        """1 up to 8 bits, 2 up to 16."""
        return 1 if self.bits <= 8 else 2


@dataclass(frozen=True, slots=True)
class ItemHint:
    """What the device itself says about the item (DICOS: object of inspection); the lane decides which item it is.

    `id_type` is DICOS's OOI ID Type (TEXT, RFID, BARCODE, MRP), `type` its OOI Type (BAGGAGE, CARGO, PERSON, ...).
    """

    id: str | None = None
    id_type: str | None = None
    type: str | None = None


@dataclass(frozen=True, slots=True)
class Scan:
    """Pictures of one item. `problem` says why there is none to judge: the verdict is then unknown, with that reason.

    `original` is what the device sent, bit for bit: the evidence. `key` names the scan for repeats (a scanner that
    stores again after a lost answer): the same key from the same device is committed once. With `answer_repeats` the
    verdict of a repeat is published again; without it a repeat is silent. `incomplete` says what is missing of a scan
    that came in parts: an alarm on the rest stands, and anything else is unknown with this reason.
    """

    at: Stamp
    key: str
    original: bytes | memoryview
    media_type: str
    name: str
    pictures: tuple[Picture, ...] = ()
    scan_id: str | None = None
    item: ItemHint = field(default_factory=ItemHint)
    problem: str | None = None
    scan_type: str = "OPERATIONAL"
    tip_type: str | None = None
    answer_repeats: bool = False
    incomplete: str | None = None

    @property
    def is_test(self) -> bool:
        """Whether it is marked in verdict and hit, and kept out of every figure: a test run, a projected threat."""
        return self.scan_type != "OPERATIONAL" or self.tip_type is not None


class Category(StrEnum):
    """DICOS Threat Category (4010,1012) words, as the contract lists them."""

    EXPLOSIVE = "EXPLOSIVE"
    PI = "PI"
    CONTRABAND = "CONTRABAND"
    ANOMALY = "ANOMALY"
    LAPTOP = "LAPTOP"
    PHARMACEUTICAL = "PHARMACEUTICAL"
    OTHER = "OTHER"


class Severity(StrEnum):
    """How urgent a hit is."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Measurement:
    """A value with its name and unit (unit "" where there is none), after scaling."""

    name: str
    value: float | int | str | bool
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something in a reading that raises an alarm, as the device or its profile defines it."""

    label: str
    measurement: Measurement
    category: Category = Category.OTHER
    severity: Severity = Severity.MEDIUM
    zone: str | None = None


class IdKind(StrEnum):
    """What kind of name an item was given; the values are those that a target list uses where it has the kind."""

    BAG_TAG = "bag_tag"
    FLIGHT = "flight"
    DOCUMENT = "document"
    EPC = "epc"
    PARCEL = "parcel"


@dataclass(frozen=True, slots=True)
class Identity:
    """A name that a reader read of an item, for the lane and the targets alone: never published, never stored.

    `value` is in the form that the contract hashes: ten digits of a bag tag; `AF0718/2026-11-21` of a flight; a
    document's number as printed, without fillers; an EPC in lower-case hex; a parcel's number as read.
    """

    kind: IdKind
    value: str


@dataclass(frozen=True, slots=True)
class Reading:
    """Anything a device saw that is no picture. With findings it is an alarm; without, it is news.

    `values` goes out on `up/reading` as it is: never a name, never a document. `raw` is what came over the wire, kept
    in the ledger's row. `distinct` readings each make a hit of their own (every change of a counter); others of the
    same label may collapse into one hit with a count when they come faster than anyone can read. `identities` name the
    item that passed. `scan_type` and `tip_type` are DICOS's, where the device says that this was a test or a projected
    threat.
    """

    at: Stamp
    values: dict[str, Any]
    findings: tuple[Finding, ...] = ()
    raw: bytes = b""
    item: ItemHint = field(default_factory=ItemHint)
    distinct: bool = False
    identities: tuple[Identity, ...] = ()
    scan_type: str = "OPERATIONAL"
    tip_type: str | None = None

    @property
    def is_test(self) -> bool:
        """Whether it is marked in its hit, and kept out of every figure: a test run, a projected threat."""
        return self.scan_type != "OPERATIONAL" or self.tip_type is not None


Observation = Scan | Reading


class DeviceState(StrEnum):
    """How a device is, as `up/device/{device}` says it."""

    UP = "up"
    DEGRADED = "degraded"
    DOWN = "down"
    DISABLED = "disabled"


class Outcome(StrEnum):
    """What became of an observation: on disk; already there; refused for want of room (try later)."""

    COMMITTED = "committed"
    REPEATED = "repeated"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class VerdictThreat:
    """One threat of a verdict: x, y, width, height in pixels of picture `view`, or a zone, or neither."""

    label: str
    category: Category
    score: float | None = None
    box: tuple[float, float, float, float] | None = None
    view: int = 0
    zone: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the core decided on a scan, for a driver that passes it on; `started` and `ended` are Unix nanoseconds.

    `model` and `version` are those of the package that judged, or "rules" and this software's.
    """

    decision: Literal["alarm", "clear", "unknown"]
    scan_id: str
    started_ns: int
    ended_ns: int
    model: str
    version: str
    site: str
    lane: str
    edge: str
    software: str
    reason: str | None = None
    hit_id: str | None = None
    rev: int = 0
    threshold: float | None = None
    threats: tuple[VerdictThreat, ...] = ()
    bag_tag: str | None = None
    type: str | None = None
    scan_type: str = "OPERATIONAL"
    tip_type: str | None = None


@dataclass(frozen=True, slots=True)
class Screened:
    """What became of an observation, and of a scan the verdict; None where the core does not know it any more."""

    outcome: Outcome
    verdict: Verdict | None = None


@dataclass(frozen=True, slots=True)
class Output:
    """What an output is to show: `on` now, and `rest` when nobody orders it any more (None: whatever it shows then)."""

    on: bool
    rest: bool | None = False


class Port(Protocol):
    """A driver's way to the core. All of it is for the driver's event loop; threads come through the loop."""

    name: str
    clock: Clock
    state_dir: Path
    """A folder of the device's own, for what it must remember (which files are done). Not evidence: it may be lost."""

    async def emit(self, observation: Observation) -> Outcome:
        """Hand an observation to the core and return once it is committed, known already, or refused.

        Many may be under way at once; the core sets how many, and `emit` waits its turn.
        """

    async def screen(self, scan: Scan) -> Screened:
        """Emit a scan, and return its verdict too."""

    def state(self, state: DeviceState, reason: str = "", code: str = "", **facts: str | int | float | bool) -> None:
        """Tell how the device is; said again only where it changes. `facts` (serial number, firmware) go along."""

    def progress(self) -> None:
        """Say that the driver did a round of its work; a driver that no longer says so is taken for stuck."""


@dataclass(frozen=True, slots=True)
class ProbeReport:
    """What one try at the hardware found: each step in order, with the layer that failed where one did.

    `code` is that of the error (drivers.errors) that ended the try; `mend` what to do about it, where the driver knows
    better than `drivers.mends` by that code. `answered` is false where the way is open but nothing was heard of the
    device itself: one that only talks when somebody uses it.
    """

    ok: bool
    steps: tuple[str, ...]
    identity: dict[str, str] = field(default_factory=dict)
    sample: str | None = None
    mend: str | None = None
    code: str = ""
    answered: bool = True

    @classmethod
    def failed(cls, steps: Iterable[str], error: EdgeError, **more: Any) -> ProbeReport:
        """Return the report of a try that an error ended; what mends it is the table's, unless `mend` says better."""
        mend = more.pop("mend", None) or getattr(error, "mend", None) or None
        return cls(False, (*steps, str(error)), code=error.code, mend=mend, **more)


@dataclass(frozen=True, slots=True)
class Doubt:
    """Something suspicious in a driver's settings: the path of the key below `[settings]`, and what is odd about it."""

    key: tuple[str | int, ...]
    said: str


class Settings(BaseModel):
    """A driver's `[settings]`; unknown keys are errors, every key has a description."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    def outputs(self) -> frozenset[str]:
        """Return the names of the outputs (lamp, buzzer, contact) that a signal may drive; most devices have none."""
        return frozenset()

    def doubts(self) -> Iterable[Doubt]:
        """Return what may be written so and is rarely meant, such as a poll faster than the line can carry."""
        return ()


class Driver(ABC):
    """One device's driver. Making one does no I/O; `run` may be called again after it raised."""

    #: A driver that shows no progress for this long is restarted; None where only its event loop counts.
    progress_deadline_s: ClassVar[float | None] = None

    @abstractmethod
    async def run(self, port: Port) -> None:
        """Serve the device until cancelled.

        Raises LinkError, ProtocolError or DeviceRefused when the device is lost; the host says so on `up/device/...`,
        waits and calls again. Every wait has a deadline.
        """

    def order(self, outputs: Mapping[str, Output]) -> None:
        """Take what the device's outputs are to show from now on, all that are ordered; never waits.

        The driver shows it as soon as the device can be reached, again after each loss, and `rest` when it ends.
        """
        return None

    @abstractmethod
    async def probe(self, deadline_s: float) -> ProbeReport:
        """Try the hardware once, within `deadline_s`, and say what was found; never raises for a device at fault."""


@dataclass(frozen=True, slots=True)
class DriverInfo:
    """What a driver's folder says of it without loading it: `settings` and `driver` are "module:Class" names.

    `pictures` says whether it emits scans; `example` is a device file that `check` accepts; `wiring` a few
    lines of text; `profiles` ("module:Class") is what a file that a `profile` key names must be, where it takes such.
    `finder` ("module:function", see drivers.finding) lists what to try where such a device may be and nobody knows.
    `source` is what its verdicts and hits say they rest on where that is not the scanner's own data.
    """

    name: str
    summary: str
    settings: str
    driver: str
    pictures: bool
    example: str
    wiring: str = ""
    profiles: str = ""
    source: str | None = None
    finder: str = ""
