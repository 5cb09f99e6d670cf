"""Small graphs as the usual exporters write them, each run through its manifest: all find the same dark square."""

import numpy as np
import pytest
from onnx import TensorProto, helper

from drivers.contract import Category
from inference.build import build
from tests.unit.inference.conftest import blob_picture, onnx_model

SIDE, STRIDE = 160, 16
CELLS = SIDE // STRIDE
PLACES = CELLS * CELLS
FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64


def cells(centre: bool, unit: bool) -> np.ndarray:
    ys, xs = np.mgrid[:CELLS, :CELLS]
    x, y = xs.ravel() * STRIDE, ys.ravel() * STRIDE
    full = np.full(PLACES, STRIDE)
    table = [x + STRIDE / 2, y + STRIDE / 2, full, full] if centre else [x, y, x + STRIDE, y + STRIDE]
    return (np.stack(table, axis=1) / (SIDE if unit else 1)).astype(np.float32)


# Darkness of each cell, [1, PLACES]: what every one of these detectors goes by.
DARK = [
    helper.make_node("ReduceMean", ["image"], ["grey"], axes=[1], keepdims=1),
    helper.make_node("AveragePool", ["grey"], ["mean"], kernel_shape=[STRIDE, STRIDE], strides=[STRIDE, STRIDE]),
    helper.make_node("Reshape", ["mean", "flat"], ["light"]),
    helper.make_node("Sub", ["one", "light"], ["dark"]),
]
CONSTANTS = {"flat": np.array([1, PLACES]), "one": np.array(1, np.float32)}
IMAGE = ("image", FLOAT, [1, 3, SIDE, SIDE])


def head(output: str, inputs: str = "", labels=("dark thing",), **image) -> str:
    extra = "".join(f"{key} = {value}\n" for key, value in image.items())
    named = "".join(f'[[labels]]\nname = "{label}"\ncategory = "PI"\n' for label in labels)
    return (
        'format = 1\nname = "export"\nversion = "1.0.0"\nopset = 17\n'
        f'[[inputs]]\nrole = "image"\nname = "image"\ncolour = "rgb"\nsize = [{SIDE}, {SIDE}]\n'
        f"{extra or 'resize = ' + chr(34) + 'letterbox' + chr(34) + chr(10)}"
        f"{inputs}[output]\n{output}\n{named}[operating_points]\nnormal = 0.6\nelevated = 0.5\n"
    )


