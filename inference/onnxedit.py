"""The few changes that adaptation makes to an ONNX file: read and replace a tensor of weights, add an output.

An ONNX file is a Protocol Buffers message, and three of its many fields are all that is touched, so it is edited as
such and the appliance needs no ONNX library: `ModelProto` (graph 7), `GraphProto` (initializer 5, output 12),
`TensorProto` (dims 1, data_type 2, float_data 4, name 8, raw_data 9), `ValueInfoProto` (name 1, type 2). Every other
byte stays as it was, in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from drivers.errors import ModelError
from inference.onnxfile import Field, fields

Floats = NDArray[np.float32]

_GRAPH = 7
_INITIALIZER, _OUTPUT = 5, 12
_DIMS, _DATA_TYPE, _FLOAT_DATA, _NAME, _RAW_DATA = 1, 2, 4, 8, 9
_FLOAT32 = 1
_MOST_DIMS = 8


def weights(model: bytes, name: str) -> Floats:
    """Return a float32 initialiser by its name. Raises ModelError where there is none."""
    for field in fields(_graph(model)):
        if field.number == _INITIALIZER and _name(field) == name:
            return _values(field)
    raise ModelError(f"model.onnx has no weights named {name!r}")


def with_weights(model: bytes, changed: Mapping[str, Floats]) -> bytes:
    """Return the model with other values in these initialisers.

    Raises ModelError where one is not there or has another shape.
    """
    left = dict(changed)

    def edit(field: Field) -> bytes | None:
        if field.number != _INITIALIZER or (name := _name(field)) not in left:
            return None
        values = left.pop(name)
        if values.shape != (shape := _values(field).shape):
            raise ModelError(f"{name} has the shape {list(shape)}, not {list(values.shape)}")
        return _tensor(name, values)

    graph = _edited(_graph(model), edit)
    if left:
        raise ModelError(f"model.onnx has no weights named {', '.join(map(repr, left))}")
    return _with_graph(model, graph)


def with_output(model: bytes, name: str) -> bytes:
    """Return the model with an inner tensor, float32 of whatever shape, as one of its outputs."""
    outputs = (field for field in fields(_graph(model)) if field.number == _OUTPUT)
    if name in map(_value_name, outputs):
        return model
    of_floats = _encoded(1, _encoded(1, _FLOAT32))  # TypeProto.tensor_type and its elem_type
    return _with_graph(
        model, bytes(_graph(model)) + _encoded(_OUTPUT, _encoded(1, name.encode()) + _encoded(2, of_floats))
    )


def _graph(model: bytes) -> memoryview:
    return next((_bytes(f) for f in fields(memoryview(model)) if f.number == _GRAPH), memoryview(b""))


def _with_graph(model: bytes, graph: bytes) -> bytes:
    return _edited(memoryview(model), lambda field: graph if field.number == _GRAPH else None)


def _edited(message: memoryview, edit: Callable[[Field], bytes | None]) -> bytes:
    """Return a message in which the fields that `edit` has an answer for have that as their contents."""
    out = bytearray()
    for field in fields(message):
        contents = edit(field)
        out += field.whole if contents is None else _encoded(field.number, contents)
    return bytes(out)


def _name(tensor: Field) -> str:
    return _text(tensor, _NAME)


def _value_name(value: Field) -> str:
    return _text(value, 1)


def _text(message: Field, number: int) -> str:
    texts = (_bytes(f) for f in fields(_bytes(message)) if f.number == number)
    return bytes(next(texts, b"")).decode("utf-8", "replace")


def _values(tensor: Field) -> Floats:
    """Return the values of a `TensorProto`: raw, or as a packed list of floats."""
    dims: list[int] = []
    kind, data = 0, b""
    for field in fields(_bytes(tensor)):
        if field.number == _DIMS and isinstance(field.value, int):
            dims.append(field.value)
        elif field.number == _DATA_TYPE and isinstance(field.value, int):
            kind = field.value
        elif field.number in (_FLOAT_DATA, _RAW_DATA):
            data += bytes(_bytes(field))
    values = np.frombuffer(data, "<f4") if len(data) % 4 == 0 else np.zeros(0, np.float32)
    if kind != _FLOAT32 or len(dims) > _MOST_DIMS or values.size != int(np.prod(dims)):
        raise ModelError(f"the weights {_name(tensor)!r} are not float32 values of their own shape")
    return values.reshape(dims).astype(np.float32)


def _tensor(name: str, values: Floats) -> bytes:
    dims = b"".join(_encoded(_DIMS, int(size)) for size in values.shape)
    raw = np.ascontiguousarray(values, "<f4").tobytes()
    return dims + _encoded(_DATA_TYPE, _FLOAT32) + _encoded(_NAME, name.encode()) + _encoded(_RAW_DATA, raw)


def _bytes(field: Field) -> memoryview:
    if isinstance(field.value, int):
        raise ModelError("not an ONNX file: a number where a message should be")
    return field.value


def _encoded(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*out, value))
