"""What docs/models.md shows is run here, line by line, in the order it stands there."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
from onnx import helper

from inference.adaptation import Adapted
from inference.build import build
from inference.evaluate.labels import read_folder
from simulators.xray import make_scan, render
from tests.unit.inference import test_exporters as graphs
from tests.unit.inference.adaptation.test_adapt import outcome
from tests.unit.inference.conftest import DARKNESS_HEAD, blob_picture, darkness_graph

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[4]
TEXT = (ROOT / "docs" / "models.md").read_text()


def blocks(kind):
    return re.findall(rf"^```{kind}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def site(folder, monkeypatch):
    """Ordinary bags, an appliance with the device that the text names, and an adaptation that is done at once."""
    (folder / "ordinary").mkdir()
    for number in range(20):
        cv2.imwrite(f"ordinary/{number}.png", render(make_scan(50 + number, None, 104, 80))[..., ::-1])
    for name in ("lane/devices", "data", "export"):
        (folder / name).mkdir(parents=True)
    Path("lane/edge.toml").write_text(
        f'[appliance]\nsite = "lfw"\nlane = "t1"\nid = "e-1"\ndata_dir = "{folder / "data"}"\n'
        '[console]\nurl = "mqtt://127.0.0.1"\n'
    )
    Path("lane/devices/xray-1.toml").write_text(
        f'driver = "folder"\nmodel = "baggage"\n[settings]\npath = "{folder / "export"}"\n'
    )
    monkeypatch.setenv("JAITF_EDGE_CONFIG", str(folder / "lane"))
    monkeypatch.setattr(
        "inference.adaptation.adapt", lambda name, files, out, *rest: Adapted(out, (), outcome(), (), float(len(files)))
    )


def test_the_commands_do_what_the_text_says(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model, _ = graphs.end_to_end(centre=False)
    Path("plain.onnx").write_bytes(model.SerializeToString())
    said = {"task": "detect", "stride": "32", "imgsz": "[160, 160]", "names": "{0: 'gun'}", "end2end": "True"}
    helper.set_model_props(model, said)
    Path("best.onnx").write_bytes(model.SerializeToString())
    cv2.imwrite("bag.png", render(make_scan(3, "pistol", 208, 160))[..., ::-1])
    site(tmp_path, monkeypatch)
    build(tmp_path / "mine", DARKNESS_HEAD, darkness_graph(), "# d\n", {"blob": [blob_picture(60, 50)]})
    lines = [line[2:] for block in blocks("console") for line in block.splitlines() if line.startswith("$ ")]
    assert len(lines) >= 9
    for line in lines:
        program, *arguments = shlex.split(line)
        if program == "openssl":
            subprocess.run([program, *arguments], check=True, capture_output=True)
        elif program == "jaitf-sim":
            # In a process of its own: it takes the signals for itself.
            command = [sys.executable, "-m", "simulators.cli", *arguments]
            subprocess.run(command, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True, capture_output=True)
        else:
            ran = cli(*arguments)
            assert ran.status == 0, (line, ran.err)
    assert "<svg" in Path("report.html").read_text()


def test_the_labels_are_labels(tmp_path):
    (block,) = blocks("json")
    for name in re.findall(r'"(\d{4}[-\w]*\.\w+)"', block):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "labels.jsonl").write_text(block)
    armed, ordinary = read_folder(tmp_path)
    assert armed.boxed and len(ordinary.files) == 2
