"""What a stranger's ONNX file says of itself, and what lies beside it: tensors, metadata, configuration files."""

from __future__ import annotations

import ast
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from drivers.errors import ModelError
from inference.onnxfile import opsets
from inference.package import MAX_BYTES
from inference.runtime import TYPES, open_graph

BESIDE = ("config.json", "preprocessor_config.json", "metadata.json")
_MAX_JSON_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Tensor:
    """An input or output: its type (None where no package can use it) and shape; None is a free dimension."""

    name: str
    dtype: str | None
    shape: tuple[int | None, ...]

    def __str__(self) -> str:
        """Name, type and shape as a person reads them."""
        sides = ", ".join("?" if side is None else str(side) for side in self.shape)
        return f"{self.name} {self.dtype or 'of another type'} [{sides}]"


@dataclass(frozen=True, slots=True)
class Export:
    """An ONNX file: its bytes, its tensors, its metadata, and the JSON files of its exporter beside it, by name."""

    path: Path
    model: bytes = field(repr=False)
    opset: int
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    metadata: dict[str, str]
    beside: dict[str, dict[str, Any]]

    def literal(self, key: str) -> Any:
        """Return a metadata value written as a Python literal, as some exporters do; None where it is none."""
        text = self.metadata.get(key)
        if text is None:
            return None
        try:
            return ast.literal_eval(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return None

    def output(self, name: str) -> Tensor | None:
        """Return the output of a name."""
        return next((tensor for tensor in self.outputs if tensor.name == name), None)


def read(path: Path) -> Export:
    """Return what an ONNX file says of itself. Raises ModelError for what is none, or what cannot run here."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ModelError(f"{path}: more than {MAX_BYTES} bytes")
        model = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or error}") from None
    try:
        opset = opsets(model).get("", 0)
        session = open_graph(model, 1)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error
    meta = session.get_modelmeta()
    return Export(
        path=path,
        model=model,
        opset=opset,
        inputs=tuple(_tensor(node) for node in session.get_inputs()),
        outputs=tuple(_tensor(node) for node in session.get_outputs()),
        metadata=dict(meta.custom_metadata_map),
        beside={name: content for name in BESIDE if (content := _json(path.with_name(name))) is not None},
    )


def _tensor(node: Any) -> Tensor:
    shape = tuple(side if isinstance(side, int) and side > 0 else None for side in node.shape)
    return Tensor(node.name, TYPES.get(node.type), shape)


def _json(path: Path) -> dict[str, Any] | None:
    try:
        if not path.is_file() or path.stat().st_size > _MAX_JSON_BYTES:
            return None
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
