"""Builds and measures the first `baggage` package: a rule about darkness and shape, written as an ONNX graph.

    python -m inference.training.baseline            builds the package into inference/packages/baggage
    python -m inference.training.baseline --measure  judges 400 rough bags with it and prints the card's table

The graph works on attenuation, A = -ln T, of the bag laid into 512 x 512 pixels. A place counts as dense where A is
that of millimetres of steel and stands out by as much from what lies under it (the opening of A by a square wider than
any barrel or grip). What is thinner than about a centimetre is taken away by a smaller opening: wires, zips, buckles.
The score of a dense place grows with the dense area around it and with the length of the connected thing that it
belongs to, so that coins, cells and buckles stay below a pistol.
"""

from __future__ import annotations

import hashlib
import io
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from inference.look import look_at, views
from inference.manifest import parse
from inference.model import Model
from inference.package import BUILT_IN, CARD, MANIFEST, MODEL, read
from inference.prepare import prepare
from inference.runtime import Runtime
from inference.training.bags import HABITS, bag, write

VERSION = "0.1.0"
SIDE = 512
OPSET = 18

DENSE = 2.1
"""Attenuation at which a place is dense: transmission 0.12, some 4 to 8 mm of steel."""
STANDS_OUT = 1.1
STEEPNESS = 5.0
UNDER = 53
"""Side of the square that finds what lies under a place, in half-resolution pixels: 12 cm in a bag of 60 cm."""
THIN = 5
"""Side of the square that must fit into a dense thing, in the same pixels: 1.2 cm."""
AROUND = 65
AREA = 400.0
"""Dense half-resolution pixels around a place that weigh for and against alike: 22 square centimetres."""
LENGTH = 22.0
"""Quarter-resolution pixels that a dense thing must be long to weigh neither way: 10 cm."""
GROWTH = 2.2
STEPS = 40


class _Graph:
    """Collects nodes; each method adds one and returns its output's name."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def constant(self, value: float) -> str:
        return self.tensor(np.array(value, np.float32))

    def tensor(self, values: NDArray[np.float32]) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(values, name))
        return name

    def ints(self, value: int) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.array([value], np.int64), name))
        return name

    def linear(self, x: str, factor: float, offset: float) -> str:
        return self.add("Add", self.add("Mul", x, self.constant(factor)), self.constant(offset))

    def dilated(self, x: str, side: int) -> str:
        """Maximum over a square, as a row and a column: side + side steps, not side x side."""
        half = side // 2
        x = self.add("MaxPool", x, kernel_shape=[1, side], pads=[0, half, 0, half])
        return self.add("MaxPool", x, kernel_shape=[side, 1], pads=[half, 0, half, 0])

    def opened(self, x: str, side: int) -> str:
        """Erosion, then dilation: what no square of this side fits into is gone."""
        return self.dilated(self.add("Neg", self.dilated(self.add("Neg", x), side)), side)

    def quarter(self, x: str) -> str:
        """Half the resolution of `x`, by maximum."""
        return self.add("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])

    def extent(self, mask: str) -> str:
        """How far the connected dense thing at each place reaches, along the longer axis; 0 where there is none.

        Each place starts with its own coordinates (x, -x, y, -y, all positive) and takes its neighbours' largest, again
        and again, as far as the mask goes: then it knows its thing's right, left, bottom and top. `mask` is 0..1 on
        SIDE / 4.
        """
        side = SIDE // 4
        ramp = np.arange(1, side + 1, dtype=np.float32)
        x, y = np.meshgrid(ramp, ramp)
        corners = self.tensor(np.stack([x, side + 1 - x, y, side + 1 - y])[None])
        # Between nothing and dense the extent fades in, so that the score has no cliff.
        allowed = self.add(
            "Mul",
            self.add("Clip", self.linear(mask, 2.0, -0.5), self.constant(0.0), self.constant(1.0)),
            self.constant(float(side)),
        )
        reach = self.add("Min", corners, allowed)
        for _ in range(STEPS):
            reach = self.add("Min", self.dilated(reach, 3), allowed)
        wide, high = (
            self.add("Add", *(self.add("Slice", reach, self.ints(c), self.ints(c + 1), self.ints(1)) for c in pair))
            for pair in ((0, 1), (2, 3))
        )
        longer = self.add("Relu", self.linear(self.add("Max", wide, high), 1.0, -float(side)))
        return self.add("Resize", longer, "", self.tensor(np.array([1, 1, 2, 2], np.float32)), mode="nearest")

    def summed(self, x: str, side: int) -> str:
        half = side // 2
        for kernel, pads in (([1, side], [0, half, 0, half]), ([side, 1], [half, 0, half, 0])):
            x = self.add("AveragePool", x, kernel_shape=kernel, pads=pads, count_include_pad=1)
        return self.linear(x, float(side * side), 0.0)


def graph() -> bytes:
    """Return the rule as an ONNX file: `transmission` [1, 1, 512, 512] to `logits` [1, 1, 256, 256]."""
    g = _Graph()
    clipped = g.add("Clip", "transmission", g.constant(0.002), g.constant(1.0))
    attenuation = g.add("Neg", g.add("Log", clipped))
    a = g.add("AveragePool", attenuation, kernel_shape=[4, 4], strides=[2, 2], pads=[1, 1, 1, 1])
    contrast = g.add("Sub", a, g.opened(a, UNDER))
    dense = g.add(
        "Min",
        g.linear(a, STEEPNESS, -STEEPNESS * DENSE),
        g.linear(contrast, STEEPNESS, -STEEPNESS * STANDS_OUT),
    )
    thick = g.opened(g.add("Sigmoid", dense), THIN)
    # Squared: many half-dense places together must not weigh like a few dense ones.
    near = g.summed(g.add("Mul", thick, thick), AROUND)
    area = g.add("Log", g.linear(near, 1.0, 1.0))
    length = g.add("Log", g.linear(g.extent(g.quarter(thick)), 1.0, 1.0))
    weighed = g.add(
        "Add",
        g.linear(area, GROWTH, -GROWTH * float(np.log(AREA + 1))),
        g.linear(length, GROWTH, -GROWTH * float(np.log(LENGTH + 1))),
    )
    bounded = g.add("Clip", thick, g.constant(1e-5), g.constant(1 - 1e-5))
    odds = g.add("Log", g.add("Div", bounded, g.add("Sub", g.constant(1.0), bounded)))
    g.nodes.append(helper.make_node("Min", [weighed, odds], ["logits"]))
    model = helper.make_model(
        helper.make_graph(
            g.nodes,
            "baggage",
            [helper.make_tensor_value_info("transmission", TensorProto.FLOAT, [1, 1, SIDE, SIDE])],
            [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 1, SIDE // 2, SIDE // 2])],
            g.constants,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=9,
        producer_name="jaitf-edge",
    )
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())


MANIFEST_HEAD = f"""\
format = 1
name = "baggage"
version = "{VERSION}"
summary = "dense compact objects by a rule of darkness and shape; not trained"
licence = "MIT"
opset = {OPSET}

