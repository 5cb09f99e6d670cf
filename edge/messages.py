"""What goes over MQTT, as classes: the one source of the messages' shape (contract, sections 3 and 4)."""

from __future__ import annotations

from functools import partial
from operator import is_
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from drivers.contract import Category, DeviceState, Severity
from edge.clock import ClockQuality
from edge.nouns import Decision, NoMatch, TiedBy

MAX_HIT_BYTES = 8 * 1024
SEAL_BYTES = 384
"""Room that an event leaves for its place in the chain and its signature."""
MAX_THUMB_BYTES = 64 * 1024


Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Absent = Field(default=None, exclude_if=partial(is_, None))
"""A key that is left out where there is nothing to say."""


class Message(BaseModel):
    """A message that the appliance sends."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def encoded(self) -> bytes:
        """Return the message as compact UTF-8 JSON, keys in the order of the class."""
        return self.model_dump_json().encode()


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


class StateMessage(Message):
    """Whether the appliance is there; the will says offline, with the session of its birth."""

    state: Literal["online", "stopped", "offline"]
    session: str
    at: str


class DeviceMessage(Message):
    """How a device is, since when, and what it waits for."""

    state: DeviceState
    reason: str
    code: str
    since: str
    last_observation_at: str | None
    restarts: int
    driver: str
    facts: dict[str, str | int | float | bool]


class DeviceBirth(Message):
    """A device in the birth message."""

    name: str
    driver: str
    model: str | None


class KeyBody(Message):
    """The public part of the appliance's key; `kid` is its fingerprint, to be pinned and not to be believed."""

    alg: Literal["EdDSA"] = "EdDSA"
    kid: Digest
    pem: str


class Birth(Message):
    """What this appliance is: versions, ledger, configuration, devices, models, the key that it signs with."""

    software: str
    contract: str
    session: str
    ledger_id: str
    seq_start: int
    config_sha256: str
    site: str
    lane: str
    edge: str
    stream: str
    devices: tuple[DeviceBirth, ...]
    models: tuple[ModelBody, ...]
    key: KeyBody | None = Absent
    clock: ClockBody
    notices: tuple[str, ...]
    at: str


class DriftBody(Message):
    """How a device's last scans compare with the bags its thresholds were calibrated on; rates are parts of one.

    `unknown`: not calibrated here, or too few scans yet. `psi` is the population stability index of the scores;
    `alarm_limits` are what chance allows around `expected_alarm_rate`.
    """

    state: Literal["ok", "watch", "drifted", "unknown"]
    reason: str
    scans: int
    psi: float | None
    alarm_rate: float | None
    expected_alarm_rate: float | None
    alarm_limits: tuple[float, float] | None
    calibrated_at: str | None


class AssuranceBody(Message):
    """A device's last detection trials: simulated threats in copies of clear scans; never hits.

    `rate` is how many of `trials` alarmed, `interval` Wilson's 95 % interval of it, `missed` the misses by threat.
    """

    trials: int
    detected: int
    rate: float | None
    interval: tuple[float, float]
    last_at: str | None
    missed: dict[str, int]
    problem: str


class CertificateBody(Message):
    """The certificate that ends first, of those that the connection to the broker needs."""

    file: str
    subject: str
    not_after: str
    days_left: float
    state: Literal["ok", "soon", "expired"]


class ModelServerBody(Message):
    """The inference server as it judges for one model: `fell_back` counts pictures that the local graph took over.

    `checking`: not proven yet; `away`: not there, or too late; `refused`: there, and its answers are not the model's.
    """

    state: Literal["checking", "trusted", "away", "refused"]
    reason: str
    since: str
    served: int
    fell_back: int
    p50_ms: float | None
    p99_ms: float | None


class TargetsBody(Message):
    """The target list: whether one is in force, until when, and why the last one was refused."""

    state: Literal["none", "in_force", "expired"]
    version: int | None
    entries: int
    expires_at: str | None
    matched: int
    problem: str


class PageBody(Message):
    """The technician's page: whether it is served, where, and why not."""

    state: Literal["up", "down", "off"]
    address: str
    reason: str


class Health(Message):
    """How the appliance fares: what waits, what was dropped, how fast it judges, what room is left."""

    at: str
    oldest_unsent_hit_s: float
    queued: dict[str, int]
    outbox_bytes: int
    dropped: dict[str, int]
    set_aside: int
    storage: Literal["ok", "reserve", "full", "failing"]
    storage_reason: str
    used_bytes: int
    quota_bytes: int
    disk_free_bytes: int
    written_bytes: int
    written_bytes_per_day: int
    devices: dict[str, DeviceState]
    judged: int
    overloaded: int
    model_p50_ms: float | None
    model_p99_ms: float | None
    drift: dict[str, DriftBody] = {}
    assurance: dict[str, AssuranceBody] = {}
    calibration_age_h: dict[str, int] = {}
    model_server: dict[str, ModelServerBody] = {}
    blind: bool
    blind_reason: str
    targets: TargetsBody | None = Absent
    certificate: CertificateBody | None = Absent
    page: PageBody | None = Absent
    rss_bytes: int
    clock: ClockBody
    client_id_conflicts: int
    uptime_s: float


class Audit(Message):
    """Who asked for what, and what became of it; what the box did by itself that a person must know."""

    at: str
    what: str
    by: str
    outcome: str
    detail: str


class Reply(Message):
    """The answer to a command or a disposition (whose `disposition_id` is then its transaction).

    `accepted` is followed by `done` or `failed`; `result` has what a program reads, `detail` what a person does.
    """

    transaction: str
    status: Literal["done", "accepted", "failed", "rejected", "expired"]
    code: str
    detail: str
    disposition_id: str | None = Absent
    hit_id: str | None = Absent
    result: dict[str, Any] | None = Absent
    at: str
