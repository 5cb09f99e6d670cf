"""The eye sees what the package sees; the head moves towards what outranks, and no further than it is let."""

import numpy as np
import pytest

from inference.adaptation.eye import Eye, Head
from inference.adaptation.head import Contest, Places, fit
from inference.model import Model
from inference.package import read
from tests.unit.inference.adaptation.conftest import CHANNELS, graph, make


@pytest.fixture(scope="module")
def eye(little):
    return Eye(little, 1)


@pytest.fixture
def shot(blob):
    from inference.insertion import shot_of

    return shot_of((blob(120, 90),))


def test_the_shipped_head_says_what_the_package_says(eye, little, shot):
    judged = Model(little, 1).judge(shot.pictures())
    decoded = eye.judge(eye.see(shot), eye.shipped)
    assert decoded.score == pytest.approx(judged.score, abs=1e-5)
    assert decoded.peak == pytest.approx(judged.peak)


def test_another_head_says_what_the_package_with_it_says(eye, little, shot, tmp_path):
    head = Head(eye.shipped.weight[::-1] * 0.7, eye.shipped.bias + 0.5)
    package = read(make(tmp_path / "other", head.into(little.model)).package.path)
    judged = Model(package, 1).judge(shot.pictures())
    assert eye.judge(eye.see(shot), head).score == pytest.approx(judged.score, abs=1e-5)


def test_a_graph_whose_features_are_an_output_already_will_do(tmp_path, shot, eye):
    package = read(make(tmp_path / "other", graph(also=("features",))).package.path)
    assert np.array_equal(Eye(package, 1).see(shot).features, eye.see(shot).features)


def test_places_of_a_mask_are_those_of_the_thing(eye, shot):
    seen = eye.see(shot)
    mask = np.zeros(shot.size, bool)
    mask[90:114, 120:144] = True
    inside = eye.places(seen, mask)
    assert 0 < len(inside) < 12
    assert inside[:, 0].min() > eye.places(seen)[:, 0].mean()  # darkness


def test_of_a_picture_the_strongest_places_stay(eye, shot):
    seen = eye.see(shot)
    every = eye.places(seen, np.ones(shot.size, bool))
    some = eye.places(seen)
    assert some.shape[1] == CHANNELS
    for group in range(len(eye.shipped.bias)):
        strongest = [float((places @ eye.shipped.weight[group]).max()) for places in (every, some)]
        assert strongest[0] == strongest[1]


def toy(seed=0):
    """Threats that differ from ordinary places in the second feature, which the shipped head does not read."""
    rng = np.random.default_rng(seed)
    ordinary = [rng.normal(0, 1, (30, 2)).astype(np.float32) for _ in range(40)]
    threats = [rng.normal((0, 4), 1, (5, 2)).astype(np.float32) for _ in range(40)]
    shipped = Head(np.array([[1, 0], [1, 0]], np.float32), np.zeros(2, np.float32))
    return shipped, [Contest(Places(threats, [0, 1] * 20), Places(ordinary), 1.0)]


def won(head, contest):
    alarming = np.ones(2, bool)
    threats, ordinary = (places.strongest(head, alarming)[2] for places in (contest.threats, contest.ordinary))
    return float((threats[:, None] > ordinary).mean())


def test_a_head_learns_what_tells_threats_apart():
    shipped, contests = toy()
    fitted = fit(shipped, contests, np.ones(2, bool), hold=0.01)
    assert won(shipped, contests[0]) < 0.4
    assert won(fitted, contests[0]) > 0.9
    assert (fitted.weight[:, 1] > fitted.weight[:, 0]).all()


def test_a_head_that_is_held_stays_and_the_same_comes_of_the_same():
    shipped, contests = toy()
    held, loose, again = (fit(shipped, contests, np.ones(2, bool), hold, 60) for hold in (1000.0, 0.01, 0.01))
    assert np.abs(held.weight - shipped.weight).max() < 0.1 < np.abs(loose.weight - shipped.weight).max()
    assert np.array_equal(loose.weight, again.weight) and np.array_equal(loose.bias, again.bias)


def test_a_group_that_does_not_alarm_wins_nothing():
    places = Places([np.array([[5.0, 0.0], [0.0, 1.0]], np.float32)])
    head = Head(np.eye(2, dtype=np.float32), np.zeros(2, np.float32))
    assert [int(v[0]) for v in places.strongest(head, np.array([False, True]))] == [1, 1, 1]
    assert [int(v[0]) for v in places.strongest(head, np.array([True, True]))] == [0, 0, 5]


def test_a_picture_without_places_is_refused():
    with pytest.raises(ValueError, match="without places"):
        Places([np.zeros((0, 2), np.float32)])
