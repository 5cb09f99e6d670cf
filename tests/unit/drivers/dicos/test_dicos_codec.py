"""DICOM bytes in, scans out: what is read, what is refused, and that no bytes do harm."""

from __future__ import annotations

import warnings
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGLosslessSV1

from drivers.clock import Stamp
from drivers.contract import Energy, Polarity
from drivers.dicos import codec
from drivers.dicos.uids import DX_FOR_PROCESSING, PERSONS
from drivers.errors import ProtocolError

AT = Stamp(1_700_000_000_000_000_000, 5)
VALUES = np.arange(6 * 4, dtype=np.uint16).reshape(6, 4) * 2700


def made(values: np.ndarray[Any, Any] = VALUES, syntax: str = ExplicitVRLittleEndian, **attributes: Any) -> bytes:
    """A DX file; `attributes` replace, or with None remove, what a scanner would write."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.MediaStorageSOPClassUID = DX_FOR_PROCESSING
    ds.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    ds.file_meta.TransferSyntaxUID = syntax
    allocated = values.dtype.itemsize * 8
    order = ">" if syntax == ExplicitVRBigEndian else "<"
    plain = {
        "SOPClassUID": DX_FOR_PROCESSING,
        "SOPInstanceUID": "1.2.3.4",
        "StudyInstanceUID": "1.2.3",
        "PatientID": "0220123456",
        "TypeOfPatientID": "BARCODE",
        "OOIType": "BAGGAGE",
        "ScanType": "OPERATIONAL",
        "ImageType": ["ORIGINAL", "HIGH ENERGY"],
        "SamplesPerPixel": 1 if values.ndim == 2 else 3,
        "PhotometricInterpretation": "MONOCHROME2" if values.ndim == 2 else "RGB",
        "PlanarConfiguration": None if values.ndim == 2 else 0,
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
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for keyword, value in {**plain, **attributes}.items():
            if value is not None:
                setattr(ds, keyword, value)
        if "PixelData" in ds:
            ds["PixelData"].VR = "OW" if allocated == 16 else "OB"
        buffer = BytesIO()
        implicit = syntax == ImplicitVRLittleEndian
        ds.save_as(buffer, enforce_file_format=True, little_endian=order == "<", implicit_vr=implicit)
    return buffer.getvalue()


def pixels(data: bytes) -> np.ndarray[Any, Any]:
    (picture,) = codec.read_file(data, "x", AT).pictures
    shape = (picture.rows, picture.columns) if picture.channels == 1 else (picture.rows, picture.columns, 3)
    return np.frombuffer(picture.data, "u1" if picture.bits <= 8 else "<u2").reshape(shape)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_an_image_is_read_bit_for_bit(syntax: str) -> None:
    data = made(syntax=syntax)
    scan = codec.read_file(data, "bag.dcs", AT)
    assert (pixels(data) == VALUES).all()
    assert scan.original == data
    assert scan.scan_id == "1.2.3"
    assert (scan.item.id, scan.item.id_type, scan.item.type) == ("0220123456", "BARCODE", "BAGGAGE")
    (picture,) = scan.pictures
    assert (picture.energy, picture.polarity, picture.logarithmic) == (Energy.HIGH, Polarity.AIR_HIGH, False)
    assert picture.pixel_mm == (1.5, 0.8)
    assert scan.answer_repeats and scan.problem is None


@pytest.mark.parametrize(
    ("attributes", "attribute", "expected"),
    [
        ({"PixelIntensityRelationshipSign": -1}, "polarity", Polarity.AIR_LOW),
        ({"PixelIntensityRelationshipSign": None}, "polarity", Polarity.UNKNOWN),
        ({"PhotometricInterpretation": "MONOCHROME1"}, "polarity", Polarity.AIR_HIGH),
        ({"PixelIntensityRelationship": "LOG"}, "logarithmic", True),
        ({"ImageType": ["ORIGINAL", "LOW ENERGY"]}, "energy", Energy.LOW),
        ({"ImageType": ["ORIGINAL", "LOW_ENERGY"]}, "energy", Energy.LOW),
        ({"ImageType": ["ORIGINAL", "INTENSITY"]}, "energy", Energy.SINGLE),
        ({"ImageType": None}, "energy", Energy.SINGLE),
        ({"ImagerPixelSpacing": None}, "pixel_mm", None),
        ({"BitsStored": 12, "HighBit": 11}, "bits", 12),
    ],
)
def test_what_the_scanner_says_of_its_values(attributes: dict[str, Any], attribute: str, expected: object) -> None:
    (picture,) = codec.read_file(made(**attributes), "x", AT).pictures
    assert getattr(picture, attribute) == expected


def test_bits_above_and_below_the_stored_ones_are_cut() -> None:
    values = np.array([[0xF123, 0x0FFF]], np.uint16)
    assert pixels(made(values, BitsStored=12, HighBit=11)).tolist() == [[0x123, 0xFFF]]
    assert pixels(made(values, BitsStored=12, HighBit=15)).tolist() == [[0xF12, 0x0FF]]
    assert pixels(made(values, BitsStored=8, HighBit=7)).tolist() == [[0x23, 0xFF]]


def test_signed_values_become_unsigned_in_the_same_order() -> None:
    values = np.array([[-32768, -1, 0, 32767]], np.int16).view(np.uint16)
    assert pixels(made(values, PixelRepresentation=1)).tolist() == [[0, 32767, 32768, 65535]]


def test_colours_are_read_interleaved_and_planar() -> None:
    values = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    assert (pixels(made(values)) == values).all()
    planar = made(values, PlanarConfiguration=1, PixelData=values.transpose(2, 0, 1).tobytes())
    assert (pixels(planar) == values).all()


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"Rows": 60000, "Columns": 60000, "PixelData": b"\0\0"}, "over the limit"),
        ({"Rows": 0}, "over the limit"),
        ({"PixelData": b"\0\0"}, "cut off"),
        ({"PixelData": None}, "no pixel data"),
        ({"NumberOfFrames": 2}, "several frames"),
        ({"BitsAllocated": 32}, "not supported"),
        ({"HighBit": 3}, "not supported"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "PALETTE COLOR"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.501.1"}, "DICOS CT"),
        ({"SOPClassUID": "1.2.3"}, "SOP class 1.2.3"),
    ],
)
def test_what_cannot_be_judged_says_why(attributes: dict[str, Any], reason: str) -> None:
    data = made(**attributes)
    with pytest.raises(codec.Unjudgeable, match=reason):
        codec.read_file(data, "x", AT)
    scan = codec.read_stored(data, "x", AT)
    assert scan.pictures == () and scan.problem is not None and reason in scan.problem
    assert scan.original == data


def test_a_compressed_image_that_is_not_offered_is_named() -> None:
    named = bytes(JPEGLosslessSV1[:18], "ascii") + b"\0\0"
    data = made().replace(b"1.2.840.10008.1.2.1\0", named, 1)
    with pytest.raises(codec.Unjudgeable, match="transfer syntax"):
        codec.read_file(data, "x", AT)


@pytest.mark.parametrize("attributes", [{"SOPClassUID": uid} for uid in PERSONS] + [{"OOIType": "PERSON"}])
def test_a_picture_of_a_person_is_refused(attributes: dict[str, Any]) -> None:
    data = made(**attributes)
    with pytest.raises(codec.PersonImage):
        codec.read_file(data, "x", AT)
    with pytest.raises(codec.PersonImage):
        codec.read_stored(data, "x", AT)


def test_a_stored_object_becomes_a_file_with_its_bytes_unchanged() -> None:
    data = made()
    start = data.index(b"\x08\x00\x08\x00")  # the first element behind the file meta: Image Type
    file = codec.part10(data[start:], DX_FOR_PROCESSING, "1.2.3.4", ExplicitVRLittleEndian)
    assert file.endswith(data[start:])
    assert b"V03 " in file[:400]
    assert (pixels(file) == VALUES).all()


def test_a_file_cut_anywhere_is_an_error_or_a_problem_never_a_picture() -> None:
    data = made()
    for end in range(0, len(data) - 1, 7):
        with pytest.raises(ProtocolError):
            codec.read_file(data[:end], "x", AT)
        assert codec.read_stored(data[:end], "x", AT).problem


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_no_bytes_do_harm(data: st.DataObject) -> None:
    file = bytearray(made())
    for _ in range(data.draw(st.integers(1, 12))):
        file[data.draw(st.integers(128, len(file) - 1))] = data.draw(st.integers(0, 255))
    try:
        scan = codec.read_file(bytes(file), "x", AT)
    except ProtocolError:
        return
    for picture in scan.pictures:
        assert len(picture.data) == picture.rows * picture.columns * picture.channels * picture.bytes_per_value


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=400))
def test_garbage_is_no_dicom(garbage: bytes) -> None:
    with pytest.raises(ProtocolError):
        codec.read_file(bytes(128) + b"DICM" + garbage, "x", AT)
