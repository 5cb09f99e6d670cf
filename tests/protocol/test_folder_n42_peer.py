"""N42 files by Sandia's SpecUtils, and ours read by it: both must see the same."""

from __future__ import annotations

import io
from datetime import datetime
from pathlib import Path

import pytest
import SpecUtils

from drivers.clock import Stamp
from drivers.folder import n42
from tests import n42 as made

pytestmark = pytest.mark.protocol
AT = Stamp(1_700_000_000_000_000_000, 1)


def test_a_spectrum_that_specutils_wrote_is_read_with_the_same_counts():
    counts = [0.0] * 10 + [float(n % 7) for n in range(100)] + [0.0] * 18
    measured = SpecUtils.Measurement.new()
    measured.setGammaCounts(counts, 58.5, 60.0)
    measured.setNeutronCounts([12.0], 60.0)
    measured.setStartTime(datetime(2026, 11, 20, 10, 11, 12))
    file = SpecUtils.SpecFile()
    file.addMeasurement(measured, True)
    file.setInstrumentManufacturer("Example")
    file.setInstrumentModel("Identifier One")
    file.setInstrumentId("SN-0042")
    out = io.BytesIO()
    file.write2012N42Xml(out)

    (summary,) = n42.read(out.getvalue(), "x.n42", AT).values["n42"]
    assert (summary["instrument"]["maker"], summary["instrument"]["serial"]) == ("Example", "SN-0042")
    (found,) = [m for m in summary["measurements"] if m["spectrum_counts"]]
    assert found["spectrum_counts"] == [sum(counts)]
    assert found["gross_counts"] == [12]
    assert found["real_time_s"] == 60
    assert found["started_at"].startswith("2026-11-20T10:11:12")


def test_a_file_of_ours_means_the_same_to_specutils(tmp_path: Path):
    data = made.n42(made.nuclide("Cs-137", confidence=95), made.nuclide("K-40", category="NORM"))
    path = tmp_path / "x.n42"
    path.write_bytes(data)
    theirs = SpecUtils.SpecFile()
    theirs.loadFile(str(path), SpecUtils.ParserType.N42_2012, "")
    ours = n42.read(data, "x.n42", AT)
    (summary,) = ours.values["n42"]
    (measured,) = summary["measurements"]
    assert theirs.gammaCountSum() == measured["spectrum_counts"][0] == 27
    assert list(theirs.measurements()[0].gammaCounts()) == [0, 0, 0, 5, 6, 7, 0, 9]
    assert theirs.manufacturer() == summary["instrument"]["maker"]
    assert theirs.instrumentId() == summary["instrument"]["serial"]
    assert [found.nuclide() for found in theirs.detectorAnalysisResults()] == [f.label for f in ours.findings]
