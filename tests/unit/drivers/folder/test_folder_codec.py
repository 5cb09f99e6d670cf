"""Every kind of export file in, the right picture out; everything else is a ProtocolError in plain words."""

from __future__ import annotations

import hashlib
import struct
import subprocess
import zlib
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from drivers.clock import Stamp
from drivers.contract import Energy, Picture, Polarity
from drivers.dicos.uids import PERSONS
from drivers.errors import ProtocolError
from drivers.folder.codec import is_person_picture, read
from drivers.folder.formats import CutShort
from drivers.wire import MAX_SIDE
from tests.pictures import FILES, coded, colour8, grey8, grey16

AT = Stamp(1_000, 2_000)
PERSON = sorted(PERSONS)[0]


def pixels(picture: Picture) -> np.ndarray:
    shape = (picture.rows, picture.columns, 3) if picture.channels == 3 else (picture.rows, picture.columns)
    return np.frombuffer(picture.data, np.uint8 if picture.bits == 8 else "<u2").reshape(shape)


@pytest.mark.parametrize("name", FILES)
def test_a_scan_carries_the_file_as_it_came(name: str) -> None:
    scan = read(FILES[name], name, AT)
    assert scan.original == FILES[name]
    assert scan.key == hashlib.sha256(FILES[name]).hexdigest()
    assert (scan.name, scan.at, scan.problem, scan.answer_repeats) == (name, AT, None, False)
    kind = {"png": "image/png", "jpg": "image/jpeg", "tif": "image/tiff"}[name.split(".")[1]]
    assert scan.media_type == kind
    (picture,) = scan.pictures
    assert (picture.rows, picture.columns, picture.view) == (40, 60, 0)
    assert picture.polarity is Polarity.UNKNOWN
    assert picture.energy is (Energy.COLOUR if name.startswith("colour") else Energy.SINGLE)
    assert picture.bits == (16 if "16" in name else 8)


@pytest.mark.parametrize("extension", [".png", ".tif"])
@pytest.mark.parametrize(
    "array", [grey16(), grey8(), colour8(), colour8().astype(np.uint16) * 257], ids=lambda a: str(a.shape)
)
def test_lossless_files_give_their_exact_values_in_rgb(extension: str, array: np.ndarray) -> None:
    (picture,) = read(coded(extension, array), "x", AT).pictures
    assert np.array_equal(pixels(picture), array)


def test_jpeg_values_are_near_and_in_rgb() -> None:
    red = np.zeros((16, 16, 3), np.uint8)
    red[..., 0] = 250
    (picture,) = read(coded(".jpg", red), "x.jpg", AT).pictures
    assert np.abs(pixels(picture).astype(int) - red).max() < 12


def test_the_name_does_not_matter_the_content_does() -> None:
    assert read(FILES["grey16.png"], "export.dcm", AT).media_type == "image/png"
    assert read(FILES["grey.jpg"], "no-extension", AT).media_type == "image/jpeg"


def test_transparency_is_painted_on_white() -> None:
    array = np.zeros((4, 4, 4), np.uint8)
    array[..., 3] = 255
    array[0, 0, 3] = 0
    array[1, 1] = (100, 0, 0, 128)
    ok, data = cv2.imencode(".png", array)
    assert ok
    (picture,) = read(data.tobytes(), "x.png", AT).pictures
    assert picture.channels == 3
    assert pixels(picture)[0, 0].tolist() == [255, 255, 255]
    assert pixels(picture)[1, 1].tolist() == [127, 127, 177]
    assert pixels(picture)[2, 2].tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("arguments", "energies"),
    [
        (["-depth", "1", "-type", "bilevel", "x.png"], [Energy.SINGLE]),
        (["-type", "palette", "x.png"], [Energy.COLOUR]),
        (["-interlace", "PNG", "x.png"], [Energy.COLOUR]),
        (["-type", "grayscalealpha", "-depth", "16", "x.png"], [Energy.SINGLE]),
        (["-interlace", "plane", "x.jpg"], [Energy.COLOUR]),
        (["-compress", "LZW", "x.tif"], [Energy.COLOUR]),
        (["-compress", "Zip", "-type", "grayscale", "x.tif"], [Energy.SINGLE]),
        (["-compress", "JPEG", "x.tif"], [Energy.COLOUR]),
        (["-compress", "Group4", "-monochrome", "x.tif"], [Energy.SINGLE]),
        (["-interlace", "plane", "-compress", "none", "x.tif"], [Energy.COLOUR]),
        (["-define", "tiff:tile-geometry=16x16", "-compress", "none", "x.tif"], [Energy.COLOUR]),
        (["-endian", "MSB", "-compress", "none", "x.tif"], [Energy.COLOUR]),
        (["-compress", "none", "tiff64:x.tif"], [Energy.COLOUR]),
        (["(", "+clone", ")", "-type", "grayscale", "-depth", "16", "x.tif"], [Energy.SINGLE, Energy.SINGLE]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value[0], str) else "",
)
def test_files_of_another_program(tmp_path: Path, arguments: list[str], energies: list[Energy]) -> None:
    made = ["convert", "-size", "37x29", "-seed", "3", "plasma:red-blue", *arguments]
    subprocess.run(made, cwd=tmp_path, check=True, timeout=120)
    (file,) = tmp_path.iterdir()
    scan = read(file.read_bytes(), file.name, AT)
    assert [(p.energy, p.rows, p.columns, p.view) for p in scan.pictures] == [
        (energy, 29, 37, view) for view, energy in enumerate(energies)
    ]


