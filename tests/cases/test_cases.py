"""Each folder DRIVER/NAME beside this file is a case: a recorded wire, and what the driver said. No code."""

from __future__ import annotations

from pathlib import Path

import pytest

from drivers.recording import cases

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent
FOLDERS = sorted(path.parent for path in ROOT.glob(f"*/*/{cases.WIRE}"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_driver_says_what_it_said(folder: Path) -> None:
    case = cases.load(folder)
    done = case.play()
    assert cases.compared(done) == case.expected
    assert not done.differences


def test_cases_lie_under_their_driver_and_are_small() -> None:
    for folder in FOLDERS:
        assert cases.load(folder).info.name == folder.parent.name
        assert (folder / cases.WIRE).stat().st_size < 200_000, folder
