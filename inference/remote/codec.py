"""The Open Inference Protocol's bodies over HTTP: JSON, with tensors in it or, by the binary extension, behind it.

Sources: the Open Inference Protocol's HTTP/REST specification (kserve/open-inference-protocol) and its extension
`binary_tensor_data` (Triton's documents). Pure: bytes in, arrays out, and ProtocolError for whatever is not so.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.errors import ProtocolError

Tensors = dict[str, NDArray[Any]]

BINARY = "binary_tensor_data"
"""The extension, as a server's metadata names it."""
MAX_ANSWER_BYTES = 64 * 1024 * 1024
MAX_DIMENSIONS = 8
MAX_TENSORS = 64
TYPES = {
    "BOOL": "bool",
    "UINT8": "uint8",
    "INT32": "int32",
    "INT64": "int64",
    "FP16": "float16",
    "FP32": "float32",
    "FP64": "float64",
}
"""The protocol's datatypes that a graph of ours can have; little-endian on the wire."""
DATATYPES = {name: datatype for datatype, name in TYPES.items()}


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """An input or output as a server describes it; -1 in a shape is any size."""

    name: str
    datatype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ServerSaid:
    """A server's metadata."""

    name: str
    version: str
    extensions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ModelSaid:
    """A model's metadata; servers may leave out everything but its name."""

    name: str
    versions: tuple[str, ...]
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """The outputs by name, and the version of the model that gave them, empty where the server does not say."""

    outputs: Tensors
    version: str


@dataclass(frozen=True, slots=True)
class Body:
    """A request's body in parts, not joined; `json_bytes` is how much of it is JSON where tensors follow."""

    parts: tuple[bytes | memoryview, ...]
    json_bytes: int | None

    @property
    def size(self) -> int:
        """The whole body's length."""
        return sum(len(part) for part in self.parts)


def request(feeds: Mapping[str, NDArray[Any]], outputs: Sequence[str], binary: bool) -> Body:
    """Return the body that asks for `outputs` of `feeds`; with `binary` tensors travel as they are, both ways."""
    inputs, parts = [], []
    for name, values in feeds.items():
        head: dict[str, Any] = {"name": name, "shape": list(values.shape), "datatype": DATATYPES[values.dtype.name]}
        if binary:
            part = raw(values)
            parts.append(part)
            head["parameters"] = {"binary_data_size": len(part)}
        else:
            head["data"] = values.ravel().tolist()
        inputs.append(head)
    wanted: list[dict[str, Any]] = [{"name": name} for name in outputs]
    if binary:
        wanted = [{**each, "parameters": {"binary_data": True}} for each in wanted]
    text = json.dumps({"inputs": inputs, "outputs": wanted}, separators=(",", ":")).encode()
    return Body((text, *parts), len(text) if binary else None)


def raw(values: NDArray[Any]) -> memoryview:
    """Return a tensor's bytes: row-major, little-endian."""
    flat = np.ascontiguousarray(values, values.dtype.newbyteorder("<")).reshape(-1)
    return memoryview(flat.view(np.uint8).data)


def answer(data: bytes, json_bytes: int | None) -> Answer:
    """Return what a body holds; `json_bytes` is its header `Inference-Header-Content-Length`. Raises ProtocolError."""
    if json_bytes is not None and not 0 <= json_bytes <= len(data):
        raise ProtocolError("the answer's JSON is longer than the answer")
    said = _object(data if json_bytes is None else data[:json_bytes])
    rest = memoryview(data)[len(data) if json_bytes is None else json_bytes :]
    found: Tensors = {}
    for each in _list(said.get("outputs"), "outputs"):
        spec = _spec(each)
        size = _parameter(each, "binary_data_size")
        if size is None:
            found[spec.name] = from_values(spec, each.get("data"))
            continue
        if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= len(rest):
            raise ProtocolError(f"output {spec.name} says more bytes than came")
        found[spec.name], rest = from_raw(spec, rest[:size]), rest[size:]
    if len(rest):
        raise ProtocolError(f"{len(rest)} bytes that belong to no output")
    return Answer(found, _text(said.get("model_version") or "", "model_version"))


def from_raw(spec: TensorSpec, data: bytes | memoryview) -> NDArray[Any]:
    """Return a tensor from its bytes. Raises ProtocolError where they are not as many as its shape needs."""
    dtype, count = _dtype(spec), _count(spec)
    if len(data) != count * dtype.itemsize:
        raise ProtocolError(f"output {spec.name}: {len(data)} bytes for the shape {list(spec.shape)}")
    return np.frombuffer(data, dtype.newbyteorder("<")).astype(dtype).reshape(spec.shape)


