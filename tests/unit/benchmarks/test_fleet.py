"""Whether a cost that rises with the fleet would be seen, and one that does not be held against it."""

import random

import pytest

from benchmarks import fleet


def looks(cost_ms, noise_ms=0.0):
    chance = random.Random(1)
    return [
        fleet.Look(lanes, 0.005 + (cost_ms(lanes) * lanes + chance.gauss(0, noise_ms)) / 1e3, float(lanes))
        for lanes in fleet.STEPS
        for _ in range(fleet.LOOKS)
    ]


def steeper(found):
    low = [look for look in found if look.lanes <= fleet.HALF]
    high = [look for look in found if look.lanes >= fleet.HALF]
    return fleet.ratio(fleet._ms_a_hit(high), fleet._ms_a_hit(low))


@pytest.mark.parametrize(("cost_ms", "held"), [(lambda _: 0.6, True), (lambda lanes: 0.6 + lanes / 1000, False)])
def test_a_lane_that_costs_more_the_more_there_are_is_seen(cost_ms, held):
    found, error = steeper(looks(cost_ms, 1.0))
    assert (found <= fleet.STEEPER) == held
    assert error < 0.05


def test_noise_in_which_it_cannot_be_told_is_a_miss_of_its_own():
    assert steeper(looks(lambda _: 0.6, 30.0))[1] > fleet.STEEPER - 1


def test_no_cost_at_all_is_no_measurement():
    assert fleet.ratio((1.0, 0.1), (0.0, 0.1)) == (float("inf"), float("inf"))