@pytest.mark.parametrize("name", FILES)
def test_a_file_cut_anywhere_is_refused_as_cut_short(name: str) -> None:
    whole = FILES[name]
    for kept in {*range(0, 200, 7), len(whole) // 3, len(whole) // 2, len(whole) - len(whole) // 10, len(whole) - 2}:
        with pytest.raises(CutShort, match=r"ends early|is empty|too few"):
            read(whole[:kept], name, AT)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_of(columns: int, rows: int, pixel_data: bytes, depth: int = 8, colour: int = 0) -> bytes:
    header = struct.pack(">IIBBBBB", columns, rows, depth, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(pixel_data)) + chunk(b"IEND", b"")
    )


def tiff_of(columns: int, rows: int, **more: int) -> bytes:
    fields = {256: columns, 257: rows, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: rows, 279: 1}
    fields |= {int(tag.removeprefix("t")): value for tag, value in more.items()}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(fields.items()))
    return struct.pack("<2sHI", b"II", 42, 16) + b"\0" * 8 + struct.pack("<H", len(fields)) + entries + b"\0" * 4


def jpeg_of(columns: int, rows: int) -> bytes:
    whole = bytearray(FILES["grey.jpg"])
    at = whole.index(b"\xff\xc0")
    struct.pack_into(">HH", whole, at + 5, rows, columns)
    return bytes(whole)


@pytest.mark.parametrize("make", [lambda c, r: png_of(c, r, b"\0\0"), tiff_of, jpeg_of], ids=["png", "tiff", "jpeg"])
@pytest.mark.parametrize("size", [(60_000, 60_000), (MAX_SIDE + 1, 1), (1, MAX_SIDE + 1), (MAX_SIDE, MAX_SIDE)])
def test_a_claim_of_a_huge_picture_is_not_believed(make: object, size: tuple[int, int]) -> None:
    with pytest.raises(ProtocolError, match=f"claims a picture of {size[0]} x {size[1]}"):
        read(make(*size), "bomb", AT)  # type: ignore[operator]


def test_a_picture_without_pixels_is_refused() -> None:
    with pytest.raises(ProtocolError, match="0 x 5 pixels"):
        read(png_of(0, 5, b""), "x.png", AT)


def test_pixel_data_that_inflates_without_end_is_not_inflated() -> None:
    bomb = png_of(1, 1, b"\0" * 200_000_000)
    assert len(bomb) < 400_000
    (picture,) = read(bomb, "bomb.png", AT).pictures
    assert len(picture.data) == 1


def test_a_png_with_too_little_pixel_data_is_refused() -> None:
    with pytest.raises(ProtocolError, match="holds 50 bytes of pixel data where its header promises 110"):
        read(png_of(10, 10, b"\0" * 50), "x.png", AT)


def test_a_flipped_bit_in_a_png_is_found() -> None:
    damaged = bytearray(FILES["grey16.png"])
    damaged[len(damaged) // 2] ^= 4
    with pytest.raises(ProtocolError, match="checksum"):
        read(bytes(damaged), "x.png", AT)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"t258": 32}, "32 bits a value"),
        ({"t339": 3}, "floating-point"),
        ({"t277": 2}, "2 values a pixel"),
        ({"t262": 5}, "colour model 5"),
        ({"t279": 1_000_000}, "ends early"),
        ({"t279": 5}, "holds 5 bytes of pixel data where its header promises 100"),
        ({"t278": 1}, "1 parts of pixel data where its header promises 10"),
        ({"t254": 1, "t273": 0, "t279": 100}, "holds no picture"),
        ({"t322": 60_000, "t323": 60_000, "t324": 8, "t325": 8}, "parts claim to be 60000 x 60000"),
    ],
)
def test_what_a_tiff_may_not_be(more: dict[str, int], says: str) -> None:
    with pytest.raises(ProtocolError, match=says):
        read(tiff_of(10, 10, **more), "x.tif", AT)


