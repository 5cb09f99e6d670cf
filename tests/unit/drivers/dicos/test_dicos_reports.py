"""A scanner's own verdict becomes a reading: findings of an alarm, zones of a person, and nothing that names one."""

from __future__ import annotations

import warnings
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from drivers.contract import Category, Reading, Severity
from drivers.dicos import codec, reports, tdr
from drivers.dicos.elements import data_set
from drivers.dicos.settings import DicosSettings
from drivers.dicos.uids import TDR
from drivers.dicos.zones import DHS17, ZoneBox, zone_of
from simulators.bodyscanner.model import PLACES, Anomaly, BodyScanner, Passage
from simulators.bodyscanner.wire import report
from tests.core import FakeClock

AT = FakeClock().now()
NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
WORDS = DicosSettings(zones={words: zone for words, (_, zone) in PLACES.items()})
BOXES = DicosSettings(
    zone_boxes=tuple(
        ZoneBox(zone=zone, low=tuple(c - 0.02 for c in at), high=tuple(c + 0.02 for c in at))  # type: ignore[arg-type]
        for at, zone in PLACES.values()
    )
)


def sent(ds: Dataset, syntax: str = ExplicitVRLittleEndian) -> bytes:
    """A dataset as it lies on the wire."""
    buffer = BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds.file_meta.TransferSyntaxUID = syntax
        ds.save_as(buffer, enforce_file_format=True, implicit_vr=syntax == ImplicitVRLittleEndian, little_endian=True)
    return buffer.getvalue()[codec.file_meta(buffer.getvalue())[1] :]


def read(data: bytes, settings: DicosSettings = WORDS, syntax: str = ExplicitVRLittleEndian) -> Reading:
    found, file, _ = codec.read_report(data, TDR, "1.2.3", syntax)
    return reports.reading(found, file, AT, settings)


def baggage(**changes: Any) -> bytes:
    threats = (
        tdr.PotentialThreat("gun", Category.PI, (1, 2, 3, 4), 0.9),
        tdr.PotentialThreat("mass", Category.EXPLOSIVE, (1, 2, 3, 4)),
    )
    plain: dict[str, Any] = {"seed": "s", "decision": "ALARM", "scan_uid": "1.2.3", "image_uid": "1.2.3.4"}
    plain |= {"started": NOW, "ended": NOW, "algorithm": ("A", "1", "-x=1"), "threats": threats}
    plain |= {"ooi_id": "0220123456", "ooi_id_type": "BARCODE"}
    file = tdr.write(tdr.Report(**{**plain, **changes}))
    return file[codec.file_meta(file)[1] :]


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
@pytest.mark.parametrize("settings", [WORDS, BOXES])
def test_a_persons_alarm_is_zones_and_nothing_else(syntax: str, settings: DicosSettings) -> None:
    people = BodyScanner(seed=4, alarm_rate=1)
    for passage in (people.next() for _ in range(8)):
        said = read(sent(report(passage), syntax), settings, syntax)
        zones = [f"dhs17:{anomaly.zone}" for anomaly in passage.anomalies]
        assert [finding.zone for finding in said.findings] == zones
        assert said.values == {"decision": "alarm", "threats": len(zones), "zones": sorted(zones)}
        assert (said.raw, said.item.id, said.item.type) == (b"", None, "PERSON")
        assert "PASSAGE" not in repr(said) and not any(words in repr(said) for words in PLACES)


def test_a_place_that_nobody_declared_is_an_anomaly_all_the_same() -> None:
    passage = Passage(1, (Anomaly("R HIP", (0.4, 0.5, 0.3), 0.8),))
    (finding,) = read(sent(report(passage)), DicosSettings()).findings
    assert (finding.zone, finding.label, finding.category) == ("dhs17:unmapped", "anomaly", Category.ANOMALY)


@pytest.mark.parametrize(
    ("passage", "values"),
    [
        (Passage(1), {"decision": "clear", "zones": []}),
        (Passage(1, aborted=True), {"decision": "unknown", "reason": "INCOMPLETE_SCAN", "zones": []}),
    ],
)
def test_clear_and_aborted_raise_nothing(passage: Passage, values: dict[str, Any]) -> None:
    said = read(sent(report(passage)))
    assert said.values == values and not said.findings


