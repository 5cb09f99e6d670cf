"""A passage on a body scanner's wire: a DICOS Threat Detection Report on a person, without any picture.

Attributes are those that SDICOS refuses to read a report on a person without, version V03. `picture` makes what a
scanner must never send to a lane's appliance: a 2-D image, for tests that it is refused.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian

from simulators.bodyscanner.model import Anomaly, Passage

TDR = "1.2.840.10008.5.1.4.1.1.501.3"
AIT_2D = "1.2.840.10008.5.1.4.1.1.501.4"
MANUFACTURER = "SIMULATED"


def report(passage: Passage, at: datetime | None = None) -> Dataset:
    """Return the report on a passage, ready to be stored or saved; it names nobody."""
    ended = at or datetime.now(UTC)
    ds = _common(TDR, passage.number, ended, "TDR")
    scan = Dataset()
    scan.StudyInstanceUID = ds.StudyInstanceUID
    scan.ReferencedSOPClassUID, scan.ReferencedSOPInstanceUID = AIT_2D, _new_uid()
    series = Dataset()
    series.SeriesInstanceUID = _new_uid()
    image = Dataset()
    image.ReferencedSOPClassUID, image.ReferencedSOPInstanceUID = AIT_2D, scan.ReferencedSOPInstanceUID
    series.ReferencedInstanceSequence = Sequence([image])
    scan.ReferencedSeriesSequence = Sequence([series])
    ds.ReferencedStudySequence = Sequence([scan])
    ds.FrameOfReferenceUID, ds.PositionReferenceIndicator = _new_uid(), ""
    ds.add_new(0x40101024, "CS", "ABORT" if passage.aborted else "SUCCESS")
    if passage.aborted:
        ds.add_new(0x40101021, "CS", "INCOMPLETE_SCAN")
    ds.add_new(0x40101027, "CS", "MACHINE")  # TDR Type
    ds.add_new(0x40101029, "LO", [MANUFACTURER, "1.0", "-simulated=1"])
    ds.add_new(0x4010102B, "DT", _time(ended))
    ds.add_new(0x40101031, "CS", passage.decision)
    ds.add_new(0x40101033, "US", len(passage.anomalies))
    ds.add_new(0x40101034, "US", len(passage.anomalies))
    ds.add_new(0x40101069, "FL", 1500.0)
    ds.add_new(0x4010106D, "CS", "NO")
    ds.add_new(0x40101075, "FD", 1.0)
    if passage.anomalies:
        ds.ThreatSequence = Sequence(_threat(n, one, image, ended) for n, one in enumerate(passage.anomalies))
    return ds


def picture(number: int) -> Dataset:
    """Return a tiny 2-D image of a person, as a body scanner's imaging computer would have it: to be refused."""
    ds = _common(AIT_2D, number, datetime.now(UTC), "AIT2D")
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.Rows, ds.Columns = 1, "MONOCHROME2", 8, 8
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 8, 8, 7, 0
    ds.add_new(0x40101070, "CS", "ACTIVE")  # AIT Device Type
    ds.PixelData = b"PERSON-PICTURE! " * 4
    ds["PixelData"].VR = "OB"
    return ds


def _common(sop_class: str, number: int, at: datetime, modality: str) -> Dataset:
    ds, instance = Dataset(), _new_uid()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.MediaStorageSOPClassUID, ds.file_meta.MediaStorageSOPInstanceUID = sop_class, instance
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.add_new(0x00020004, "CS", "V03")
    day, hour = at.strftime("%Y%m%d"), at.strftime("%H%M%S.%f")
    ds.SOPClassUID, ds.SOPInstanceUID = sop_class, instance
    ds.StudyInstanceUID, ds.SeriesInstanceUID = _new_uid(), _new_uid()
    for name in ("InstanceCreation", "Study", "Series", "Content"):
        setattr(ds, name + "Date", day)
        setattr(ds, name + "Time", hour)
    ds.DateOfLastCalibration, ds.TimeOfLastCalibration = day, hour
    ds.Modality, ds.Manufacturer, ds.ManufacturerModelName = modality, MANUFACTURER, "jaitf-sim bodyscanner"
    ds.InstitutionName, ds.InstitutionAddress, ds.StationName = MANUFACTURER, MANUFACTURER, "SIM-2"
    ds.DeviceSerialNumber, ds.SoftwareVersions = "SIM-2", "1"
    ds.PatientID, ds.IssuerOfPatientID, ds.TypeOfPatientID = f"PASSAGE {number}", MANUFACTURER, "TEXT"
    ds.StudyID, ds.InstanceNumber = str(number), "1"
    ds.add_new(0x4010103A, "CS", "V03")
    ds.add_new(0x40101042, "CS", "PERSON")
    ds.PatientSex = "O"  # OOI Gender: readers refuse a person without one
    ds.add_new(0x40101044, "CS", "SUCCESSFUL")
    ds.add_new(0x40101048, "CS", "OPERATIONAL")
    return ds


def _threat(number: int, one: Anomaly, image: Dataset, ended: datetime) -> Dataset:
    locator = Dataset()
    locator.add_new(0x4010107A, "FL", list(one.point))
    where = Dataset()
    where.ReferencedInstanceSequence = Sequence([image])
    where.add_new(0x40101079, "SQ", Sequence([locator]))
    where.add_new(0x40101078, "ST", one.words)
    assessment = Dataset()
    assessment.add_new(0x40101012, "CS", "ANOMALY")
    assessment.add_new(0x40101014, "CS", "NO_INTERFERENCE")
    assessment.add_new(0x40101015, "CS", "THREAT")
    assessment.add_new(0x40101016, "FL", one.probability)
    item = Dataset()
    item.add_new(0x40101010, "US", number)
    item.add_new(0x40101037, "SQ", Sequence([where]))
    item.add_new(0x40101038, "SQ", Sequence([assessment]))
    item.add_new(0x40101080, "DT", _time(ended - timedelta(seconds=1.5)))
    item.add_new(0x40101081, "DT", _time(ended))
    item.add_new(0x40101082, "FL", 1500.0)
    return item


def _new_uid() -> str:
    return f"2.25.{uuid.uuid4().int}"


def _time(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y%m%d%H%M%S.%f+0000")
