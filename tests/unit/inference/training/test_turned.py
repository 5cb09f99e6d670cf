"""The graph that looks four ways up gives the mean of four looks at the turned picture; its last layer is left."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from inference import onnxedit
from inference.training.turned import WAYS_UP, turned

SIDE, CHANNELS, GROUPS = 12, 5, 3


@pytest.fixture(scope="module")
def model() -> onnx.ModelProto:
    chance = np.random.default_rng(4)
    weights = {
        "wide": chance.normal(size=(CHANNELS, 3, 3, 3)),
        "out.weight": chance.normal(size=(GROUPS, CHANNELS, 1, 1)),
        "out.bias": chance.normal(size=GROUPS),
    }
    nodes = [
        helper.make_node("Conv", ["pictures", "wide"], ["near"], strides=[2, 2], pads=[1, 0, 0, 1]),
        helper.make_node("Relu", ["near"], ["seen"]),
        helper.make_node("Conv", ["seen", "out.weight", "out.bias"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("pictures", TensorProto.FLOAT, [1, 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, GROUPS, None, None])],
        [numpy_helper.from_array(values.astype(np.float32), name) for name, values in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def _run(model: bytes, picture: np.ndarray, *outputs: str) -> list[np.ndarray]:
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    return session.run(list(outputs), {"pictures": picture})


def _made(model: onnx.ModelProto) -> bytes:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return turned(copy, (1, CHANNELS, SIDE // 2, SIDE // 2)).SerializeToString()


def test_it_is_the_mean_of_looks_at_the_turned_picture(model):
    picture = np.random.default_rng(5).normal(size=(1, 3, SIDE, SIDE)).astype(np.float32)
    looks = []
    for quarter in range(WAYS_UP):
        (logits,) = _run(model.SerializeToString(), np.ascontiguousarray(np.rot90(picture, quarter, (2, 3))), "logits")
        looks.append(np.rot90(logits, -quarter, (2, 3)))
    assert np.abs(looks[1] - looks[0]).max() > 0.1  # the small network tells ways up apart
    (logits,) = _run(_made(model), picture, "logits")
    np.testing.assert_allclose(logits, np.mean(looks, axis=0), atol=1e-5)


def test_turning_the_picture_turns_the_answer(model):
    picture = np.random.default_rng(6).normal(size=(1, 3, SIDE, SIDE)).astype(np.float32)
    made = _made(model)
    (upright,), (over,) = (_run(made, p, "logits") for p in (picture, np.ascontiguousarray(picture[..., ::-1, ::-1])))
    np.testing.assert_allclose(over[..., ::-1, ::-1], upright, atol=1e-5)


def test_the_last_layer_can_still_be_fitted_anew(model):
    picture = np.random.default_rng(7).normal(size=(1, 3, SIDE, SIDE)).astype(np.float32)
    made = onnxedit.with_output(_made(model), "features")
    weight, bias = np.ones((GROUPS, CHANNELS, 1, 1), np.float32), np.zeros(GROUPS, np.float32)
    fitted = onnxedit.with_weights(made, {"out.weight": weight, "out.bias": bias})
    logits, features = _run(fitted, picture, "logits", "features")
    np.testing.assert_allclose(logits[0, 0], features[0].sum(0), atol=1e-5)
