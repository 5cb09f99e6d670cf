"""The wire between a device's process and the core: a length-prefixed JSON header, then raw bytes. No pickle.

A frame is `JEW1`, header length, body length (both unsigned 32 bit, big endian), the header (UTF-8 JSON), the body. The
header's `parts` cuts the body into picture data and originals; of a picture that lies in the original as it is, the
header says where, and its part is empty. The core takes every byte of it for hostile: lengths are
capped before anything is kept, headers are validated, and what does not fit raises ProtocolError, after which the
process at the other end is not believed any more.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from drivers.clock import Stamp
from drivers.contract import (
    Category,
    DeviceState,
    Energy,
    Finding,
    Identity,
    IdKind,
    ItemHint,
    Measurement,
    Observation,
    Outcome,
    Picture,
    Polarity,
    Reading,
    Scan,
    Severity,
    Verdict,
)
from drivers.errors import ProtocolError

MAGIC = b"JEW1"
PREFIX = struct.Struct("!4sII")
MAX_HEADER_BYTES = 64 * 1024
MAX_BODY_BYTES = 512 * 1024 * 1024
MAX_PARTS = 17
#: Of a reading: kept in its row of the ledger, and a scanner's own report is some kilobytes.
MAX_RAW_BYTES = 256 * 1024
MAX_SIDE = 20_000
MAX_INTEGER = 2**53 - 1

_Text = Annotated[str, Field(max_length=512)]
_Short = Annotated[str, Field(max_length=128)]
#: JSON's numbers are doubles to most who read them (RFC 8785, 3.2.2.3): a larger integer becomes one here already.
_Int = Annotated[int, Field(ge=-MAX_INTEGER, le=MAX_INTEGER)]
_Value = bool | _Int | float | _Text


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """Return values that any JSON reader takes: no infinity, no NaN, no integer that a double does not hold."""
    todo: list[Any] = [values]
    while todo:
        match todo.pop():
            case dict() as inner:
                todo += inner.values()
            case list() as inner:
                todo += inner
            case float() as number if not math.isfinite(number):
                raise ValueError("a number that JSON does not have")
            case int() as number if abs(number) > MAX_INTEGER:
                raise ValueError("an integer over the limit")
    return values


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Hello(_Part):
    """A process says that it has its driver and is about to run it."""

    kind: Literal["hello"] = "hello"
    driver: _Short
    version: _Short


class Beat(_Part):
    """A process's heartbeat: its loop turns; `progress` counts the rounds of its driver's work."""

    kind: Literal["beat"] = "beat"
    progress: Annotated[int, Field(ge=0)]
    deadline_s: Annotated[float, Field(gt=0, le=86_400)] | None = None


class State(_Part):
    """How the device is."""

    kind: Literal["state"] = "state"
    state: DeviceState
    reason: _Text = ""
    code: _Short = ""
    facts: Annotated[dict[_Short, _Value], Field(max_length=32)] = {}


class _PictureHead(_Part):
    view: Annotated[int, Field(ge=0, lt=16)]
    energy: Energy
    rows: Annotated[int, Field(ge=1, le=MAX_SIDE)]
    columns: Annotated[int, Field(ge=1, le=MAX_SIDE)]
    channels: Literal[1, 3]
    bits: Annotated[int, Field(ge=1, le=16)]
    polarity: Polarity
    logarithmic: bool
    pixel_mm: tuple[Annotated[float, Field(gt=0, le=100)], Annotated[float, Field(gt=0, le=100)]] | None
    offset: Annotated[int, Field(ge=0, le=MAX_BODY_BYTES)] | None = None


class _HintHead(_Part):
    id: _Short | None = None
    id_type: _Short | None = None
    type: _Short | None = None


class _StampHead(_Part):
    wall_ns: Annotated[int, Field(ge=0, lt=1 << 63)]
    monotonic_ns: Annotated[int, Field(ge=0, lt=1 << 63)]


class _ScanHead(_Part):
    kind: Literal["scan"] = "scan"
    number: Annotated[int, Field(ge=0)]
    at: _StampHead
    key: _Text
    media_type: _Short
    name: _Text
    pictures: Annotated[list[_PictureHead], Field(max_length=MAX_PARTS - 1)]
    scan_id: _Short | None
    item: _HintHead
    problem: _Text | None
    scan_type: _Short
    tip_type: _Short | None
    answer_repeats: bool
    incomplete: _Text | None = None
    parts: Annotated[list[Annotated[int, Field(ge=0, le=MAX_BODY_BYTES)]], Field(max_length=MAX_PARTS)]


class _MeasurementHead(_Part):
    name: _Short
    value: _Value
    unit: _Short


class _FindingHead(_Part):
    label: _Short
    measurement: _MeasurementHead
    category: Category
    severity: Severity
    zone: _Short | None


class _IdentityHead(_Part):
    kind: IdKind
    value: Annotated[str, Field(min_length=1, max_length=128)]


class _ReadingHead(_Part):
    kind: Literal["reading"] = "reading"
    number: Annotated[int, Field(ge=0)]
    at: _StampHead
    values: Annotated[dict[_Short, Any], AfterValidator(_plain)]
    findings: Annotated[list[_FindingHead], Field(max_length=32)]
    item: _HintHead
    distinct: bool
    identities: Annotated[list[_IdentityHead], Field(max_length=64)] = []
    scan_type: _Short = "OPERATIONAL"
    tip_type: _Short | None = None
    parts: Annotated[list[Annotated[int, Field(ge=0, le=MAX_RAW_BYTES)]], Field(max_length=1)]


class Answer(_Part):
    """The core's word on an observation: on disk, known already, or refused; of a scan its verdict too."""

    kind: Literal["answer"] = "answer"
    number: Annotated[int, Field(ge=0)]
    outcome: Outcome
    verdict: Verdict | None = None