def anomalib_2():
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["grey"], axes=[1], keepdims=1),
        helper.make_node("Sub", ["one", "grey"], ["anomaly_map"]),
        helper.make_node("ReduceMax", ["anomaly_map"], ["pred_score"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Greater", ["pred_score", "half"], ["pred_label"]),
        helper.make_node("Greater", ["anomaly_map", "half"], ["pred_mask"]),
    ]
    outputs = [
        ("pred_mask", TensorProto.BOOL, [1, 1, SIDE, SIDE]),
        ("anomaly_map", FLOAT, [1, 1, SIDE, SIDE]),
        ("pred_label", TensorProto.BOOL, [1]),
        ("pred_score", FLOAT, [1]),
    ]
    model = onnx_model(nodes, [IMAGE], outputs, {"one": np.array(1, np.float32), "half": np.array(0.5, np.float32)})
    return model, head('decoder = "anomaly"\nscore = "pred_score"\nmap = "anomaly_map"')


def ultralytics_raw():
    """[1, 4 + labels, places]; batch and sides are named dimensions, as with dynamic=True."""
    nodes = [
        *DARK,
        helper.make_node("Reshape", ["dark", "row"], ["score"]),
        helper.make_node("Concat", ["boxes", "score", "nothing"], ["output0"], axis=1),
    ]
    constants = {
        **CONSTANTS,
        "row": np.array([1, 1, PLACES]),
        "boxes": cells(True, False).T[None],
        "nothing": np.zeros((1, 1, PLACES), np.float32),
    }
    model = onnx_model(
        nodes, [("image", FLOAT, ["batch", 3, "height", "width"])], [("output0", FLOAT, None)], constants
    )
    output = 'decoder = "yolo_raw"\noutput = "output0"\nbox_units = "px"\nnms = { mode = "per_class", iou = 0.45 }'
    return model, head(output, labels=("dark thing", "other thing"))


def end_to_end(centre: bool):
    """[1, 300, 6]: two exporters share the shape; only the manifest knows which."""
    nodes = [
        *DARK,
        helper.make_node("TopK", ["dark", "many"], ["best", "places"], axis=1),
        helper.make_node("Squeeze", ["places", "first"], ["at"]),
        helper.make_node("Gather", ["boxes", "at"], ["found"], axis=1),
        helper.make_node("Unsqueeze", ["best", "last"], ["score"]),
        helper.make_node("Mul", ["score", "zero"], ["label"]),
        helper.make_node("Concat", ["found", "score", "label"], ["output0"], axis=2),
    ]
    constants = {
        **CONSTANTS,
        "many": np.array([60]),
        "first": np.array([0]),
        "last": np.array([2]),
        "zero": np.array(0, np.float32),
        "boxes": cells(centre, centre)[None],
    }
    model = onnx_model(nodes, [IMAGE], [("output0", FLOAT, [1, 60, 6])], constants)
    name, units = ("boxes_cxcywh_conf_cls", "unit") if centre else ("boxes_xyxy_conf_cls", "px")
    return model, head(f'decoder = "{name}"\noutput = "output0"\nbox_units = "{units}"')


def detr():
    """Logits and boxes of queries with a mask input and ImageNet's mean, as Hugging Face writes DETR."""
    nodes = [
        helper.make_node("Mul", ["image", "std"], ["scaled"]),
        helper.make_node("Add", ["scaled", "mean_of"], ["plain"]),
        *[
            helper.make_node(n.op_type, ["plain"] if n.input[0] == "image" else n.input, n.output, axes=[1], keepdims=1)
            if n.input[0] == "image"
            else n
            for n in DARK
        ],
        helper.make_node("ReduceSum", ["pixel_mask"], ["used"], keepdims=0),
        helper.make_node("Cast", ["used"], ["used_float"], to=FLOAT),
        helper.make_node("Mul", ["used_float", "zero"], ["nothing"]),
        helper.make_node("Add", ["dark", "nothing"], ["dark_used"]),
        helper.make_node("Mul", ["dark_used", "steep"], ["steep_dark"]),
        helper.make_node("Unsqueeze", ["steep_dark", "last"], ["thing"]),
        helper.make_node("Concat", ["thing", "background"], ["logits"], axis=2),
        helper.make_node("Identity", ["boxes"], ["pred_boxes"]),
    ]
    constants = {
        **CONSTANTS,
        "std": np.array([0.229, 0.224, 0.225], np.float32).reshape(1, 3, 1, 1),
        "mean_of": np.array([0.485, 0.456, 0.406], np.float32).reshape(1, 3, 1, 1),
        "zero": np.array(0, np.float32),
        "steep": np.array(12, np.float32),
        "last": np.array([2]),
        "background": np.full((1, PLACES, 1), 8, np.float32),
        "boxes": cells(True, True)[None],
    }
    inputs = [IMAGE, ("pixel_mask", INT64, [1, SIDE, SIDE])]
    outputs = [("logits", FLOAT, [1, PLACES, 2]), ("pred_boxes", FLOAT, [1, PLACES, 4])]
    output = (
        'decoder = "detr_logits"\nlogits = "logits"\nboxes = "pred_boxes"\nactivation = "softmax"\nbackground = -1\n'
        'box_units = "unit"'
    )
    return onnx_model(nodes, inputs, outputs, constants), head(
        output,
        '[[inputs]]\nrole = "mask"\nname = "pixel_mask"\n',
        resize='"letterbox"',
        anchor='"top_left"',
        mean="[0.485, 0.456, 0.406]",
        std="[0.229, 0.224, 0.225]",
    )


def rtdetr():
    """Labels, boxes in the picture's own pixels, and scores; the size comes in as width, height."""
    nodes = [
        *DARK,
        helper.make_node("TopK", ["dark", "many"], ["scores", "places"], axis=1),
        helper.make_node("Squeeze", ["places", "first"], ["at"]),
        helper.make_node("Gather", ["cells", "at"], ["unit"], axis=1),
        helper.make_node("Cast", ["orig_target_sizes"], ["size"], to=FLOAT),
        helper.make_node("Concat", ["size", "size"], ["size4"], axis=1),
        helper.make_node("Mul", ["unit", "size4"], ["boxes"]),
        helper.make_node("Mul", ["places", "none"], ["labels"]),
    ]
    constants = {
        **CONSTANTS,
        "many": np.array([60]),
        "first": np.array([0]),
        "none": np.array(0),
        "cells": cells(False, True)[None],
    }
    inputs = [IMAGE, ("orig_target_sizes", INT64, [1, 2])]
    outputs = [("labels", INT64, [1, 60]), ("boxes", FLOAT, [1, 60, 4]), ("scores", FLOAT, [1, 60])]
    output = (
        'decoder = "labels_boxes_scores"\nlabels = "labels"\nboxes = "boxes"\nscores = "scores"\n'
        'box_units = "px"\nbox_frame = "orig"'
    )
    size = '[[inputs]]\nrole = "orig_size"\nname = "orig_target_sizes"\norder = "wh"\n'
    return onnx_model(nodes, inputs, outputs, constants), head(output, size, resize='"stretch"')


def yolox():
    """Undecoded cells of 0..255 BGR: objectness times label."""
    nodes = [
        helper.make_node("Div", ["image", "white"], ["plain"]),
        *[
            helper.make_node(n.op_type, ["plain"], n.output, axes=[1], keepdims=1) if n.input[0] == "image" else n
            for n in DARK
        ],
        helper.make_node("Unsqueeze", ["dark", "last"], ["object"]),
        helper.make_node("Concat", ["still", "object", "label"], ["output"], axis=2),
    ]
    still = np.zeros((1, PLACES, 4), np.float32)
    still[..., :2] = 0.5
    constants = {
        **CONSTANTS,
        "white": np.array(255, np.float32),
        "last": np.array([2]),
        "still": still,
        "label": np.ones((1, PLACES, 1), np.float32),
    }
    model = onnx_model(nodes, [IMAGE], [("output", FLOAT, [1, PLACES, 6])], constants)
    output = (
        f'decoder = "yolox_grid"\noutput = "output"\nstrides = [{STRIDE}]\nbox_units = "px"\nnms = {{ mode = "all" }}'
    )
    return model, head(output, resize='"letterbox"', scale="255.0", pad="0.447")


EXPORTS = {
    "anomalib 2": anomalib_2,
    "Ultralytics, raw head": ultralytics_raw,
    "Ultralytics, end to end": lambda: end_to_end(centre=False),
    "Ultralytics RT-DETR": lambda: end_to_end(centre=True),
    "DETR of Hugging Face": detr,
    "RT-DETR and D-FINE": rtdetr,
    "YOLOX": yolox,
}


@pytest.mark.parametrize("export", EXPORTS.values(), ids=EXPORTS)
def test_a_dark_square_is_found_where_it_lies(tmp_path, export):
    graph, manifest = export()
    # 320 x 320 so that a cell of the graph is 32 pixels of the picture, and the square fills one.
    golden = blob_picture(96, 160, columns=320, rows=320, side=32)
    model = build(tmp_path / "export", manifest, graph.SerializeToString(), "# export\n", {"square": [golden]})
    judged = model.judge([blob_picture(192, 64, columns=320, rows=320, side=32)])
    assert judged.alarm
    assert judged.score > 0.9
    assert judged.findings[0].category is Category.PI
    assert judged.findings[0].box == pytest.approx((192, 64, 32, 32), abs=1.5)
    assert 192 <= judged.peak[0] <= 224
    assert 64 <= judged.peak[1] <= 96


@pytest.mark.parametrize("export", EXPORTS.values(), ids=EXPORTS)
def test_an_oblong_picture_keeps_its_places(tmp_path, export):
    graph, manifest = export()
    golden = blob_picture(96, 160, columns=320, rows=320, side=32)
    model = build(tmp_path / "export", manifest, graph.SerializeToString(), "# export\n", {"square": [golden]})
    judged = model.judge([blob_picture(320, 64, columns=640, rows=320, side=64)])
    assert judged.alarm
    x, y, width, height = judged.findings[0].box
    # A cell may hold half of the square: its middle is then half a cell away, 32 pixels.
    assert abs(x + width / 2 - 352) <= 33
    assert abs(y + height / 2 - 96) <= 33
    assert x <= judged.peak[0] <= x + width
    assert y <= judged.peak[1] <= y + height


def test_the_same_tensor_means_something_else_under_another_decoder(tmp_path):
    graph, manifest = end_to_end(centre=False)
    wrong = manifest.replace("boxes_xyxy_conf_cls", "boxes_cxcywh_conf_cls")
    golden = blob_picture(96, 160, columns=320, rows=320, side=32)
    right = build(tmp_path / "right", manifest, graph.SerializeToString(), "", {"square": [golden]}).judge([golden])
    other = build(tmp_path / "wrong", wrong, graph.SerializeToString(), "", {"square": [golden]}).judge([golden])
    assert right.findings[0].box != pytest.approx(other.findings[0].box, abs=4)
