"""Threat detection reports: what is written is what is read back, and what makes no sense is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.contract import Category
from drivers.dicos import codec, tdr
from drivers.dicos.uids import TDR

AT = datetime(2026, 11, 21, 9, 30, 12, 481_000, tzinfo=UTC)
THREAT = tdr.PotentialThreat("dense object", Category.PI, (212, 96, 140, 88), 0.93)


#: What the reference toolkit refuses to read a report without, by deletion test.
COMMON = (
    *(0x00080012, 0x00080013, 0x00080016, 0x00080018, 0x00080020, 0x00080021, 0x00080023, 0x00080030, 0x00080031),
    *(0x00080033, 0x00080060, 0x00080070, 0x00080080, 0x00080081, 0x00081010, 0x00081090, 0x00100020, 0x00100021),
    *(0x00100022, 0x00181000, 0x00181020, 0x00181200, 0x00181201, 0x0020000D, 0x0020000E, 0x00200010, 0x00200013),
    *(0x4010103A, 0x40101042, 0x40101044, 0x40101048),
)
OF_REPORTS = (
    *(0x00081110, 0x00200052, 0x00201040, 0x40101011, 0x40101024, 0x40101027, 0x40101029, 0x4010102B, 0x40101031),
    *(0x40101033, 0x40101034, 0x40101069, 0x4010106D, 0x40101075),
)
TEXTS = ("scan_uid", "image_uid", "ooi_id", "ooi_id_type", "ooi_type", "site", "lane", "station", "software")


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
    return pydicom.dcmread(BytesIO(data))


def test_the_same_report_gives_the_same_bytes() -> None:
    assert tdr.write(report()) == tdr.write(report())
    assert tdr.write(report()) != tdr.write(report(seed="hit:1"))


def test_an_unknown_verdict_is_an_abort_with_its_reason_never_a_clear() -> None:
    ds = read(tdr.write(report(decision="UNKNOWN", threats=(), abort_reason="TIMEOUT")))
    assert (ds.AlarmDecision, ds.AbortFlag, ds.AbortReason) == ("UNKNOWN", "ABORT", "TIMEOUT")


@pytest.mark.parametrize(
    "changes",
    [
        {"threats": ()},
        {"decision": "CLEAR"},
        {"decision": "UNKNOWN", "threats": ()},
        {"decision": "CLEAR", "threats": (), "abort_reason": "TIMEOUT"},
        {"decision": "UNKNOWN", "threats": (), "abort_reason": "TIRED"},
        {"started": AT.replace(tzinfo=None)},
        {"threats": (tdr.PotentialThreat("x", Category.PI, (0, 0, float("nan"), 1)),)},
        {"threats": (tdr.PotentialThreat("x", Category.PI, (0, 0, 1, 1), float("inf")),)},
    ],
    ids=[
        "alarm without threats",
        "clear with threats",
        "unknown without a reason",
        "clear with a reason why not",
        "unknown for a reason of our own",
        "time without a zone",
        "box that is none",
        "probability that is none",
    ],
)
def test_a_report_that_contradicts_itself_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        tdr.write(report(**changes))


def test_every_attribute_that_readers_demand_is_there() -> None:
    ds = read(tdr.write(report()))
    assert ds.file_meta[0x00020004].value == "V03"
    missing = [f"{tag:08X}" for tag in (*COMMON, *OF_REPORTS) if tag not in ds]
    assert not missing
    (threat,) = ds.ThreatSequence
    assert all(tag in threat for tag in (0x40101010, 0x40101037, 0x40101038, 0x40101080, 0x40101081, 0x40101082))
    assert (ds.AlarmDecision, ds.AbortFlag, ds.TDRType) == ("ALARM", "SUCCESS", "MACHINE")
    assert ds.AlarmDecisionTime.startswith("20261121093012.5310")
    assert ds.TotalProcessingTime == 50


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")  # pydicom's, while it reads
def test_a_scanners_own_identifiers_are_kept_and_others_get_one() -> None:
    scanners = read(tdr.write(report(scan_uid="0883832997.62121.04530", image_uid="1.02.3")))
    assert scanners.StudyInstanceUID == "0883832997.62121.04530"
    assert scanners.ReferencedStudySequence[0].ReferencedSOPInstanceUID == "1.02.3"
    ours = read(tdr.write(report(scan_uid="019d3c6e-7a51-7c1e-b1a0-5f0c7d6f2c11")))
    assert ours.StudyInstanceUID == tdr.uid_of("019d3c6e-7a51-7c1e-b1a0-5f0c7d6f2c11")
    assert ours.StudyInstanceUID.startswith("2.25.") and len(ours.StudyInstanceUID) <= 64


def test_an_exercise_is_marked_as_one() -> None:
    ds = read(tdr.write(report(scan_type="NON_OPERATIONAL", tip_type="Hardware!")))
    assert (ds.ScanType, ds.TIPType) == ("NON_OPERATIONAL", "HARDWARE_")


side = st.floats(0, 20_000, width=32)
threats = st.builds(
    tdr.PotentialThreat,
    st.text(max_size=60),
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
        if threat.description.isascii() and threat.description.isalnum():
            assert assessment.ThreatCategoryDescription == threat.description
        assert assessment.ATDAssessmentProbability == (-1 if threat.probability is None else threat.probability)
        assert (*region.ThreatROIBase[:2], *region.ThreatROIExtents[:2]) == threat.box


words = st.text(max_size=80)


@settings(deadline=None, max_examples=100)
@given(st.fixed_dictionaries(dict.fromkeys(TEXTS, words)), st.tuples(words, words))
def test_no_words_break_a_report(texts: dict[str, str], algorithm: tuple[str, str]) -> None:
    data = tdr.write(report(**texts, algorithm=algorithm))
    ds = read(data)
    for element in ds.iterall():
        assert element.value is not None or element.VM == 0
    assert ds.OOIType in ("BAGGAGE", "PERSON", "CARGO", "ANIMAL", "BIO_SAMPLE", "OTHER")
    assert len(ds.StationName.encode()) <= 16 and len(ds.PatientID.encode()) <= 64 and ds.PatientID
    assert codec.identity(data) == (TDR, ds.SOPInstanceUID), "our own reader takes it, too"
