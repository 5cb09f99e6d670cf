import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.drift import KEPT, LEAST, DriftState, DriftWatch, Reference, compare, psi

CHANCE = np.random.default_rng(7)


def reference(bags: int = 300, pfa: float = 0.05, shape: tuple[float, float] = (2.0, 5.0), seed: int = 1) -> Reference:
    """What calibrating on bags whose scores are of this beta distribution would have seen."""
    scores = np.random.default_rng(seed).beta(*shape, bags)
    threshold = float(np.quantile(scores, 1 - pfa))
    edges = tuple(float(v) for v in np.quantile(scores, np.arange(0.1, 1, 0.1)))
    return Reference(edges, int((scores >= threshold).sum()), bags, threshold)


def test_the_same_bags_do_not_drift():
    drift = compare(list(np.random.default_rng(2).beta(2, 5, KEPT)), reference())
    assert drift.state is DriftState.OK
    assert drift.psi == pytest.approx(0, abs=0.1)
    assert drift.expected == 0.05
    low, high = drift.limits
    assert low <= drift.alarm_rate <= high
    assert drift.reason == ""


def test_a_worn_scanner_drifts_by_its_scores():
    drift = compare(list(np.random.default_rng(2).beta(3, 4, KEPT)), reference())
    assert drift.state is DriftState.DRIFTED
    assert drift.psi > 0.25
    assert "PSI" in drift.reason


def test_too_many_alarms_are_seen_although_the_other_scores_stay():
    scores = np.random.default_rng(2).beta(2, 5, KEPT)
    scores[:60] = 0.95
    drift = compare(list(scores), reference())
    assert drift.state is DriftState.DRIFTED
    assert "of 500 scans alarm" in drift.reason


def test_an_eye_that_went_blind_is_seen_by_its_missing_alarms():
    known = reference(bags=1000, pfa=0.1)
    scores = np.minimum(np.random.default_rng(2).beta(2, 5, KEPT), known.threshold - 1e-6)
    drift = compare(list(scores), known)
    assert drift.state is DriftState.DRIFTED
    assert drift.alarm_rate == 0


def test_a_small_change_is_only_watched():
    states = [compare(list(np.random.default_rng(seed).beta(2.35, 4.7, KEPT)), reference()).state for seed in range(40)]
    assert DriftState.WATCH in states
    assert states.count(DriftState.DRIFTED) < 20


def test_a_week_without_drift_raises_no_alarm_about_it():
    # Ten sites, each calibrated on its own 300 bags, then a week of 250 bags an hour: looked at every 25 scans.
    counts = dict.fromkeys(DriftState, 0)
    for site in range(10):
        watch, known = DriftWatch(), reference(seed=100 + site)
        for number, score in enumerate(np.random.default_rng(200 + site).beta(2, 5, 4_000)):
            watch.saw("xray-1", "m", float(score))
            if number >= LEAST and number % 25 == 0:
                counts[watch.state("xray-1", known).state] += 1
    assert counts[DriftState.DRIFTED] == 0
    assert counts[DriftState.WATCH] <= 0.02 * sum(counts.values())


def test_nothing_is_said_without_a_calibration_or_with_few_scans():
    assert compare([0.5] * KEPT, None).state is DriftState.UNKNOWN
    few = compare([0.5] * (LEAST - 1), reference())
    assert (few.state, few.psi) == (DriftState.UNKNOWN, None)


def test_memory_is_bounded_and_a_new_model_begins_anew():
    watch = DriftWatch()
    for number in range(3 * KEPT):
        watch.saw("xray-1", "old", number / (3 * KEPT))
    assert watch.state("xray-1", reference()).scans == KEPT
    watch.saw("xray-1", "new", 0.5)
    assert watch.state("xray-1", reference()).scans == 1
    assert watch.devices() == [("xray-1", "new")]
    assert watch.state("xray-2", reference()).scans == 0


@given(st.lists(st.floats(0, 1), min_size=LEAST, max_size=KEPT))
def test_any_scores_are_compared(scores):
    drift = compare(scores, reference())
    assert drift.state in DriftState
    assert drift.psi >= -1e-9


def test_equal_edges_are_parts_that_stay_empty():
    assert psi([0.3] * 100, (0.5,) * 9, 100) > 1