class OutputOrder(_Part):
    """What one output is to show; see `drivers.contract.Output`."""

    on: bool
    rest: bool | None


class Order(_Part):
    """What a device's outputs are to show from now on: all that are ordered, not only what changed."""

    kind: Literal["order"] = "order"
    outputs: Annotated[dict[_Short, OutputOrder], Field(max_length=64)]


class Start(_Part):
    """The first thing a device's process is told: who it is and what to run."""

    kind: Literal["start"] = "start"
    device: _Short
    driver: _Short
    settings: dict[str, Any]
    state_dir: str
    window: Annotated[int, Field(ge=1, le=4096)]


class Offer(BaseModel):
    """An observation on its way to the core, numbered by its device's process."""

    model_config = ConfigDict(arbitrary_types_allowed=True, frozen=True)

    number: int
    observation: Scan | Reading


FromDevice = Hello | Beat | State | Offer
FromCore = Start | Answer | Order

_Head = Annotated[
    Hello | Beat | State | _ScanHead | _ReadingHead | Answer | Order | Start,
    Field(discriminator="kind"),
]
_HEADS: TypeAdapter[Any] = TypeAdapter(_Head)


def encode(message: FromDevice | FromCore) -> list[bytes | memoryview]:
    """Return a message as a list of buffers, to be written in order; picture data is not copied.

    Raises ValueError where the message breaks the limits of this module.
    """
    if not isinstance(message, Offer):
        return _frame(message.model_dump_json(exclude_defaults=False).encode(), [])
    observation = message.observation
    if isinstance(observation, Scan):
        original = memoryview(observation.original).cast("B")
        inside = [_lies_in(p, original) for p in observation.pictures]
        parts = [original]
        for p, lies_inside in zip(observation.pictures, inside, strict=True):
            parts.append(memoryview(b"" if lies_inside else p.data).cast("B"))
        head: BaseModel = _ScanHead(
            number=message.number,
            at=_stamp_head(observation.at),
            key=observation.key,
            media_type=observation.media_type,
            name=observation.name,
            pictures=[
                _picture_head(p, p.offset if lies_inside else None)
                for p, lies_inside in zip(observation.pictures, inside, strict=True)
            ],
            scan_id=observation.scan_id,
            item=_hint_head(observation.item),
            problem=observation.problem,
            scan_type=observation.scan_type,
            tip_type=observation.tip_type,
            answer_repeats=observation.answer_repeats,
            incomplete=observation.incomplete,
            parts=[len(p) for p in parts],
        )
    else:
        parts = [memoryview(observation.raw)]
        head = _ReadingHead(
            number=message.number,
            at=_stamp_head(observation.at),
            values=observation.values,
            findings=[
                _FindingHead(
                    label=f.label,
                    measurement=_MeasurementHead(
                        name=f.measurement.name, value=_said(f.measurement.value), unit=f.measurement.unit
                    ),
                    category=f.category,
                    severity=f.severity,
                    zone=f.zone,
                )
                for f in observation.findings
            ],
            item=_hint_head(observation.item),
            distinct=observation.distinct,
            identities=[_IdentityHead(kind=i.kind, value=i.value) for i in observation.identities],
            scan_type=observation.scan_type,
            tip_type=observation.tip_type,
            parts=[len(observation.raw)],
        )
    return _frame(head.model_dump_json().encode(), parts)


