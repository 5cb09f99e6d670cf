import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from onnx import TensorProto, helper, numpy_helper

from drivers.errors import ModelError
from inference.onnxedit import weights, with_output, with_weights
from tests.unit.inference.conftest import onnx_model

WEIGHT = np.arange(6, dtype=np.float32).reshape(2, 3, 1, 1)
BIAS = np.array([0.5, -0.5], np.float32)


def graph() -> bytes:
    nodes = [
        helper.make_node("Relu", ["image"], ["features"]),
        helper.make_node("Conv", ["features", "out.weight", "out.bias"], ["logits"]),
    ]
    model = onnx_model(
        nodes,
        [("image", TensorProto.FLOAT, [1, 3, 4, 4])],
        [("logits", TensorProto.FLOAT, [1, 2, 4, 4])],
        {"out.weight": WEIGHT, "out.bias": BIAS},
    )
    return model.SerializeToString()


GRAPH = graph()
IMAGE = np.linspace(-1, 1, 48, dtype=np.float32).reshape(1, 3, 4, 4)


def test_weights_are_read_as_they_are():
    assert np.array_equal(weights(GRAPH, "out.weight"), WEIGHT)
    assert np.array_equal(weights(GRAPH, "out.bias"), BIAS)


def test_weights_kept_as_a_list_of_floats_are_read_too():
    model = onnx.load_from_string(GRAPH)
    model.graph.initializer[1].CopyFrom(helper.make_tensor("out.bias", TensorProto.FLOAT, [2], [0.5, -0.5]))
    assert np.array_equal(weights(model.SerializeToString(), "out.bias"), BIAS)


@given(arrays(np.float32, (2, 3, 1, 1), elements=st.floats(-1e6, 1e6, width=32)))
def test_weights_are_replaced_and_nothing_else(values):
    edited = with_weights(GRAPH, {"out.weight": values})
    assert np.array_equal(weights(edited, "out.weight"), values)
    before, after = onnx.load_from_string(GRAPH), onnx.load_from_string(edited)
    onnx.checker.check_model(after)
    before.graph.initializer[0].CopyFrom(numpy_helper.from_array(values, "out.weight"))
    assert after == before


def test_the_same_weights_make_the_same_bytes():
    assert with_weights(GRAPH, {"out.weight": WEIGHT, "out.bias": BIAS}) == GRAPH


def test_an_inner_tensor_becomes_an_output():
    session = ort.InferenceSession(with_output(GRAPH, "features"), providers=["CPUExecutionProvider"])
    logits, features = session.run(["logits", "features"], {"image": IMAGE})
    assert np.array_equal(features, np.maximum(IMAGE, 0))
    expected = np.einsum("gc,nchw->nghw", WEIGHT[:, :, 0, 0], features) + BIAS[:, None, None]
    assert np.allclose(logits, expected, atol=1e-5)


def test_weights_that_are_not_there_or_of_another_shape_are_refused():
    with pytest.raises(ModelError, match="no weights named 'head'"):
        weights(GRAPH, "head")
    with pytest.raises(ModelError, match="no weights named 'head'"):
        with_weights(GRAPH, {"head": BIAS})
    with pytest.raises(ModelError, match="has the shape"):
        with_weights(GRAPH, {"out.bias": WEIGHT})


def test_weights_of_another_type_are_refused():
    model = onnx.load_from_string(GRAPH)
    model.graph.initializer[1].CopyFrom(numpy_helper.from_array(np.array([1, 2], np.int64), "out.bias"))
    with pytest.raises(ModelError, match="not float32"):
        weights(model.SerializeToString(), "out.bias")


@given(st.binary(max_size=200))
def test_strangers_bytes_are_refused_or_read(data):
    for work in (lambda: weights(data, "x"), lambda: with_weights(data, {"x": BIAS}), lambda: with_output(data, "x")):
        try:
            work()
        except ModelError:
            continue


def without_opset() -> bytes:
    model = onnx.load_from_string(GRAPH)
    del model.opset_import[:]
    return model.SerializeToString()


# The opset comes last; a file that lacks it alone is whole as a message.
@given(st.integers(0, len(GRAPH) - 1).filter(lambda length: length != len(without_opset())))
def test_a_file_that_is_cut_short_is_refused(length):
    with pytest.raises(ModelError):
        with_weights(GRAPH[:length], {"out.weight": WEIGHT, "out.bias": BIAS})
