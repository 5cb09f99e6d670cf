"""Our threat detection reports as the reference toolkit and dcmtk read them."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from drivers.contract import Category
from drivers.dicos import tdr
from tests import sdicos

pytestmark = pytest.mark.protocol
AT = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
GUN = tdr.PotentialThreat("dense object", Category.PI, (10, 20, 30, 40), 0.9)
MASS = tdr.PotentialThreat("masse organique, étiquetée", Category.CONTRABAND, (0, 0, 1, 1))

REPORTS: dict[str, dict[str, Any]] = {
    "one threat": {"decision": "ALARM", "threats": (GUN,)},
    "two threats": {"decision": "ALARM", "threats": (GUN, MASS)},
    "clear": {"decision": "CLEAR"},
    "unknown": {"decision": "UNKNOWN", "abort_reason": "TIMEOUT"},
    "a person": {"decision": "UNKNOWN", "abort_reason": "UNKNOWN_DATATYPE", "ooi_type": "PERSON"},
    "words that are not ASCII": {"decision": "CLEAR", "site": "Lomé–Tokoin", "lane": "中", "station": "é" * 40},
    "words that are too long or odd": {"decision": "CLEAR", "ooi_id": "x" * 90, "ooi_type": "a\\b\nc", "software": ""},
    "a scan without UIDs": {"decision": "CLEAR", "scan_uid": "019d3c6e-7a51", "image_uid": "sha256:ff"},
}


@pytest.mark.parametrize("name", REPORTS)
def test_the_reference_toolkit_and_dcmtk_read_our_reports(name: str, tmp_path: Path) -> None:
    plain = {"scan_uid": "1.2.3", "image_uid": "1.2.3.4", "ooi_id": "0220123456", "site": "lfw", "lane": "t1"}
    said = {**plain, "seed": name, "started": AT, "ended": AT + timedelta(milliseconds=40), **REPORTS[name]}
    path = tmp_path / "tdr.dcs"
    path.write_bytes(tdr.write(tdr.Report(algorithm=("JAITF", "baggage 1.0", "-threshold=0.6"), **said)))
    reference = sdicos.read("TDR", path)
    assert reference == {"read": True, "errors": ""}, reference
    dumped = subprocess.run(["dcmdump", path], capture_output=True, encoding="utf-8", timeout=120, check=False)
    assert dumped.returncode == 0 and not dumped.stderr, dumped.stderr
    assert f"[{said['decision']}" in dumped.stdout
