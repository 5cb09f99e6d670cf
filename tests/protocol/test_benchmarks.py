"""A part of the benchmarks, in short: that they run, and that no figure has fallen below half of what is asked of it.

Each is beside its floor of the same run, so a slow or busy machine slows both.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.protocol


@pytest.mark.timeout(300)
def test_no_figure_has_fallen_by_half(tmp_path):
    found = tmp_path / "rows.json"
    words = ["--short", "--guard", "--only", "ledger,dicos", "--json", str(found)]
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks", *words], cwd=ROOT, capture_output=True, text=True, timeout=280
    )
    rows = json.loads(found.read_text())["rows"]
    assert [row["group"] for row in rows] == ["ledger", "ledger", "dicos"], ran.stdout
    assert ran.returncode == 0, ran.stdout


def test_what_does_not_run_is_told_and_fails(tmp_path):
    words = ["--short", "--only", "dicos"]
    broken = os.environ | {"PYTHONPATH": str(_broken(tmp_path))}
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks", *words], cwd=ROOT, env=broken, capture_output=True, text=True, timeout=60
    )
    assert ran.returncode == 1
    assert "failed: ended with status 1" in ran.stdout


def _broken(folder: Path) -> Path:
    """Return a folder whose pydicom cannot be imported."""
    (folder / "pydicom.py").write_text("raise ImportError('not today')\n")
    return folder
