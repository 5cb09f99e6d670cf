"""Writes DICOS Threat Detection Reports: the verdict on one scan, as other screening software reads it.

The attributes are the ones that the reference toolkit refuses to read without (NEMA IIC 1, v03), found by leaving each
out in turn. Same report in, same bytes out: identifiers come from the report's own, times are given.
"""

from __future__ import annotations

import math
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from typing import Literal, get_args

from pydicom import config
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian

from drivers.contract import Category
from drivers.dicos.uids import DX_FOR_PROCESSING, FILE_META_VERSION, IMPLEMENTATION, TDR

_SPACE = uuid.UUID("6ba7b812-9dad-11d1-80b4-00c04fd430c8")  # RFC 4122's name space for OIDs
NO_PROBABILITY = -1.0
AbortReason = Literal[
    "OVERSIZE_BAG",
    "CLIPPED_BAG",
    "INCOMPLETE_SCAN",
    "FAILED_RECON",
    "TIMEOUT",
    "NOT_REVIEWED",
    "UNKNOWN_DATATYPE",
    "USER_INTERRUPT",
    "OUT_OF_BOUNDS",
]
Decision = Literal["ALARM", "CLEAR", "UNKNOWN"]
ABORT_REASONS: tuple[str, ...] = get_args(AbortReason)
_OOI_TYPES = ("BAGGAGE", "PERSON", "CARGO", "ANIMAL", "BIO_SAMPLE", "OTHER")
_OOI_ID_TYPES = ("TEXT", "RFID", "BARCODE", "MRP")
_SCAN_TYPES = ("OPERATIONAL", "NON_OPERATIONAL")
#: Readers refuse a region without extent.
_LEAST_EXTENT = 1.0


@dataclass(frozen=True, slots=True)
class PotentialThreat:
    """One potential threat object; `box` is x, y, width, height in pixels of the report's image number `view`."""

    description: str
    category: Category
    box: tuple[float, float, float, float]
    probability: float | None = None
    view: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    """What a report says. `seed` makes its identifiers; times know their zone.

    `further` are the images of a scan's other views, each its SOP class and instance UID, in the order of the views.

    `abort_reason` is one of ABORT_REASONS where nothing could be judged, and only there. Words that DICOS has a list
    for become OTHER or TEXT where they are not in it; texts are cut to what fits.
    """

    seed: str
    decision: Decision
    scan_uid: str
    image_uid: str
    started: datetime
    ended: datetime
    algorithm: tuple[str, ...]
    threats: tuple[PotentialThreat, ...] = ()
    image_class: str = DX_FOR_PROCESSING
    further: tuple[tuple[str, str], ...] = ()
    abort_reason: AbortReason | str | None = None
    ooi_id: str = ""
    ooi_id_type: str = "TEXT"
    ooi_type: str = "BAGGAGE"
    site: str = ""
    lane: str = ""
    station: str = ""
    software: str = ""
    scan_type: str = "OPERATIONAL"
    tip_type: str | None = None


def uid_of(*names: str) -> str:
    """Return a UID that these names always give (UUID-derived, ISO/IEC 9834-8: 2.25.N)."""
    return f"2.25.{uuid.uuid5(_SPACE, '/'.join(names)).int}"


