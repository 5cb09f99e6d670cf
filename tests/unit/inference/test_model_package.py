import contextlib
import hashlib
import io
import re
import shutil
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

import inference
from drivers.errors import ModelError
from inference.build import build, pack
from inference.manifest import parse
from inference.onnxfile import opsets
from inference.package import MANIFEST, built_in, find, read
from tests.unit.inference.conftest import DARKNESS_HEAD, blob_picture, darkness_graph, onnx_model


def rewrite(package: Path, name: str, data: bytes) -> None:
    """Change a file and its hash: a package that is whole, and wrong."""
    old = hashlib.sha256((package / name).read_bytes()).hexdigest()
    (package / name).write_bytes(data)
    edit(package, old, hashlib.sha256(data).hexdigest())


def edit(package: Path, old: str, new: str) -> None:
    text = (package / MANIFEST).read_text()
    assert old in text
    (package / MANIFEST).write_text(text.replace(old, new))


def refused(package: Path, reason: str) -> None:
    with pytest.raises(ModelError, match=reason):
        inference.load(package, 1)


def test_a_package_says_what_it_is(darkness_package):
    model = inference.load(darkness_package, 1)
    assert (model.name, model.version) == ("darkness", "1.0.0")
    assert model.sha256 == hashlib.sha256((darkness_package / "model.onnx").read_bytes()).hexdigest()
    assert model.package.card == "# darkness\n"
    model.warm_up()


def test_a_zip_is_the_same_package(darkness_package, tmp_path):
    pack(darkness_package, tmp_path / "darkness.zip")
    pack(darkness_package, tmp_path / "again.zip")
    assert (tmp_path / "darkness.zip").read_bytes() == (tmp_path / "again.zip").read_bytes()
    zipped, folder = inference.load(tmp_path / "darkness.zip", 1), inference.load(darkness_package, 1)
    assert zipped.package.files == folder.package.files
    assert zipped.judge([blob_picture(100, 60)]).score == folder.judge([blob_picture(100, 60)]).score


def test_built_in_packages_are_found_by_name():
    assert "baggage" in built_in()
    assert find("baggage").is_dir()
    with pytest.raises(ModelError, match=r"no built-in model package 'luggage'; there are: .*baggage"):
        find("luggage")
    with pytest.raises(ModelError, match="no model package at"):
        find("./luggage")


@pytest.mark.parametrize("name", ["model.onnx", "CARD.md", "golden/blob.png", "golden/blob.npz"])
@pytest.mark.parametrize("place", [0.0, 0.5, 1.0])
def test_one_flipped_bit_anywhere_is_found(darkness_package, name, place):
    data = bytearray((darkness_package / name).read_bytes())
    data[int(place * (len(data) - 1))] ^= 1
    (darkness_package / name).write_bytes(data)
    refused(darkness_package, f"{name} is not the file that model.toml names")


@pytest.mark.parametrize("name", ["model.onnx", "CARD.md", "golden/blob.png", "golden/blob.npz"])
def test_a_missing_file_is_named(darkness_package, name):
    (darkness_package / name).unlink()
    refused(darkness_package, f"missing: {name}")


def test_a_package_without_a_manifest_is_none(darkness_package):
    (darkness_package / MANIFEST).unlink()
    refused(darkness_package, f"no {MANIFEST}")


def test_a_file_that_nobody_named_is_refused(darkness_package):
    (darkness_package / "golden" / "more.py").write_text("")
    refused(darkness_package, r"not in model.toml: golden/more.py")


def test_a_link_is_refused(darkness_package):
    (darkness_package / "CARD.md").unlink()
    (darkness_package / "CARD.md").symlink_to("/etc/hostname")
    refused(darkness_package, "a link")


def test_a_file_that_the_manifest_needs_must_be_hashed(darkness_package):
    text = (darkness_package / MANIFEST).read_text()
    (darkness_package / MANIFEST).write_text(re.sub(r'"golden/blob.npz" = .*\n', "", text))
    refused(darkness_package, "no SHA-256 for golden/blob.npz")


