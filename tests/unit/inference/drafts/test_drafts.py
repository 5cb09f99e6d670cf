"""Exports with the metadata that their exporters really write, each made a package without a line by hand."""

import json
import tomllib
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from drivers.contract import Category
from drivers.errors import ModelError
from inference.build import build
from inference.drafts import export as exports
from inference.drafts import make, proof
from inference.drafts.draft import Draft, LabelDraft, Said, Undecided, Wishes
from inference.drafts.exporters import draft
from inference.package import MANIFEST, read
from tests.unit.inference import test_exporters as graphs
from tests.unit.inference.conftest import blob_picture, darkness_graph, grey_picture, onnx_model

ULTRALYTICS = {
    "description": "Ultralytics YOLO26n model trained on baggage.yaml",
    "author": "Ultralytics",
    "date": "2026-10-30T10:00:00",
    "version": "8.4.190",
    "license": "AGPL-3.0 License",
    "docs": "https://docs.ultralytics.com",
    "stride": "32",
    "task": "detect",
    "batch": "1",
    "imgsz": "[160, 160]",
    "names": "{0: 'Gun', 1: 'umbrella'}",
    "channels": "3",
    "end2end": "False",
    "head": "Detect",
    "args": "{'batch': 1, 'half': False, 'dynamic': True, 'simplify': True, 'opset': 17, 'nms': False}",
}
DETR_CONFIG = {"model_type": "detr", "id2label": {"0": "pistol"}}
IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
DETR_PREPROCESSOR = {
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "size": {"shortest_edge": 160, "longest_edge": 160},
    **IMAGENET,
}
ANOMALIB_1 = {
    "task": "segmentation",
    "image_threshold": 12.0,
    "pixel_threshold": 11.0,
    "min": 2.0,
    "max": 22.0,
    "transform": {
        "transform": {"transforms": [{"__class_fullname__": "Normalize", "mean": [0.0] * 3, "std": [1.0] * 3}]}
    },
}


def exported(folder: Path, model, properties=None, **beside) -> exports.Export:
    """Write an export as its exporter leaves it, and read it."""
    helper.set_model_props(model, properties or {})
    folder.mkdir(exist_ok=True)
    (folder / "best.onnx").write_bytes(model.SerializeToString())
    for name, content in beside.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return exports.read(folder / "best.onnx")


def raw(folder, **changes):
    return exported(folder, graphs.ultralytics_raw()[0], ULTRALYTICS | changes)


def finished(folder, centre=False, **changes):
    names = {"names": "{0: 'Gun'}"}
    return exported(folder, graphs.end_to_end(centre)[0], ULTRALYTICS | names | changes)


def anomalib_1(folder):
    nodes = [
        helper.make_node("ReduceMean", ["input"], ["grey"], axes=[1], keepdims=1),
        helper.make_node("Mul", ["grey", "steep"], ["falling"]),
        helper.make_node("Sub", ["top", "falling"], ["output"]),
    ]
    constants = {"steep": np.array(20, np.float32), "top": np.array(22, np.float32)}
    model = onnx_model(
        nodes,
        [("input", TensorProto.FLOAT, [1, 3, 160, 160])],
        [("output", TensorProto.FLOAT, [1, 1, 160, 160])],
        constants,
    )
    return exported(folder, model, metadata=ANOMALIB_1)


