"""DICOS and DICOM bytes in, a scan out. Pure: no network, no files; every size is checked before it is believed.

Attributes are those of NEMA IIC 1 (DICOS), which gives DICOM's attributes of a patient to the object of inspection:
Patient ID is the OOI ID, Study Instance UID the Scan Instance UID.
"""

from __future__ import annotations

import hashlib
import warnings
from io import BytesIO
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import write_file_meta_info
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from drivers.clock import Stamp
from drivers.contract import Energy, ItemHint, Picture, Polarity, Scan
from drivers.dicos.uids import FILE_META_VERSION, IMAGES, KEPT, PERSONS
from drivers.errors import ProtocolError

MEDIA_TYPE = "application/dicom"
MAX_PIXELS = 64 * 1024 * 1024
MAX_SIDE = 20_000
_PREAMBLE = bytes(128) + b"DICM"
#: Transfer syntaxes whose pixel data is the values themselves, and the order of their bytes.
_PLAIN = {
    ImplicitVRLittleEndian: "<",
    ExplicitVRLittleEndian: "<",
    DeflatedExplicitVRLittleEndian: "<",
    ExplicitVRBigEndian: ">",
}
_ENERGIES = {"LOW ENERGY": Energy.LOW, "HIGH ENERGY": Energy.HIGH}


class NotDicom(ProtocolError):
    """The bytes are no DICOM file, or one that is damaged."""

    code = "not-dicom"


class PersonImage(ProtocolError):
    """A picture of a person: nothing of it may be kept."""

    code = "person-image"
    retriable = False


class Unjudgeable(ProtocolError):
    """A DICOM object without a picture that can be judged."""

    code = "unjudgeable"