def test_golden_tensors_that_come_out_differently_are_refused(darkness_package):
    with np.load(darkness_package / "golden/blob.npz") as file:
        values = file["logits"]
    values[0, 0, 3, 3] += 0.1
    buffer = io.BytesIO()
    np.savez(buffer, logits=values)
    rewrite(darkness_package, "golden/blob.npz", buffer.getvalue())
    refused(darkness_package, "golden picture 0: logits differs from what the package promises, by up to 0.1")


def test_a_golden_score_that_comes_out_differently_is_refused(darkness_package):
    text = (darkness_package / MANIFEST).read_text()
    (darkness_package / MANIFEST).write_text(re.sub(r"score = 0\.\d+", "score = 0.5", text))
    refused(darkness_package, "the package promises 0.500")


def test_a_golden_file_that_is_no_array_is_refused(darkness_package):
    rewrite(darkness_package, "golden/blob.npz", b"PK\x03\x04 nothing")
    refused(darkness_package, "golden/blob.npz")


def test_pickled_golden_arrays_are_refused(darkness_package):
    buffer = io.BytesIO()
    np.savez(buffer, logits=np.array([{"a": 1}], dtype=object))
    rewrite(darkness_package, "golden/blob.npz", buffer.getvalue())
    refused(darkness_package, "allow_pickle")


def test_a_golden_picture_that_is_none_is_refused(darkness_package):
    rewrite(darkness_package, "golden/blob.png", b"no picture")
    refused(darkness_package, "golden/blob.png is no grey or RGB picture")


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("opset = 17", "opset = 18", "is of opset 17, the manifest says 18"),
        ('name = "image"', 'name = "images"', "inputs of the graph and of the manifest differ: image, images"),
        ('logits = "logits"', 'logits = "scores"', "the graph has no output scores; it has: logits"),
        ("size = [64, 64]", "size = [96, 64]", r"input image is \[1, 1, 64, 64\] in the graph"),
        ('colour = "transmission"', 'colour = "hi_lo"', r"\[1, 2, 64, 64\] in the manifest"),
        ('colour = "transmission"', 'colour = "transmission"\ndtype = "uint8"', "tensor.float. in the graph, uint8"),
        ('decoder = "segmentation"', 'decoder = "anomaly"', "model.toml: output"),
        ('decoder = "segmentation"', 'decoder = "magic"', "model.toml: output"),
        ("elevated = 0.6", "elevated = 0.9", "elevated is the stricter point"),
        ("format = 1", "format = 2", "model.toml: format"),
        ("opset = 17", "opset = 17\nopsets = 3", "model.toml: opsets: Extra inputs"),
        ('category = "ANOMALY"', 'category = "ANOMALY"\nalarm = false', "none of them ever alarms"),
        ('category = "ANOMALY"', 'category = "GUN"', "model.toml: labels.0.category"),
        ("opset = 17", "opset = ", "model.toml: "),
        ('version = "1.0.0"', 'version = "one"', "model.toml: version"),
        (
            '[[labels]]\nname = "dark thing"',
            '[[labels]]\nname = "x"\ncategory = "PI"\n[[labels]]\nname = "y"',
            "for 2 labels",
        ),
    ],
)
def test_a_manifest_that_does_not_fit_says_where(darkness_package, old, new, reason):
    edit(darkness_package, old, new)
    refused(darkness_package, reason)


def test_every_wrong_key_is_named_at_once():
    with pytest.raises(ModelError) as caught:
        parse(b'format = 1\nname = "A"\nopset = 3\n')
    assert all(word in str(caught.value) for word in ("name", "opset", "version", "inputs", "golden", "files"))


def graph_of(nodes, **changes) -> bytes:
    inputs = changes.get("inputs", [("image", TensorProto.FLOAT, [1, 1, 64, 64])])
    outputs = [("logits", TensorProto.FLOAT, [1, 1, 64, 64])]
    return onnx_model(nodes, inputs, outputs, changes.get("constants", {})).SerializeToString()


def test_a_file_that_is_no_graph_is_refused(darkness_package):
    rewrite(darkness_package, "model.onnx", b"\x08\x09not onnx")
    refused(darkness_package, "not an ONNX file")


def test_a_graph_that_the_runtime_refuses_says_why(darkness_package):
    rewrite(darkness_package, "model.onnx", graph_of([helper.make_node("NoSuchThing", ["image"], ["logits"])]))
    refused(darkness_package, "ONNX Runtime refuses model.onnx: .*NoSuchThing")


