"""The scanner that stores in numbers is dcmtk's, and no namesake of it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.box import NotUp
from benchmarks.scanner import _dcmtk


def test_a_namesake_beside_python_is_not_dcmtks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    beside, elsewhere = tmp_path / "venv", tmp_path / "usr"
    for place in (beside, elsewhere):
        place.mkdir()
        (place / "storescu").touch(mode=0o755)
    monkeypatch.setattr(sys, "executable", str(beside / "python"))
    monkeypatch.setenv("PATH", f"{beside}:{elsewhere}")
    assert _dcmtk("storescu") == str(elsewhere / "storescu")
    monkeypatch.setenv("PATH", str(beside))
    with pytest.raises(NotUp, match="dcmtk"):
        _dcmtk("storescu")
