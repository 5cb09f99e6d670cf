"""Threat detection reports: what is written is what is read back, and what makes no sense is refused."""

from __future__ import annotations

import warnings
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.contract import Category
from drivers.dicos import tdr

AT = datetime(2026, 11, 21, 9, 30, 12, 481_000, tzinfo=UTC)
THREAT = tdr.PotentialThreat("dense object", Category.PI, (212, 96, 140, 88), 0.93)


def report(**changes: Any) -> tdr.Report:
    plain: dict[str, Any] = {
        "seed": "hit:0",
        "decision": "ALARM",
        "scan_uid": "1.2.3",
        "image_uid": "1.2.3.4",
        "started": AT,
        "ended": AT + timedelta(milliseconds=50),
        "algorithm": ("JAITF", "baggage 1.0"),
        "threats": (THREAT,),
    }
    return tdr.Report(**{**plain, **changes})


def read(data: bytes) -> pydicom.Dataset:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pydicom.dcmread(BytesIO(data))


def test_the_same_report_gives_the_same_bytes() -> None:
    assert tdr.write(report()) == tdr.write(report())
    assert tdr.write(report()) != tdr.write(report(seed="hit:1"))


def test_an_unknown_verdict_is_an_abort_with_its_reason_never_a_clear() -> None:
    ds = read(tdr.write(report(decision="UNKNOWN", threats=(), abort_reason="TIMEOUT")))
    assert (ds.AlarmDecision, ds.AbortFlag, ds.AbortReason) == ("UNKNOWN", "ABORT", "TIMEOUT")


@pytest.mark.parametrize(
    "changes",
    [{"threats": ()}, {"decision": "CLEAR"}, {"decision": "UNKNOWN", "threats": ()}],
    ids=["alarm without threats", "clear with threats", "unknown without a reason"],
)
def test_a_report_that_contradicts_itself_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        tdr.write(report(**changes))


side = st.floats(0, 20_000, width=32)
threats = st.builds(
    tdr.PotentialThreat,
    st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=40),
    st.sampled_from(Category),
    st.tuples(side, side, st.floats(1, 5000, width=32), st.floats(1, 5000, width=32)),
    st.one_of(st.none(), st.floats(0, 1, width=32)),
)


@settings(deadline=None, max_examples=60)
@given(st.lists(threats, min_size=1, max_size=5))
def test_every_threat_is_read_back(written: list[tdr.PotentialThreat]) -> None:
    ds = read(tdr.write(report(threats=tuple(written))))
    assert (ds.NumberOfTotalObjects, ds.NumberOfAlarmObjects) == (len(written), len(written))
    for item, threat in zip(ds.ThreatSequence, written, strict=True):
        (assessment,) = item.ATDAssessmentSequence
        (region,) = item.PTORepresentationSequence[0].ThreatROIVoxelSequence
        assert assessment.ThreatCategory == threat.category
        assert assessment.ThreatCategoryDescription == threat.description
        assert assessment.ATDAssessmentProbability == (-1 if threat.probability is None else threat.probability)
        assert (*region.ThreatROIBase[:2], *region.ThreatROIExtents[:2]) == threat.box
