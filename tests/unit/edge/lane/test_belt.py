"""The belt's travel: it never goes back, stands while it stands, and is not known where nobody said."""

from math import inf

from hypothesis import given
from hypothesis import strategies as st

from edge.lane.belt import MAX_CHANGES, Belt, Motion

S = 1_000_000_000


def belt(**changes):
    return Belt(250.0, **{"speed_error": 0.02, "stop_mm": 40.0, "always_runs": False, **changes})


def test_it_moves_while_it_runs():
    one = belt()
    one.tell(Motion.RUNS, 10 * S)
    one.tell(Motion.STANDS, 14 * S)
    one.tell(Motion.RUNS, 20 * S)
    assert [one.travel_mm(at * S) for at in (10, 12, 14, 17, 20, 21)] == [0, 500, 1000, 1000, 1000, 1250]


def test_how_far_the_count_may_be_off():
    one = belt()
    one.tell(Motion.RUNS, 10 * S)
    assert one.drift_mm(10 * S, 14 * S) == one.drift_mm(14 * S, 10 * S) == 20  # 2 % of a metre
    one.tell(Motion.STANDS, 14 * S)
    one.tell(Motion.RUNS, 20 * S)
    assert one.drift_mm(12 * S, 22 * S) == 0.02 * 1000 + 2 * 40
    assert one.drift_mm(15 * S, 19 * S) == 0  # it stood


def test_what_nobody_said_is_not_known():
    one = belt()
    assert not one.known_at(5 * S) and one.drift_mm(1, 2) == inf
    one.tell(Motion.RUNS, 10 * S)
    one.tell(Motion.UNKNOWN, 20 * S)
    one.tell(Motion.RUNS, 30 * S)
    assert one.drift_mm(11 * S, 19 * S) < inf and one.drift_mm(31 * S, 40 * S) < inf
    assert one.drift_mm(11 * S, 31 * S) == inf and not one.known_at(25 * S)
    assert belt(always_runs=True).drift_mm(S, 9 * S) == 40


def test_what_is_remembered_has_a_bound():
    one = belt()
    for number in range(3 * MAX_CHANGES):
        one.tell(Motion.RUNS if number % 2 else Motion.STANDS, number * S)
    assert len(one._starts) == len(one._travel) == len(one._motion) == MAX_CHANGES
    assert one.drift_mm(S, 3 * MAX_CHANGES * S) == inf
    assert one.drift_mm((3 * MAX_CHANGES - 9) * S, 3 * MAX_CHANGES * S) < inf


MOTIONS = st.lists(st.tuples(st.sampled_from(Motion), st.integers(0, 100)), max_size=30)


@given(changes=MOTIONS, moments=st.lists(st.integers(0, 3000), min_size=2, max_size=10))
def test_it_never_goes_back_whatever_it_is_told(changes, moments):
    one, at = belt(), 0
    for motion, later in changes:
        at += later - 5  # out of order, too
        one.tell(motion, at * S)
    travels = [one.travel_mm(moment * S) for moment in sorted(moments)]
    assert travels == sorted(travels)
    first, last = min(moments), max(moments)
    assert one.drift_mm(first * S, last * S) >= one.drift_mm(first * S, first * S) >= 0
