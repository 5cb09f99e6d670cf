import json

import cv2
import numpy as np
import pytest
from onnx import helper

from tests.unit.inference import test_exporters as graphs
from tests.unit.inference.conftest import blob_picture

NAMES = {
    "task": "detect",
    "stride": "32",
    "imgsz": "[160, 160]",
    "names": "{0: 'gun'}",
    "version": "8.4.190",
    "license": "AGPL-3.0 License",
}


def written(path, metadata):
    model, _ = graphs.end_to_end(centre=False)
    helper.set_model_props(model, metadata)
    path.write_bytes(model.SerializeToString())
    return path


@pytest.fixture
def decided(tmp_path):
    return written(tmp_path / "Best Model.onnx", NAMES | {"end2end": "True"})


@pytest.fixture
def open_(tmp_path):
    return written(tmp_path / "best.onnx", NAMES)


@pytest.fixture
def picture(tmp_path):
    values = np.frombuffer(blob_picture(192, 64, columns=320, rows=320, side=32).data, np.uint16).reshape(320, 320)
    cv2.imwrite(str(tmp_path / "bag.png"), values)
    return tmp_path / "bag.png"


def test_a_package_and_its_drawing_are_made(cli, decided, picture, tmp_path):
    out = tmp_path / "ours"
    ran = cli("model", "import", decided, "--out", out, "--overlay", picture)
    assert (ran.status, ran.err) == (0, "")
    assert "best-model 0.1.0, Ultralytics 8.4.190; end2end True" in ran.out
    assert "read by boxes_xyxy_conf_cls, 1 labels" in ran.out
    assert "1 findings from 0.5 on" in ran.out
    assert "To check:" in ran.out and "1. the drawing" in ran.out
    drawn = cv2.imread(str(tmp_path / "ours.overlay.png"))
    assert ((drawn[..., 2] > 160) & (drawn[..., 1] < 90)).sum() > 100
    assert cli("model", "verify", out).status == 0
    assert "- license: AGPL-3.0 License" in cli("model", "info", out, "--card").out
    (line,) = cli("inspect", picture, "--model", out, "--json").out.splitlines()
    assert json.loads(line)["threats"][0]["box"] == pytest.approx([192, 64, 32, 32], abs=1.5)


def test_json_says_the_same(cli, decided, tmp_path):
    ran = cli("model", "import", decided, "--out", tmp_path / "ours.zip", "--name", "ours", "--json")
    assert (ran.status, ran.err) == (0, "")
    said = json.loads(ran.out)
    assert said["model"]["name"] == "ours" and said["decoder"] == "boxes_xyxy_conf_cls"
    assert said["labels"] == [{"name": "gun", "category": "PI", "alarm": True}]
    assert said["doubts"] == [] and len(said["checks"]) >= 4
    assert (tmp_path / "ours.zip.overlay.png").is_file()
    assert cli("model", "verify", tmp_path / "ours.zip").status == 0


def test_what_is_open_is_asked(cli, open_, tmp_path):
    ran = cli("model", "import", open_, "--out", tmp_path / "ours")
    assert (ran.status, ran.out) == (2, "")
    assert "say it with --decoder" in ran.err
    assert "output output0 float32 [1, 60, 6]" in ran.err
    assert "metadata names: {0: 'gun'}" in ran.err
    assert "It could be: yolo_raw, boxes_xyxy_conf_cls, boxes_cxcywh_conf_cls" in ran.err
    assert not (tmp_path / "ours").exists()
    ran = cli("model", "import", open_, "--out", tmp_path / "ours", "--json")
    assert ran.status == 2
    assert "boxes_xyxy_conf_cls" in json.loads(ran.out)["candidates"]
    ran = cli("model", "import", open_, "--out", tmp_path / "ours", "--decoder", "boxes_xyxy_conf_cls")
    assert ran.status == 0


def test_a_wrong_answer_is_doubted(cli, open_, tmp_path):
    ran = cli("model", "import", open_, "--out", tmp_path / "ours", "--decoder", "boxes_cxcywh_conf_cls")
    assert ran.status == 0
    assert "doubtful: boxes reach up to" in ran.out and 'rather "px" than "unit"' in ran.out


def test_a_mended_manifest_is_imported_again(cli, decided, tmp_path):
    out = tmp_path / "ours"
    assert cli("model", "import", decided, "--out", out).status == 0
    manifest = out / "model.toml"
    manifest.write_text(manifest.read_text().replace("normal = 0.5", "normal = 0.6"))
    assert cli("model", "verify", out).status == 0
    ran = cli("model", "import", decided, "--out", out, "--draft", manifest)
    assert ran.status == 1 and "--replace" in ran.err
    ran = cli("model", "import", decided, "--out", out, "--draft", manifest, "--replace")
    assert ran.status == 0 and "mended by hand" in ran.out
    assert json.loads(cli("model", "info", out, "--json").out)["operating_points"]["normal"] == 0.6
    ran = cli("model", "import", decided, "--out", out, "--draft", manifest, "--decoder", "yolo_raw")
    assert ran.status == 2


@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        (("--size", "160"), 2, "ROWSxCOLUMNS"),
        (("--size", "32x32"), 1, "nothing else"),
        (("--tensor", "output0"), 2, "KEY=NAME"),
        (("--labels", "gun:WEAPON"), 1, "no category WEAPON"),
        (("--overlay", "none.png"), 1, "no such file"),
        (("--draft", "none.toml"), 1, "none.toml"),
    ],
)
def test_wrong_options_make_nothing(cli, decided, tmp_path, options, status, words):
    ran = cli("model", "import", decided, "--out", tmp_path / "ours", *options)
    assert (ran.status, ran.out) == (status, "")
    assert words in ran.err
    assert not (tmp_path / "ours").exists()


def test_labels_come_from_a_file_too(cli, decided, tmp_path):
    (tmp_path / "labels.txt").write_text("gun : explosive\n")
    ran = cli("model", "import", decided, "--out", tmp_path / "ours", "--labels", tmp_path / "labels.txt", "--json")
    assert json.loads(ran.out)["labels"][0]["category"] == "EXPLOSIVE"
