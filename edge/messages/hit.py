"""What was screened and what was found: hits, verdicts, readings."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from drivers.contract import Category, Severity
from edge.clock import ClockQuality
from edge.messages.base import Absent, Digest, Message
from edge.nouns import Decision, NoMatch, TiedBy


class MeasurementBody(Message):
    """A measured value; unit "" where there is none."""

    name: str
    value: bool | int | float | str
    unit: str


class ThreatBody(Message):
    """A potential threat object in a hit: with a box in pixels of its view, a body zone, or a measurement."""

    label: str
    category: Category
    score: Annotated[float | None, Field(ge=0, le=1)] = Absent
    box: tuple[float, float, float, float] | None = Absent
    view: int | None = Absent
    zone: str | None = Absent
    measurement: MeasurementBody | None = Absent


class MatchBody(Message):
    """How an item was told from the others: by its tag, by belt time, alone in view; or why it has no name."""

    by: TiedBy
    uncertainty_ms: int | None = Absent
    reason: NoMatch | None = Absent
    candidates: int | None = Absent


class ItemBody(Message):
    """The object of inspection."""

    scan_id: str
    bag_tag: str | None = Absent
    type: str | None = Absent
    parcel: str | None = Absent
    match: MatchBody | None = Absent


class CorroborationBody(Message):
    """What another device found on the same item."""

    device: str
    kind: str
    at: str
    hit_id: str | None


class PictureBody(Message):
    """A scan of the item of a hit that has no picture of its own."""

    device: str
    scan_id: str
    decision: Decision
    score: float | None
    at: str


class SpotBody(Message):
    """A place on earth, WGS 84."""

    latitude_deg: float
    longitude_deg: float


class CanineBody(Message):
    """What a handler reported of a dog; a lapsed certification is a warning."""

    team: str | None
    dog: str | None
    handler: str | None
    teams_in_view: int
    button: str
    response: str
    search: str
    place: str | None = Absent
    certified_by: str | None = Absent
    odours: tuple[str, ...] = ()
    certified_until: str | None = Absent
    certification_lapsed: bool | None = Absent
    spot: SpotBody | None = Absent


class ModelBody(Message):
    """The model that judged.

    Where an inference server is configured `at` says whether it or the local graph judged, `fallback` why the latter.
    """

    name: str
    version: str
    sha256: str
    at: Literal["server", "local"] | None = Absent
    fallback: Annotated[str | None, Field(max_length=160)] = Absent


class EvidenceBody(Message):
    """Where a hit's proof is: digest and size of the original bits."""

    sha256: str
    media_type: str
    bytes: int
    thumb: bool


class ClockBody(Message):
    """How good the time in this message is."""

    quality: ClockQuality
    offset_ms: float | None
    boot_id: str
    monotonic_s: float


class TargetedBody(Message):
    """The entry of `down/targets` that the item matches."""

    risk: Literal["elevated", "high"]
    target_id: str


class ChainBody(Message):
    """The hit's place in the appliance's chain: `hash` is its link, `prev` that of the hit before (SHA-256)."""

    prev: Digest
    hash: Digest


class SignatureBody(Message):
    """Ed25519 over the RFC 8785 form of the event without it: base64url without padding, `kid` the key's fingerprint.

    Numbers are taken as doubles, as RFC 8785 does.
    """

    alg: Literal["EdDSA"] = "EdDSA"
    kid: Digest
    value: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{86}$")]


class HitData(Message):
    """The body of a hit: contract, section 4."""

    hit_id: str
    rev: int
    seq: int
    historical: bool
    site: str
    lane: str
    edge: str
    device: str
    driver: str
    stream: Literal["passenger", "cargo", "post"]
    observed_at: str
    committed_at: str
    clock: ClockBody
    decision: Literal[Decision.ALARM] = Decision.ALARM
    severity: Severity
    score: Annotated[float | None, Field(ge=0, le=1)]
    threshold: float | None
    threats: tuple[ThreatBody, ...]
    item: ItemBody
    corroboration: tuple[CorroborationBody, ...] = ()
    pictures: tuple[PictureBody, ...] | None = Absent
    canine: CanineBody | None = Absent
    rule: str | None = Absent
    count: int | None = Absent
    tip_type: str | None = Absent
    source: str | None = Absent
    scan_type: str | None = Absent
    targeted: TargetedBody | None = Absent
    covert: Literal[True] | None = Absent
    model: ModelBody | None
    evidence: EvidenceBody | None
    report_sha256: Digest | None = Absent
    # The seal is put on last, and stands last: edge/ledger/chain.py.
    chain: ChainBody | None = Absent
    signature: SignatureBody | None = Absent


class HitEvent(Message):
    """A hit as CloudEvents 1.0, structured JSON, at most 8 KiB."""

    specversion: Literal["1.0"] = "1.0"
    id: str
    type: Literal["org.jaitf.edge.hit.v1"] = "org.jaitf.edge.hit.v1"
    source: str
    time: str
    datacontenttype: Literal["application/json"] = "application/json"
    data: HitData


class Verdict(Message):
    """One for each screened item, hit or not. No verdict means unknown, never clear."""

    scan_id: str
    decision: Decision
    reason: str | None
    item: ItemBody
    score: float | None
    threshold: float | None
    at: str
    hit_id: str | None = Absent
    targeted: TargetedBody | None = Absent
    scan_type: str | None = Absent
    tip_type: str | None = Absent
    source: str | None = Absent
    ms: float | None = Absent
    evidence_sha256: str | None = Absent
    """Of a scan that could not be judged and was kept: what it is named in the appliance's evidence folder."""


class ReadingNews(BaseModel):
    """What a device without pictures saw, coalesced; its keys are the driver's. Never a name, never a document.

    These are of the drivers shipped; a `position` without a fix is null.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    at: str
    tags: list[dict[str, Any]] | None = Absent
    codes: list[dict[str, Any]] | None = Absent
    button: str | None = Absent
    weight_kg: float | None = Absent
    declared_kg: float | None = Absent
    fix: bool | None = Absent
    position: dict[str, Any] | None = Absent
