"""A scan on a scanner's wire: DICOS DX images, and the C-STORE that brings them to the appliance.

One scan is one DICOS Scan (a DICOM Study); each energy is an instance of its own. Attributes are those that SDICOS
refuses to read a DX image without, version V03; DICOS renames some of DICOM's (Patient ID is the OOI ID, Study
Instance UID the Scan Instance UID).
"""

from __future__ import annotations

import time
import uuid
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.sop_class import Verification

from simulators.xray.bag import SimScan

DX_FOR_PROCESSING = "1.2.840.10008.5.1.4.1.1.501.2.2"
MANUFACTURER = "SIMULATED"
IMAGE_TYPES = {"single": "INTENSITY", "low": "LOW ENERGY", "high": "HIGH ENERGY"}


@dataclass(frozen=True, slots=True)
class Identity:
    """What names one scan: Scan Instance UID, ten-digit bag tag, number of the scan since the start, time of it."""

    scan_uid: str
    bag_tag: str
    number: int
    at: datetime

    @staticmethod
    def make(rng: np.random.Generator, number: int, at: datetime | None = None) -> Identity:
        """Return a new one. The tag comes from the generator; the UID is never the same twice."""
        return Identity(_new_uid(), f"0{rng.integers(10**9):09d}", number, at or datetime.now(UTC))

    def next(self) -> Identity:
        """Return the next scan of the same bag."""
        return replace(self, scan_uid=_new_uid(), number=self.number + 1)


def _new_uid() -> str:
    return f"2.25.{uuid.uuid4().int}"


def dataset(
    picture: NDArray[np.uint16], scan: SimScan, who: Identity, energy: str = "single", instance: int = 1
) -> Dataset:
    """Return one energy of a scan as a DICOS DX image for processing, ready to be stored or saved.

    `energy` is "single", "low" or "high". Raises KeyError for another.
    """
    ds = Dataset()
    instance_uid = _new_uid()
    ds.file_meta = _meta(instance_uid)
    _common(ds, who, instance_uid, instance)
    _acquisition(ds, scan, energy)
    _pixels(ds, picture, scan)
    return ds


def datasets(scan: SimScan, who: Identity, dual: bool = False) -> list[Dataset]:
    """Return a scan's instances: its high energy alone, or low and high."""
    if dual:
        return [dataset(scan.low, scan, who, "low", 1), dataset(scan.high, scan, who, "high", 2)]
    return [dataset(scan.high, scan, who, "single", 1)]


def _meta(instance_uid: str) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = DX_FOR_PROCESSING
    meta.MediaStorageSOPInstanceUID = instance_uid
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = "1.2.826.0.1.3680043.8.498.1"
    meta.add_new(0x00020004, "CS", "V03")  # DICOS file meta version; DICOM's dictionary does not know it
    return meta


def _common(ds: Dataset, who: Identity, instance_uid: str, instance: int) -> None:
    day, hour = who.at.strftime("%Y%m%d"), who.at.strftime("%H%M%S.%f")
    ds.SOPClassUID, ds.SOPInstanceUID = DX_FOR_PROCESSING, instance_uid
    ds.StudyInstanceUID, ds.SeriesInstanceUID = who.scan_uid, _new_uid()
    for name in ("InstanceCreation", "Study", "Series", "Content"):
        setattr(ds, name + "Date", day)
        setattr(ds, name + "Time", hour)
    ds.DateOfLastCalibration, ds.TimeOfLastCalibration = day, hour
    ds.Modality, ds.Manufacturer, ds.ManufacturerModelName = "XRAY", MANUFACTURER, "jaitf-sim xray"
    ds.InstitutionName, ds.InstitutionAddress, ds.StationName = MANUFACTURER, MANUFACTURER, "SIM-1"
    ds.DeviceSerialNumber, ds.SoftwareVersions = "SIM-1", "1"
    ds.PatientID, ds.IssuerOfPatientID, ds.TypeOfPatientID = who.bag_tag, MANUFACTURER, "BARCODE"
    ds.StudyID, ds.InstanceNumber = str(who.number), str(instance)
    ds.add_new(0x4010103A, "CS", "V03")  # DICOS Version
    ds.add_new(0x40101042, "CS", "BAGGAGE")  # OOI Type
    ds.add_new(0x40101044, "CS", "SUCCESSFUL")  # Acquisition Status
    ds.add_new(0x40101048, "CS", "OPERATIONAL")  # Scan Type