EXPORTS = {
    "Ultralytics, raw": (raw, "yolo_raw", {}),
    "Ultralytics, end to end": (lambda f: finished(f, end2end="True"), "boxes_xyxy_conf_cls", {}),
    "Ultralytics, suppression in the graph": (
        lambda f: finished(f, args="{'nms': True}"),
        "boxes_xyxy_conf_cls",
        {},
    ),
    "Ultralytics RT-DETR": (lambda f: finished(f, centre=True, head="RTDETRDecoder"), "boxes_cxcywh_conf_cls", {}),
    "anomalib 2": (lambda f: exported(f, graphs.anomalib_2()[0]), "anomaly", {}),
    "anomalib 1": (anomalib_1, "anomaly", {}),
    "DETR of Hugging Face": (
        lambda f: exported(f, graphs.detr()[0], config=DETR_CONFIG, preprocessor_config=DETR_PREPROCESSOR),
        "detr_logits",
        {},
    ),
    "RT-DETR and D-FINE": (
        lambda f: exported(f, graphs.rtdetr()[0]),
        "labels_boxes_scores",
        {"labels": ("pistol:PI",)},
    ),
    "YOLOX": (
        lambda f: exported(f, graphs.yolox()[0]),
        "yolox_grid",
        {"labels": ("pistol:PI",), "decoder": "yolox_grid"},
    ),
    "a map of one's own": (
        lambda f: exported(f, onnx.load_model_from_string(darkness_graph())),
        "segmentation",
        {"labels": ("dark thing:ANOMALY",), "decoder": "segmentation"},
    ),
}


def imported(tmp_path, make_export, wishes):
    export = make_export(tmp_path / "export")
    drafted = draft(export, Wishes(**wishes))
    head = drafted.toml()
    if drafted.output["decoder"].value == "yolox_grid":
        # The strides of a real YOLOX are the default; the test's graph has one.
        head = head.replace("[output]\n", f"[output]\nstrides = [{graphs.STRIDE}]\n")
    return drafted, make.make(export, head, drafted.exporter, tmp_path / "package")


@pytest.mark.parametrize(("make_export", "decoder", "wishes"), EXPORTS.values(), ids=EXPORTS)
def test_an_export_becomes_a_package_that_finds_what_lies_there(tmp_path, make_export, decoder, wishes):
    drafted, model = imported(tmp_path, make_export, wishes)
    assert model.manifest.output.decoder == decoder
    # 320 x 320, so that a cell of the graphs is 32 pixels of the picture, and the square fills one.
    picture = blob_picture(192, 64, columns=320, rows=320, side=32)
    judged = model.judge([picture])
    x, y, width, height = judged.findings[0].box
    assert (x, y, x + width, y + height) == pytest.approx((192, 64, 224, 96), abs=12)
    assert judged.score > 0.5
    assert proof.doubts(model) == []
    assert drafted.toml() == drafted.toml()


def test_the_draft_says_where_each_value_is_from(tmp_path):
    text = draft(raw(tmp_path), Wishes()).toml()
    assert 'name = "Gun"' in text
    assert 'category = "PI"  # from the word gun (names in the metadata): check' in text
    assert 'category = "OTHER"  # nothing in the name says more (names in the metadata): check' in text
    assert "end2end False: overlaps are still in" in text
    assert "calibrate" in text
    manifest = tomllib.loads(text)
    assert manifest["licence"] == "AGPL-3.0 License"
    assert manifest["inputs"][0]["size"] == [160, 160]
    assert manifest["inputs"][0]["pad"] == pytest.approx(114 / 255, abs=1e-5)
    assert (manifest["name"], manifest["opset"]) == ("best", 17)


def test_hugging_face_preparation_is_taken_over(tmp_path):
    export = exported(tmp_path, graphs.detr()[0], config=DETR_CONFIG, preprocessor_config=DETR_PREPROCESSOR)
    drafted = draft(export, Wishes())
    image, mask = (tomllib.loads(drafted.toml())["inputs"][n] for n in (0, 1))
    assert image["mean"] == [0.485, 0.456, 0.406] and image["std"] == [0.229, 0.224, 0.225]
    assert (image["scale"], image["resize"], image["anchor"]) == (1.0, "letterbox", "top_left")
    assert image["pad"] == pytest.approx(0.449, abs=0.001)
    assert mask == {"role": "mask", "name": "pixel_mask", "dtype": "int64"}
    output = tomllib.loads(drafted.toml())["output"]
    assert (output["activation"], output["background"], output["box_units"]) == ("softmax", -1, "unit")
    assert any("a size of its own" in check for check in drafted.checks)


def raw_fixed():
    """Raw rows whose shape the graph tells: [1, 4 + 2 labels, places]."""
    model = graphs.ultralytics_raw()[0]
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info("output0", TensorProto.FLOAT, [1, 6, graphs.PLACES]))
    return model