def test_a_baggage_scanners_alarm_keeps_its_bag_and_its_bytes() -> None:
    data = baggage()
    said = read(data)
    assert [(f.label, f.category, f.severity, f.measurement.name) for f in said.findings] == [
        ("gun", Category.PI, Severity.HIGH, "probability"),
        ("mass", Category.EXPLOSIVE, Severity.CRITICAL, "decision"),
    ]
    assert said.findings[0].measurement.value == pytest.approx(0.9, abs=1e-4)
    assert (said.item.id, said.item.id_type) == ("0220123456", "BARCODE")
    assert said.raw.endswith(data) and said.distinct


def test_what_was_assessed_as_no_threat_is_none() -> None:
    ds = report(Passage(1, (Anomaly("R HIP", (0, 0, 0), 0.5), Anomaly("BACK", (0, 0, 0), 0.5))))
    ds.ThreatSequence[0][0x40101038][0][0x40101015].value = "NO_THREAT"
    assert [finding.zone for finding in read(sent(ds)).findings] == ["dhs17:upper-back"]


def test_an_alarm_without_objects_is_an_alarm() -> None:
    ds = report(Passage(1, (Anomaly("BACK", (0, 0, 0), 0.5),)))
    del ds.ThreatSequence
    (finding,) = read(sent(ds)).findings
    assert (finding.label, finding.zone) == ("other", "dhs17:unmapped")


def test_a_test_run_and_a_projected_threat_are_marked() -> None:
    said = read(baggage(scan_type="NON_OPERATIONAL", tip_type="FTI"))
    assert (said.scan_type, said.tip_type) == ("NON_OPERATIONAL", "FTI")


def test_more_than_a_reading_holds_is_cut() -> None:
    many = tuple(tdr.PotentialThreat(f"n{n}", Category.PI, (1, 2, 3, 4)) for n in range(200))
    assert len(read(baggage(threats=many)).findings) == reports.MAX_FINDINGS


def test_a_report_with_a_picture_of_the_person_is_refused() -> None:
    ds = report(Passage(1))
    ds.PixelData = b"12345678"
    ds["PixelData"].VR = "OB"
    with pytest.raises(codec.PersonImage):
        read(sent(ds))


@given(st.data())
def test_no_damage_breaks_it(data: st.DataObject) -> None:
    raw = bytearray(baggage())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    raw = raw[: data.draw(st.integers(0, len(raw)))]
    try:
        said = read(bytes(raw))
    except (codec.NotDicom, codec.PersonImage):
        return
    assert len(said.findings) <= reports.MAX_FINDINGS


@given(st.binary(max_size=200), st.integers(0, 0xFFFFFFFF))
def test_items_of_anything_are_items_or_none(raw: bytes, tag: int) -> None:
    found = data_set(raw, ExplicitVRLittleEndian)
    for each in (tag, *found.elements):
        for item in found.items(each):
            assert isinstance(item.items(each), list)


@pytest.mark.parametrize(
    "wrong",
    [
        {"zone_scheme": "mine"},
        {"zones": {"X": "left-wing"}},
        {"zone_boxes": [{"zone": "nowhere", "low": [0, 0, 0], "high": [1, 1, 1]}]},
        {"zone_boxes": [{"zone": "groin", "low": [0, 0], "high": [1, 1, 1]}]},
    ],
)
def test_a_wrong_map_is_found(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        DicosSettings(**wrong)


def test_words_go_before_coordinates_and_case_does_not_count() -> None:
    box = ZoneBox(zone="groin", low=(0, 0, 0), high=(1, 1, 1))
    assert zone_of("dhs17", {"Back ": "upper-back"}, [box], " BACK", (0.5, 0.5, 0.5)) == "dhs17:upper-back"
    assert zone_of("dhs17", {"Back": "upper-back"}, [box], "side", (0.5, 1, 0)) == "dhs17:groin"
    assert zone_of("dhs17", {}, [box], None, (2, 0, 0)) == "dhs17:unmapped"
    assert len(set(DHS17)) == 17
