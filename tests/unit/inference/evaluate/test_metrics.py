from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.evaluate import metrics
from inference.evaluate.metrics import Estimate

pytestmark = pytest.mark.slow

SCORES = np.array([0.9, 0.8, 0.7, 0.6])
TRUTH = np.array([True, False, True, False])

# Few values, so that ties are common; both kinds are there.
ranked = st.lists(st.tuples(st.integers(0, 6), st.booleans(), st.integers(1, 3)), min_size=2, max_size=30).filter(
    lambda rows: len({truth for _, truth, _ in rows}) == 2
)


def arrays(rows):
    scores, truth, weights = zip(*rows, strict=True)
    return np.array(scores) / 6, np.array(truth), np.array(weights, float)


def rates(scores, truth):
    """PFA and PD at every threshold there is, by counting."""
    for threshold in [*scores, np.inf]:
        alarms = scores >= threshold
        yield float(alarms[~truth].mean()), float(alarms[truth].mean())


def test_auroc_by_hand():
    # Of four pairs, only 0.7 against 0.8 is the wrong way round.
    assert metrics.auroc(metrics.roc(SCORES, TRUTH)) == pytest.approx(3 / 4)
    assert metrics.auroc(metrics.roc(np.full(4, 0.5), TRUTH)) == pytest.approx(1 / 2)


@given(ranked)
def test_auroc_counts_pairs_and_ties_by_half(rows):
    scores, truth, _ = arrays(rows)
    pairs = [(a > b) + (a == b) / 2 for a in scores[truth] for b in scores[~truth]]
    assert metrics.auroc(metrics.roc(scores, truth)) == pytest.approx(np.mean(pairs))


@given(ranked)
def test_a_weight_counts_like_repeats(rows):
    scores, truth, weights = arrays(rows)
    times = weights.astype(int)
    repeated = metrics.roc(np.repeat(scores, times), np.repeat(truth, times))
    weighed = metrics.roc(scores, truth, np.stack([weights, np.ones(len(scores))]))
    for figure in (metrics.auroc, lambda c: metrics.pd_at_pfa(c, 0.1), lambda c: metrics.pfa_at_pd(c, 0.8)):
        first, second = figure(weighed)
        assert first == pytest.approx(figure(repeated))
        assert second == pytest.approx(figure(metrics.roc(scores, truth)))


def test_rates_by_hand():
    curve = metrics.roc(SCORES, TRUTH)
    assert curve.pfa.tolist() == [0, 0, 0.5, 0.5, 1]
    assert curve.pd.tolist() == [0, 0.5, 0.5, 1, 1]
    assert metrics.pd_at_pfa(curve, 0.2) == 0.5
    assert metrics.pd_at_pfa(curve, 0.5) == 1
    assert metrics.pfa_at_pd(curve, 0.5) == 0
    assert metrics.pfa_at_pd(curve, 0.9) == 0.5


@given(ranked, st.sampled_from([0.01, 0.1, 0.2, 0.5]), st.sampled_from([0.5, 0.8, 0.9, 1.0]))
def test_rates_are_the_best_that_a_threshold_gives(rows, most, least):
    scores, truth, _ = arrays(rows)
    curve = metrics.roc(scores, truth)
    assert metrics.pd_at_pfa(curve, most) == pytest.approx(max(pd for pfa, pd in rates(scores, truth) if pfa <= most))
    assert metrics.pfa_at_pd(curve, least) == pytest.approx(min(pfa for pfa, pd in rates(scores, truth) if pd >= least))


def test_one_kind_alone_has_no_rates():
    curve = metrics.roc(SCORES, np.ones(4, bool))
    figures = [metrics.auroc(curve), metrics.pd_at_pfa(curve, 0.1), metrics.pfa_at_pd(curve, 0.9)]
    assert np.isnan(figures).all()


def test_calibration_by_hand():
    scores, truth = np.array([0.05, 0.95, 0.95, 1.0]), np.array([False, True, True, False])
    table = metrics.reliability(scores, truth)
    assert [row.count for row in table] == [1, 0, 0, 0, 0, 0, 0, 0, 0, 3]
    assert table[0].score == pytest.approx(0.05) and table[0].threats == 0
    assert table[9].score == pytest.approx(2.9 / 3) and table[9].threats == pytest.approx(2 / 3)
    assert table[1].score is None
    # |0.05 - 0| once and |2.9 / 3 - 2 / 3| three times, of four.
    assert metrics.calibration_error(scores, truth) == pytest.approx((0.05 + 0.9) / 4)


