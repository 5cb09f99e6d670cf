"""DICOS and DICOM bytes in, a scan out. Pure: no network, no files; every size is checked before it is believed.

Attributes are those of NEMA IIC 1 (DICOS), which gives DICOM's attributes of a patient to the object of inspection:
Patient ID is the OOI ID, Study Instance UID the Scan Instance UID.
"""

from __future__ import annotations

import hashlib
from struct import pack

from drivers.clock import Stamp
from drivers.contract import Energy, ItemHint, Picture, Polarity, Scan
from drivers.dicos.elements import (
    EXPLICIT_LITTLE,
    OOI_TYPE,
    PIXEL_DATA,
    DataSet,
    data_set,
    file_meta,
    hints_at_person,
)
from drivers.dicos.pixels import Unjudgeable, pixels
from drivers.dicos.uids import FILE_META_VERSION, IMAGES, IMPLEMENTATION, KEPT, TDR, is_of_person
from drivers.errors import ProtocolError

__all__ = [
    "MEDIA_TYPE",
    "NotDicom",
    "PersonImage",
    "Unjudgeable",
    "identity",
    "part10",
    "read_file",
    "read_kept",
    "read_report",
    "read_stored",
]

MEDIA_TYPE = "application/dicom"
MAX_WORD_CHARS = 128
_PREAMBLE = bytes(128) + b"DICM"

_TRANSFER_SYNTAX = 0x00020010
_SOP_CLASS, _SOP_INSTANCE, _STUDY = 0x00080016, 0x00080018, 0x0020000D
_IMAGE_TYPE, _MODALITY = 0x00080008, 0x00080060
_INSTANCE_NUMBER = 0x00200013
_OOI_ID, _OOI_ID_TYPE = 0x00100020, 0x00100022
_RELATIONSHIP, _RELATIONSHIP_SIGN = 0x00281040, 0x00281041
_PIXEL_SPACING, _IMAGER_PIXEL_SPACING = 0x00280030, 0x00181164
_TIP_TYPE, _DICOS_VERSION, _SCAN_TYPE, _AIT_DEVICE_TYPE = 0x40101039, 0x4010103A, 0x40101048, 0x40101070

_ENERGIES = {"LOW ENERGY": Energy.LOW, "HIGH ENERGY": Energy.HIGH}
_POLARITIES = {1: Polarity.AIR_HIGH, -1: Polarity.AIR_LOW}
#: Modality words of body scanners (names in the reference toolkit).
_BODY_SCANNERS = ("AIT", "AIT2D", "AIT3D", "HDAIT", "WAIT")


class NotDicom(ProtocolError):
    """The bytes are no DICOM file, or one that is damaged."""

    code = "not-dicom"


class PersonImage(ProtocolError):
    """A picture of a person: nothing of it may be kept."""

    code = "person-image"
    retriable = False


def read_file(data: bytes, name: str, at: Stamp) -> Scan:
    """Return the scan in a DICOM file of an export folder.

    Raises NotDicom for a file that is none or is cut off, PersonImage for a picture of a person, Unjudgeable for
    anything else without a picture that can be judged.
    """
    meta, start = file_meta(data)
    syntax = meta.text(_TRANSFER_SYNTAX) or ""
    found = data_set(memoryview(data)[start:], syntax)
    _refuse_person(found, _word(meta, 0x00020002))
    if meta.damage or found.damage or not found.elements:
        raise NotDicom(f"not a DICOM file, or a damaged one: {meta.damage or found.damage or 'it is empty'}")
    return _scan(found, data, hashlib.sha256(data).hexdigest(), name, at, _pictures(found, syntax, data))


def read_stored(
    dataset: bytes, sop_class: str, sop_instance: str, transfer_syntax: str, at: Stamp, calling_ae_title: str = ""
) -> Scan:
    """Return the scan in an object as C-STORE brings it; what cannot be judged is a scan with a problem.

    Its original is a file around the object's bytes as they came; its key counts these bytes alone. Raises PersonImage
    for a picture of a person.
    """
    found = data_set(dataset, transfer_syntax)
    _refuse_person(found, sop_class)
    version = _word(found, _DICOS_VERSION) or "V03"
    original = part10(dataset, sop_class, sop_instance, transfer_syntax, version, calling_ae_title)
    return _kept(found, original, hashlib.sha256(dataset).hexdigest(), sop_instance, transfer_syntax, at)


