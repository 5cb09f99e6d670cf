"""DICOM bytes in, scans out: what is read, what is refused, and that no bytes do harm."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ExplicitVRLittleEndian
from pydicom.uid import ImplicitVRLittleEndian as Implicit

from drivers.clock import Stamp
from drivers.contract import Energy, Polarity, Scan
from drivers.dicos import codec
from drivers.dicos.elements import file_meta
from drivers.dicos.uids import DX_FOR_PROCESSING, PERSONS, TDR
from drivers.errors import ProtocolError
from drivers.wire import Decoder, Offer, encode
from simulators.dicosfiles import VALUES, made

AT = Stamp(1_700_000_000_000_000_000, 5)


def read(data: bytes) -> Scan:
    return codec.read_file(data, "x", AT)


def stored(data: bytes, sop_class: str = DX_FOR_PROCESSING) -> Scan:
    """What becomes of a file's data set when it comes by C-STORE."""
    meta, start = file_meta(data)
    syntax = meta.text(0x00020010) or ExplicitVRLittleEndian
    return codec.read_stored(data[start:], sop_class, "1.2.3.4", syntax, AT, "SCANNER2")


def values(scan: Scan) -> np.ndarray[Any, Any]:
    (picture,) = scan.pictures
    shape = (picture.rows, picture.columns) if picture.channels == 1 else (picture.rows, picture.columns, 3)
    return np.frombuffer(picture.data, "u1" if picture.bits <= 8 else "<u2").reshape(shape)


@pytest.mark.parametrize(
    "syntax", [ExplicitVRLittleEndian, Implicit, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian]
)
def test_an_image_is_read_bit_for_bit(syntax: str) -> None:
    data = made(syntax=syntax)
    scan = codec.read_file(data, "bag.dcs", AT)
    assert (values(scan) == VALUES).all()
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
        ({"PixelIntensityRelationshipSign": 7}, "polarity", Polarity.UNKNOWN),
        ({"PhotometricInterpretation": "MONOCHROME1"}, "polarity", Polarity.AIR_HIGH),
        ({"PixelIntensityRelationship": "LOG"}, "logarithmic", True),
        ({"ImageType": ["ORIGINAL", "LOW ENERGY"]}, "energy", Energy.LOW),
        ({"ImageType": ["ORIGINAL", "LOW_ENERGY"]}, "energy", Energy.LOW),
        ({"ImageType": ["ORIGINAL", "INTENSITY"]}, "energy", Energy.SINGLE),
        ({"ImageType": ["ORIGINAL"]}, "energy", Energy.SINGLE),
        ({"ImageType": None}, "energy", Energy.SINGLE),
        ({"ImagerPixelSpacing": None}, "pixel_mm", None),
        ({"ImagerPixelSpacing": [0, 1]}, "pixel_mm", None),
        ({"PixelSpacing": [1.2, 0.7]}, "pixel_mm", (1.2, 0.7)),
    ],
)
def test_what_the_scanner_says_of_its_values(attributes: dict[str, Any], attribute: str, expected: object) -> None:
    (picture,) = read(made(**attributes)).pictures
    assert getattr(picture, attribute) == expected


def test_what_the_scanner_says_of_the_scan() -> None:
    scan = read(made(ScanType="NON_OPERATIONAL", TIPType="HARDWARE", PatientID="Größe", TypeOfPatientID=None))
    assert (scan.scan_type, scan.tip_type) == ("NON_OPERATIONAL", "HARDWARE")
    assert scan.item.id_type is None
    assert scan.item.id is not None and scan.item.id.startswith("Gr")


