"""The walk over a data set: the elements that pydicom finds, at the places where they are, and an end to everything."""

from __future__ import annotations

import struct
import warnings
from io import BytesIO
from typing import Any

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.sequence import Sequence

from drivers.dicos import elements
from drivers.dicos.elements import EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE, data_set
from simulators.dicosfiles import made

pytestmark = pytest.mark.slow

SYNTAXES = [EXPLICIT_LITTLE, IMPLICIT_LITTLE, EXPLICIT_BIG]

text = st.text("ABCDEFGHIJ 0123456789_", max_size=40)
leaves: dict[str, st.SearchStrategy[Any]] = {
    "PatientID": text,
    "StudyDescription": text,
    "Rows": st.integers(0, 65535),
    "KVP": st.integers(0, 999).map(str),
    "PixelData": st.binary(max_size=40).map(lambda b: b + b"\0" * (len(b) % 2)),
    "ICCProfile": st.binary(max_size=20).map(lambda b: b + b"\0" * (len(b) % 2)),
    "TableSpeed": st.floats(allow_nan=False),
}


def datasets(depth: int) -> st.SearchStrategy[Dataset]:
    @st.composite
    def one(draw: st.DrawFn) -> Dataset:
        ds = Dataset()
        for keyword in draw(st.sets(st.sampled_from(sorted(leaves)), max_size=5)):
            setattr(ds, keyword, draw(leaves[keyword]))
        for keyword, vr in (("PixelData", "OB"), ("ICCProfile", "OB")):
            if keyword in ds:
                ds[keyword].VR = vr
        if depth:
            for keyword in draw(st.sets(st.sampled_from(["ThreatSequence", "ReferencedStudySequence"]))):
                items = draw(st.lists(datasets(depth - 1), max_size=3))
                for item in items:
                    item.is_undefined_length_sequence_item = draw(st.booleans())
                setattr(ds, keyword, Sequence(items))
                ds[keyword].is_undefined_length = draw(st.booleans())
        return ds

    return one()


def written(ds: Dataset, syntax: str) -> bytes:
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = syntax != EXPLICIT_BIG, syntax == IMPLICIT_LITTLE
    write_dataset(buffer, ds)
    return buffer.getvalue()


@settings(deadline=None, max_examples=100)
@given(datasets(2), st.sampled_from(SYNTAXES))
def test_what_pydicom_writes_is_found_where_pydicom_finds_it(ds: Dataset, syntax: str) -> None:
    data = written(ds, syntax)
    found = data_set(data, syntax)
    assert found.damage is None
    assert set(found.elements) == set(ds.keys())
    little, implicit = syntax != EXPLICIT_BIG, syntax == IMPLICIT_LITTLE
    raw = pydicom.filereader.read_dataset(BytesIO(data), implicit, little)
    for tag in set(ds.keys()):
        element = raw.get_item(tag)
        if element.VR != "SQ" and not isinstance(element.value, Sequence):
            assert bytes(found.value(int(tag)) or b"") == (element.value or b"")


@settings(deadline=None, max_examples=100)
@given(datasets(2), st.sampled_from(SYNTAXES), st.data())
def test_what_is_cut_off_is_damaged_unless_it_is_cut_between_elements(
    ds: Dataset, syntax: str, data: st.DataObject
) -> None:
    whole = written(ds, syntax)
    ends = {element.end for element in data_set(whole, syntax).elements.values()} | {0}
    cut = data.draw(st.integers(0, len(whole)))
    found = data_set(whole[:cut], syntax)
    if cut not in ends and any(whole[max(e for e in ends if e < cut) : cut]):
        assert found.damage


@settings(deadline=None, max_examples=400)
@given(st.binary(max_size=500), st.sampled_from([*SYNTAXES, elements.DEFLATED_LITTLE, ""]))
def test_no_bytes_break_the_walk(data: bytes, syntax: str) -> None:
    found = data_set(data, syntax)
    for tag, element in found.elements.items():
        assert 0 <= element.start <= element.end <= len(found.bytes)
        found.text(tag), found.texts(tag), found.short(tag)


def element(tag: int, vr: bytes, value: bytes, length: int | None = None) -> bytes:
    size = len(value) if length is None else length
    return struct.pack("<HH2sHI", tag >> 16, tag & 0xFFFF, vr, 0, size) + value


ITEM = struct.pack("<HHI", 0xFFFE, 0xE000, 0)
OPEN, OPEN_ITEM = 0xFFFFFFFF, struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (element(0x00081110, b"SQ", ITEM * 100_000), "more than 20000 elements"),
        (struct.pack("<HH2sH", 0x0009, 0x10, b"LO", 0) * 100_000, "more than 20000 elements"),
        (element(0x00081110, b"SQ", OPEN_ITEM, OPEN) * 5000, "more than 16 deep"),
        (element(0x7FE00010, b"OW", b"\0\0", 0xFFFFFFFE), "4294967294 bytes are announced, 2 are there"),
        (element(0x00081110, b"SQ", b"\0" * 8), "an item is due"),
        (element(0x7FE00010, b"OB", ITEM, OPEN), "the compressed pixel data is cut off"),
        (element(0x00081110, b"SQ", OPEN_ITEM, OPEN), "within an item"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_too_much_is_damage(data: bytes, reason: str) -> None:
    found = data_set(data, EXPLICIT_LITTLE)
    assert found.damage is not None and reason in found.damage


def test_a_value_of_many_parts_is_not_taken_apart() -> None:
    data = element(0x00080008, b"UC", b"1\\" * 100_000)
    assert data_set(data, EXPLICIT_LITTLE).texts(0x00080008) == []


def test_elements_without_a_vr_among_others() -> None:
    mixed = element(0x00280010, b"US", b"\1\0")[:0] + struct.pack("<HHI", 0x0028, 0x0010, 2) + b"\1\0"
    found = data_set(mixed + element(0x00280011, b"UN", b"\2\0"), EXPLICIT_LITTLE)
    assert (found.damage, found.short(0x00280010), found.short(0x00280011)) == (None, 1, 2)


def test_padding_at_the_end_is_no_damage() -> None:
    assert data_set(element(0x00280011, b"UN", b"\2\0") + bytes(5), EXPLICIT_LITTLE).damage is None


def test_file_meta_ends_where_it_ends_and_not_where_it_says() -> None:
    data = bytearray(made())
    data[140:144] = b"\xff\xff\xff\x7f"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        meta, start = elements.file_meta(bytes(data))
    assert meta.damage is None
    assert data[start : start + 4] == b"\x08\0\x08\0"