def test_a_tiff_whose_pages_run_in_a_circle_is_refused() -> None:
    data = bytearray(tiff_of(1, 1))
    struct.pack_into("<I", data, len(data) - 4, 16)
    with pytest.raises(ProtocolError, match="circle"):
        read(bytes(data), "x.tif", AT)


def test_damaged_compressed_data_is_refused(tmp_path: Path) -> None:
    subprocess.run(
        ["convert", "-size", "64x64", "-seed", "3", "plasma:", "-compress", "LZW", "x.tif"],
        cwd=tmp_path, check=True, timeout=30,
    )  # fmt: skip
    data = bytearray((tmp_path / "x.tif").read_bytes())
    data[8:4000] = b"\xff" * 3992
    with pytest.raises(ProtocolError, match="cannot be decoded"):
        read(bytes(data), "x.tif", AT)


@pytest.mark.parametrize("data", [b"hello " * 100, b"\0" * 500, b"%PDF-1.4" + b"x" * 300, b"BM" + b"\1" * 300])
def test_what_is_no_picture_is_named_so(data: bytes) -> None:
    with pytest.raises(ProtocolError, match="neither PNG, JPEG, TIFF nor DICOS"):
        read(data, "notes.txt", AT)


def dicom(sop_class: str = "1.2.840.10008.5.1.4.1.1.501.2.1", rows: int = 4) -> bytes:
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = sop_class
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    ds.PatientID, ds.TypeOfPatientID = "0220123456", "BARCODE"
    ds.Rows, ds.Columns, ds.SamplesPerPixel, ds.PhotometricInterpretation = rows, 5, 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 0
    ds.PixelData = grey16(rows=4, columns=5).tobytes()
    buffer = BytesIO()
    pydicom.dcmwrite(buffer, ds, enforce_file_format=True)
    return buffer.getvalue()


def test_a_dicos_file_is_read_by_its_own_codec() -> None:
    data = dicom()
    scan = read(data, "export.bin", AT)
    assert scan.media_type == "application/dicom"
    assert scan.item.id == "0220123456"
    assert np.array_equal(pixels(scan.pictures[0]), grey16(rows=4, columns=5))
    assert (scan.key, scan.answer_repeats) == (hashlib.sha256(data).hexdigest(), False)


@pytest.mark.parametrize("kept", [140, 200, 350, -1])
def test_a_dicos_file_cut_in_two_is_refused_as_cut_short(kept: int) -> None:
    with pytest.raises(CutShort):
        read(dicom()[:kept], "export.dcs", AT)


def test_a_dicos_file_that_claims_a_huge_image_is_refused() -> None:
    with pytest.raises(ProtocolError, match=r"cut off|over the limit"):
        read(dicom(rows=60_000), "bomb.dcs", AT)


def test_a_picture_of_a_person_is_told_from_other_bad_files() -> None:
    with pytest.raises(ProtocolError) as person:
        read(dicom(PERSON), "a.dcs", AT)
    assert is_person_picture(person.value)
    with pytest.raises(ProtocolError) as other:
        read(dicom()[:200], "a.dcs", AT)
    assert not is_person_picture(other.value)


@settings(max_examples=150, deadline=None)
@given(
    st.binary(max_size=400),
    st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\0", b"MM\0*", b"II+\0\x08\0\0\0"]),
)
def test_any_bytes_give_a_scan_or_a_protocol_error(data: bytes, start: bytes) -> None:
    try:
        scan = read(start + data, "fuzz", AT)
    except ProtocolError as error:
        assert str(error)
    else:
        assert scan.pictures


@settings(max_examples=250, deadline=None)
@given(
    st.sampled_from(sorted(FILES)),
    st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 255)), min_size=1, max_size=6),
    st.integers(0, 1 << 20),
)
def test_any_damage_gives_a_scan_or_a_protocol_error(name: str, writes: list[tuple[int, int]], cut: int) -> None:
    data = bytearray(FILES[name])
    # Half of the damage goes where the structure is.
    for number, (at, value) in enumerate(writes):
        data[at % (300 if number % 2 else len(data))] = value
    try:
        scan = read(bytes(data[: cut % (2 * len(data)) or None]), name, AT)
    except ProtocolError as error:
        assert str(error)
    else:
        for picture in scan.pictures:
            assert len(picture.data) == picture.rows * picture.columns * picture.channels * picture.bytes_per_value
