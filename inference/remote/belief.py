"""Whether a server's model is the package's: by what its metadata say, and by its answers to the golden pictures."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.errors import LinkTimeout, ModelError, ProtocolError
from inference.manifest import ImageInput, Manifest
from inference.remote import codec
from inference.remote.codec import Answer, ModelSaid, Tensors, TensorSpec
from inference.remote.wire import Wire

AGREE = 1e-4
"""How far a server's values may lie from the local graph's: so much, and so much of their size."""
PROOF_TIMEOUT_S = 10.0
"""A server may load the model at its first question; the scans' own deadline is held against a later one."""
_DOTTED = re.compile(r"\d+\.\d+\.\d+.*")


@dataclass(frozen=True, slots=True)
class Described:
    """An output of the local graph: its type as NumPy says it, its shape, None where that is any size."""

    dtype: str
    shape: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class Proof:
    """A golden picture's tensors, and what the local graph makes of them."""

    feeds: Mapping[str, NDArray[Any]]
    outputs: Mapping[str, NDArray[Any]]


def believe(
    wire: Wire,
    name: str,
    manifest: Manifest,
    outputs: Mapping[str, Described],
    proofs: Iterable[Proof],
    timeout_s: float,
) -> str:
    """Return which version of the model to ask for, "" for whichever the server gives, once it has proven itself.

    Raises ModelError where the model is another one than the package's, and what a `Wire` raises.
    """
    patience_s = max(PROOF_TIMEOUT_S, timeout_s)
    wire.server(patience_s)
    version = _version(wire.model(name, "", patience_s), manifest)
    said = wire.model(name, version, patience_s)
    if said.name != name:
        raise ProtocolError(f"asked for the model {name}, told of {codec.one_line(said.name)}")
    check_description(said, manifest, outputs)
    last: Proof | None = None
    for number, proof in enumerate(proofs):
        answer = wire.infer(name, version, proof.feeds, list(proof.outputs), patience_s)
        check_answer(answer, outputs)
        _check_version((answer.version,), manifest)
        if differs := disagreement(answer.outputs, proof.outputs):
            raise ModelError(f"golden picture {number}: {differs}")
        last = proof
    if last is None:
        raise ModelError("there is no golden picture to prove the server on")
    try:
        wire.infer(name, version, last.feeds, list(last.outputs), timeout_s)
    except LinkTimeout as error:
        raise LinkTimeout(f"too slow for server_timeout_ms: {error}") from None
    return version


def check_description(said: ModelSaid, manifest: Manifest, outputs: Mapping[str, Described]) -> None:
    """Raise ModelError where a server describes other tensors than the package's; what it leaves out is not held."""
    if said.inputs:
        found = {spec.name: spec for spec in said.inputs}
        if wrong := sorted(found.keys() ^ {i.name for i in manifest.inputs}):
            raise ModelError(f"inputs of the server and of the package differ: {_names(wrong)}")
        for each in manifest.inputs:
            _compare("input", found[each.name], each.dtype, each.shape if isinstance(each, ImageInput) else None)
    if said.outputs:
        found = {spec.name: spec for spec in said.outputs}
        if missing := sorted(outputs.keys() - found.keys()):
            raise ModelError(f"the server has no output {_names(missing)}")
        for name, output in outputs.items():
            _compare("output", found[name], output.dtype, output.shape)


def check_answer(answer: Answer, outputs: Mapping[str, Described]) -> None:
    """Raise ProtocolError where an answer cannot be one of the package's graph: a name, type, shape, or no number."""
    for name, output in outputs.items():
        values = answer.outputs.get(name)
        if values is None:
            raise ProtocolError(f"the answer has no {name}")
        if values.dtype.name != output.dtype or not _fits(values.shape, output.shape):
            raise ProtocolError(f"{name} came as {values.dtype.name} {list(values.shape)}")
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise ProtocolError(f"{name} holds values that are no numbers")


def wanted(answer: Answer, outputs: Mapping[str, Described]) -> Tensors:
    """Return the outputs that were asked for, in their order."""
    return {name: answer.outputs[name] for name in outputs}


def disagreement(outputs: Mapping[str, NDArray[Any]], local: Mapping[str, NDArray[Any]]) -> str:
    """Return how a server's tensors differ from the local graph's, "" where they agree."""
    for name, expected in local.items():
        values = outputs[name]
        if values.shape != expected.shape:
            return f"{name} has the shape {list(values.shape)}, here {list(expected.shape)}"
        if not np.allclose(values, expected, rtol=AGREE, atol=AGREE):
            worst = float(np.abs(values.astype(np.float64) - expected.astype(np.float64)).max())
            return f"{name} differs from the local graph's by up to {worst:.3g}"
    return ""


def _version(said: ModelSaid, manifest: Manifest) -> str:
    """Return the package's version where the server has it under that name.

    A server that counts (Triton: 1, 2, ...) says nothing of the package's versions; one that has dotted ones does.
    """
    if manifest.version in said.versions:
        return manifest.version
    _check_version(said.versions, manifest)
    return ""


def _check_version(versions: Iterable[str], manifest: Manifest) -> None:
    others = [each for each in versions if _DOTTED.fullmatch(each) and each != manifest.version]
    if others:
        raise ModelError(f"the server has version {_names(others)}, the package is {manifest.version}")


def _compare(what: str, said: TensorSpec, dtype: str, shape: tuple[int | None, ...] | None) -> None:
    if said.datatype != codec.DATATYPES[dtype]:
        raise ModelError(
            f"{what} {said.name} is {codec.one_line(said.datatype)} on the server, {codec.DATATYPES[dtype]} here"
        )
    if shape is not None and not _fits(said.shape, shape):
        raise ModelError(f"{what} {said.name} is {list(said.shape)} on the server, {list(shape)} here")


def _fits(said: tuple[int, ...], here: tuple[int | None, ...]) -> bool:
    return len(said) == len(here) and all(s == -1 or h is None or s == h for s, h in zip(said, here, strict=True))


def _names(names: Iterable[str]) -> str:
    return codec.one_line(", ".join(names))
