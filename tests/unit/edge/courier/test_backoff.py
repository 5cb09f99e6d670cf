"""When to try again: bounds, jitter, and when an outage is over."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.courier.backoff import CALM_CAP_S, EAGER_CAP_S, EAGER_NS, FIGHT_S, STABLE_NS, Backoff

S = 1_000_000_000


class Highest(random.Random):
    """Always draws the top of the range, so that a wait shows its cap."""

    def random(self):
        return 1.0


@given(st.integers(0, 2**32), st.lists(st.tuples(st.integers(0, 30), st.booleans()), max_size=80))
def test_no_wait_is_longer_than_the_outage_deserves(seed, tries):
    backoff, now, since = Backoff(random.Random(seed)), 0, None
    for seconds, stable in tries:
        now += seconds * S
        connected = now - STABLE_NS if stable else None
        since = now if stable or since is None else since
        wait_s = backoff.lost(now, connected)
        assert 0 <= wait_s <= (EAGER_CAP_S if now - since < EAGER_NS else CALM_CAP_S)


def test_the_cap_doubles_to_5_s_and_after_two_minutes_to_60():
    backoff = Backoff(Highest())
    assert [backoff.lost(0, None) for _ in range(7)] == [0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0]
    assert backoff.lost(EAGER_NS - 1, None) == 5.0
    assert backoff.lost(EAGER_NS, None) == 60.0


def test_waits_differ():
    backoff = Backoff(random.Random(1))
    assert len({backoff.lost(0, None) for _ in range(20)}) == 20


def test_only_a_connection_that_lasted_a_minute_ends_the_outage():
    backoff = Backoff(Highest())
    for _ in range(10):
        backoff.lost(0, None)
    assert backoff.lost(STABLE_NS, 1) == 5.0
    assert backoff.lost(2 * STABLE_NS, STABLE_NS) == 0.4


def test_flapping_ends_in_calm_waits_although_it_connects_each_time():
    backoff = Backoff(Highest())
    waits = [backoff.lost(n * 10 * S, n * 10 * S - 5 * S) for n in range(1, 30)]
    assert max(waits[:12]) == 5.0
    assert waits[-1] == 60.0


@pytest.mark.parametrize("draw", [0.0, 1.0])
def test_who_fights_over_a_client_id_waits_half_a_minute_and_more(draw):
    class Drawn(random.Random):
        def random(self):
            return draw

    assert Backoff(Drawn()).lost(0, 0, fight=True) == FIGHT_S * (1 + draw)
