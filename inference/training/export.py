"""Makes the package `baggage` of a trained network: its graph, its operating points, its card.

`python -m inference.training.export WEIGHTS --out inference/packages/baggage` after `inference.training.train`.
"""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from drivers.contract import Energy, Picture, Polarity
from inference import onnxedit
from inference.adaptation.eye import BIAS, WEIGHT
from inference.build import build
from inference.look import look_at, views
from inference.manifest import Colour, ImageInput, Resize
from inference.model import load
from inference.prepare import prepare
from inference.runtime import cores, open_graph
from inference.training.measure import report
from inference.training.network import Network
from inference.training.scenes import GROUPS
from inference.training.train import backbone
from inference.training.turned import turned
from simulators.xray import Look, SimScan, make_scan, render

SIDE = 448
SMOOTH = 3
INPUT = ImageInput(
    name="pictures",
    colour=Colour.RGB,
    size=(SIDE, SIDE),
    resize=Resize.LETTERBOX,
    region="bag",
    scale=255.0,
    mean=(127.0, 127.0, 127.0),
    std=(128.0, 128.0, 128.0),
)
LABELS = {
    "firearm": ("firearm or part", "PI"),
    "blade": ("blade", "PI"),
    "tool": ("tool or striking weapon", "PI"),
    "ammunition": ("ammunition", "PI"),
    "mass": ("dense organic mass", "CONTRABAND"),
    "goods": ("bulk goods", "CONTRABAND"),
    "opaque": ("opaque region", "ANOMALY"),
}

#: The share of ordinary simulated bags on which each group may alarm at the normal operating point.
FALSE_ALARMS = {
    "firearm": 0.035,
    "blade": 0.05,
    "tool": 0.05,
    "ammunition": 0.01,
    "mass": 0.015,
    "goods": 0.01,
    "opaque": 0.01,
}
#: How much further these are lowered, in logits. On pictures of real scanners the first two alarmed ten times as often
#: as on simulated bags; in real suitcases, full of cloth, the likeliest place was mostly cloth. Round figures, by eye.
MARGINS = {"ammunition": 0.75, "goods": 0.75, "mass": 0.4}
ELEVATED = 2.0
"""How many times the false alarms of the normal operating point the elevated one may have."""

FIRST_CALIBRATION_SEED = 900_000


@dataclass(frozen=True, slots=True)
class Shot:
    """A simulated bag as one of the ways in which the appliance meets it, with its truth."""

    pictures: tuple[Picture, ...]
    scan: SimScan
    way: str


def grey(values: NDArray[np.uint16], energy: Energy) -> Picture:
    """Return counts of one energy as a scanner gives them."""
    rows, columns = values.shape
    return Picture(0, energy, rows, columns, 1, 16, values.tobytes(), Polarity.AIR_HIGH)


def shot(seed: int, threat: str | None, way: str) -> Shot:
    """Return a bag as `single` energy, `dual` energy, or `colour` picture of an export."""
    rng = np.random.default_rng([seed, 0xE4])
    rows, columns = ((832, 640), (640, 832), (700, 700))[rng.integers(3)]
    scan = make_scan(seed, threat, rows, columns)
    if way == "single":
        return Shot((grey(scan.high, Energy.SINGLE),), scan, way)
    if way == "dual":
        return Shot((grey(scan.low, Energy.LOW), grey(scan.high, Energy.HIGH)), scan, way)
    shown = np.ascontiguousarray(render(scan, Look.random(rng)))
    return Shot((Picture(0, Energy.COLOUR, rows, columns, 3, 8, shown.tobytes()),), scan, way)


def tensors(shots: Sequence[Shot]) -> Iterator[NDArray[np.float32]]:
    """Yield what the network is fed of each shot, exactly as the appliance does it."""
    for each in shots:
        feeds, _ = prepare(look_at(views(each.pictures)[0]), (INPUT,))
        yield feeds[INPUT.name]


def logit_maps(graph: bytes, shots: Sequence[Shot]) -> list[NDArray[np.float32]]:
    """Return the logits of each shot, [groups, rows, columns]."""
    session = open_graph(graph, cores())
    return [session.run(["logits"], {INPUT.name: tensor})[0][0] for tensor in tensors(shots)]