# What the same rows of six are called decides nothing: without metadata, they could be three things.
UNDECIDED = {
    "rows of six without metadata": (lambda f: exported(f, graphs.end_to_end(True)[0]), "no exporter known"),
    "an Ultralytics of long ago": (
        lambda f: exported(
            f,
            graphs.end_to_end(False)[0],
            {k: v for k, v in ULTRALYTICS.items() if k not in ("end2end", "head", "args")},
        ),
        "no end2end or args",
    ),
    "an RT-DETR with two labels": (
        lambda f: exported(f, graphs.end_to_end(True)[0], ULTRALYTICS | {"head": "RTDETRDecoder"}),
        "rows of one score or of one for each label",
    ),
    "a DETR of a kind that is not known": (
        lambda f: exported(f, graphs.detr()[0], config={"model_type": "new_detr"}),
        "new_detr",
    ),
    "DETR's outputs alone": (lambda f: exported(f, graphs.detr()[0]), "no config.json"),
    "metadata that the tensors contradict": (
        lambda f: exported(f, raw_fixed(), ULTRALYTICS | {"end2end": "True"}),
        "end2end True",
    ),
}


@pytest.mark.parametrize(("make_export", "words"), UNDECIDED.values(), ids=UNDECIDED)
def test_what_the_file_leaves_open_is_asked_and_not_guessed(tmp_path, make_export, words):
    with pytest.raises(Undecided) as raised:
        draft(make_export(tmp_path), Wishes())
    asked = raised.value
    assert "--decoder" in str(asked)
    assert words in " ".join(asked.found)
    assert any(line.startswith("output ") for line in asked.found)
    assert len(asked.candidates) >= 1


def test_six_columns_could_be_three_things(tmp_path):
    with pytest.raises(Undecided) as raised:
        draft(exported(tmp_path, graphs.end_to_end(True)[0]), Wishes())
    assert {"boxes_xyxy_conf_cls", "boxes_cxcywh_conf_cls", "yolo_raw"} <= set(raised.value.candidates)
    assert not {"segmentation", "detr_logits", "anomaly"} & set(raised.value.candidates)


def test_the_person_decides_what_is_open(tmp_path):
    export = exported(tmp_path / "export", graphs.end_to_end(True)[0])
    with pytest.raises(ModelError, match="does not name its labels"):
        draft(export, Wishes(decoder="boxes_cxcywh_conf_cls"))
    wishes = Wishes(decoder="boxes_cxcywh_conf_cls", labels=("gun", "bottle:harmless"), name="ours")
    manifest = tomllib.loads(draft(export, wishes).toml())
    assert [label["category"] for label in manifest["labels"]] == ["PI", "OTHER"]
    assert manifest["labels"][1]["alarm"] is False
    assert (manifest["name"], manifest["output"]["box_units"]) == ("ours", "unit")


def test_a_decoder_that_cannot_be_right_raises_doubts(tmp_path):
    export = exported(tmp_path / "export", graphs.end_to_end(True)[0])
    wrong = draft(export, Wishes(decoder="boxes_xyxy_conf_cls", labels=("gun",)))
    (doubt,) = proof.doubts(make.make(export, wrong.toml(), "", tmp_path / "wrong"))
    assert 'rather "unit" than "px"' in doubt
    units = wrong.toml().replace('box_units = "px"', 'box_units = "unit"')
    (doubt,) = proof.doubts(make.make(export, units, "", tmp_path / "units"))
    assert "centre and size" in doubt
    export = exported(tmp_path / "other", graphs.end_to_end(False)[0])
    wrong = draft(export, Wishes(decoder="boxes_cxcywh_conf_cls", labels=("gun",)))
    (doubt,) = proof.doubts(make.make(export, wrong.toml(), "", tmp_path / "third"))
    assert 'rather "px" than "unit"' in doubt


