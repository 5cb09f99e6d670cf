"""What the console sends, as classes with limits: nothing of it is used before it has gone through one of these."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from edge import codes

RECEIPT, DISPOSITION, TARGETS, COMMAND = "receipt", "disposition", "targets", "cmd"

MAX_BYTES = {RECEIPT: 1024, DISPOSITION: 16 * 1024, TARGETS: 1024 * 1024, COMMAND: 512 * 1024}
"""The largest message of each kind."""

MAX_TARGETS = 5000

HitId = Annotated[str, Field(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Key = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9._:@+-]+$")]
"""A name that somebody else gave something: a transaction, a disposition, a target."""


def _printable(text: str) -> str:
    if not all(c.isprintable() or c in "\n\t" for c in text):
        raise ValueError("control characters")
    return text


def _moment(text: str) -> str:
    at = TypeAdapter(AwareDatetime).validate_strings(text)
    if at.utcoffset() != UTC.utcoffset(None):
        raise ValueError("not in UTC: a time ends in Z")
    return text


Person = Annotated[str, Field(min_length=1, max_length=128), AfterValidator(_printable)]
"""How the console names one of its officers: a number or an account, whoever that is."""
Note = Annotated[str, Field(max_length=2000), AfterValidator(_printable)]
Time = Annotated[
    str,
    Field(max_length=40, pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|\+00:00)$"),
    AfterValidator(_moment),
]


def moment_ns(text: str) -> int:
    """Return a time of these messages in Unix nanoseconds."""
    at = datetime.fromisoformat(text)
    return int(at.timestamp()) * 1_000_000_000 + at.microsecond * 1000


def first_problem(error: ValidationError) -> str:
    """Return what is wrong with a message, first of all, and nothing of what was sent."""
    found = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(str(part)[:40] for part in found["loc"][:4])
    return f"{where}: {found['msg']}" if where else str(found["msg"])


class Asked(BaseModel):
    """A message from the console: exact types, no surprises in size, what is not known is let by and not kept."""

    # Of texts pydantic keeps the last 16,384 that it has read; of a receipt's hardly one comes twice.
    model_config = ConfigDict(extra="ignore", strict=True, frozen=True, allow_inf_nan=False, cache_strings="keys")


class Receipt(Asked):
    """The console has stored a hit. `sha256` is of the hit's bytes as published; evidence is purged only after it."""

    hit_id: Annotated[str, Field(min_length=36, max_length=36)]
    rev: Annotated[int, Field(ge=0)]
    sha256: Digest | None = None


class Quantity(Asked):
    """What was measured, in the unit it was measured in (UNECE Rec 20: KGM, GRM, LTR, H87; or ISO 4217 for money)."""

    value: Annotated[float, Field(ge=0, strict=False)]
    unit: Annotated[str, Field(min_length=1, max_length=16, pattern=r"^[A-Za-z0-9%]+$")]
    gross: bool | None = None


class Disposition(Asked):
    """What came of a hit: as quick to say for nothing found as for a seizure."""

    disposition_id: Key
    hit_id: HitId
    outcome: codes.Outcome
    commodity: codes.Commodity | None = None
    quantity: Quantity | None = None
    detection_method: codes.DetectionMethod | None = None
    selection_reason: codes.SelectionReason | None = None
    concealment: codes.Concealment | None = None
    direction: codes.Direction | None = None
    covert: bool | None = None
    officer: Person | None = None
    witness: Person | None = None
    note: Note | None = None
    at: Time | None = None


class Target(Asked):
    """One thing to look for: `hash` is the lower-case hex SHA-256 of salt + value; the value itself never travels."""

    target_id: Key
    kind: Literal["bag_tag", "flight", "document"]
    hash: Digest
    risk: Literal["elevated", "high"]
    covert: bool = False


class Targets(Asked):
    """What risk assessment asks this lane to look for, until `expires_at`; `version` only rises."""

    version: Annotated[int, Field(ge=1, lt=2**53)]
    issued_at: Time
    expires_at: Time
    salt: Annotated[str, Field(min_length=1, max_length=128)]
    entries: Annotated[tuple[Target, ...], Field(max_length=MAX_TARGETS, strict=False)]

    @model_validator(mode="after")
    def _in_order(self) -> Targets:
        if moment_ns(self.expires_at) <= moment_ns(self.issued_at):
            raise ValueError("expires_at is not after issued_at")
        return self


class CommandSignature(Asked):
    """A console key's signature over the RFC 8785 form of the command without it, with `topic` added."""

    alg: Literal["EdDSA"]
    kid: Digest
    value: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{86}$")]


class Command(Asked):
    """The envelope of every command; `args` are judged by the command's own class."""

    transaction: Key
    issued_by: Person
    issued_at: Time
    expires_at: Time
    args: dict[str, Any] = {}
    signature: CommandSignature | None = None