def test_a_graph_with_foreign_operators_is_refused(darkness_package):
    model = onnx.load_from_string(darkness_graph())
    model.opset_import.append(helper.make_opsetid("com.example", 1))
    rewrite(darkness_package, "model.onnx", model.SerializeToString())
    refused(darkness_package, "needs operators that are not here: com.example")


def test_a_graph_whose_weights_lie_elsewhere_is_refused(darkness_package, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "steal.bin").write_bytes(np.array(10, np.float32).tobytes())
    model = onnx.load_from_string(darkness_graph())
    for tensor in model.graph.initializer:
        if tensor.name == "steep":
            tensor.ClearField("raw_data")
            tensor.data_location = TensorProto.EXTERNAL
            tensor.external_data.add(key="location", value="steal.bin")
    rewrite(darkness_package, "model.onnx", model.SerializeToString())
    refused(darkness_package, "ONNX Runtime refuses model.onnx")


def test_answers_that_are_not_finite_are_refused(darkness_package):
    nodes = [helper.make_node("Log", ["minus"], ["nan"]), helper.make_node("Mul", ["image", "nan"], ["logits"])]
    rewrite(darkness_package, "model.onnx", graph_of(nodes, constants={"minus": np.array(-1, np.float32)}))
    refused(darkness_package, "golden picture 0: ")


def test_a_zip_with_a_file_twice_is_refused(darkness_package, tmp_path):
    pack(darkness_package, tmp_path / "twice.zip")
    with zipfile.ZipFile(tmp_path / "twice.zip", "a") as archive, pytest.warns(UserWarning):
        archive.writestr("CARD.md", "# another\n")
    refused(tmp_path / "twice.zip", "twice")


@pytest.mark.parametrize("data", [b"", b"PK\x05\x06 cut", b"plain text"])
def test_a_file_that_is_no_zip_is_refused(tmp_path, data):
    (tmp_path / "broken.zip").write_bytes(data)
    refused(tmp_path / "broken.zip", "broken.zip")


def test_a_zip_cut_short_or_damaged_is_refused(darkness_package, tmp_path):
    path = tmp_path / "package.zip"
    pack(darkness_package, path)
    whole = path.read_bytes()
    for broken in (whole[: len(whole) // 2], whole[:100] + bytes(64) + whole[164:]):
        path.write_bytes(broken)
        refused(path, "package.zip")


def test_too_much_is_refused_unread(darkness_package, monkeypatch):
    monkeypatch.setattr("inference.package.MAX_BYTES", 1000)
    refused(darkness_package, "more than 200 files or 1000 bytes")


def test_a_folder_without_anything_is_no_package(tmp_path):
    refused(tmp_path, f"no {MANIFEST}")


def test_building_the_same_package_twice_gives_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        build(tmp_path / name, DARKNESS_HEAD, darkness_graph(), "# d\n", {"blob": [blob_picture(60, 50)]})
    first, second = (read(tmp_path / name).files for name in ("a", "b"))
    assert first == second


def test_a_package_is_not_built_where_graph_and_manifest_differ(tmp_path):
    with pytest.raises(ModelError, match="opset"):
        build(tmp_path / "a", DARKNESS_HEAD.replace("17", "16"), darkness_graph(), "", {"blob": [blob_picture(60, 50)]})


def test_the_opset_is_read_from_the_file():
    assert opsets(darkness_graph()) == {"": 17}


@given(st.binary(max_size=200))
def test_any_bytes_are_an_onnx_file_or_refused(data):
    with contextlib.suppress(ModelError):
        assert opsets(data)


@given(st.data())
def test_a_damaged_onnx_file_is_read_or_refused(data):
    model = bytearray(darkness_graph())
    model[data.draw(st.integers(0, len(model) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ModelError):
        opsets(bytes(model[: data.draw(st.integers(0, len(model)))]))


def test_no_file_is_left_open(darkness_package, tmp_path):
    pack(darkness_package, tmp_path / "p.zip")
    inference.load(tmp_path / "p.zip", 1)
    (tmp_path / "p.zip").unlink()
    shutil.rmtree(darkness_package)