def part10(dataset: bytes, sop_class: str, sop_instance: str, transfer_syntax: str) -> bytes:
    """Return a file (DICOM part 10) of a dataset as it came over the wire, its bytes unchanged behind the file meta.

    C-STORE carries no file meta; DICOS readers demand its version there, (0002,0004) CS V03.
    """
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = sop_instance
    meta.TransferSyntaxUID = transfer_syntax
    meta.ImplementationClassUID = "1.2.826.0.1.3680043.8.498.1"
    meta.add_new(FILE_META_VERSION, "CS", "V03")
    buffer = BytesIO()
    buffer.write(_PREAMBLE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a scanner's UID may be malformed, and is kept as it came
        write_file_meta_info(buffer, meta, enforce_standard=True)
    return buffer.getvalue() + dataset


def read_file(data: bytes, name: str, at: Stamp) -> Scan:
    """Return the scan in a DICOM file of an export folder.

    Raises NotDicom for a file that is none or is cut off, PersonImage for a picture of a person, Unjudgeable for
    anything else without a picture that can be judged.
    """
    ds = _parsed(data)
    _refuse_person(ds)
    return _scan(ds, data, name, at, _pictures(ds))


def read_stored(data: bytes, name: str, at: Stamp) -> Scan:
    """Return the scan in a file made of a stored object; what cannot be judged is a scan with a problem.

    Raises PersonImage for a picture of a person.
    """
    try:
        ds = _parsed(data)
    except NotDicom as error:
        return _scan(Dataset(), data, name, at, (), str(error))
    _refuse_person(ds)
    try:
        return _scan(ds, data, name, at, _pictures(ds))
    except ProtocolError as error:
        return _scan(ds, data, name, at, (), str(error))


def identity(data: bytes) -> tuple[str, str]:
    """Return the SOP class and instance UID of a file. Raises NotDicom."""
    ds = _parsed(data)
    return _text(ds, "SOPClassUID") or "", _text(ds, "SOPInstanceUID") or ""


def _parsed(data: bytes) -> Dataset:
    if data[128:132] != b"DICM":
        raise NotDicom("not a DICOM file: there is no DICM at byte 128")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # DICOS uses tags that DICOM's dictionary has otherwise
            ds = pydicom.dcmread(BytesIO(data))
            for element in ds:  # pydicom reads values when they are asked for: ask now
                if element.tag != 0x7FE00010:
                    _ = element.value
    except PersonImage:
        raise
    except Exception as error:  # noqa: BLE001 - pydicom meets a stranger's bytes with every kind of exception there is
        raise NotDicom(f"a damaged DICOM file: {type(error).__name__}: {error}"[:300]) from None
    if not ds:
        raise NotDicom("a DICOM file with nothing in it: it is cut off, or empty")
    return ds


def _text(ds: Dataset, keyword: str) -> str | None:
    try:
        value = ds.get(keyword)
    except (ValueError, TypeError, NotImplementedError):
        return None
    if value is None or value == "":
        return None
    text = str(value).strip("\0 ")
    return text[:128] if text.isprintable() and text else None


def _number(ds: Dataset, keyword: str, default: int | None = None) -> int:
    try:
        value = ds.get(keyword, default)
        return int(value)
    except (TypeError, ValueError, OverflowError):
        raise Unjudgeable(f"{keyword} is missing or no number") from None


def _refuse_person(ds: Dataset) -> None:
    if _text(ds, "SOPClassUID") in PERSONS or (_text(ds, "OOIType") == "PERSON" and "PixelData" in ds):
        raise PersonImage("a picture of a person: it is refused, and nothing of it is kept")


def _scan(
    ds: Dataset, data: bytes, name: str, at: Stamp, pictures: tuple[Picture, ...], problem: str | None = None
) -> Scan:
    instance = _text(ds, "SOPInstanceUID") or ""
    return Scan(
        at=at,
        key=f"{instance}:{hashlib.sha256(data).hexdigest()}",
        original=data,
        media_type=MEDIA_TYPE,
        name=name[:512],
        pictures=pictures,
        scan_id=_text(ds, "StudyInstanceUID"),
        item=ItemHint(_text(ds, "PatientID"), _text(ds, "TypeOfPatientID"), _text(ds, "OOIType")),
        problem=problem[:512] if problem else None,
        scan_type=_text(ds, "ScanType") or "OPERATIONAL",
        tip_type=_text(ds, "TIPType"),
        answer_repeats=True,
    )


def _pictures(ds: Dataset) -> tuple[Picture, ...]:
    sop_class = _text(ds, "SOPClassUID") or ""
    if sop_class in KEPT:
        raise Unjudgeable(f"not supported: {KEPT[sop_class]}")
    if sop_class not in IMAGES:
        raise Unjudgeable(f"not supported: SOP class {sop_class or 'missing'}")
    if "PixelData" not in ds:
        raise Unjudgeable("there is no pixel data: the file is cut off, or no image")
    if _number(ds, "NumberOfFrames", 1) != 1:
        raise Unjudgeable("not supported: several frames in one image")
    return (_picture(ds),)


def _picture(ds: Dataset) -> Picture:
    rows, columns, channels = _number(ds, "Rows"), _number(ds, "Columns"), _number(ds, "SamplesPerPixel", 1)
    allocated = _number(ds, "BitsAllocated", 16)
    stored = _number(ds, "BitsStored", allocated)
    high = _number(ds, "HighBit", stored - 1)
    if not (0 < rows <= MAX_SIDE and 0 < columns <= MAX_SIDE and rows * columns <= MAX_PIXELS):
        raise Unjudgeable(f"an image of {columns} x {rows} pixels is over the limit")
    if allocated not in (8, 16) or not 1 <= stored <= allocated or not stored - 1 <= high < allocated:
        raise Unjudgeable(f"not supported: {stored} bits in {allocated}, the highest {high}")
    photometric = _text(ds, "PhotometricInterpretation") or "MONOCHROME2"
    if (channels, photometric) not in ((1, "MONOCHROME1"), (1, "MONOCHROME2"), (3, "RGB")):
        raise Unjudgeable(f"not supported: {channels} samples a pixel, {photometric}")
    values = _values(ds, rows, columns, channels, allocated)
    values = _unsigned(values, stored, high, signed=_number(ds, "PixelRepresentation", 0) == 1)
    return Picture(
        view=0,
        energy=Energy.COLOUR if channels == 3 else _energy(ds),
        rows=rows,
        columns=columns,
        channels=channels,
        bits=stored,
        data=np.ascontiguousarray(values).tobytes(),
        polarity=_polarity(ds) if channels == 1 else Polarity.UNKNOWN,
        logarithmic=_text(ds, "PixelIntensityRelationship") == "LOG",
        pixel_mm=_pixel_mm(ds),
    )


def _values(ds: Dataset, rows: int, columns: int, channels: int, allocated: int) -> np.ndarray[Any, Any]:
    """Return the values as stored, rows x columns (x channels)."""
    syntax = str(ds.file_meta.get("TransferSyntaxUID", ""))
    shape = (rows, columns) if channels == 1 else (rows, columns, channels)
    expected = rows * columns * channels * allocated // 8
    if syntax == RLELossless:
        # A run-length code grows at most 64-fold: less than that cannot be the image that the header claims.
        if len(ds.PixelData) * 128 < expected:
            raise Unjudgeable("the pixel data is too short for the size that the header claims")
        try:
            return np.asarray(ds.pixel_array).view(f"u{allocated // 8}").reshape(shape)
        except Exception as error:  # noqa: BLE001 - as in `_parsed`
            raise Unjudgeable(f"the pixel data cannot be decoded: {error}"[:300]) from None
    if syntax not in _PLAIN:
        raise Unjudgeable(f"not supported: transfer syntax {syntax or 'missing'}")
    data = ds.PixelData
    if len(data) < expected:
        raise Unjudgeable(f"the pixel data is cut off: {len(data)} of {expected} bytes")
    order = _PLAIN[syntax]
    flat = np.frombuffer(data, f"{order}u{allocated // 8}", count=rows * columns * channels)
    if channels == 3 and _number(ds, "PlanarConfiguration", 0) == 1:
        return flat.reshape(channels, rows, columns).transpose(1, 2, 0)
    return flat.reshape(shape)


def _unsigned(values: np.ndarray[Any, Any], stored: int, high: int, *, signed: bool) -> np.ndarray[Any, Any]:
    """Return the `stored` bits below and with bit `high`, as unsigned values; the lowest of signed ones becomes 0."""
    wide = values.astype(np.uint16) >> (high + 1 - stored)
    wide &= np.uint16((1 << stored) - 1)
    if signed:
        wide ^= np.uint16(1 << (stored - 1))
    return wide.astype("u1" if stored <= 8 else "<u2")


def _energy(ds: Dataset) -> Energy:
    """Return the spectrum by Image Type's second value; a material or mixed image counts as one energy."""
    try:
        kind = str(ds.ImageType[1]).upper().replace("_", " ")
    except (AttributeError, IndexError, TypeError):
        return Energy.SINGLE
    return _ENERGIES.get(kind, Energy.SINGLE)


def _polarity(ds: Dataset) -> Polarity:
    """Return which end of the values is clear air.

    Pixel Intensity Relationship Sign (0028,1041) says it: 1, more X-rays give higher values. Photometric
    interpretation is about the display and says nothing of it (DICOM PS3.3, C.8.11.3.1.2).
    """
    sign = ds.get("PixelIntensityRelationshipSign")
    return {1: Polarity.AIR_HIGH, -1: Polarity.AIR_LOW}.get(sign, Polarity.UNKNOWN)


def _pixel_mm(ds: Dataset) -> tuple[float, float] | None:
    for keyword in ("ImagerPixelSpacing", "PixelSpacing"):
        try:
            row, column = (float(v) for v in ds[keyword].value)
        except (KeyError, TypeError, ValueError):
            continue
        if 0 < row <= 100 and 0 < column <= 100:
            return row, column
    return None
