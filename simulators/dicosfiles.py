"""Small DICOS files, written by pydicom: what a scanner would write, with one thing different."""

from __future__ import annotations

import warnings
from io import BytesIO
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from drivers.dicos.uids import DX_FOR_PROCESSING

VALUES = np.arange(6 * 4, dtype=np.uint16).reshape(6, 4) * 2700


def made(values: np.ndarray[Any, Any] = VALUES, syntax: str = ExplicitVRLittleEndian, **attributes: Any) -> bytes:
    """Return a DX file; `attributes` replace, or with None remove, what scanners write. `frame`: compressed pixels."""
    ds = dataset(values, syntax, **attributes)
    buffer = BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        little, implicit = syntax != ExplicitVRBigEndian, syntax == ImplicitVRLittleEndian
        ds.save_as(buffer, enforce_file_format=True, little_endian=little, implicit_vr=implicit)
    return buffer.getvalue()


def dataset(
    values: np.ndarray[Any, Any] = VALUES,
    syntax: str = ExplicitVRLittleEndian,
    frame: bytes | None = None,
    **attributes: Any,
) -> Dataset:
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.MediaStorageSOPClassUID = attributes.get("SOPClassUID", DX_FOR_PROCESSING)
    ds.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    ds.file_meta.TransferSyntaxUID = syntax
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for keyword, value in {**_plain(values, syntax), **attributes}.items():
            if value is not None:
                setattr(ds, keyword, value)
        if frame is not None:
            ds.PixelData = encapsulate([frame])
            ds["PixelData"].is_undefined_length = True
        if "PixelData" in ds:
            ds["PixelData"].VR = "OW" if values.dtype.itemsize == 2 and frame is None else "OB"
    return ds


def _plain(values: np.ndarray[Any, Any], syntax: str) -> dict[str, Any]:
    allocated = values.dtype.itemsize * 8
    grey = values.ndim == 2
    order = ">" if syntax == ExplicitVRBigEndian else "<"
    return {
        "SOPClassUID": DX_FOR_PROCESSING,
        "SOPInstanceUID": "1.2.3.4",
        "StudyInstanceUID": "1.2.3",
        "PatientID": "0220123456",
        "TypeOfPatientID": "BARCODE",
        "OOIType": "BAGGAGE",
        "ScanType": "OPERATIONAL",
        "ImageType": ["ORIGINAL", "HIGH ENERGY"],
        "SamplesPerPixel": 1 if grey else 3,
        "PhotometricInterpretation": "MONOCHROME2" if grey else "RGB",
        "PlanarConfiguration": None if grey else 0,
        "Rows": values.shape[0],
        "Columns": values.shape[1],
        "BitsAllocated": allocated,
        "BitsStored": allocated,
        "HighBit": allocated - 1,
        "PixelRepresentation": 0,
        "PixelIntensityRelationship": "LIN",
        "PixelIntensityRelationshipSign": 1,
        "ImagerPixelSpacing": [1.5, 0.8],
        "PixelData": values.astype(values.dtype.newbyteorder(order)).tobytes(),
    }