@pytest.mark.parametrize("text", ["", "   ", "line\nfeed", "\x1b[2J", "x" * 5000])
def test_a_word_that_no_message_could_carry_is_left_out(text: str) -> None:
    data = made(PatientComments=text)  # of VR LT: the longest
    scan = read(data.replace(b"\x10\x00\x00\x40LT", b"\x10\x00\x20\x00LT", 1))
    assert scan.item.id is None


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"Rows": 60000, "Columns": 60000, "PixelData": b"\0\0"}, "over the limit"),
        ({"Rows": 20000, "Columns": 20000, "PixelData": b"\0\0"}, "over the limit"),
        ({"Rows": 0}, "over the limit"),
        ({"Rows": None}, r"\(0028,0010\) is missing"),
        ({"PixelData": b"\0\0"}, "cut off"),
        ({"PixelData": None}, "no pixel data"),
        ({"NumberOfFrames": 2}, "several frames"),
        ({"BitsAllocated": 32}, "not supported"),
        ({"HighBit": 3}, "not supported"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "PALETTE COLOR"),
        ({"SamplesPerPixel": 2}, "2 samples"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.501.1"}, "not supported: DICOS CT Image"),
        ({"SOPClassUID": TDR}, "not supported: DICOS Threat Detection Report"),
        ({"SOPClassUID": "1.2.3"}, "SOP class 1.2.3"),
    ],
)
def test_what_cannot_be_judged_says_why(attributes: dict[str, Any], reason: str) -> None:
    data = made(**attributes)
    with pytest.raises(codec.Unjudgeable, match=reason):
        read(data)
    scan = stored(data)
    assert scan.pictures == () and scan.problem is not None
    with pytest.raises(codec.Unjudgeable, match=reason):
        raise codec.Unjudgeable(scan.problem)
    assert scan.scan_id == "1.2.3", "a verdict of unknown is still one on this item"


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.91", "1.2.3.4"])
def test_a_transfer_syntax_that_is_not_read_is_named(syntax: str) -> None:
    with pytest.raises(codec.Unjudgeable, match=f"transfer syntax {syntax}"):
        read(made(syntax=syntax, frame=b"\xff\xd8\xff\xd9"))


def with_icon(**attributes: Any) -> dict[str, Any]:
    icon = Dataset()
    icon.Rows = icon.Columns = 1
    icon.PixelData = b"\0\0"
    icon["PixelData"].VR = "OW"
    return {"IconImageSequence": Sequence([icon]), "PixelData": None, **attributes}


PEOPLE: list[dict[str, Any]] = [
    *({"SOPClassUID": uid} for uid in PERSONS),
    {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.501.4.77"},
    {"OOIType": "PERSON"},
    {"OOIType": "person"},
    {"Modality": "AIT2D"},
    {"AITDeviceType": "BACKSCATTER"},
    with_icon(OOIType="PERSON", SOPClassUID=TDR),
    {"OOIType": "PERSON", "PixelData": None, "OverlayData": b"\1\1"},
]


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, Implicit, ExplicitVRBigEndian])
@pytest.mark.parametrize("attributes", PEOPLE, ids=lambda a: "-".join(map(str, a)) + str(a.get("SOPClassUID", "")))
def test_a_picture_of_a_person_is_refused(attributes: dict[str, Any], syntax: str) -> None:
    overlay = attributes.get("OverlayData", b"")
    ds = made(syntax=syntax, **{name: value for name, value in attributes.items() if name != "OverlayData"})
    if overlay:
        order = ">" if syntax == ExplicitVRBigEndian else "<"
        head = np.array([0x6000, 0x3000], f"{order}u2").tobytes()
        size = np.array([2], f"{order}u4").tobytes()
        ds += head + (size if syntax == Implicit else b"OW\0\0" + size) + overlay
    with pytest.raises(codec.PersonImage):
        read(ds)
    with pytest.raises(codec.PersonImage):
        stored(ds)


def test_a_cut_picture_of_a_person_is_refused_too() -> None:
    data = made(OOIType="PERSON")
    first_pixel = data.index(b"\xe0\x7f\x10\0OW") + 12
    for end in range(first_pixel + 1, len(data)):
        with pytest.raises(codec.PersonImage):
            read(data[:end])
    with pytest.raises(codec.PersonImage):
        read(b"\xee" + data)  # no DICOM at all any more, for one byte too many


def test_a_report_on_a_person_without_a_picture_is_none_of_these() -> None:
    scan = stored(made(OOIType="PERSON", SOPClassUID=TDR, PixelData=None))
    assert scan.problem == "not supported: DICOS Threat Detection Report"


def test_the_class_that_c_store_announces_counts_as_well() -> None:
    with pytest.raises(codec.PersonImage):
        stored(made(), sop_class=next(iter(PERSONS)))