def _said(value: float | int | str | bool) -> float | int | str | bool:
    """Return a measured value as JSON has it: an alarm is not lost because its number is none, or too long a one."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, int) and abs(value) > MAX_INTEGER:
        return float(value)
    return value


def _frame(head: bytes, parts: list[memoryview]) -> list[bytes | memoryview]:
    body = sum(len(p) for p in parts)
    if len(head) > MAX_HEADER_BYTES or body > MAX_BODY_BYTES:
        raise ValueError(f"a frame of {len(head)} + {body} bytes is over the limit")
    return [PREFIX.pack(MAGIC, len(head), body) + head, *parts]


def _stamp_head(at: Stamp) -> _StampHead:
    return _StampHead(wall_ns=at.wall_ns, monotonic_ns=at.monotonic_ns)


def _hint_head(hint: ItemHint) -> _HintHead:
    return _HintHead(id=hint.id, id_type=hint.id_type, type=hint.type)


def _lies_in(picture: Picture, original: memoryview) -> bool:
    """Return whether a picture's data are a view of the original's own bytes, at a place that is known."""
    data = picture.data
    return picture.offset is not None and isinstance(data, memoryview) and data.obj is original.obj


def _picture_head(p: Picture, offset: int | None) -> _PictureHead:
    return _PictureHead(
        view=p.view,
        energy=p.energy,
        rows=p.rows,
        columns=p.columns,
        channels=3 if p.channels == 3 else 1,
        bits=p.bits,
        polarity=p.polarity,
        logarithmic=p.logarithmic,
        pixel_mm=p.pixel_mm,
        offset=offset,
    )


class Decoder:
    """Turns a stream of bytes into messages; pure. A ProtocolError breaks it for good: the stream has no way back."""

    def __init__(self, max_body_bytes: int = MAX_BODY_BYTES) -> None:
        self._max_body_bytes = max_body_bytes
        self._head = bytearray()
        self._body: list[memoryview] = []
        self._body_left = 0
        self._frame: tuple[int, int] | None = None
        self._broken: ProtocolError | None = None

    def feed(self, data: bytes | memoryview) -> Iterator[FromDevice | FromCore]:
        """Take bytes and yield the messages that they complete.

        Raises ProtocolError at the first frame that is no frame, is too large, or whose header or parts do not fit.
        """
        if self._broken:
            raise self._broken
        rest = memoryview(bytes(data))
        try:
            while True:
                rest = self._take(rest)
                if self._frame is None or self._body_left or len(self._head) < PREFIX.size + self._frame[0]:
                    return
                yield self._whole()
        except ProtocolError as error:
            self._broken = error
            self._head.clear()
            self._body.clear()
            raise

    def _take(self, rest: memoryview) -> memoryview:
        """Take what the frame at hand lacks, and return what is left. A picture's bytes are not copied here."""
        if self._frame is None:
            rest = self._to_head(rest, PREFIX.size)
            if len(self._head) == PREFIX.size:
                self._frame = self._sizes()
                self._body_left = self._frame[1]
        if self._frame is not None:
            rest = self._to_head(rest, PREFIX.size + self._frame[0])
            if part := rest[: self._body_left]:
                self._body.append(part)
                self._body_left -= len(part)
                rest = rest[len(part) :]
        return rest

    def _to_head(self, rest: memoryview, size: int) -> memoryview:
        missing = size - len(self._head)
        self._head += rest[:missing]
        return rest[missing:]

    def _sizes(self) -> tuple[int, int]:
        magic, head_bytes, body_bytes = PREFIX.unpack(self._head)
        if magic != MAGIC:
            raise ProtocolError("not a frame")
        if head_bytes > MAX_HEADER_BYTES or body_bytes > self._max_body_bytes:
            raise ProtocolError(f"frame of {head_bytes} + {body_bytes} bytes is over the limit")
        return head_bytes, body_bytes

    def _whole(self) -> FromDevice | FromCore:
        head, body = bytes(self._head[PREFIX.size :]), b"".join(self._body)
        self._head.clear()
        self._body.clear()
        self._frame = None
        return _message(head, body)


