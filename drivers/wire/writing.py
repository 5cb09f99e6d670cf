"""Messages to buffers; picture data is not copied."""

from __future__ import annotations

import math

from pydantic import BaseModel

from drivers.clock import Stamp
from drivers.contract import ItemHint, Picture, Scan
from drivers.wire.messages import (
    MAGIC,
    MAX_BODY_BYTES,
    MAX_HEADER_BYTES,
    MAX_INTEGER,
    PREFIX,
    FindingHead,
    FromCore,
    FromDevice,
    HintHead,
    IdentityHead,
    MeasurementHead,
    Offer,
    PictureHead,
    ReadingHead,
    ScanHead,
    StampHead,
)


def encode(message: FromDevice | FromCore) -> list[bytes | memoryview]:
    """Return a message as a list of buffers, to be written in order; picture data is not copied.

    Raises ValueError where the message breaks the limits of the wire.
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
        head: BaseModel = ScanHead(
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
        head = ReadingHead(
            number=message.number,
            at=_stamp_head(observation.at),
            values=observation.values,
            findings=[
                FindingHead(
                    label=f.label,
                    measurement=MeasurementHead(
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
            identities=[IdentityHead(kind=i.kind, value=i.value) for i in observation.identities],
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


def _stamp_head(at: Stamp) -> StampHead:
    return StampHead(wall_ns=at.wall_ns, monotonic_ns=at.monotonic_ns)


def _hint_head(hint: ItemHint) -> HintHead:
    return HintHead(id=hint.id, id_type=hint.id_type, type=hint.type)


def _lies_in(picture: Picture, original: memoryview) -> bool:
    """Return whether a picture's data are a view of the original's own bytes, at a place that is known."""
    data = picture.data
    return picture.offset is not None and isinstance(data, memoryview) and data.obj is original.obj


def _picture_head(p: Picture, offset: int | None) -> PictureHead:
    return PictureHead(
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