WRONG = [
    ({"decoder": "yolo"}, "there is no yolo"),
    ({"labels": ("Gun", "knife")}, "the model has no knife"),
    ({"labels": ("Gun:FIREARM",)}, "no category FIREARM"),
    ({"labels": ("Gun", "Gun:PI")}, "given twice"),
    ({"tensors": {"output": "output1"}}, "output1"),
    ({"tensors": {"boxes": "output0"}}, "reads output, not boxes"),
    ({"decoder": "detr_logits"}, "--activation"),
    ({"decoder": "detr_logits", "activation": "softmax"}, "which output is logits"),
    ({"decoder": "detr_logits", "activation": "relu"}, "softmax or sigmoid"),
]


@pytest.mark.parametrize(("wishes", "words"), WRONG)
def test_a_wish_that_cannot_be_is_refused(tmp_path, wishes, words):
    with pytest.raises(ModelError, match=words):
        draft(raw(tmp_path), Wishes(**wishes))


def test_labels_that_do_not_fit_the_tensor_are_refused(tmp_path):
    export = exported(tmp_path, raw_fixed(), ULTRALYTICS | {"names": "{0: 'Gun'}"})
    with pytest.raises(ModelError, match=r"1 labels \(names in the metadata\), and yolo_raw would read 2"):
        draft(export, Wishes())


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({"task": "segment"}, "only detect"),
        ({"names": "nothing"}, "no list of labels"),
    ],
)
def test_an_ultralytics_that_is_not_read_is_refused(tmp_path, metadata, words):
    with pytest.raises(ModelError, match=words):
        draft(raw(tmp_path, **metadata), Wishes())


def inputs_of(*inputs):
    """A graph that has these inputs and answers with a map."""
    nodes = [helper.make_node("Identity", ["still"], ["logits"])]
    answer = [("logits", TensorProto.FLOAT, [1, 1, 8, 8])]
    return onnx_model(nodes, list(inputs), answer, {"still": np.zeros((1, 1, 8, 8), np.float32)})


@pytest.mark.parametrize(
    ("inputs", "wishes", "words"),
    [
        ([("x", TensorProto.FLOAT, [4, 3, 64, 64])], {}, "a batch of 4"),
        ([("x", TensorProto.INT64, [1, 3, 64, 64])], {}, "fed as one of"),
        ([("x", TensorProto.FLOAT, [1, 3, "h", "w"])], {}, "--size"),
        ([("x", TensorProto.FLOAT, [1, 3, 64, 64])], {"size": (32, 32)}, "takes 64x64 and nothing else"),
        ([("x", TensorProto.FLOAT, [1, 64])], {}, "0 inputs could take the picture"),
        ([("x", TensorProto.FLOAT, [1, 3, 64, 64]), ("hint", TensorProto.FLOAT, [1])], {}, "no package feeds it"),
    ],
)
def test_inputs_that_no_package_feeds_are_refused(tmp_path, inputs, wishes, words):
    export = exported(tmp_path, inputs_of(*inputs))
    with pytest.raises(ModelError, match=words):
        draft(export, Wishes(decoder="segmentation", labels=("thing",), **wishes))


def test_the_graph_tells_layout_type_and_channels(tmp_path):
    export = exported(tmp_path, inputs_of(("x", TensorProto.UINT8, [1, "h", "w", 3])))
    drafted = draft(export, Wishes(decoder="segmentation", labels=("thing",), size=(48, 64)))
    (image,) = tomllib.loads(drafted.toml())["inputs"]
    assert (image["layout"], image["dtype"], image["scale"], image["size"]) == ("nhwc", "uint8", 255.0, [48, 64])
    export = exported(tmp_path / "grey", inputs_of(("x", TensorProto.FLOAT, [1, 1, 64, 64])))
    (image,) = tomllib.loads(draft(export, Wishes(decoder="segmentation", labels=("thing",))).toml())["inputs"]
    assert image["colour"] == "gray"


def test_what_is_no_onnx_file_is_refused(tmp_path):
    (tmp_path / "a.onnx").write_bytes(b"nothing of the kind")
    for name in ("a.onnx", "none.onnx"):
        with pytest.raises(ModelError, match=name):
            exports.read(tmp_path / name)