@given(ranked)
def test_the_calibration_error_is_that_of_the_table(rows):
    scores, truth, weights = arrays(rows)
    by_table = sum(
        row.count * abs(row.score - row.threats) for row in metrics.reliability(scores, truth) if row.score is not None
    )
    assert metrics.calibration_error(scores, truth) == pytest.approx(by_table / len(scores))
    times = weights.astype(int)
    repeated = metrics.calibration_error(np.repeat(scores, times), np.repeat(truth, times))
    assert metrics.calibration_error(scores, truth, weights) == pytest.approx(repeated)


box = st.tuples(*(st.integers(0, 12) for _ in range(2)), *(st.integers(1, 10) for _ in range(2)))


def table(boxes):
    return np.array(boxes, float).reshape(-1, 4)


def plain_iou(a, b):
    cells = [{(x, y) for x in range(x0, x0 + w) for y in range(y0, y0 + h)} for x0, y0, w, h in (a, b)]
    return len(cells[0] & cells[1]) / len(cells[0] | cells[1])


@given(st.lists(box, max_size=4), st.lists(box, max_size=4))
def test_overlap_is_that_of_the_cells(boxes, truths):
    expected = [[plain_iou(a, b) for b in truths] for a in boxes]
    assert metrics.iou(table(boxes), table(truths)) == pytest.approx(
        np.array(expected).reshape(len(boxes), len(truths))
    )


def test_a_true_box_is_found_once():
    truth = table([(0, 0, 10, 10)])
    assert metrics.found(table([(0, 0, 10, 8), (0, 0, 10, 10)]), truth, metrics.at_least_half) == 1
    assert metrics.found(table([(0, 0, 10, 5)]), truth, metrics.at_least_half) == 1
    assert metrics.found(table([(0, 0, 10, 4)]), truth, metrics.at_least_half) == 0
    assert metrics.found(table([(0, 0, 10, 4)]), truth, metrics.centred) == 1
    assert metrics.found(table([(8, 8, 10, 10)]), truth, metrics.centred) == 0


picture = st.tuples(st.lists(st.tuples(st.integers(1, 99), box), max_size=6), st.lists(box, max_size=3))


def brute_average_precision(pictures):
    """The detectors' textbook, picture by picture and box by box."""
    total = sum(len(truths) for _, truths in pictures)
    ranked = sorted({score for boxes, _ in pictures for score, _ in boxes}, reverse=True)
    points = []
    for threshold in ranked:
        good = bad = 0
        for boxes, truths in pictures:
            free = list(truths)
            for score, candidate in sorted(boxes, key=lambda row: -row[0]):
                if score < threshold:
                    continue
                best = max(free, key=lambda truth, candidate=candidate: plain_iou(candidate, truth), default=None)
                if best is not None and plain_iou(candidate, best) >= 0.5:
                    free.remove(best)
                    good += 1
                else:
                    bad += 1
        points.append((good / total, good / (good + bad)))
    area = before = 0.0
    for recall in sorted({recall for recall, _ in points}):
        area += (recall - before) * max(precision for other, precision in points if other >= recall)
        before = recall
    return area


@given(st.lists(picture, min_size=1, max_size=5).filter(lambda ps: any(truths for _, truths in ps)))
def test_ap50_is_the_textbooks(pictures):
    # Scores of one picture differ, as a detector's sorted rows do: which of two equals comes first is nobody's rule.
    pictures = [
        (list({score: (score, found) for score, found in boxes}.values()), truths) for boxes, truths in pictures
    ]
    given_levels = []
    for boxes, truths in pictures:
        strongest = sorted(boxes, key=lambda row: -row[0])
        levels = [(score / 100, table([b for _, b in strongest[: n + 1]])) for n, (score, _) in enumerate(strongest)]
        given_levels.append((levels, table(truths)))
    truths = np.array([len(truths) for _, truths in pictures])
    curve = metrics.free_response(metrics.steps(given_levels, metrics.at_least_half), truths)
    assert metrics.average_precision(curve) == pytest.approx(brute_average_precision(pictures))