def _acquisition(ds: Dataset, scan: SimScan, energy: str) -> None:
    ds.ImageType = ["ORIGINAL", IMAGE_TYPES[energy], "PROJECTION", "NONE"]
    ds.PresentationIntentType = "FOR PROCESSING"
    ds.add_new(0x00080118, "CS", "MACHINE")  # DICOS Image Origin; DICOM knows the tag as another, of VR UI
    ds.add_new(0x00082108, "CS", "LHS")  # DICOS Coordinate System
    ds.KVP, ds.DetectorType, ds.XRayTubeCurrentInuA = f"{scan.kvp:.0f}", "SCINTILLATOR", "700"
    ds.TableSpeed = 200.0  # belt, mm/s
    ds.ImagePositionPatient = [0, 0, 1]
    ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    ds.ImagerPixelSpacing = [round(scan.px_mm, 4), round(scan.px_mm, 4)]
    ds.AcquisitionContextSequence = []
    ds.add_new(0x40101062, "FL", 0.0)  # Belt Height
    ds.add_new(0x43000902, "FL", {"low": 60.0, "high": 98.0}.get(energy, 0.0))  # Effective Energy, keV


def _pixels(ds: Dataset, picture: NDArray[np.uint16], scan: SimScan) -> None:
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns = picture.shape
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, scan.bits, scan.bits - 1, 0
    ds.BurnedInAnnotation, ds.LossyImageCompression = "NO", "00"
    ds.PixelIntensityRelationship = "LIN"
    ds.add_new(0x00281041, "SS", 1)  # clear air is bright
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = "0", "1", "US"
    ds.PixelData = picture.astype("<u2").tobytes()
    ds["PixelData"].VR = "OW"


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of one C-STORE: DICOM status (0x0000 success; -1: no answer), how long, and what went wrong."""

    status: int
    ms: float
    problem: str = ""

    @property
    def ok(self) -> bool:
        """Stored, or stored with a warning."""
        return self.status == 0 or self.status & 0xF000 == 0xB000


class Scanner:
    """A Storage SCU with deadlines: holds one association, and makes a new one after any failure.

    Not for several threads.
    """

    def __init__(
        self,
        host: str,
        port: int,
        ae_title: str = "EDGE",
        calling_ae_title: str = "SCANNER",
        connect_s: float = 5.0,
        answer_s: float = 30.0,
        sop_class: str = DX_FOR_PROCESSING,
    ) -> None:
        self._peer = (host, port, ae_title)
        self._ae = AE(ae_title=calling_ae_title)
        self._ae.add_requested_context(sop_class, [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
        self._ae.add_requested_context(Verification)
        self._ae.connection_timeout = self._ae.acse_timeout = connect_s
        self._ae.dimse_timeout = self._ae.network_timeout = answer_s
        self._association: Association | None = None

    def store(self, ds: Dataset) -> Stored:
        """Send one instance and return what the peer answered; a peer that is away is an answer too, in time."""
        started = time.monotonic()
        status, problem = self._try(ds)
        return Stored(status, (time.monotonic() - started) * 1e3, problem)

    def _try(self, ds: Dataset) -> tuple[int, str]:
        association = self._connected()
        if association is None:
            return -1, f"no association with {self._peer[2]} at {self._peer[0]}:{self._peer[1]}"
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # pydicom on DICOS attributes that DICOM's dictionary has otherwise
                answer = association.send_c_store(ds)
        except (RuntimeError, ValueError) as error:
            self.close()
            return -1, str(error)
        if "Status" in answer:
            return int(answer.Status), "" if answer.Status == 0 else str(answer.get("ErrorComment", ""))
        self.close()
        return -1, "the association broke, or no answer came in time"

    def _connected(self) -> Association | None:
        if self._association is not None and self._association.is_established:
            return self._association
        self.close()
        host, port, ae_title = self._peer
        association = self._ae.associate(host, port, ae_title=ae_title)
        if not association.is_established:
            association.abort() if association.is_alive() else None
            return None
        self._association = association
        return association

    def close(self) -> None:
        """Release the association, or abort it where it can't be released."""
        association, self._association = self._association, None
        if association is not None and association.is_established:
            association.release()
        elif association is not None and association.is_alive():
            association.abort()


def store_all(
    scanner: Scanner,
    instances: list[Dataset],
    wait: Callable[[float], bool],
    told: Callable[[str], None],
    tries_s: tuple[float, ...] = (1.0, 2.0, 5.0),
) -> list[Stored]:
    """Store a scan's instances, each until it is answered; between tries `wait` (true: stop) as long as `tries_s` says.

    `told` hears once that the peer is away. A refusal is an answer and is not tried again.
    """
    out = []
    said = False
    for instance in instances:
        attempt = 0
        while True:
            stored = scanner.store(instance)
            if stored.status >= 0:
                break
            if not said:
                told(f"{stored.problem}; trying again until it answers")
                said = True
            if wait(tries_s[min(attempt, len(tries_s) - 1)]):
                return [*out, stored]
            attempt += 1
        out.append(stored)
    return out
