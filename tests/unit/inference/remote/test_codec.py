"""The protocol's bodies: what goes out is what was meant, and of what comes in only tensors come through."""

import contextlib
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from drivers.errors import ProtocolError
from inference.remote import codec
from tests import fakeoip

SHAPES = arrays.array_shapes(max_dims=4, max_side=6)
TENSORS = st.dictionaries(
    st.text(min_size=1, max_size=8),
    st.sampled_from(["float32", "int64"]).flatmap(
        lambda dtype: arrays.arrays(dtype, SHAPES, elements={"allow_nan": False} if dtype == "float32" else None)
    ),
    min_size=1,
    max_size=3,
)


@given(TENSORS, st.booleans())
def test_a_request_holds_its_tensors(feeds, binary):
    made = codec.request(feeds, ["logits"], binary)
    whole = b"".join(bytes(part) for part in made.parts)
    assert made.size == len(whole)
    assert (made.json_bytes is not None) == binary
    found = fakeoip.feeds(whole, str(made.json_bytes) if binary else None)
    assert found.keys() == feeds.keys()
    for name, values in feeds.items():
        assert found[name].shape == values.shape
        np.testing.assert_array_equal(found[name], values)


@pytest.mark.parametrize("dtype", sorted(codec.DATATYPES))
def test_every_type_comes_back(dtype):
    values = (np.arange(6).reshape(1, 2, 3) % 2).astype(dtype)
    spec = codec.TensorSpec("a", codec.DATATYPES[dtype], values.shape)
    for found in (codec.from_raw(spec, bytes(codec.raw(values))), codec.from_values(spec, values.tolist())):
        assert found.dtype == values.dtype
        np.testing.assert_array_equal(found, values)


def test_a_tensor_in_another_order_is_sent_row_by_row():
    values = np.asfortranarray(np.arange(6, dtype=">f4").reshape(2, 3))
    assert bytes(codec.raw(values)) == np.arange(6, dtype="<f4").tobytes()


@given(st.binary(max_size=200), st.none() | st.integers(-1, 250))
def test_a_strangers_bytes_are_an_answer_or_a_protocol_error(data, length):
    for read in (lambda: codec.answer(data, length), lambda: codec.model_said(data), lambda: codec.server_said(data)):
        with contextlib.suppress(ProtocolError):
            read()
    assert len(codec.complaint(data)) <= 160


JSONISH = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["outputs", "name", "shape", "datatype", "data", "parameters", "binary_data_size", "inputs"]
            ),
            inner | st.sampled_from(["FP32", "BOOL", "INT64"]),
            max_size=5,
        )
    ),
    max_leaves=30,
)


@given(JSONISH)
def test_json_of_any_shape_is_an_answer_or_a_protocol_error(what):
    data = json.dumps({"outputs": what, "inputs": what, "name": "a"}).encode()
    for read in (lambda: codec.answer(data, None), lambda: codec.model_said(data), lambda: codec.server_said(data)):
        with contextlib.suppress(ProtocolError):
            read()


def output(**changes):
    return {"name": "a", "shape": [2], "datatype": "FP32", "data": [1, 2], **changes}


@pytest.mark.parametrize(
    "bad",
    [
        output(data=[1, 2, 3]),
        output(data=None),
        output(data="12"),
        output(data=["1", "2"]),
        output(data=[[1], [2, 3]]),
        output(shape=[-1]),
        output(shape=[2.0]),
        output(shape=[1 << 40]),
        output(shape=[1] * 9 + [2]),
        output(shape=[True, 2]),
        output(datatype="BYTES"),
        output(datatype=None),
        output(name=None),
        output(parameters={"binary_data_size": 8}),
        output(parameters={"binary_data_size": -1}),
        output(parameters={"binary_data_size": True}),
    ],
)
def test_an_output_that_is_no_tensor(bad):
    with pytest.raises(ProtocolError):
        codec.answer(json.dumps({"outputs": [bad]}).encode(), None)


def test_numbers_that_json_does_not_have_are_left_to_the_check_of_the_answer():
    found = codec.answer(b'{"outputs":[{"name":"a","shape":[2],"datatype":"FP32","data":[NaN,1e300]}]}', None)
    assert math.isnan(found.outputs["a"][0]) and math.isinf(found.outputs["a"][1])


def test_bytes_that_belong_to_nothing():
    text = b'{"outputs":[]}'
    with pytest.raises(ProtocolError, match="no output"):
        codec.answer(text + b"xx", len(text))


def test_what_servers_leave_out():
    """KServe says null where it has nothing; the protocol allows it."""
    assert codec.answer(b'{"model_version":null,"outputs":[]}', None).version == ""
    assert codec.model_said(b'{"name":"a","versions":null,"inputs":null}') == codec.ModelSaid("a", (), (), ())


def test_a_complaint_is_one_line():
    assert codec.complaint(b'{"error":"out of\\nmemory\\u001b[31m"}') == "out of memory [31m"
    assert codec.complaint(b"<html>") == ""
