from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from drivers.contract import Energy, Picture, Polarity
from inference.build import build
from inference.model import Model
from inference.training.bags import Habit, bag, write


def grey_picture(values: np.ndarray, **changes) -> Picture:
    fields = {
        "view": 0,
        "energy": Energy.SINGLE if values.ndim == 2 else Energy.COLOUR,
        "rows": values.shape[0],
        "columns": values.shape[1],
        "channels": 1 if values.ndim == 2 else 3,
        "bits": values.itemsize * 8,
        "data": np.ascontiguousarray(values).tobytes(),
        "polarity": Polarity.AIR_HIGH,
    }
    return Picture(**{**fields, **changes})


def blob_picture(x: int, y: int, columns: int = 200, rows: int = 160, side: int = 24, **changes) -> Picture:
    """A light bag on white with one black square whose corner is x, y."""
    values = np.full((rows, columns), 60_000, np.uint16)
    values[10 : rows - 10, 10 : columns - 10] = 45_000
    values[y : y + side, x : x + side] = 500
    return grey_picture(values, **changes)


def onnx_model(nodes, inputs, outputs, constants, opset: int = 17) -> ModelProto:
    def info(entries):
        return [helper.make_tensor_value_info(name, kind, shape) for name, kind, shape in entries]

    graph = helper.make_graph(
        nodes,
        "test",
        info(inputs),
        info(outputs),
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)


def darkness_graph(side: int = 64) -> bytes:
    """`image` [1, 1, side, side] to `logits` [1, 1, side / 4, side / 4]: positive where it is dark."""
    nodes = [
        helper.make_node("AveragePool", ["image"], ["mean"], kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("Sub", ["half", "mean"], ["dark"]),
        helper.make_node("Mul", ["dark", "steep"], ["logits"]),
    ]
    constants = {"half": np.array(0.4, np.float32), "steep": np.array(10, np.float32)}
    model = onnx_model(
        nodes,
        [("image", TensorProto.FLOAT, [1, 1, side, side])],
        [("logits", TensorProto.FLOAT, [1, 1, side // 4, side // 4])],
        constants,
    )
    return model.SerializeToString()


DARKNESS_HEAD = """
format = 1
name = "darkness"
version = "1.0.0"
opset = 17
[[inputs]]
role = "image"
name = "image"
colour = "transmission"
size = [64, 64]
resize = "letterbox"
[output]
decoder = "segmentation"
logits = "logits"
[[labels]]
name = "dark thing"
category = "ANOMALY"
[operating_points]
normal = 0.8
elevated = 0.6
"""


@pytest.fixture
def darkness_package(tmp_path: Path) -> Path:
    """A folder with a small package that finds dark things."""
    folder = tmp_path / "darkness"
    build(folder, DARKNESS_HEAD, darkness_graph(), "# darkness\n", {"blob": [blob_picture(60, 50)]})
    return folder


@pytest.fixture
def darkness(tmp_path: Path) -> Model:
    return build(
        tmp_path / "darkness", DARKNESS_HEAD, darkness_graph(), "# darkness\n", {"blob": [blob_picture(60, 50)]}
    )


@pytest.fixture
def grey() -> Callable[..., Picture]:
    return grey_picture


@pytest.fixture
def blob() -> Callable[..., Picture]:
    return blob_picture


@pytest.fixture
def rough_bag() -> Callable[..., Picture]:
    def make(seed: int, threat: bool, habit: Habit | None = None) -> Picture:
        chance = np.random.default_rng(seed)
        return write(bag(chance, threat, 320), habit or Habit(), chance)

    return make
