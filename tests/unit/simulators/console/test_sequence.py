"""Ranges against the plain set that they stand for."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from simulators.console.sequence import Range, gaps, merge, runs

NUMBERS = st.lists(st.integers(1, 40), max_size=12)


def absorb(ranges: list[Range], numbers: list[int]) -> tuple[list[Range], set[int]]:
    clashes: set[int] = set()
    for run in runs(numbers):
        result = merge(run, lambda low, high, known=ranges: [r for r in known if r[0] <= high and r[1] >= low])
        ranges = [*(r for r in ranges if r not in result.replaced), result.merged]
        clashes.update(result.clashes)
    return sorted(ranges), clashes


@given(st.lists(NUMBERS, max_size=8))
def test_ranges_hold_what_came(batches: list[list[int]]) -> None:
    ranges: list[Range] = []
    seen: set[int] = set()
    for batch in batches:
        ranges, clashes = absorb(ranges, batch)
        assert clashes == seen & set(batch)
        seen |= set(batch)
        assert {n for first, last in ranges for n in range(first, last + 1)} == seen
        assert all(after[0] > before[1] + 1 for before, after in pairwise(ranges))


@given(NUMBERS, st.none() | st.integers(1, 45))
def test_gaps_are_what_did_not_come(numbers: list[int], start: int | None) -> None:
    ranges, _ = absorb([], numbers)
    missing = {n for first, last in gaps(ranges, start) for n in range(first, last + 1)}
    begin = start if start is not None else min(numbers, default=1)
    assert missing == set(range(begin, max(numbers, default=0) + 1)) - set(numbers)
