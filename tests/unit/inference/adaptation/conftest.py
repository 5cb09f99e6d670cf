"""A small package in the default model's form, and ordinary bags of a scanner that gives 16-bit counts."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from onnx import TensorProto, helper

from inference.build import build
from inference.model import Model
from inference.package import Package, read
from inference.training.bags import bag
from inference.training.scenes import GROUPS
from tests.unit.inference.conftest import blob_picture, onnx_model

SIDE, CHANNELS = 96, 10

HEAD = f"""
format = 1
name = "little"
version = "1.0.0"
summary = "a \\"little\\" network"
opset = 17
[[inputs]]
role = "image"
name = "pictures"
colour = "transmission"
size = [{SIDE}, {SIDE}]
resize = "letterbox"
mean = [0.5]
std = [0.25]
[output]
decoder = "segmentation"
logits = "logits"
activation = "sigmoid"
smooth = 3
{"".join(f'[[labels]]{chr(10)}name = "{group} or so"{chr(10)}category = "PI"{chr(10)}' for group in GROUPS)}
[operating_points]
normal = 0.5
elevated = 0.3
"""


def graph(seed: int = 3, inner: str = "features", also: tuple[str, ...] = ()) -> bytes:
    """`pictures` to `logits` over `inner`: darkness and random filters of 8 pixels, and a head that is no good."""
    rng = np.random.default_rng(seed)
    filters = rng.normal(0, 0.2, (CHANNELS, 1, 8, 8)).astype(np.float32)
    filters[0] = -1 / 64
    nodes = [
        helper.make_node("Conv", ["pictures", "filters", "shift"], ["seen"], strides=[4, 4], pads=[2, 2, 2, 2]),
        helper.make_node("Relu", ["seen"], [inner]),
        helper.make_node("Conv", [inner, "out.weight", "out.bias"], ["logits"]),
    ]
    places = SIDE // 4
    weight = rng.normal(0, 0.5, (len(GROUPS), CHANNELS, 1, 1)).astype(np.float32)
    weight[:, 0] = 0.3
    model = onnx_model(
        nodes,
        [("pictures", TensorProto.FLOAT, [1, 1, SIDE, SIDE])],
        [("logits", TensorProto.FLOAT, [1, len(GROUPS), places, places])]
        + [(name, TensorProto.FLOAT, [1, CHANNELS, places, places]) for name in also],
        {
            "filters": filters,
            "shift": np.full(CHANNELS, 0.5, np.float32),
            "out.weight": weight,
            "out.bias": np.full(len(GROUPS), -3.0, np.float32),
        },
    )
    return bytes(model.SerializeToString())


def make(folder: Path, onnx: bytes | None = None, head: str = HEAD) -> Model:
    """Build the small package."""
    return build(folder, head, onnx or graph(), "# little\n\nA card.\n", {"blob": [blob_picture(60, 50)]})


def bags(folder: Path, count: int) -> list[Path]:
    """Write ordinary bags as PNG of 16 bits."""
    folder.mkdir()
    files = []
    for number in range(count):
        plane = bag(np.random.default_rng(5_000 + number), False, 208).plane
        file = folder / f"{number:03}.png"
        cv2.imwrite(str(file), (np.clip(plane, 0, 1) * 60_000).astype(np.uint16))
        files.append(file)
    return files


@pytest.fixture(scope="session")
def little(tmp_path_factory: pytest.TempPathFactory) -> Package:
    return read(make(tmp_path_factory.mktemp("models") / "little").package.path)


@pytest.fixture(scope="session")
def ordinary(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return bags(tmp_path_factory.mktemp("site") / "bags", 24)


def hurry(patch: pytest.MonkeyPatch) -> None:
    """Make an adaptation one of few bags and small scenes: what it is worth is not asked here."""
    patch.setattr("inference.adaptation.bags.LEAST", 20)
    patch.setattr("inference.calibrate.LEAST_BAGS", 5)
    patch.setattr("inference.adaptation.run.SCENES", (5, 3, 4))
    patch.setattr("inference.adaptation.run.HOLDS", (0.3,))
    patch.setattr("inference.adaptation.run._THREATS", 1)
    patch.setattr("inference.adaptation.lessons.THREATS_A_BAG", 1)
    patch.setattr("inference.adaptation.lessons.THINGS_A_BAG", 1)
    patch.setattr("inference.adaptation.lessons._SCENE_ROWS", 120)
    patch.setattr("inference.adaptation.lessons._SCENE_COLUMNS", 100)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)