def meta_for(sop_class: str, instance: str) -> FileMetaDataset:
    """Return a file's meta information (DICOM PS3.10, 7.1), with DICOS's version, without which SDICOS reads none."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = sop_class, instance
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID, meta.ImplementationVersionName = IMPLEMENTATION, "JAITF_EDGE"
    meta.add_new(FILE_META_VERSION, "CS", "V03")
    return meta


def write(report: Report) -> bytes:
    """Return a report as a DICOM file.

    Raises ValueError for an alarm without threats, threats without an alarm, an unknown verdict without a reason, any
    other with one, times without a zone, and numbers that are none.
    """
    _check(report)
    ds = Dataset()
    ds.file_meta = meta_for(TDR, uid_of(report.seed, "instance"))
    _common(ds, report)
    _verdict(ds, report)
    if report.threats:
        ds.ThreatSequence = Sequence(_threat(report, n, t) for n, t in enumerate(report.threats))
    buffer = BytesIO()
    ds.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _check(report: Report) -> None:
    if (report.decision == "ALARM") != bool(report.threats):
        raise ValueError("an alarm has threats, anything else has none")
    if (report.decision == "UNKNOWN") != bool(report.abort_reason):
        raise ValueError("an unknown verdict says why, and no other does")
    if report.abort_reason and report.abort_reason not in ABORT_REASONS:
        raise ValueError(f"{report.abort_reason} is no abort reason of DICOS; these are: {', '.join(ABORT_REASONS)}")
    if report.started.tzinfo is None or report.ended.tzinfo is None:
        raise ValueError("a time without a zone")
    for threat in report.threats:
        numbers = (*threat.box, threat.probability or 0.0)
        if not all(math.isfinite(number) and abs(number) < 1e9 for number in numbers):
            raise ValueError(f"a threat whose box or probability is no number: {threat}")


def _common(ds: Dataset, report: Report) -> None:
    at = report.ended.astimezone(UTC)
    day, time = at.strftime("%Y%m%d"), at.strftime("%H%M%S.%f")
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.SOPClassUID, ds.SOPInstanceUID = TDR, uid_of(report.seed, "instance")
    for name in ("InstanceCreation", "Study", "Series", "Content"):
        setattr(ds, f"{name}Date", day)
        setattr(ds, f"{name}Time", time)
    ds.DateOfLastCalibration, ds.TimeOfLastCalibration = "", ""
    ds.Modality, ds.Manufacturer, ds.ManufacturerModelName = "TDR", "JAITF", "JAITF Edge"
    ds.InstitutionName, ds.InstitutionAddress = _text(report.site, 64), _text(report.lane, 64)
    ds.StationName, ds.DeviceSerialNumber = _text(report.station, 16), _text(report.station, 64)
    ds.SoftwareVersions = _text(report.software, 64)
    ds.PatientID, ds.IssuerOfPatientID = _text(report.ooi_id, 64, "UNKNOWN"), _text(report.site, 64, "UNKNOWN")
    ds.TypeOfPatientID = _word(report.ooi_id_type, _OOI_ID_TYPES, "TEXT")
    _uid(ds, "StudyInstanceUID", report.scan_uid)
    ds.SeriesInstanceUID, ds.StudyID, ds.InstanceNumber = uid_of(report.seed, "series"), "1", "1"
    ds.add_new(0x4010103A, "CS", "V03")  # DICOS Version
    ds.add_new(0x40101042, "CS", _word(report.ooi_type, _OOI_TYPES, "OTHER"))
    if report.ooi_type == "PERSON":
        ds.PatientSex = "O"  # OOI Gender: readers refuse a person without one
    ds.add_new(0x40101044, "CS", "SUCCESSFUL")  # Acquisition Status
    ds.add_new(0x40101048, "CS", _word(report.scan_type, _SCAN_TYPES, "NON_OPERATIONAL"))  # Scan Type
    if report.tip_type:
        ds.add_new(0x40101039, "CS", _code(report.tip_type))  # TIP Type


def _verdict(ds: Dataset, report: Report) -> None:
    series = Dataset()
    series.ReferencedInstanceSequence = Sequence(_image(report, view) for view in range(1 + len(report.further)))
    series.SeriesInstanceUID = uid_of(report.scan_uid, "series")
    study = _image(report, 0)
    study.ReferencedSeriesSequence = Sequence([series])
    _uid(study, "StudyInstanceUID", report.scan_uid)
    ds.ReferencedStudySequence = Sequence([study])
    ds.FrameOfReferenceUID, ds.PositionReferenceIndicator = uid_of(report.scan_uid, "frame"), ""
    ds.add_new(0x40101024, "CS", "ABORT" if report.abort_reason else "SUCCESS")
    if report.abort_reason:
        ds.add_new(0x40101021, "CS", report.abort_reason)
    ds.add_new(0x40101027, "CS", "MACHINE")  # TDR Type
    ds.add_new(0x40101029, "LO", [_text(part, 64) for part in report.algorithm])
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
    region.add_new(0x40101005, "FL", [max(width, _LEAST_EXTENT), max(height, _LEAST_EXTENT), 1.0])  # Threat ROI Extents
    region.add_new(0x40101006, "OB", b"")  # Threat ROI Bitmap: none, the box is the region
    where = Dataset()
    where.ReferencedInstanceSequence = Sequence([_image(report, threat.view)])
    where.add_new(0x40101001, "SQ", Sequence([region]))
    assessment = Dataset()
    assessment.add_new(0x40101012, "CS", threat.category.value)
    assessment.add_new(0x40101013, "LT", _text(threat.description, 1024))
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


def _image(report: Report, view: int) -> Dataset:
    """Return a reference to one of the pictures that were judged; to the first where there is none of this number."""
    images = ((report.image_class, report.image_uid), *report.further)
    sop_class, instance = images[view if view < len(images) else 0]
    reference = Dataset()
    _uid(reference, "ReferencedSOPClassUID", sop_class)
    _uid(reference, "ReferencedSOPInstanceUID", instance)
    return reference


def _uid(ds: Dataset, keyword: str, value: str) -> None:
    """Set a UID as it was given, leading zeros and all, which pydicom would object to; of another name, its UID."""
    tag = tag_for_keyword(keyword)
    is_one = 0 < len(value) <= 64 and all(part.isascii() and part.isdigit() for part in value.split("."))
    ds.add(DataElement(tag, "UI", value if is_one else uid_of(value), validation_mode=config.IGNORE))


def _text(text: str, size: int, empty: str = "") -> str:
    """Return a line of at most so many bytes (readers count these); a backslash would begin another value."""
    line = "".join(char if char.isprintable() else " " for char in text.replace("\\", "/"))
    return line.encode("utf-8", "replace")[:size].decode("utf-8", "ignore").strip() or empty


def _word(text: str, known: tuple[str, ...], otherwise: str) -> str:
    return text if text in known else otherwise


def _code(text: str) -> str:
    """Return a code string (VR CS): capitals, digits, space and underscore, at most 16."""
    capitals = "".join(char if char.isascii() and (char.isalnum() or char in " _") else "_" for char in text.upper())
    return capitals[:16].strip()


def _time(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y%m%d%H%M%S.%f+0000")


def _ms(report: Report) -> float:
    return max((report.ended - report.started).total_seconds() * 1000, 0.0)
