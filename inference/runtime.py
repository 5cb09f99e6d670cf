"""ONNX Runtime, held to what an appliance needs: no thread spins while idle, memory stays flat, nothing is fetched."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as runtime_state

from drivers.errors import ModelError
from inference.decoders import tensor_names
from inference.manifest import ImageInput, Manifest
from inference.onnxfile import opsets
from inference.package import Package

TYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(uint8)": "uint8",
    "tensor(int64)": "int64",
    "tensor(int32)": "int32",
    "tensor(bool)": "bool",
}
_DOMAINS = {"", "ai.onnx.ml", "com.microsoft"}
# ONNX Runtime raises classes of its own, without a common parent; its module lists them.
_FAILURES: tuple[type[Exception], ...] = (
    RuntimeError,
    ValueError,
    *(c for c in vars(runtime_state).values() if isinstance(c, type) and issubclass(c, Exception)),
)


_RESTING = ort.RunOptions()
_RESTING.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")


class Runtime:
    """A package's graph, ready to run; one of them is shared by all devices, one call at a time."""

    def __init__(self, package: Package, threads: int) -> None:
        """Open the graph. Raises ModelError where it cannot run here or is not what the manifest says."""
        self.outputs = tensor_names(package.manifest)
        _check_opset(package)
        # OpenCV keeps a pool of as many threads as cores; the little it does here does not need one.
        cv2.setNumThreads(1)
        try:
            self._session = open_graph(package.model, threads)
        except ModelError as error:
            raise ModelError(f"{package.path}: {error}") from error
        self._check_tensors(package.manifest)

    def run(self, feeds: Mapping[str, NDArray[Any]], then_rest: bool = False) -> dict[str, NDArray[Any]]:
        """Return the output tensors by name. Raises ModelError where the graph fails.

        With `then_rest` ONNX Runtime gives back what it works in, tens of megabytes; the next run takes it again, which
        makes it about twice as long.
        """
        try:
            values = self._session.run(self.outputs, dict(feeds), _RESTING if then_rest else None)
        except _FAILURES as error:
            raise ModelError(f"the model failed: {error}") from error
        return {name: np.asarray(value) for name, value in zip(self.outputs, values, strict=True)}

    def shapes(self) -> dict[str, tuple[str, tuple[int | None, ...]]]:
        """Return the type and the shape of each output that is read; None is any size."""
        found = {o.name: o for o in self._session.get_outputs()}
        return {
            name: (
                TYPES.get(found[name].type, found[name].type),
                tuple(n if isinstance(n, int) else None for n in found[name].shape),
            )
            for name in self.outputs
        }

    def _check_tensors(self, manifest: Manifest) -> None:
        inputs = {i.name: i for i in self._session.get_inputs()}
        said = {i.name for i in manifest.inputs}
        if wrong := sorted(inputs.keys() ^ said):
            raise ModelError(f"inputs of the graph and of the manifest differ: {', '.join(wrong)}")
        for spec in manifest.inputs:
            node = inputs[spec.name]
            if TYPES.get(node.type) != spec.dtype:
                raise ModelError(f"input {spec.name} is {node.type} in the graph, {spec.dtype} in the manifest")
            if isinstance(spec, ImageInput) and not _fits(node.shape, spec.shape):
                raise ModelError(f"input {spec.name} is {node.shape} in the graph, {list(spec.shape)} in the manifest")
        answers = {o.name for o in self._session.get_outputs()}
        if missing := sorted(set(self.outputs) - answers):
            raise ModelError(f"the graph has no output {', '.join(missing)}; it has: {', '.join(sorted(answers))}")


def open_graph(model: bytes, threads: int) -> ort.InferenceSession:
    """Return a session of an ONNX file's graph. Raises ModelError where it cannot run here."""
    try:
        session = ort.InferenceSession(model, _options(threads), providers=["CPUExecutionProvider"])
    except _FAILURES as error:
        raise ModelError(f"ONNX Runtime refuses model.onnx: {error}") from error
    # It keeps the file for opening it anew with other providers. There is one, and the file is as large as the graph.
    session._model_bytes = b""
    return session


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0))


def _options(threads: int) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads or cores()
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.enable_mem_pattern = False  # saves nothing in time here, and costs a fifth more memory
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 4
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    # Weights live in the file that was hashed; a graph that names others finds nothing here.
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", "/nonexistent")
    return options


def _check_opset(package: Package) -> None:
    versions = opsets(package.model)
    said = package.manifest.opset
    if versions.get("") != said:
        raise ModelError(f"{package.path}: model.onnx is of opset {versions.get('')}, the manifest says {said}")
    if foreign := sorted(versions.keys() - _DOMAINS):
        raise ModelError(f"{package.path}: model.onnx needs operators that are not here: {', '.join(foreign)}")


def _fits(graph: list[int | str | None], manifest: tuple[int, ...]) -> bool:
    """Return whether a graph's shape allows the manifest's; a named or missing dimension allows any size."""
    return len(graph) == len(manifest) and all(
        not isinstance(g, int) or g == m for g, m in zip(graph, manifest, strict=True)
    )