def test_files_beside_that_cannot_be_read_are_none(tmp_path):
    (tmp_path / "config.json").write_text("[1, 2")
    (tmp_path / "metadata.json").write_text("[]")
    assert exported(tmp_path, graphs.anomalib_2()[0]).beside == {}


text = st.text(max_size=40)


@given(name=text, source=text, value=st.one_of(text, st.floats(0, 1), st.integers(-5, 5), st.booleans()))
def test_whatever_a_file_says_the_draft_is_toml(name, source, value):
    label = LabelDraft(name, Category.PI, True, source)
    table = {"key": Said(value, source), "list": Said([value, value]), "table": Said({"inner": value})}
    drafted = Draft(source, "name", name, 17, (table,), table, (label,), Said(0.5), Said(0.2, source), ())
    read_back = tomllib.loads(drafted.toml())
    expected = pytest.approx(value, abs=1e-6) if isinstance(value, float) else value
    assert read_back["output"] == {"key": expected, "list": [expected, expected], "table": {"inner": expected}}
    assert read_back["labels"] == [{"name": name[:64], "category": "PI"}]


def test_a_package_is_made_anew_from_a_mended_manifest(tmp_path):
    export = raw(tmp_path / "export")
    drafted = draft(export, Wishes())
    out = tmp_path / "package"
    make.make(export, drafted.toml(), drafted.exporter, out)
    mended = (out / MANIFEST).read_text().replace("normal = 0.5", "normal = 0.7  # ours")
    with pytest.raises(ModelError, match="already there"):
        make.make(export, make.without_answers(mended), "", out)
    model = make.make(export, make.without_answers(mended), "", out, replace=True)
    assert model.manifest.operating_points.normal == 0.7
    assert "# ours" in (out / MANIFEST).read_text()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_nothing_is_left_of_a_package_that_fails(tmp_path):
    export = raw(tmp_path / "export")
    head = draft(export, Wishes()).toml().replace('"output0"', '"output9"')
    with pytest.raises(ModelError, match="no output output9"):
        make.make(export, head, "", tmp_path / "made" / "package")
    assert list((tmp_path / "made").iterdir()) == []
    with pytest.raises(ModelError, match="no package"):
        make.make(export, head, "", tmp_path / "made", replace=True)


def test_a_zip_is_made_where_it_is_called_so(tmp_path):
    export = raw(tmp_path / "export")
    drafted = draft(export, Wishes())
    make.make(export, drafted.toml(), drafted.exporter, tmp_path / "package.zip")
    package = read(tmp_path / "package.zip")
    assert package.manifest.name == "best"
    assert "Ultralytics 8.4.190" in package.card and "- task: detect" in package.card


def test_where_nothing_alarms_the_strongest_are_drawn(tmp_path):
    export = finished(tmp_path / "export", end2end="True")
    model = make.make(export, draft(export, Wishes()).toml(), "", tmp_path / "package")
    light = np.full((320, 320), 60_000, np.uint16)
    light[40:280, 40:280] = 45_000
    # The letterbox's grey is what this detector finds darkest in an oblong picture: here there is none.
    faint = proof.judged(model, [grey_picture(light)])
    assert faint.weak and 0 < len(faint.judgement.findings) <= proof.STRONGEST
    clear = proof.judged(model, [blob_picture(192, 64, columns=320, rows=320, side=32)])
    assert not clear.weak
    shown = cv2.imdecode(np.frombuffer(proof.png(clear.drawn), np.uint8), cv2.IMREAD_COLOR)
    assert np.array_equal(shown[..., ::-1], clear.drawn)


def test_a_map_is_drawn_where_it_is_strongest(tmp_path, darkness_package):
    model = build(
        tmp_path / "map", (darkness_package / MANIFEST).read_text().split("[[golden]]")[0], darkness_graph(), "",
        {"blob": [blob_picture(60, 50)]},
    )  # fmt: skip
    faint = proof.judged(model, [blob_picture(60, 50, side=0)])
    assert faint.weak and faint.judgement.findings
