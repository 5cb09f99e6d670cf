import math
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.rates import at_least, exact, predicted, predicted_limits, wilson

counts = st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def test_wilson_is_the_one_of_the_books():
    # Brown, Cai and DasGupta 2001: the roots of |p - x/n| = z sqrt(p (1 - p) / n).
    low, high = wilson(7, 50)
    z = NormalDist().inv_cdf(0.975)
    for rate in (low, high):
        assert abs(rate - 7 / 50) == pytest.approx(z * math.sqrt(rate * (1 - rate) / 50))


def test_the_exact_interval_is_the_one_of_the_books():
    # With no hit in n trials the upper end is 1 - (alpha / 2) ** (1 / n).
    assert exact(0, 60) == (0.0, pytest.approx(1 - 0.025 ** (1 / 60)))
    low, high = exact(5, 100)
    assert (low, high) == (pytest.approx(0.01643, abs=1e-5), pytest.approx(0.11284, abs=1e-5))


def test_nothing_tried_is_nothing_known():
    assert wilson(0, 0) == (0.0, 1.0)


@given(counts)
def test_intervals_hold_the_rate_and_the_exact_one_is_the_wider(count):
    hits, trials = count
    for low, high in (wilson(hits, trials), exact(hits, trials)):
        assert 0 <= low <= hits / trials <= high <= 1
    assert exact(hits, trials)[1] >= exact(hits, trials, 0.8)[1]


@given(counts, st.floats(0.01, 0.99))
def test_tails_fall_and_sum_to_one(count, rate):
    hits, trials = count
    assert at_least(0, trials, rate) == 1
    assert at_least(hits, trials, rate) >= at_least(hits + 1, trials, rate)
    of_one = at_least(trials, trials, rate)
    assert of_one == pytest.approx(rate**trials, rel=1e-6)


def test_an_uncertain_rate_makes_for_wider_limits():
    sure, unsure = (predicted_limits(200, 5 * times, 100 * times, 0.01) for times in (1000, 1))
    assert unsure[0] <= sure[0] < 10 < sure[1] < unsure[1]


def test_the_prediction_of_many_is_the_binomial():
    chances = predicted(100, 50_000, 1_000_000)
    assert sum(chances) == pytest.approx(1)
    assert sum(chances[8:]) == pytest.approx(at_least(8, 100, 0.05), rel=1e-2)


@given(counts, st.integers(1, 300), st.floats(1e-6, 0.4))
def test_limits_hold_what_they_promise(seen, trials, tail):
    low, high = predicted_limits(trials, *seen, tail)
    chances = predicted(trials, *seen)
    assert 0 <= low <= high <= trials
    assert sum(chances) == pytest.approx(1, abs=1e-6)
    assert sum(chances[:low]) <= tail + 1e-9
    assert sum(chances[high + 1 :]) <= tail + 1e-9
