"""Every driver stands every trial; a driver joins by a file in `cases/`."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

import pytest

from drivers.conformance.case import Case, Wire
from drivers.conformance.trials import TRIALS, hold
from tests.conformance import cases

ALL: list[tuple[Case, Wire]] = [
    (case, wire)
    for module in pkgutil.iter_modules(cases.__path__)
    for case in importlib.import_module(f"{cases.__name__}.{module.name}").CASES
    for wire in case.wires
]


@pytest.mark.conformance
@pytest.mark.timeout(180)
@pytest.mark.parametrize("trial", TRIALS)
@pytest.mark.parametrize(("case", "wire"), ALL, ids=[f"{case.title}-{wire}" for case, wire in ALL])
async def test_stands(case: Case, wire: Wire, trial: str, tmp_path: Path) -> None:
    await hold(trial, case, wire, tmp_path)
