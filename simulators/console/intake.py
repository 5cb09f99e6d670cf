"""From a topic and bytes to something the store can keep. Pure: strangers' bytes come in, nothing is ever raised."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import BaseModel, ValidationError

from simulators.console import messages
from simulators.console.topics import Origin, Topics, is_hit_id, is_name

MAX_HIT_BYTES = 8 * 1024
MAX_THUMB_BYTES = 64 * 1024
MAX_OTHER_BYTES = 256 * 1024
_JPEG = b"\xff\xd8\xff"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message as it came: `at_ms` is the console's wall clock, milliseconds since 1970."""

    topic: str
    payload: bytes
    at_ms: int
    retained: bool = False


@dataclass(frozen=True, slots=True)
class Hit:
    """A hit with what it is filed under; the bytes are what was published, untouched."""

    origin: Origin
    at_ms: int
    data: messages.HitData
    observed_ms: int
    payload: bytes
    sha256: bytes


@dataclass(frozen=True, slots=True)
class Thumb:
    """The picture of a hit."""

    origin: Origin
    at_ms: int
    hit_id: str
    jpeg: bytes


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a hit's evidence package, from 0."""

    origin: Origin
    at_ms: int
    hit_id: str
    part: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Said:
    """Anything else an appliance says of itself: `body` is checked, `payload` is what was published."""

    origin: Origin
    at_ms: int
    retained: bool
    body: messages.Message
    payload: bytes


@dataclass(frozen=True, slots=True)
class Bad:
    """What could not be used, and why: counted, shown, kept for a while, never fatal."""

    topic: str
    at_ms: int
    reason: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Other:
    """A message of the contract that this console does not keep."""

    origin: Origin


def time_ms(text: str) -> int | None:
    """Return milliseconds since 1970 of an RFC 3339 time in UTC, or None where there is no such day or hour."""
    try:
        return int((datetime.fromisoformat(text) - _EPOCH).total_seconds() * 1000 + 0.5)
    except (ValueError, TypeError):
        return None


def _refusal(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg']}" if place else first["msg"]


def _parsed(model: type[BaseModel], arrival: Arrival, limit: int) -> BaseModel | str:
    if len(arrival.payload) > limit:
        return f"{len(arrival.payload)} bytes, {limit} are allowed"
    try:
        return model.model_validate_json(arrival.payload)
    except ValidationError as error:
        return _refusal(error)


def _hit(origin: Origin, arrival: Arrival) -> Hit | str:
    event = _parsed(messages.HitEvent, arrival, MAX_HIT_BYTES)
    if isinstance(event, str):
        return event
    assert isinstance(event, messages.HitEvent)
    data = event.data
    if (data.site, data.edge, data.device) != (origin.site, origin.edge, origin.rest):
        return f"says {data.site}/{data.edge}/{data.device}, but came on another's topic"
    if data.rev > 2**31 or data.seq > 2**62:
        return "rev or seq beyond any count"
    observed_ms = time_ms(data.observed_at)
    if observed_ms is None:
        return "data.observed_at: no such time"
    return Hit(origin, arrival.at_ms, data, observed_ms, arrival.payload, hashlib.sha256(arrival.payload).digest())


def _thumb(origin: Origin, arrival: Arrival) -> Thumb | str:
    if not is_hit_id(origin.rest):
        return "a picture of no hit"
    if len(arrival.payload) > MAX_THUMB_BYTES:
        return f"{len(arrival.payload)} bytes, {MAX_THUMB_BYTES} are allowed"
    if not arrival.payload.startswith(_JPEG):
        return "not a JPEG"
    return Thumb(origin, arrival.at_ms, origin.rest, arrival.payload)


def _part(origin: Origin, arrival: Arrival) -> Part | str:
    hit_id, _, number = origin.rest.partition("/")
    if not is_hit_id(hit_id) or not (number.isascii() and number.isdigit() and len(number) < 7):
        return "a part of no hit's evidence"
    if len(arrival.payload) > MAX_OTHER_BYTES:
        return f"{len(arrival.payload)} bytes, {MAX_OTHER_BYTES} are allowed"
    return Part(origin, arrival.at_ms, hit_id, int(number), arrival.payload)


def _said(model: type[messages.Message]) -> Callable[[Origin, Arrival], Said | str]:
    def read_it(origin: Origin, arrival: Arrival) -> Said | str:
        body = _parsed(model, arrival, MAX_OTHER_BYTES)
        if isinstance(body, str):
            return body
        assert isinstance(body, messages.Message)
        return Said(origin, arrival.at_ms, arrival.retained, body, arrival.payload)

    return read_it


_READERS: dict[str, Callable[[Origin, Arrival], Hit | Thumb | Part | Said | str]] = {
    "hit": _hit,
    "thumb": _thumb,
    "evidence": _part,
    "state": _said(messages.State),
    "birth": _said(messages.Birth),
    "device": _said(messages.Device),
    "verdict": _said(messages.Verdict),
    "health": _said(messages.Health),
    "reply": _said(messages.Reply),
    "audit": _said(messages.Audit),
}
_OF_A_DEVICE = frozenset({"hit", "device", "verdict"})
_NOT_KEPT = frozenset({"reading"})


def read(topics: Topics, arrival: Arrival) -> Hit | Thumb | Part | Said | Bad | Other:
    """Return what a message is; `Bad` with its reason where it breaks the contract."""

    def bad(reason: str) -> Bad:
        return Bad(arrival.topic, arrival.at_ms, reason, arrival.payload)

    origin = topics.origin(arrival.topic)
    if origin is None:
        return bad("no topic of the contract")
    if origin.kind in _NOT_KEPT:
        return Other(origin)
    reader = _READERS.get(origin.kind)
    if reader is None or (origin.kind in _OF_A_DEVICE and not is_name(origin.rest)):
        return bad("no topic of the contract")
    result = reader(origin, arrival)
    return bad(result) if isinstance(result, str) else result
