"""Writes DICOS Digital X-Ray images: what the reference toolkit reads without a complaint (NEMA IIC 1, v03)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from drivers.contract import Energy
from drivers.dicos.tdr import meta_for, uid_of
from drivers.dicos.uids import DX_FOR_PRESENTATION, DX_FOR_PROCESSING

Pixels = NDArray[np.uint8] | NDArray[np.uint16]
_IMAGE_TYPES: Final = {
    Energy.LOW: "LOW ENERGY",
    Energy.HIGH: "HIGH ENERGY",
    Energy.SINGLE: "INTENSITY",
    Energy.COLOUR: "MULTI ENERGY",
}
_MAX_SIDE = 65_535


@dataclass(frozen=True, slots=True)
class Image:
    """One image of one view. `pixels` is rows x columns, or rows x columns x 3 for RGB, of uint8 or uint16.

    `bits` are those that are used, 0: all of the type's. `air_is_bright` says which end of the values is clear air.
    Identifiers are made of `seed`; images of one scan share `scan_uid`. `at` knows its zone. `kvp` is in kilovolts,
    `tube_ua` in microamperes, `belt_mm_s` in millimetres a second, `pixel_mm` row and column spacing in millimetres.
    """

    pixels: Pixels
    seed: str
    scan_uid: str
    at: datetime
    energy: Energy = Energy.SINGLE
    bits: int = 0
    air_is_bright: bool = True
    for_presentation: bool = False
    number: int = 1
    kvp: float = 160.0
    tube_ua: float = 700.0
    belt_mm_s: float = 200.0
    pixel_mm: tuple[float, float] | None = None
    ooi_id: str = "UNKNOWN"
    ooi_id_type: str = "TEXT"
    ooi_type: str = "BAGGAGE"
    site: str = ""
    lane: str = ""
    station: str = ""
    manufacturer: str = ""
    serial: str = ""
    software: str = ""
    scan_type: str = "OPERATIONAL"


def write(image: Image) -> bytes:
    """Return an image as a DICOS file. Raises ValueError for pixels that are none, and for a time without a zone."""
    _check(image)
    ds = Dataset()
    sop_class = DX_FOR_PRESENTATION if image.for_presentation else DX_FOR_PROCESSING
    ds.file_meta = meta_for(sop_class, uid_of(image.seed, "image"))
    _common(ds, image)
    _acquisition(ds, image)
    _pixels(ds, image)
    buffer = BytesIO()
    ds.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _check(image: Image) -> None:
    shape, kind = image.pixels.shape, image.pixels.dtype
    if kind not in (np.uint8, np.uint16):
        raise ValueError(f"pixels of {kind}; they are uint8 or uint16")
    if not (len(shape) == 2 or (len(shape) == 3 and shape[2] == 3)) or not all(0 < n <= _MAX_SIDE for n in shape[:2]):
        raise ValueError(f"pixels of shape {shape}; they are rows x columns, or rows x columns x 3")
    if not 0 <= image.bits <= kind.itemsize * 8:
        raise ValueError(f"{image.bits} bits in {kind}")
    if image.at.tzinfo is None:
        raise ValueError("a time without a zone")


def _common(ds: Dataset, image: Image) -> None:
    at = image.at.astimezone(UTC)
    ds.SOPClassUID, ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPClassUID, ds.file_meta.MediaStorageSOPInstanceUID
    ds.StudyInstanceUID, ds.SeriesInstanceUID = image.scan_uid, uid_of(image.seed, "series")
    for name in ("InstanceCreation", "Study", "Series", "Content"):
        setattr(ds, name + "Date", at.strftime("%Y%m%d"))
        setattr(ds, name + "Time", at.strftime("%H%M%S.%f"))
    ds.DateOfLastCalibration = ds.TimeOfLastCalibration = ""
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.Modality, ds.Manufacturer, ds.ManufacturerModelName = "XRAY", image.manufacturer, ""
    ds.InstitutionName, ds.InstitutionAddress, ds.StationName = image.site, image.lane, image.station
    ds.DeviceSerialNumber, ds.SoftwareVersions = image.serial, image.software
    ds.PatientID, ds.IssuerOfPatientID, ds.TypeOfPatientID = image.ooi_id, image.site or "SITE", image.ooi_id_type
    ds.StudyID, ds.InstanceNumber = "1", str(image.number)
    ds.add_new(0x4010103A, "CS", "V03")  # DICOS Version
    ds.add_new(0x40101042, "CS", image.ooi_type)
    ds.add_new(0x40101044, "CS", "SUCCESSFUL")  # Acquisition Status
    ds.add_new(0x40101048, "CS", image.scan_type)


def _acquisition(ds: Dataset, image: Image) -> None:
    ds.ImageType = ["ORIGINAL", _IMAGE_TYPES[image.energy], "PROJECTION", "NONE"]
    ds.PresentationIntentType = "FOR PRESENTATION" if image.for_presentation else "FOR PROCESSING"
    ds.add_new(0x00080118, "CS", "MACHINE")  # Image Origin; DICOM knows the tag as another, of VR UI
    ds.add_new(0x00082108, "CS", "LHS")  # Coordinate System
    ds.KVP, ds.DetectorType, ds.XRayTubeCurrentInuA = f"{image.kvp:g}", "", f"{image.tube_ua:g}"
    ds.TableSpeed = image.belt_mm_s
    ds.ImagePositionPatient, ds.ImageOrientationPatient = [0, 0, 1], [1, 0, 0, 0, 1, 0]
    if image.pixel_mm:
        ds.ImagerPixelSpacing = [f"{size:g}" for size in image.pixel_mm]
    ds.AcquisitionContextSequence = []
    ds.add_new(0x40101062, "FL", 0.0)  # Belt Height
    ds.add_new(0x43000902, "FL", 0.0)  # Effective Energy


def _pixels(ds: Dataset, image: Image) -> None:
    pixels, colour = image.pixels, image.pixels.ndim == 3
    allocated = pixels.dtype.itemsize * 8
    stored = image.bits or allocated
    ds.SamplesPerPixel, ds.PhotometricInterpretation = (3, "RGB") if colour else (1, "MONOCHROME2")
    if colour:
        ds.PlanarConfiguration = 0
    ds.Rows, ds.Columns = pixels.shape[:2]
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = allocated, stored, stored - 1, 0
    ds.BurnedInAnnotation, ds.LossyImageCompression = "NO", "00"
    ds.PixelIntensityRelationship = "LIN"
    ds.add_new(0x00281041, "SS", 1 if image.air_is_bright else -1)
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = "0", "1", "US"
    if image.for_presentation:
        ds.WindowCenter, ds.WindowWidth = str(1 << (stored - 1)), str(1 << stored)
    data = np.ascontiguousarray(pixels).astype(pixels.dtype.newbyteorder("<"), copy=False).tobytes()
    ds.PixelData = data + b"\0" * (len(data) % 2)
    ds["PixelData"].VR = "OW" if allocated == 16 else "OB"