def from_values(spec: TensorSpec, values: object) -> NDArray[Any]:
    """Return a tensor from its numbers, flat or nested as the protocol allows. Raises ProtocolError."""
    dtype, count = _dtype(spec), _count(spec)
    if not isinstance(values, Sequence) or isinstance(values, str | bytes):
        raise ProtocolError(f"output {spec.name} has no data")
    try:
        found = np.asarray(values)
        # Text becomes numbers by astype, and ragged lists or nulls become objects: neither is a tensor.
        if found.size != count or found.dtype.kind not in "bifu":
            raise ProtocolError(f"output {spec.name}: its data do not fit the shape {list(spec.shape)}")
        with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused as that
            return found.astype(dtype).reshape(spec.shape)
    except (ValueError, TypeError, OverflowError) as error:
        raise ProtocolError(f"output {spec.name}: {error}") from None


def server_said(data: bytes) -> ServerSaid:
    """Return a server's metadata. Raises ProtocolError."""
    said = _object(data)
    extensions = tuple(_text(each, "extensions") for each in _list(said.get("extensions") or [], "extensions"))
    return ServerSaid(_text(said.get("name"), "name"), _text(said.get("version") or "", "version"), extensions)


def model_said(data: bytes) -> ModelSaid:
    """Return a model's metadata. Raises ProtocolError."""
    said = _object(data)
    versions = tuple(_text(each, "versions") for each in _list(said.get("versions") or [], "versions"))
    inputs, outputs = (
        tuple(_spec(each, fixed=False) for each in _list(said.get(key) or [], key)) for key in ("inputs", "outputs")
    )
    return ModelSaid(_text(said.get("name"), "name"), versions, inputs, outputs)


def complaint(data: bytes) -> str:
    """Return what a server says is wrong, in one line of at most 160 characters."""
    try:
        said = _object(data[:4096]).get("error")
    except ProtocolError:
        said = None
    return one_line(said if isinstance(said, str) else "")


def one_line(text: str) -> str:
    """Return a stranger's text fit for a log: one line of at most 160 characters."""
    return "".join(c if c.isprintable() else " " for c in text)[:160].strip()


def _object(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        raise ProtocolError("the answer is not JSON") from None
    if not isinstance(found, dict):
        raise ProtocolError("the answer is no JSON object")
    return found


def _list(value: object, what: str) -> list[Any]:
    if not isinstance(value, list) or len(value) > MAX_TENSORS:
        raise ProtocolError(f"{what} is no list of at most {MAX_TENSORS}")
    return value


def _text(value: object, what: str) -> str:
    if not isinstance(value, str) or len(value) > 200:
        raise ProtocolError(f"{what} is no text of at most 200 characters")
    return value


def _spec(value: object, fixed: bool = True) -> TensorSpec:
    if not isinstance(value, dict):
        raise ProtocolError("a tensor is no JSON object")
    name, datatype = _text(value.get("name"), "a tensor's name"), _text(value.get("datatype"), "a tensor's datatype")
    return TensorSpec(name, datatype, shape(value.get("shape"), name, fixed))


def shape(value: object, name: str, fixed: bool = True) -> tuple[int, ...]:
    """Return a shape as the server gave it; unless `fixed`, -1 is any size. Raises ProtocolError."""
    if not isinstance(value, list | tuple) or len(value) > MAX_DIMENSIONS:
        raise ProtocolError(f"{name} has no shape of at most {MAX_DIMENSIONS} dimensions")
    if any(not isinstance(n, int) or isinstance(n, bool) or n < (0 if fixed else -1) for n in value):
        raise ProtocolError(f"{name} has no shape of whole numbers")
    return tuple(value)


def _parameter(value: dict[str, Any], key: str) -> object:
    given = value.get("parameters")
    return given.get(key) if isinstance(given, dict) else None


def _dtype(spec: TensorSpec) -> np.dtype[Any]:
    if spec.datatype not in TYPES:
        raise ProtocolError(f"output {spec.name} is of type {one_line(spec.datatype)}, which no graph here has")
    return np.dtype(TYPES[spec.datatype])


def _count(spec: TensorSpec) -> int:
    count = math.prod(spec.shape)
    if count * _dtype(spec).itemsize > MAX_ANSWER_BYTES:
        raise ProtocolError(f"output {spec.name} is too large")
    return count