def _message(head: bytes, body: bytes) -> FromDevice | FromCore:
    try:
        parsed = _HEADS.validate_json(head)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise ProtocolError(f"header: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    if isinstance(parsed, _ScanHead):
        return Offer(number=parsed.number, observation=_scan(parsed, body))
    if isinstance(parsed, _ReadingHead):
        return Offer(number=parsed.number, observation=_reading(parsed, body))
    if body:
        raise ProtocolError(f"{parsed.kind} has a body")
    message: FromDevice | FromCore = parsed
    return message


def _cut(parts: list[int], body: bytes) -> list[memoryview]:
    if sum(parts) != len(body):
        raise ProtocolError("parts and body differ in length")
    view, cut, start = memoryview(body), [], 0
    for size in parts:
        cut.append(view[start : start + size])
        start += size
    return cut


def _scan(head: _ScanHead, body: bytes) -> Observation:
    parts = _cut(head.parts, body)
    if len(parts) != len(head.pictures) + 1:
        raise ProtocolError("a scan has one part for its original and one for each picture")
    if not head.pictures and head.problem is None:
        raise ProtocolError("a scan without pictures must say why")
    pictures = []
    for p, part in zip(head.pictures, parts[1:], strict=True):
        size = p.rows * p.columns * p.channels * (1 if p.bits <= 8 else 2)
        if p.offset is not None and part:
            raise ProtocolError("a picture lies in the original, or in a part of its own")
        data = part if p.offset is None else parts[0][p.offset : p.offset + size]
        if len(data) != size:
            raise ProtocolError("picture data and picture size differ")
        picture = Picture(
            view=p.view,
            energy=p.energy,
            rows=p.rows,
            columns=p.columns,
            channels=p.channels,
            bits=p.bits,
            data=data,
            polarity=p.polarity,
            logarithmic=p.logarithmic,
            pixel_mm=p.pixel_mm,
            offset=p.offset,
        )
        pictures.append(picture)
    return Scan(
        at=Stamp(head.at.wall_ns, head.at.monotonic_ns),
        key=head.key,
        original=parts[0],
        media_type=head.media_type,
        name=head.name,
        pictures=tuple(pictures),
        scan_id=head.scan_id,
        item=ItemHint(head.item.id, head.item.id_type, head.item.type),
        problem=head.problem,
        scan_type=head.scan_type,
        tip_type=head.tip_type,
        answer_repeats=head.answer_repeats,
        incomplete=head.incomplete,
    )


def _reading(head: _ReadingHead, body: bytes) -> Observation:
    parts = _cut(head.parts, body)
    return Reading(
        at=Stamp(head.at.wall_ns, head.at.monotonic_ns),
        values=head.values,
        findings=tuple(
            Finding(
                label=f.label,
                measurement=Measurement(f.measurement.name, f.measurement.value, f.measurement.unit),
                category=f.category,
                severity=f.severity,
                zone=f.zone,
            )
            for f in head.findings
        ),
        raw=bytes(parts[0]) if parts else b"",
        item=ItemHint(head.item.id, head.item.id_type, head.item.type),
        distinct=head.distinct,
        identities=tuple(Identity(i.kind, i.value) for i in head.identities),
        scan_type=head.scan_type,
        tip_type=head.tip_type,
    )