@pytest.mark.parametrize(("version", "kept"), [("V03", b"V03 "), ("V02A", b"V02A"), (None, b"V03 ")])
def test_a_stored_object_becomes_a_file_with_its_bytes_unchanged(version: str | None, kept: bytes) -> None:
    data = made(DICOSVersion=version)
    _, start = file_meta(data)
    scan = stored(data)
    assert bytes(scan.original[-len(data[start:]) :]) == data[start:]
    again = pydicom.dcmread(pydicom.filebase.DicomBytesIO(bytes(scan.original)))
    assert again.file_meta[0x00020004].value == kept.decode().strip()
    assert again.file_meta.SourceApplicationEntityTitle == "SCANNER2"
    assert again.file_meta.FileMetaInformationGroupLength == len(scan.original) - len(data[start:]) - 144
    assert (values(codec.read_file(bytes(scan.original), "x", AT)) == VALUES).all()


def test_the_key_is_the_instance_and_its_bytes_and_not_who_sent_it() -> None:
    one, other = stored(made()), stored(made(PatientComments="again"))
    assert one.key.startswith("1.2.3.4:") and one.key != other.key
    _, start = file_meta(made())
    by_another = codec.read_stored(made()[start:], DX_FOR_PROCESSING, "1.2.3.4", ExplicitVRLittleEndian, AT, "OTHER")
    assert by_another.key == one.key


def test_a_file_cut_anywhere_is_an_error_or_a_problem_never_a_picture() -> None:
    data = made()
    _, start = file_meta(data)
    for end in range(len(data)):
        with pytest.raises(ProtocolError):
            read(data[:end])
        if end >= start:
            assert stored(data[:end]).problem


def test_inflating_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drivers.dicos.elements.MAX_INFLATED_BYTES", 1024 * 1024)
    squeezer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    bomb = squeezer.compress(bytes(64 * 1024 * 1024)) + squeezer.flush()
    scan = codec.read_stored(bomb, DX_FOR_PROCESSING, "1.2", DeflatedExplicitVRLittleEndian, AT)
    assert scan.problem is not None and "over 1048576 bytes" in scan.problem


def test_the_identity_of_a_file() -> None:
    assert codec.identity(made()) == (DX_FOR_PROCESSING, "1.2.3.4")
    with pytest.raises(codec.NotDicom):
        codec.identity(b"no DICOM")
    with pytest.raises(codec.NotDicom):
        codec.identity(made(SOPInstanceUID=None))


def crossed(scan: Scan) -> Scan:
    """The scan on the far side of the wire to the core, which believes nothing."""
    frame = b"".join(bytes(part) for part in encode(Offer(number=1, observation=scan)))
    (offer,) = Decoder().feed(frame)
    assert isinstance(offer, Offer) and isinstance(offer.observation, Scan)
    return offer.observation


@pytest.mark.parametrize(
    ("syntax", "is_inside"), [(ExplicitVRLittleEndian, True), (DeflatedExplicitVRLittleEndian, False)]
)
def test_a_plain_picture_crosses_inside_its_file(syntax: str, is_inside: bool) -> None:
    file = made(syntax=syntax)
    scan = read(file)
    assert (scan.pictures[0].offset is not None) is is_inside
    assert crossed(scan).pictures[0].data == scan.pictures[0].data
    stored = codec.read_stored(file[codec.file_meta(file)[1] :], DX_FOR_PROCESSING, "1.2.3.4", syntax, AT, "SCANNER")
    assert stored.pictures[0].data == scan.pictures[0].data
    assert crossed(stored).pictures == stored.pictures


SYNTAXES = [ExplicitVRLittleEndian, Implicit, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian]


@settings(deadline=None, max_examples=400)
@given(st.sampled_from(SYNTAXES), st.lists(st.tuples(st.integers(0, 4095), st.integers(0, 255)), max_size=12))
def test_no_change_of_a_file_does_harm(syntax: str, changes: list[tuple[int, int]]) -> None:
    file = bytearray(made(syntax=syntax))
    for place, value in changes:
        file[place % len(file)] = value
    try:
        scan = read(bytes(file))
    except ProtocolError:
        scan = None
    if scan:
        assert crossed(scan).pictures
    try:
        scan = stored(bytes(file))
    except codec.PersonImage:
        return
    assert crossed(scan).problem or scan.pictures


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=600), st.sampled_from(["", "1.2.840.10008.1.2", *SYNTAXES]))
def test_garbage_is_no_dicom(garbage: bytes, syntax: str) -> None:
    with pytest.raises(ProtocolError):
        read(bytes(128) + b"DICM" + garbage)
    try:
        scan = codec.read_stored(garbage, DX_FOR_PROCESSING, "1.2", syntax, AT)
    except codec.PersonImage:
        return
    assert crossed(scan).problem