[[inputs]]
role = "image"
name = "transmission"
colour = "transmission"
size = [{SIDE}, {SIDE}]
resize = "letterbox"
region = "bag"

[output]
decoder = "segmentation"
logits = "logits"
activation = "sigmoid"
min_area = 60.0

[[labels]]
name = "dense object"
category = "PI"

[operating_points]
normal = 0.5
elevated = 0.3
"""


def build(folder: Path, card: str) -> None:
    """Write the package into `folder`: graph, golden scans with the graph's own answers, card and manifest."""
    golden = folder / "golden"
    golden.mkdir(parents=True, exist_ok=True)
    (folder / MODEL).write_bytes(graph())
    (folder / CARD).write_text(card)
    cases = {"pistol": bag(np.random.default_rng(4), True, 480), "ordinary": bag(np.random.default_rng(5), False, 480)}
    pictures = {name: write(made, HABITS[0], np.random.default_rng(6)) for name, made in cases.items()}
    for name, picture in pictures.items():
        values = np.frombuffer(picture.data, np.uint16).reshape(picture.rows, picture.columns)
        cv2.imwrite(str(golden / f"{name}.png"), values)
        (golden / f"{name}.npz").write_bytes(b"")
    _manifest(folder, dict.fromkeys(cases, 0.0))
    # The graph's answers need a runtime, and a runtime a manifest: written once without them, then with.
    package = read(folder)
    runtime = Runtime(package, 1)
    scores = {}
    for name, picture in pictures.items():
        outputs = runtime.run(prepare(look_at(views([picture])[0]), package.manifest.inputs)[0])
        buffer = io.BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, **outputs)
        (golden / f"{name}.npz").write_bytes(buffer.getvalue())
        scores[name] = float(1 / (1 + np.exp(-outputs["logits"].max())))
    _manifest(folder, scores)
    Model(read(folder), 1)


def _manifest(folder: Path, scores: dict[str, float]) -> None:
    text = [MANIFEST_HEAD]
    for name, score in scores.items():
        text.append(
            f'\n[[golden]]\npictures = [{{ file = "golden/{name}.png" }}]\noutputs = "golden/{name}.npz"\n'
            f"score = {score:.4f}\n"
        )
    text.append("\n[files]\n")
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.name != MANIFEST):
        text.append(f'"{path.relative_to(folder)}" = "{hashlib.sha256(path.read_bytes()).hexdigest()}"\n')
    (folder / MANIFEST).write_text("".join(text))
    parse((folder / MANIFEST).read_bytes())


CARD_TEXT = "# baggage\n"


def main() -> int:
    """Build the package."""
    build(BUILT_IN / "baggage", CARD_TEXT)
    return 0


if __name__ == "__main__":
    sys.exit(main())
