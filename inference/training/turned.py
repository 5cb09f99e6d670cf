"""The exported graph of a network that looks at a picture four ways up and takes the mean: a bag has no right way up.

A loop in the graph, so that four looks need the memory of one. Whatever runs the graph needs to know nothing of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

WAYS_UP = 4
#: What makes a Slice turn the rows over.
_BACKWARDS = {"starts": -1, "ends": int(np.iinfo(np.int64).min), "axes": 2, "steps": -1}


def turned(model: onnx.ModelProto, sides: Sequence[int], features: str = "features") -> onnx.ModelProto:
    """Return `model` with everything before its last node done for each way up; `features` is the mean of that.

    The model has one input and one output, its last node reads one tensor that others make, of `sides` [n, c, h, w],
    and both that and the input are square. Raises onnx.checker.ValidationError where no graph comes of it.
    """
    shown = model.graph
    (picture,), last = shown.input, shown.node[-1]
    inner = helper.make_tensor_value_info(last.input[0], TensorProto.FLOAT, sides)
    head = [each for each in shown.initializer if each.name in last.input]
    looking = [_renamed(node, picture.name, "upright") for node in shown.node[:-1]]
    body = helper.make_graph(
        [
            *looking,
            helper.make_node("Add", ["sum", inner.name], ["more"]),
            *_quarter("more", "next_sum"),
            *_quarter("upright", "next_upright"),
            helper.make_node("Identity", ["going"], ["goes_on"]),
        ],
        "look",
        [
            helper.make_tensor_value_info("number", TensorProto.INT64, []),
            helper.make_tensor_value_info("going", TensorProto.BOOL, []),
            _like(picture, "upright"),
            _like(inner, "sum"),
        ],
        [
            helper.make_tensor_value_info("goes_on", TensorProto.BOOL, []),
            _like(picture, "next_upright"),
            _like(inner, "next_sum"),
        ],
        # Inside, though whoever looks in from outside would not need them twice: only so does ONNX Runtime fuse layers.
        [each for each in shown.initializer if each.name not in last.input],
    )
    constants: dict[str, Any] = {
        "ways_up": np.int64(WAYS_UP),
        "share": np.float32(1 / WAYS_UP),
        "sides": np.array(sides),
    }
    constants |= {name: np.array([value], np.int64) for name, value in _BACKWARDS.items()}
    last.input[0] = features
    whole = helper.make_graph(
        [
            helper.make_node("ConstantOfShape", ["sides"], ["nothing"]),
            helper.make_node("Loop", ["ways_up", "", picture.name, "nothing"], ["around", "total"], body=body),
            helper.make_node("Mul", ["total", "share"], [features]),
            last,
        ],
        shown.name,
        [picture],
        list(shown.output),
        [*head, *(numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items())],
    )
    made = helper.make_model(whole, opset_imports=model.opset_import, ir_version=model.ir_version)
    onnx.checker.check_model(made, full_check=True)
    return made


def _quarter(of: str, to: str) -> list[onnx.NodeProto]:
    """Return what turns planes [n, c, h, w] by a quarter."""
    return [
        helper.make_node("Transpose", [of], [f"{of}_across"], perm=[0, 1, 3, 2]),
        helper.make_node("Slice", [f"{of}_across", *_BACKWARDS], [to]),
    ]


def _renamed(node: onnx.NodeProto, old: str, new: str) -> onnx.NodeProto:
    out = onnx.NodeProto()
    out.CopyFrom(node)
    out.input[:] = [new if name == old else name for name in node.input]
    return out


def _like(value: onnx.ValueInfoProto, name: str) -> onnx.ValueInfoProto:
    out = onnx.ValueInfoProto()
    out.CopyFrom(value)
    out.name = name
    return out
