"""What is said on the wire, and how much of it: each validated where it is made, and again where it comes.

Sizes are bytes, of a picture's sides pixels.
"""

from __future__ import annotations

import math
import struct
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter

from drivers.contract import (
    Category,
    DeviceState,
    Energy,
    IdKind,
    Outcome,
    Polarity,
    Reading,
    Scan,
    Severity,
    Verdict,
)

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


class Part(BaseModel):
    """A header, or a part of one: what is not named here has no place in it."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Hello(Part):
    """A process says that it has its driver and is about to run it."""

    kind: Literal["hello"] = "hello"
    driver: _Short
    version: _Short


class Beat(Part):
    """A process's heartbeat: its loop turns; `progress` counts the rounds of its driver's work."""

    kind: Literal["beat"] = "beat"
    progress: Annotated[int, Field(ge=0)]
    deadline_s: Annotated[float, Field(gt=0, le=86_400)] | None = None


class State(Part):
    """How the device is."""

    kind: Literal["state"] = "state"
    state: DeviceState
    reason: _Text = ""
    code: _Short = ""
    facts: Annotated[dict[_Short, _Value], Field(max_length=32)] = {}


class PictureHead(Part):
    """A picture but its data; `offset` is where they lie in the original, where they do."""

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


class HintHead(Part):
    """What a device says of the item."""

    id: _Short | None = None
    id_type: _Short | None = None
    type: _Short | None = None


class StampHead(Part):
    """A moment on both clocks."""

    wall_ns: Annotated[int, Field(ge=0, lt=1 << 63)]
    monotonic_ns: Annotated[int, Field(ge=0, lt=1 << 63)]


class ScanHead(Part):
    """A scan but its bytes; `parts` are the lengths of the original and of each picture's data."""

    kind: Literal["scan"] = "scan"
    number: Annotated[int, Field(ge=0)]
    at: StampHead
    key: _Text
    media_type: _Short
    name: _Text
    pictures: Annotated[list[PictureHead], Field(max_length=MAX_PARTS - 1)]
    scan_id: _Short | None
    item: HintHead
    problem: _Text | None
    scan_type: _Short
    tip_type: _Short | None
    answer_repeats: bool
    incomplete: _Text | None = None
    parts: Annotated[list[Annotated[int, Field(ge=0, le=MAX_BODY_BYTES)]], Field(max_length=MAX_PARTS)]


class MeasurementHead(Part):
    """A measured value."""

    name: _Short
    value: _Value
    unit: _Short


class FindingHead(Part):
    """One finding of a reading."""

    label: _Short
    measurement: MeasurementHead
    category: Category
    severity: Severity
    zone: _Short | None


class IdentityHead(Part):
    """What an item or a person is known by."""

    kind: IdKind
    value: Annotated[str, Field(min_length=1, max_length=128)]


class ReadingHead(Part):
    """A reading but its raw bytes; `parts` is their length."""

    kind: Literal["reading"] = "reading"
    number: Annotated[int, Field(ge=0)]
    at: StampHead
    values: Annotated[dict[_Short, Any], AfterValidator(_plain)]
    findings: Annotated[list[FindingHead], Field(max_length=32)]
    item: HintHead
    distinct: bool
    identities: Annotated[list[IdentityHead], Field(max_length=64)] = []
    scan_type: _Short = "OPERATIONAL"
    tip_type: _Short | None = None
    parts: Annotated[list[Annotated[int, Field(ge=0, le=MAX_RAW_BYTES)]], Field(max_length=1)]


class Answer(Part):
    """The core's word on an observation: on disk, known already, or refused; of a scan its verdict too."""

    kind: Literal["answer"] = "answer"
    number: Annotated[int, Field(ge=0)]
    outcome: Outcome
    verdict: Verdict | None = None


class OutputOrder(Part):
    """What one output is to show; see `drivers.contract.Output`."""

    on: bool
    rest: bool | None


class Order(Part):
    """What a device's outputs are to show from now on: all that are ordered, not only what changed."""

    kind: Literal["order"] = "order"
    outputs: Annotated[dict[_Short, OutputOrder], Field(max_length=64)]


class Start(Part):
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
    Hello | Beat | State | ScanHead | ReadingHead | Answer | Order | Start,
    Field(discriminator="kind"),
]
#: pydantic keeps the last 16,384 texts that it has read, and of a scan's hardly one comes twice: names alone.
HEADS: TypeAdapter[Any] = TypeAdapter(_Head, config=ConfigDict(cache_strings="keys"))