def group_scores(maps: Sequence[NDArray[np.float32]], shift: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return each group's score of each shot with its logits so much lower: the highest of its smoothed map."""
    rows = []
    for logits in maps:
        shares = 1 / (1 + np.exp(-(logits - shift[:, None, None].astype(np.float32))))
        rows.append([float(cv2.blur(plane, (SMOOTH, SMOOTH)).max()) for plane in shares])
    return np.array(rows)


def calibrate(maps: Sequence[NDArray[np.float32]], rounds: int = 4) -> NDArray[np.float64]:
    """Return how much lower each group's logits must be to alarm on its share of ordinary bags at 0.5, with margins."""
    total = np.zeros(len(GROUPS))
    for _ in range(rounds):
        scores = group_scores(maps, total)
        for number, group in enumerate(GROUPS):
            at = float(np.clip(np.quantile(scores[:, number], 1 - FALSE_ALARMS[group]), 1e-4, 1 - 1e-4))
            total[number] += np.log(at / (1 - at))
    return total + [MARGINS.get(group, 0.0) for group in GROUPS]


def elevated_point(scores: NDArray[np.float64]) -> float:
    """Return the threshold at which ELEVATED times as many ordinary bags alarm as at 0.5."""
    highest = scores.max(axis=1)
    share = min(ELEVATED * float((highest >= 0.5).mean()), 1.0)
    return round(float(np.quantile(highest, 1 - share)), 3)


def graph_of(network: Network) -> bytes:
    """Return the network as ONNX: input `pictures`, output `logits`; the last layer's input is named `features`."""
    buffer = io.BytesIO()
    dummy = torch.zeros(1, 3, SIDE, SIDE)
    torch.onnx.export(
        network, (dummy,), buffer, input_names=[INPUT.name], output_names=["logits"], opset_version=18, dynamo=False
    )
    model = onnx.load_from_string(buffer.getvalue())
    last = model.graph.node[-1]
    for initialiser in model.graph.initializer:
        for number, wanted in ((1, WEIGHT), (2, BIAS)):
            if initialiser.name == last.input[number]:
                initialiser.name = last.input[number] = wanted
    with torch.no_grad():
        made = turned(model, network.features(dummy).shape)
    made.producer_name, made.producer_version = "jaitf-edge", "1"
    return bytes(made.SerializeToString())


def head_of(version: str, elevated: float) -> str:
    """Return the manifest without golden scans and hashes."""
    labels = "".join(f'\n[[labels]]\nname = "{name}"\ncategory = "{category}"\n' for name, category in LABELS.values())
    return f"""\
format = 1
name = "baggage"
version = "{version}"
summary = "weapons, tools, ammunition, dense masses and opaque regions in bags; trained on simulated bags alone"
licence = "MIT; the backbone's ImageNet weights: Apache-2.0"
opset = 18

[[inputs]]
role = "image"
name = "{INPUT.name}"
colour = "rgb"
size = [{SIDE}, {SIDE}]
resize = "letterbox"
region = "bag"
scale = 255.0
mean = [127.0, 127.0, 127.0]
std = [128.0, 128.0, 128.0]

[output]
decoder = "segmentation"
logits = "logits"
activation = "sigmoid"
smooth = {SMOOTH}
min_area = 48.0
box_share = 0.3
{labels}
[operating_points]
normal = 0.5
elevated = {elevated}
"""


def load_network(weights: Path) -> Network:
    """Return a trained network, its batch norms folded away by evaluation mode."""
    network = Network(len(GROUPS), backbone())
    network.load_state_dict(torch.load(weights, map_location="cpu")["weights"])
    network.eval()
    return network


def ordinary(count: int, first: int) -> list[Shot]:
    """Return ordinary simulated bags in every way in turn."""
    ways = ("single", "dual", "colour", "colour")
    return [shot(first + n, None, ways[n % len(ways)]) for n in range(count)]


def main() -> None:
    """Read the arguments, calibrate, export and prove."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--version", default="1.0.0")
    parser.add_argument("--bags", type=int, default=240)
    parser.add_argument("--card", type=Path, default=Path(__file__).with_name("baggage.card.md"))
    parser.add_argument("--measure", action="store_true", help="add the table of figures to the card; minutes")
    args = parser.parse_args()
    graph = graph_of(load_network(args.weights))
    maps = logit_maps(graph, ordinary(args.bags, FIRST_CALIBRATION_SEED))
    shifts = calibrate(maps)
    print(json.dumps(dict(zip(GROUPS, shifts.round(3).tolist(), strict=True))))  # noqa: T201 - a command's result
    bias = onnxedit.weights(graph, BIAS) - shifts.astype(np.float32)
    graph = onnxedit.with_weights(graph, {BIAS: bias})
    golden = {
        "pistol": shot(7, "pistol", "colour").pictures,
        "ordinary": shot(8, None, "single").pictures,
    }
    head, card = head_of(args.version, elevated_point(group_scores(maps, shifts))), args.card.read_text()
    build(args.out, head, graph, card, golden)
    if args.measure:
        build(args.out, head, graph, f"{card}\n{report(load(args.out))}", golden)


if __name__ == "__main__":
    main()
