import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import ModelError
from inference.calibrate import Point, at, fit

pytestmark = pytest.mark.slow

scores = st.lists(st.floats(0, 0.999), min_size=20, max_size=300)
rates = st.floats(0, 0.5)


@given(scores, rates)
def test_no_more_bags_alarm_than_wanted(values, pfa):
    fitted = fit(values, pfa, 0.5)
    assert fitted.normal.pfa <= pfa + 1e-9
    assert 0 < fitted.elevated.threshold <= fitted.normal.threshold <= 1
    assert fitted.normal == at(values, fitted.normal.threshold)
    low, high = fitted.normal.interval
    assert low <= fitted.normal.pfa <= high


def test_nor_far_fewer():
    values = [number / 1000 for number in range(1000)]
    assert fit(values, 0.05, 0.15).normal == Point(pytest.approx(0.9495, abs=6e-4), 50, 1000)
    assert fit(values, 0.05, 0.15).elevated.alarms == 150


def test_no_false_alarms_wanted_is_a_threshold_above_every_bag():
    fitted = fit([0.2] * 30 + [0.6], 0, 0)
    assert fitted.normal.alarms == 0
    assert fitted.normal.threshold == pytest.approx(0.8)


def test_equal_scores_alarm_together_or_not_at_all():
    assert fit([0.1] * 20 + [0.7] * 10, 0.2, 0.5).normal.alarms == 0


def test_the_edges_cut_the_scores_into_tenths():
    values = np.random.default_rng(1).beta(2, 5, 1000)
    edges = fit(list(values), 0.1, 0.2).edges
    assert len(edges) == 9
    assert np.histogram(values, [0, *edges, 1])[0] == pytest.approx(100, abs=2)


def test_too_few_bags_and_points_the_wrong_way_round_are_refused():
    with pytest.raises(ModelError, match="19 bags"):
        fit([0.5] * 19, 0.1, 0.2)
    with pytest.raises(ModelError, match="stricter"):
        fit([0.5] * 30, 0.2, 0.1)


def test_the_interval_holds_on_other_bags_as_often_as_it_says():
    chance = np.random.default_rng(5)
    held = 0
    for _ in range(300):
        point = fit(list(chance.random(80)), 0.1, 0.2).normal
        low, high = point.interval
        held += low <= 1 - point.threshold <= high  # the true rate, scores being uniform
    assert held >= 0.93 * 300