def read_report(
    dataset: bytes, sop_class: str, sop_instance: str, transfer_syntax: str, calling_ae_title: str = ""
) -> tuple[DataSet, bytes, str]:
    """Return a Threat Detection Report as C-STORE brings it: walked, as a file, and the key of its repeats.

    The key names nothing: reports may be on persons. Raises PersonImage where it carries a picture of a person,
    NotDicom for one that is damaged, or is something else by its own account.
    """
    found = data_set(dataset, transfer_syntax)
    _refuse_person(found, sop_class)
    if found.damage or not found.elements:
        raise NotDicom(f"a damaged report: {found.damage or 'it is empty'}")
    if _word(found, _SOP_CLASS) != TDR:
        raise NotDicom("no report, though it was announced as one")
    version = _word(found, _DICOS_VERSION) or "V03"
    file = part10(dataset, sop_class, sop_instance, transfer_syntax, version, calling_ae_title)
    return found, file, f"report:{hashlib.sha256(dataset).hexdigest()}"


def read_kept(original: bytes, at: Stamp) -> tuple[Scan, int]:
    """Return the scan in a file of `part10`'s as `read_stored` does, and its Instance Number, 0 where it has none.

    Raises PersonImage as that does.
    """
    meta, start = file_meta(original)
    syntax = meta.text(_TRANSFER_SYNTAX) or ""
    dataset = memoryview(original)[start:]
    found = data_set(dataset, syntax)
    _refuse_person(found, _word(meta, 0x00020002))
    digest = hashlib.sha256(dataset).hexdigest()
    number = _word(found, _INSTANCE_NUMBER) or ""
    is_one = number.isascii() and number.isdigit()
    scan = _kept(found, original, digest, _word(meta, 0x00020003) or "", syntax, at)
    return scan, int(number) if is_one else 0


def _kept(found: DataSet, original: bytes, digest: str, sop_instance: str, transfer_syntax: str, at: Stamp) -> Scan:
    if found.damage or not found.elements:
        problem = f"a damaged DICOM object: {found.damage or 'it is empty'}"
        return _scan(found, original, digest, sop_instance, at, (), problem)
    try:
        pictures = _pictures(found, transfer_syntax, original)
    except Unjudgeable as error:
        return _scan(found, original, digest, sop_instance, at, (), str(error))
    return _scan(found, original, digest, sop_instance, at, pictures)


def identity(data: bytes) -> tuple[str, str]:
    """Return the SOP class and instance UID of a file. Raises NotDicom where it has none."""
    meta, start = file_meta(data)
    if meta.damage:
        raise NotDicom(meta.damage)
    found = data_set(memoryview(data)[start:], meta.text(_TRANSFER_SYNTAX) or "")
    sop_class, instance = _word(found, _SOP_CLASS), _word(found, _SOP_INSTANCE)
    if not sop_class or not instance:
        raise NotDicom("a DICOM file without SOP class and instance")
    return sop_class, instance


def part10(
    dataset: bytes,
    sop_class: str,
    sop_instance: str,
    transfer_syntax: str,
    dicos_version: str = "V03",
    calling_ae_title: str = "",
) -> bytes:
    """Return a file (DICOM part 10) of a dataset as it came over the wire, its bytes unchanged behind the file meta.

    C-STORE carries no file meta; DICOS readers demand its version there, (0002,0004) CS.
    """
    meta = (
        _meta(0x00020001, "OB", b"\0\1")
        + _meta(0x00020002, "UI", sop_class.encode("ascii", "replace"))
        + _meta(0x00020003, "UI", sop_instance.encode("ascii", "replace"))
        + _meta(FILE_META_VERSION, "CS", b"V02A" if dicos_version.startswith("V02A") else b"V03")
        + _meta(_TRANSFER_SYNTAX, "UI", transfer_syntax.encode("ascii", "replace"))
        + _meta(0x00020012, "UI", IMPLEMENTATION.encode())
    )
    if calling_ae_title:
        meta += _meta(0x00020016, "AE", calling_ae_title.encode("ascii", "replace")[:16])
    return b"".join((_PREAMBLE, _meta(0x00020000, "UL", pack("<I", len(meta))), meta, dataset))


def _meta(tag: int, vr: str, value: bytes) -> bytes:
    """Return one element of file meta information: explicit VR, little endian, of even length (PS3.10, 7.1)."""
    if len(value) % 2:
        value += b"\0" if vr in ("UI", "OB") else b" "
    head = pack("<HH2s", tag >> 16, tag & 0xFFFF, vr.encode())
    return head + (pack("<HI", 0, len(value)) if vr == "OB" else pack("<H", len(value))) + value


def _word(found: DataSet, tag: int) -> str | None:
    """Return an identifier or code word, cut to what messages can carry."""
    text = found.text(tag)
    return text[:MAX_WORD_CHARS] if text else None


