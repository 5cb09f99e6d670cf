"""The table and the page say what was measured, what was asked, and what is missing."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from benchmarks.harness import Bar, Row, Spread, slope
from benchmarks.report import page, table

WHERE = {
    "processor": "one",
    "cores": 2,
    "memory_gib": 4,
    "system": "Linux",
    "python": "3.11",
    "onnxruntime": "1",
    "load": 0.1,
    "sync_p50_ms": 1.0,
    "sync_p99_ms": 2.0,
    "commit": "abc1234",
}


def row(value: float, **changes: object) -> Row:
    given = {"group": "scan", "what": "a scan", "ours": "p50 9 ms", "beside": "floor 8 ms", "bar": "at most 10 ms"}
    return Row(**{**given, "bars": (Bar("p50, ms", value, 10),), **changes})


def test_percentiles_are_of_the_values_by_nearest_rank() -> None:
    spread = Spread.of([float(n) for n in range(1, 101)])
    assert (spread.n, spread.p50, spread.p90, spread.p99, spread.max) == (100, 51, 91, 100, 100)
    with pytest.raises(ValueError, match="nothing"):
        Spread.of([])


def test_a_bar_reaches_half_where_it_is_missed_by_half() -> None:
    assert Bar("ms", 20, 10).reach == 0.5 and not Bar("ms", 20, 10).held
    assert Bar("share", 0.35, 0.7, at_most=False).reach == 0.5
    assert Bar("slope", -3, 1).reach == 1.0 and Bar("slope", 0, 0).held


def test_a_row_comes_back_from_json_as_it_was() -> None:
    before = row(9, data={"ours": asdict(Spread.of([1.0]))})
    assert Row.of(json.loads(json.dumps(before.plain()))) == before


def test_the_page_says_what_is_missed_and_what_was_not_measured() -> None:
    good, bad = page(WHERE, [row(9)], [], 12), page(WHERE, [row(9), row(30)], ["fleet: not done after 90 s"], 12)
    assert "All that is asked is held" in good and "abc1234" in good
    assert "Missed: a scan (p50, ms: 30, asked at most 10); fleet: not done after 90 s." in bad
    assert "Not measured: fleet" in bad
    assert "| a scan | p50 9 ms | floor 8 ms | at most 10 ms | no |" in bad


def test_the_table_shows_every_cell_whole() -> None:
    text = table([row(9, beside="a very long floor " * 6)])
    assert text.split().count("floor") == 6 and "yes" in text


def test_the_slope_is_of_the_straight_line() -> None:
    assert slope([(0, 5), (1, 7), (2, 9)]) == pytest.approx((2, 0))
    assert slope([(0, 0), (1, 1), (2, 0), (3, 1)]) == pytest.approx((0.2, (0.8 / 2 / 5) ** 0.5))
