"""Every driver stands every trial up to its grade; a driver joins by a module in `simulators/conformance`."""

from __future__ import annotations

import pkgutil
from pathlib import Path

import pytest

import simulators.conformance
from drivers import registry
from drivers.conformance.case import Case, Wire
from drivers.conformance.grading import cases_of, claimed, trials_of
from drivers.conformance.trials import TRIALS, Grade, hold

CASES = {info.name: cases_of(info) for info in registry.available().values()}
ALL = [(case, wire, trial) for cases in CASES.values() for case, wire, trial in trials_of(cases)]
RANKS = list(Grade)


@pytest.mark.conformance
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("case", "wire", "trial"), ALL, ids=[f"{case.title}-{wire}-{trial}" for case, wire, trial in ALL]
)
async def test_stands(case: Case, wire: Wire, trial: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if RANKS.index(TRIALS[trial][0]) > RANKS.index(claimed()[case.driver]):
        request.applymarker(pytest.mark.xfail(reason="beyond the grade that the driver is said to have"))
    await hold(trial, case, wire, tmp_path)


def test_a_grade_is_said_of_every_driver_that_is_tried_and_of_no_other() -> None:
    assert set(claimed()) == {name for name, cases in CASES.items() if cases}


def test_no_driver_is_said_to_have_a_grade_that_no_trial_gives() -> None:
    assert set(claimed().values()) <= {grade for grade, _ in TRIALS.values()}


def test_every_case_is_found() -> None:
    modules = {module.name for module in pkgutil.iter_modules(simulators.conformance.__path__)}
    assert modules == {name.replace("-", "_") for name, cases in CASES.items() if cases}


def test_the_document_says_what_each_trial_counts_for() -> None:
    document = Path(simulators.conformance.__path__[0]).parents[1] / "drivers" / "conformance" / "README.md"
    rows = [row.split(" | ")[:2] for row in document.read_text().splitlines() if row.startswith("| `")]
    assert {name.strip("| `"): grade for name, grade in rows} == {name: grade for name, (grade, _) in TRIALS.items()}
