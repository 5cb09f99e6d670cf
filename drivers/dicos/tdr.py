"""Writes DICOS Threat Detection Reports: the verdict on one scan, as other screening software reads it.

The attributes are the ones that the reference toolkit refuses to read without (NEMA IIC 1, v03), found by leaving each
out in turn. Same report in, same bytes out: identifiers come from the report's own, times are given.
"""

from __future__ import annotations

import uuid
import warnings
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from typing import Literal

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian

from drivers.contract import Category
from drivers.dicos.uids import DX_FOR_PROCESSING, FILE_META_VERSION, TDR

_SPACE = uuid.UUID("6ba7b812-9dad-11d1-80b4-00c04fd430c8")  # RFC 4122's name space for OIDs
NO_PROBABILITY = -1.0


@dataclass(frozen=True, slots=True)
class PotentialThreat:
    """One potential threat object; `box` is x, y, width, height in pixels of the image."""

    description: str
    category: Category
    box: tuple[float, float, float, float]
    probability: float | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What a report says. `seed` makes its identifiers; times are UTC.

    `abort_reason` is one of DICOS's (FAILED_RECON, TIMEOUT, UNKNOWN_DATATYPE, ...) where nothing could be judged.
    """

    seed: str
    decision: Literal["ALARM", "CLEAR", "UNKNOWN"]
    scan_uid: str
    image_uid: str
    started: datetime
    ended: datetime
    algorithm: tuple[str, ...]
    threats: tuple[PotentialThreat, ...] = ()
    image_class: str = DX_FOR_PROCESSING
    abort_reason: str | None = None
    ooi_id: str = ""
    ooi_id_type: str = "TEXT"
    ooi_type: str = "BAGGAGE"
    site: str = ""
    lane: str = ""
    station: str = ""
    software: str = ""


def uid_of(*names: str) -> str:
    """Return a UID that these names always give (UUID-derived, ISO/IEC 9834-8: 2.25.N)."""
    return f"2.25.{uuid.uuid5(_SPACE, '/'.join(names)).int}"


def write(report: Report) -> bytes:
    """Return a report as a DICOM file.

    Raises ValueError for an alarm without threats, threats without an alarm, or an unknown verdict without a reason.
    """
    if (report.decision == "ALARM") != bool(report.threats):
        raise ValueError("an alarm has threats, anything else has none")
    if report.decision == "UNKNOWN" and not report.abort_reason:
        raise ValueError("an unknown verdict says why")
    ds = Dataset()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # DICOS uses tags and values that DICOM's dictionary has otherwise
        ds.file_meta = _meta(report)
        _common(ds, report)
        _verdict(ds, report)
        if report.threats:
            ds.ThreatSequence = Sequence(_threat(report, n, t) for n, t in enumerate(report.threats))
        buffer = BytesIO()
        ds.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _meta(report: Report) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = TDR
    meta.MediaStorageSOPInstanceUID = uid_of(report.seed, "instance")
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = "1.2.826.0.1.3680043.8.498.1"
    meta.add_new(FILE_META_VERSION, "CS", "V03")
    return meta


def _common(ds: Dataset, report: Report) -> None:
    at = report.ended.astimezone(UTC)
    day, time = at.strftime("%Y%m%d"), at.strftime("%H%M%S.%f")
    ds.SOPClassUID, ds.SOPInstanceUID = TDR, uid_of(report.seed, "instance")
    for name in ("InstanceCreation", "Study", "Series", "Content"):
        setattr(ds, f"{name}Date", day)
        setattr(ds, f"{name}Time", time)
    ds.DateOfLastCalibration, ds.TimeOfLastCalibration = "", ""
    ds.Modality, ds.Manufacturer, ds.ManufacturerModelName = "TDR", "JAITF", "JAITF Edge"
    ds.InstitutionName, ds.InstitutionAddress, ds.StationName = report.site[:64], report.lane[:64], report.station[:16]
    ds.DeviceSerialNumber, ds.SoftwareVersions = report.station[:64], report.software[:64]
    ds.PatientID, ds.IssuerOfPatientID = report.ooi_id[:64] or "UNKNOWN", report.site[:64] or "UNKNOWN"
    ds.TypeOfPatientID = report.ooi_id_type
    ds.StudyInstanceUID = report.scan_uid if _is_uid(report.scan_uid) else uid_of(report.scan_uid)
    ds.SeriesInstanceUID, ds.StudyID, ds.InstanceNumber = uid_of(report.seed, "series"), "1", "1"
    ds.add_new(0x4010103A, "CS", "V03")  # DICOS Version
    ds.add_new(0x40101042, "CS", report.ooi_type)
    ds.add_new(0x40101044, "CS", "SUCCESSFUL")  # Acquisition Status
    ds.add_new(0x40101048, "CS", "OPERATIONAL")  # Scan Type


def _verdict(ds: Dataset, report: Report) -> None:
    scan = Dataset()
    scan.ReferencedSOPClassUID = report.image_class
    scan.ReferencedSOPInstanceUID = _image(report)
    series = Dataset()
    series.ReferencedInstanceSequence = Sequence([scan])
    series.SeriesInstanceUID = uid_of(report.scan_uid, "series")
    study = Dataset()
    study.ReferencedSeriesSequence = Sequence([series])
    study.StudyInstanceUID = ds.StudyInstanceUID
    study.ReferencedSOPClassUID, study.ReferencedSOPInstanceUID = report.image_class, _image(report)
    ds.ReferencedStudySequence = Sequence([study])
    ds.FrameOfReferenceUID, ds.PositionReferenceIndicator = uid_of(report.scan_uid, "frame"), ""
    ds.add_new(0x40101024, "CS", "ABORT" if report.abort_reason else "SUCCESS")
    if report.abort_reason:
        ds.add_new(0x40101021, "CS", report.abort_reason)
    ds.add_new(0x40101027, "CS", "MACHINE")  # TDR Type
    ds.add_new(0x40101029, "LO", [text[:64] for text in report.algorithm])
    ds.add_new(0x4010102B, "DT", _time(report.ended))  # Alarm Decision Time
    ds.add_new(0x40101031, "CS", report.decision)
    ds.add_new(0x40101033, "US", len(report.threats))  # Number of Total Objects
    ds.add_new(0x40101034, "US", len(report.threats))  # Number of Alarm Objects
    ds.add_new(0x40101069, "FL", _ms(report))  # Total Processing Time
    ds.add_new(0x4010106D, "CS", "NO")  # Additional Screening Performed
    ds.add_new(0x40101075, "FD", 1.0)  # Image Scale Representation; readers demand FD where the dictionary says DS


def _threat(report: Report, number: int, threat: PotentialThreat) -> Dataset:
    x, y, width, height = threat.box
    region = Dataset()
    region.add_new(0x40101004, "FL", [x, y, 0.0])  # Threat ROI Base
    region.add_new(0x40101005, "FL", [max(width, 1.0), max(height, 1.0), 1.0])  # Threat ROI Extents
    region.add_new(0x40101006, "OB", b"")  # Threat ROI Bitmap: none, the box is the region
    reference = Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = report.image_class, _image(report)
    where = Dataset()
    where.ReferencedInstanceSequence = Sequence([reference])
    where.add_new(0x40101001, "SQ", Sequence([region]))
    assessment = Dataset()
    assessment.add_new(0x40101012, "CS", threat.category.value)
    assessment.add_new(0x40101013, "LT", threat.description)
    assessment.add_new(0x40101014, "CS", "NO_INTERFERENCE")  # ATD Ability Assessment
    assessment.add_new(0x40101015, "CS", "HIGH_THREAT")  # ATD Assessment Flag
    probability = NO_PROBABILITY if threat.probability is None else threat.probability
    assessment.add_new(0x40101016, "FL", probability)
    item = Dataset()
    item.add_new(0x40101010, "US", number)  # Potential Threat Object ID
    item.add_new(0x40101037, "SQ", Sequence([where]))  # PTO Representation Sequence
    item.add_new(0x40101038, "SQ", Sequence([assessment]))  # ATD Assessment Sequence
    item.add_new(0x40101080, "DT", _time(report.started))
    item.add_new(0x40101081, "DT", _time(report.ended))
    item.add_new(0x40101082, "FL", _ms(report))
    return item


def _image(report: Report) -> str:
    return report.image_uid if _is_uid(report.image_uid) else uid_of(report.image_uid)


def _is_uid(text: str) -> bool:
    return 0 < len(text) <= 64 and all(part.isdigit() for part in text.split("."))


def _time(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y%m%d%H%M%S.%f+0000")


def _ms(report: Report) -> float:
    return max((report.ended - report.started).total_seconds() * 1000, 0.0)
