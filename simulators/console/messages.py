"""What appliances send, as this console understands the contract: what is required is checked, additions are welcome.

`HitEvent` accepts what `hit.v1.schema.json` accepts, and nothing else; a test holds the two against each other.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def _whole(value: object) -> object:
    """JSON Schema calls 1.0 an integer; so do we."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Time = Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$")]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
Share = Annotated[float, Field(ge=0, le=1)]
Whole = Annotated[int, BeforeValidator(_whole)]


class Message(BaseModel):
    """A message from elsewhere: exact types, unknown keys let by."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True, allow_inf_nan=False)


class Clock(Message):
    """How good the appliance's time is."""

    quality: Literal["synced", "holdover", "unsynced"]
    offset_ms: float | None = None


class Measurement(Message):
    """What a device without pictures measured."""

    name: Any
    value: Any
    unit: Any


class Threat(Message):
    """A potential threat object: a box in a picture, a body zone, or a measurement."""

    label: str
    category: Literal["EXPLOSIVE", "PI", "CONTRABAND", "ANOMALY", "LAPTOP", "PHARMACEUTICAL", "OTHER"]
    score: Share | None = None
    box: Annotated[list[float], Field(min_length=4, max_length=4)] = []
    zone: str = ""
    measurement: Measurement = Measurement(name=None, value=None, unit=None)
    view: Any = None


class Item(Message):
    """The object of inspection."""

    scan_id: Any
    bag_tag: Any = None
    type: Any = None
    parcel: Any = None
    match: Any = None


class Model(Message):
    """The model that judged."""

    name: Any
    version: Any
    sha256: Any


class Evidence(Message):
    """The proof that the appliance keeps."""

    sha256: Any
    media_type: Any
    bytes: Any
    thumb: Any = None


class HitData(Message):
    """The body of a hit."""

    hit_id: Annotated[str, Field(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")]
    rev: Annotated[Whole, Field(ge=0)]
    seq: Annotated[Whole, Field(ge=1)]
    historical: bool
    site: Name
    lane: Name
    edge: Name
    device: Name
    driver: Name
    stream: Literal["passenger", "cargo", "post"]
    observed_at: Time
    committed_at: Time
    clock: Clock
    decision: Literal["alarm"]
    severity: Literal["low", "medium", "high", "critical"]
    score: Share | None = None
    threshold: float | None = None
    threats: Annotated[list[Threat], Field(min_length=1)]
    item: Item
    model: Model | None = None
    evidence: Evidence | None
    corroboration: Any = None
    pictures: Any = None
    canine: Any = None
    targeted: Any = None
    covert: Any = None
    count: Any = None
    scan_type: Any = None
    tip_type: Any = None


class HitEvent(Message):
    """A hit: CloudEvents 1.0, structured."""

    specversion: Literal["1.0"]
    id: str
    type: Literal["org.jaitf.edge.hit.v1"]
    source: Annotated[str, Field(pattern=r"^/")]
    time: Time
    datacontenttype: Literal["application/json"]
    data: HitData


class State(Message):
    """Whether an appliance is there."""

    state: Literal["online", "stopped", "offline"]
    session: Annotated[str, Field(min_length=1, max_length=128)]
    at: Time


class Key(Message):
    """The public part of an appliance's key, as it shows it."""

    kid: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    pem: Annotated[str, Field(max_length=1000)]


class Birth(Message):
    """What an appliance says of itself when it comes; everything but this goes by as it is."""

    ledger_id: Annotated[str, Field(min_length=1, max_length=128)]
    seq_start: Annotated[Whole, Field(ge=0)]
    session: Annotated[str, Field(max_length=128)] = ""
    at: Time | None = None
    lane: str = ""
    key: Key | None = None


class Device(Message):
    """How a device is."""

    state: Literal["up", "degraded", "down", "disabled"]
    reason: str | None = None
    since: str | None = None
    last_observation_at: str | None = None


class Verdict(Message):
    """One a screened item, hit or not."""

    decision: Literal["alarm", "clear", "unknown"]
    at: Time
    scan_type: Any = None
    tip_type: Any = None


class Reply(Message):
    """An appliance's answer to a command or a disposition."""

    transaction: Annotated[str, Field(min_length=1, max_length=128)]
    status: Literal["done", "accepted", "failed", "rejected", "expired"]
    code: str = ""
    detail: str = ""


class Audit(Message):
    """Who asked an appliance for what, and what became of it."""

    at: Time
    what: Annotated[str, Field(max_length=300)]
    by: Annotated[str, Field(max_length=300)] = ""
    outcome: Annotated[str, Field(max_length=300)] = ""
    detail: Annotated[str, Field(max_length=4000)] = ""


class Health(Message):
    """How an appliance fares: an object; what of it is shown is looked up with care."""