def may_concern_person(dataset: bytes, sop_class: str, transfer_syntax: str) -> bool:
    """Say whether an object, whole or cut off, may show a person or be a report on one; "" is what is not known."""
    found = data_set(dataset, transfer_syntax or EXPLICIT_LITTLE)
    if found.damage and not found.bytes:
        return True  # compressed, and nothing of it can be seen
    try:
        _refuse_person(found, sop_class)
    except PersonImage:
        return True
    return (_word(found, OOI_TYPE) or "").upper() == "PERSON" or hints_at_person(found.bytes)


def _refuse_person(found: DataSet, announced_class: str | None) -> None:
    classes = (announced_class or "", _word(found, _SOP_CLASS) or "")
    scanned = PIXEL_DATA in found.elements and (
        (_word(found, _MODALITY) or "").upper() in _BODY_SCANNERS or found.text(_AIT_DEVICE_TYPE) is not None
    )
    of_person = (_word(found, OOI_TYPE) or "").upper() == "PERSON" and classes[1] != TDR
    if found.shows_person or scanned or of_person or any(is_of_person(sop_class) for sop_class in classes):
        raise PersonImage("a picture of a person, or what may be one: it is refused, and nothing of it is kept")


def _scan(
    found: DataSet,
    original: bytes,
    digest: str,
    name: str,
    at: Stamp,
    pictures: tuple[Picture, ...],
    problem: str | None = None,
) -> Scan:
    return Scan(
        at=at,
        key=f"{_word(found, _SOP_INSTANCE) or ''}:{digest}",
        original=original,
        media_type=MEDIA_TYPE,
        name=name[:512],
        pictures=pictures,
        scan_id=_word(found, _STUDY),
        item=ItemHint(_word(found, _OOI_ID), _word(found, _OOI_ID_TYPE), _word(found, OOI_TYPE)),
        problem=problem[:512] if problem else None,
        scan_type=_word(found, _SCAN_TYPE) or "OPERATIONAL",
        tip_type=_word(found, _TIP_TYPE),
        answer_repeats=True,
    )


def _pictures(found: DataSet, transfer_syntax: str, original: bytes) -> tuple[Picture, ...]:
    """Return the one picture of an image object, where it can be as a view of its file. Raises Unjudgeable."""
    sop_class = _word(found, _SOP_CLASS) or ""
    if sop_class in KEPT:
        raise Unjudgeable(f"not supported: {KEPT[sop_class]}")
    if sop_class not in IMAGES:
        raise Unjudgeable(f"not supported: SOP class {sop_class or 'missing'}")
    values = pixels(found, transfer_syntax)
    grey = values.channels == 1
    data, offset = values.data, None
    if values.start is not None:  # the data set is the end of its file
        offset = len(original) - len(found.bytes) + values.start
        data = memoryview(original)[offset : offset + len(data)]
    picture = Picture(
        view=0,
        energy=_energy(found) if grey else Energy.COLOUR,
        rows=values.rows,
        columns=values.columns,
        channels=values.channels,
        bits=values.bits,
        data=data,
        polarity=_polarity(found) if grey else Polarity.UNKNOWN,
        logarithmic=_word(found, _RELATIONSHIP) == "LOG",
        pixel_mm=_pixel_mm(found),
        offset=offset,
    )
    return (picture,)


def _energy(found: DataSet) -> Energy:
    """Return the spectrum by Image Type's second value; a material or mixed image counts as one energy."""
    kinds = [part.upper().replace("_", " ") for part in found.texts(_IMAGE_TYPE)[1:2]]
    return _ENERGIES.get(kinds[0] if kinds else "", Energy.SINGLE)


def _polarity(found: DataSet) -> Polarity:
    """Return which end of the values is clear air.

    Pixel Intensity Relationship Sign (0028,1041) says it: 1, lower values are less X-ray intensity; -1, the opposite
    (PS3.3, C.8.11.3.1.2). Photometric Interpretation is about the display and says nothing of it.
    """
    sign = found.short(_RELATIONSHIP_SIGN, signed=True)
    return Polarity.UNKNOWN if sign is None else _POLARITIES.get(sign, Polarity.UNKNOWN)


def _pixel_mm(found: DataSet) -> tuple[float, float] | None:
    """Return the size of a pixel: in the belt plane where the scanner states that, else at the detector."""
    for tag in (_PIXEL_SPACING, _IMAGER_PIXEL_SPACING):
        try:
            row, column = (float(part) for part in found.texts(tag))
        except ValueError:
            continue
        if 0 < row <= 100 and 0 < column <= 100:
            return row, column
    return None
