"""A stream of bytes to messages, every byte of it taken for hostile."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import ValidationError

from drivers.clock import Stamp
from drivers.contract import Finding, Identity, ItemHint, Measurement, Observation, Picture, Reading, Scan
from drivers.errors import ProtocolError
from drivers.wire.messages import (
    HEADS,
    MAGIC,
    MAX_BODY_BYTES,
    MAX_HEADER_BYTES,
    PREFIX,
    FromCore,
    FromDevice,
    Offer,
    ReadingHead,
    ScanHead,
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
        parsed = HEADS.validate_json(head)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise ProtocolError(f"header: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    if isinstance(parsed, ScanHead):
        return Offer(number=parsed.number, observation=_scan(parsed, body))
    if isinstance(parsed, ReadingHead):
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


def _scan(head: ScanHead, body: bytes) -> Observation:
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


def _reading(head: ReadingHead, body: bytes) -> Observation:
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
