"""The few fields of an ONNX file that ONNX Runtime does not tell: which operator sets it is written against.

An ONNX file is a Protocol Buffers message, `ModelProto` of onnx.proto3: field 8 is a repeated `OperatorSetIdProto` with
the domain in field 1 and the version in field 2. Everything else is skipped unread.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from drivers.errors import ModelError

_OPSET_IMPORT, _DOMAIN, _VERSION = 8, 1, 2


class Field(NamedTuple):
    """One field of a Protocol Buffers message: its number, its value, and all of its bytes, key and length included."""

    number: int
    value: int | memoryview
    whole: memoryview


def opsets(model: bytes) -> dict[str, int]:
    """Return the version of each operator set by domain ("" is ONNX's own). Raises ModelError for what is no ONNX."""
    found: dict[str, int] = {}
    for number, value, _ in fields(memoryview(model)):
        if number == _OPSET_IMPORT and isinstance(value, memoryview):
            entry = {field.number: field.value for field in fields(value)}
            domain, version = entry.get(_DOMAIN, b""), entry.get(_VERSION, 0)
            if isinstance(domain, int) or not isinstance(version, int):
                raise ModelError("not an ONNX file: malformed operator set")
            name = bytes(domain).decode("utf-8", "replace")
            found["" if name == "ai.onnx" else name] = version
    if not found:
        raise ModelError("not an ONNX file: it names no operator set")
    return found


def fields(data: memoryview) -> Iterator[Field]:
    """Yield the fields of a message in their order. Raises ModelError for what is no message, or is cut short."""
    at = 0
    while at < len(data):
        start = at
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, at = _varint(data, at)
            yield Field(number, value, data[start:at])
            continue
        if wire == 2:
            size, at = _varint(data, at)
        else:
            size = {1: 8, 5: 4}.get(wire, -1)
        if size < 0 or at + size > len(data):
            raise ModelError("not an ONNX file, or cut short")
        yield Field(number, data[at : at + size], data[start : at + size])
        at += size


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            break
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ModelError("not an ONNX file, or cut short")
