import numpy as np
import onnx
import pytest

from inference.build import build
from inference.training import baseline, measure
from inference.training.bags import HABITS, bag, own_box, write


@pytest.fixture(scope="module")
def rule(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rule") / "baggage"
    return build(folder, baseline.MANIFEST_HEAD, baseline.graph(), "# rule\n", baseline.golden(), 1)


def test_the_graph_is_the_same_each_time_and_small():
    first = baseline.graph()
    assert first == baseline.graph()
    assert len(first) < 100_000
    onnx.checker.check_model(onnx.load_from_string(first), full_check=True)


def test_pistols_alarm_and_are_pointed_at(rule):
    tally = measure.Tally()
    for number in range(24):
        chance, habit = np.random.default_rng(number), HABITS[number // 2 % len(HABITS)]
        made = bag(chance, number % 2 == 1, 300)
        judged = rule.judge([write(made, habit, chance)])
        tally.add(judged.score, judged.peak, own_box(made, habit))
    assert min(tally.threat) >= 0.5
    assert tally.pointed == 12
    assert min(tally.threat) > max(tally.ordinary)


@pytest.mark.parametrize("degrees", range(0, 360, 30))
def test_any_angle_alarms(rule, degrees):
    plane = np.ones((300, 400), np.float32)
    plane[20:280, 20:380] = 0.75
    turn = np.deg2rad(degrees)
    ys, xs = np.mgrid[:300, :400]
    u = (xs - 200) * np.cos(turn) + (ys - 150) * np.sin(turn)
    v = -(xs - 200) * np.sin(turn) + (ys - 150) * np.cos(turn)
    barrel = (abs(u) < 60) & (abs(v) < 10)
    grip = (u > -60) & (u < -38) & (v > 0) & (v < 50)
    plane[barrel | grip] = 0.06
    made = measure._picture((plane * 60_000).astype(np.uint16), measure.Energy.SINGLE)
    assert rule.judge([made]).alarm


@pytest.mark.parametrize(
    ("name", "width", "height", "value"),
    [
        ("a coin", 16, 16, 0.2),
        ("a wire", 250, 3, 0.1),
        ("a frame line", 360, 4, 0.1),
        ("a book", 120, 90, 0.35),
        ("a laptop", 180, 130, 0.3),
        ("a bottle", 40, 120, 0.25),
        ("two cells", 34, 18, 0.1),
    ],
)
def test_one_ordinary_thing_does_not_alarm(rule, name, width, height, value):
    plane = np.ones((300, 400), np.float32)
    plane[20:280, 20:380] = 0.75
    plane[150 - height // 2 : 150 + height // 2 + 1, 200 - width // 2 : 200 + width // 2 + 1] = value
    made = measure._picture((plane * 60_000).astype(np.uint16), measure.Energy.SINGLE)
    assert not rule.judge([made]).alarm, name


def test_a_tally_is_a_row():
    tally = measure.Tally()
    for score, box in ((0.9, (0, 0, 10, 10)), (0.4, (0, 0, 10, 10)), (0.1, None), (0.6, None)):
        tally.add(score, (5, 5) if score > 0.5 else (50, 50), box)
    assert tally.row("x", 0.5) == "| x | 2 / 2 | 0.750 | 0.50 | 0.50 | 0.50 |\n"
    assert " | - | - | " in tally.row("x", None)
