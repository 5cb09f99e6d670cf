"""Which sequence numbers of a ledger have come: kept as ranges, for live hits arrive before the backlog.

A range is (first, last), both included. Ranges of one ledger are disjoint and never adjacent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Merge:
    """What a run of new numbers does to the ranges: `replaced` go, `merged` comes; `clashes` were there already."""

    replaced: tuple[Range, ...]
    merged: Range
    clashes: tuple[int, ...]


def runs(numbers: Iterable[int]) -> Iterator[Range]:
    """Yield the contiguous runs in `numbers`, lowest first; a number that comes twice counts once."""
    first = last = None
    for number in sorted(set(numbers)):
        if first is None or last is None or number != last + 1:
            if first is not None and last is not None:
                yield first, last
            first = number
        last = number
    if first is not None and last is not None:
        yield first, last


def merge(run: Range, touching: Callable[[int, int], Iterable[Range]]) -> Merge:
    """Return how `run` joins the ranges that `touching(low, high)` finds to overlap low..high."""
    first, last = run
    replaced = tuple(touching(first - 1, last + 1))
    clashes = tuple(number for low, high in replaced for number in range(max(low, first), min(high, last) + 1))
    return Merge(
        replaced,
        (min((first, *(low for low, _ in replaced))), max((last, *(high for _, high in replaced)))),
        clashes,
    )


def gaps(ranges: Iterable[Range], start: int | None) -> list[Range]:
    """Return what is missing between `start` (None: the lowest seen) and the highest number seen, lowest first."""
    missing: list[Range] = []
    expected = start
    for first, last in sorted(ranges):
        if expected is not None and first > expected:
            missing.append((expected, first - 1))
        expected = last + 1 if expected is None else max(expected, last + 1)
    return missing