def test_boxes_that_merge_lose_what_they_found():
    truth = table([(0, 0, 4, 4), (20, 0, 4, 4)])
    both, merged = table([(0, 0, 4, 4), (20, 0, 4, 4)]), table([(0, 0, 24, 4)])
    steps = metrics.steps([([(0.8, both), (0.2, merged)], truth)], metrics.at_least_half)
    assert (steps.found.tolist(), steps.false.tolist()) == ([2, -2], [0, 1])
    curve = metrics.free_response(steps, np.array([2]))
    assert curve.found.tolist() == [2, 0] and curve.false.tolist() == [0, 1]
    assert metrics.average_precision(curve) == 1
    assert metrics.found_at(curve, 0.0) == 1


def test_the_free_response_by_hand():
    truth = table([(0, 0, 10, 10)])
    near, far = (1, 1, 8, 8), (50, 50, 8, 8)
    levels = [(0.9, table([far])), (0.5, table([far, near]))]
    steps = metrics.steps([(levels, truth), ([(0.7, table([far]))], table([]))], metrics.centred)
    curve = metrics.free_response(steps, np.array([1, 0]))
    assert curve.thresholds.tolist() == [0.9, 0.7, 0.5]
    assert curve.found.tolist() == [0, 0, 1] and curve.false.tolist() == [1, 2, 2]
    assert metrics.found_at(curve, 0.5) == 0
    assert metrics.found_at(curve, 1.0) == 1
    weighed = metrics.free_response(steps, np.array([1, 0]), np.array([[1.0, 0.0], [0.0, 2.0]]))
    assert metrics.found_at(weighed, 1.0).tolist() == [1.0, pytest.approx(np.nan, nan_ok=True)]


def test_no_box_at_all_finds_nothing():
    steps = metrics.steps([([], table([(0, 0, 4, 4)]))], metrics.at_least_half)
    curve = metrics.free_response(steps, np.array([1]), np.ones((3, 1)))
    assert metrics.average_precision(curve).tolist() == [0, 0, 0]
    assert metrics.found_at(curve, 1.0).tolist() == [0, 0, 0]


def test_bags_are_drawn_whole():
    bags = ["a", "b", "a", "c", "b"]
    weights = metrics.resampled(bags, 200, seed=1)
    assert weights.shape == (200, 5)
    assert (weights[:, 0] == weights[:, 2]).all() and (weights[:, 1] == weights[:, 4]).all()
    assert (weights[:, [0, 1, 3]].sum(axis=1) == 3).all()
    assert len(Counter(weights[:, 3])) > 2
    assert (metrics.resampled(bags, 200, seed=1) == weights).all()
    assert (metrics.resampled(bags, 200, seed=2) != weights).any()


@given(ranked, st.integers(0, 5))
def test_an_interval_holds_its_figure(rows, seed):
    scores, truth, _ = arrays(rows)
    weights = metrics.resampled([str(n // 2) for n in range(len(scores))], 50, seed)
    found = metrics.estimate(lambda w: metrics.auroc(metrics.roc(scores, truth, w)), weights)
    assert found.low <= found.value <= found.high
    assert found.value == pytest.approx(float(metrics.auroc(metrics.roc(scores, truth))))


def test_an_interval_narrows_with_more_bags():
    def width(count):
        chance = np.random.default_rng(3)
        truth = np.arange(count) % 2 == 0
        scores = chance.normal(truth, 1)
        weights = metrics.resampled([str(n) for n in range(count)], 300, 0)
        found = metrics.estimate(lambda w: metrics.auroc(metrics.roc(scores, truth, w)), weights)
        return found.high - found.low

    # With sixteen times the bags, about a quarter.
    assert width(800) < width(50) / 2.5


def test_a_figure_that_is_not_defined_has_no_interval():
    weights = metrics.resampled(["a", "b"], 20)
    assert metrics.estimate(lambda w: metrics.mean(np.ones(2), w * 0), weights) is None
    hits = np.array([1.0, 0.0])
    # Only the second bag counts: resamples without it are left out.
    assert metrics.estimate(lambda w: metrics.mean(hits, w * [0, 1]), weights) == Estimate(0, 0, 0)
