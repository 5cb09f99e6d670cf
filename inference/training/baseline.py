"""Builds and measures the first `baggage` package: a rule about darkness and shape, written as an ONNX graph.

    python -m inference.training.baseline            builds the package into inference/packages/baggage
    python -m inference.training.baseline --measure  ... and judges rough and simulated bags: the card's table

The graph works on attenuation, A = -ln T, of the bag laid into 512 x 512 pixels. A place counts as dense where A is
that of millimetres of steel and stands out by as much from what lies under it (the opening of A by a square wider than
any barrel or grip). What is thinner than about a centimetre is taken away by a smaller opening: wires, zips, buckles.
The score of a dense place grows with the dense area around it and with the length of the connected thing that it
belongs to, so that coins, cells and buckles stay below a pistol.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from drivers.contract import Picture
from inference.build import build
from inference.package import BUILT_IN
from inference.training.bags import HABITS, bag, write

VERSION = "0.1.0"
SIDE = 512
OPSET = 18

DENSE = 1.9
"""Attenuation at which a place is dense: transmission 0.12, some 4 to 8 mm of steel."""
STANDS_OUT = 1.35
STEEPNESS = 5.0
UNDER = 25
"""Side of the square that finds what lies under a place, in half-resolution pixels: 12 cm in a bag of 60 cm."""
THIN = 5
"""Side of the square that must fit into a dense thing, in the same pixels: 1.2 cm."""
AROUND = 65
AREA = 300.0
"""Dense half-resolution pixels around a place that weigh for and against alike: 22 square centimetres."""
LENGTH = 20.0
"""Quarter-resolution pixels that a dense thing must be long to weigh neither way: 10 cm."""
AREA_WEIGHT = 1.6
LENGTH_WEIGHT = 3.5
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
        """How far the connected dense thing at each place reaches, in its longest of four directions; 0 without one.

        Each place starts with its own coordinates, counted from both ends, and takes its neighbours' largest again and
        again as far as the mask goes: then it knows where its thing ends. `mask` is 0..1 on SIDE / 4.
        """
        side = SIDE // 4
        far = float(2 * side)
        ramp = np.arange(side, dtype=np.float32)
        row, column = self.tensor(ramp.reshape(1, 1, 1, side)), self.tensor(ramp.reshape(1, 1, side, 1))
        diagonal = float(0.5**0.5)
        axes = [
            self.add("Add", self.linear(row, right, 0.0), self.linear(column, down, start))
            for right, down, start in (
                (1.0, 0.0, 0.0),
                (0.0, 1.0, 0.0),
                (diagonal, diagonal, 0.0),
                (diagonal, -diagonal, side * diagonal),
            )
        ]
        ends = self.add("Concat", *axes, *(self.linear(axis, -1.0, far) for axis in axes), axis=1)
        # Between nothing and dense the extent fades in, so that the score has no cliff.
        dense = self.add("Clip", self.linear(mask, 2.0, -0.5), self.constant(0.0), self.constant(1.0))
        allowed = self.linear(dense, far, 0.0)
        reach = self.add("Min", ends, allowed)
        for _ in range(STEPS):
            reach = self.add("Min", self.dilated(reach, 3), allowed)
        forth, back = (self.add("Slice", reach, *(self.ints(v) for v in (c, c + 4, 1))) for c in (0, 4))
        spans = self.linear(self.add("Add", forth, back), 1.0, -far)
        longest = self.add("Relu", self.add("ReduceMax", spans, self.ints(1), keepdims=1))
        return self.add("Resize", longest, "", self.tensor(np.array([1, 1, 2, 2], np.float32)), mode="nearest")

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
        g.linear(area, AREA_WEIGHT, -AREA_WEIGHT * float(np.log(AREA + 1))),
        g.linear(length, LENGTH_WEIGHT, -LENGTH_WEIGHT * float(np.log(LENGTH + 1))),
    )
    bounded = g.add("Clip", thick, g.constant(1e-5), g.constant(1 - 1e-5))
    odds = g.add("Log", g.add("Div", bounded, g.add("Sub", g.constant(1.0), bounded)))
    # Where nothing is dense, bags still rank by their densest spot, far below any alarm.
    floor = g.linear(g.add("Min", odds, g.constant(0.0)), 0.5, -5.0)
    g.nodes.append(helper.make_node("Max", [g.add("Min", weighed, odds), floor], ["logits"]))
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
box_share = 0.4

[[labels]]
name = "dense object"
category = "PI"

[operating_points]
normal = 0.5
elevated = 0.3
"""


def golden() -> dict[str, list[Picture]]:
    """Return a rough bag with a pistol and one without."""
    return {
        name: [write(bag(np.random.default_rng(seed), name == "pistol", 300), HABITS[0], np.random.default_rng(6))]
        for name, seed in (("pistol", 4), ("ordinary", 5))
    }


CARD_FILE = Path(__file__).with_name("baseline.card.md")


def main(arguments: list[str] | None = None) -> None:
    """Build the package, or measure it."""
    parser = argparse.ArgumentParser(prog="python -m inference.training.baseline", description="The rule `baggage`.")
    parser.add_argument("--measure", action="store_true", help="judge rough and simulated bags, print the card's table")
    parser.add_argument("--out", type=Path, default=BUILT_IN / "baggage", help="where the package goes")
    options = parser.parse_args(arguments)
    model = build(options.out, MANIFEST_HEAD, graph(), CARD_FILE.read_text(encoding="utf-8"), golden())
    if options.measure:
        from inference.training import measure

        sys.stdout.write(measure.report(model))


if __name__ == "__main__":
    main()
