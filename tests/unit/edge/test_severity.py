"""How urgent a hit is: the stated table."""

import pytest

from drivers.contract import Category, Severity
from edge.severity import severity_table
from tests.core import threat


def of(*categories, score=None, threshold=None, reasons=0):
    return severity_table().of(tuple(threat(category=c) for c in categories), score, threshold, reasons)


def test_the_gravest_category_counts():
    assert of(Category.LAPTOP) is Severity.LOW
    assert of(Category.LAPTOP, Category.EXPLOSIVE, Category.OTHER) is Severity.CRITICAL


@pytest.mark.parametrize("category", list(Category))
def test_every_category_has_a_base(category):
    assert of(category) in Severity


@pytest.mark.parametrize(
    ("score", "threshold", "raised"),
    [(0.7, 0.5, False), (0.8, 0.5, True), (0.5, 0.5, False), (1.0, 1.0, False), (None, 0.5, False), (0.9, None, False)],
)
def test_a_sure_score_raises_it_one_step(score, threshold, raised):
    wanted = Severity.HIGH if raised else Severity.MEDIUM
    assert of(Category.CONTRABAND, score=score, threshold=threshold) is wanted


def test_there_is_nothing_above_critical():
    assert of(Category.PI, score=1.0, threshold=0.1, reasons=5) is Severity.CRITICAL
