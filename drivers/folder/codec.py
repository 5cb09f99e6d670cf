"""Bytes of an export file in, a scan out: PNG, JPEG and TIFF here, DICOS by the `dicos` driver's codec, N42. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from drivers.clock import Stamp
from drivers.contract import Energy, Observation, Picture, Scan
from drivers.errors import ProtocolError
from drivers.folder import n42
from drivers.folder.formats import CutShort, Page, jpeg, png
from drivers.folder.tiff import tiff

_Array = npt.NDArray[Any]

# What a decoder mutters about a stranger's file goes into the ProtocolError, not into the journal of the appliance.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


@dataclass(frozen=True, slots=True)
class _Format:
    """One file format: how it begins, its media type, and the check of its structure (None: a page to leave out)."""

    magics: tuple[bytes, ...]
    media_type: str
    check: Callable[[bytes], list[Page | None]]


_FORMATS = (
    _Format((b"\x89PNG\r\n\x1a\n",), "image/png", lambda data: [png(data)]),
    _Format((b"\xff\xd8\xff",), "image/jpeg", lambda data: [jpeg(data)]),
    _Format((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), "image/tiff", tiff),
)
#: A DICOM file's prefix stands behind a preamble of 128 bytes, which may itself look like a TIFF.
_DICM = slice(128, 132)
_ZIP = b"PK\x03\x04"
_PERSON_IMAGE = "person-image"  # the code of drivers.dicos.codec.PersonImage, known without importing it
_DICOS_NAMES = (".dcs", ".dcm", ".dicom")


def observe(data: bytes, name: str, at: Stamp) -> Observation:
    """Return what a whole export file holds: the scan that `read` gives, or the reading in an N42 file.

    Raises ProtocolError as both do.
    """
    return n42.read(data, name, at) if n42.is_xml(data) else read(data, name, at)


def read(data: bytes, name: str, at: Stamp) -> Scan:
    """Return the scan that a whole export file holds, with `data` as its original and its SHA-256 as its key.

    Grey pictures are Energy.SINGLE, coloured ones Energy.COLOUR (RGB); each full page of a TIFF is a view. Raises
    ProtocolError, in words for a technician, for anything that is not a whole picture of a kind that is read here, and
    its subclass from `drivers.dicos` for a picture of a person.
    """
    if data[_DICM] == b"DICM":
        return _dicos(data, name, at)
    if data.startswith(_ZIP):
        return _joined(data, name, at)
    for form in _FORMATS:
        if data.startswith(form.magics):
            return _pictures(data, name, at, form)
    if name.lower().endswith(_DICOS_NAMES):
        return _dicos(data, name, at)
    if n42.is_xml(data):
        raise ProtocolError("this is XML: a folder reads N42 files, but there is no picture in it")
    if len(data) < _DICM.stop:
        raise CutShort("the file is empty" if not data else f"the file has {len(data)} bytes, too few to be a picture")
    raise ProtocolError("this is neither PNG, JPEG, TIFF nor DICOS")


def is_person_picture(error: ProtocolError) -> bool:
    """Return whether `read` refused a picture of a person: such a file is removed and not kept."""
    return error.code == _PERSON_IMAGE


def _dicos(data: bytes, name: str, at: Stamp) -> Scan:
    from drivers.dicos import codec as dicos  # only a folder that gets such files pays for pydicom

    try:
        scan = dicos.read_file(data, name, at)
    except dicos.PersonImage:
        raise
    except ProtocolError as error:
        # A DICOM file may be cut anywhere and fail in any way: its writer gets the time to go on.
        raise CutShort(str(error)) from None
    return replace(scan, key=hashlib.sha256(data).hexdigest(), answer_repeats=False)


def _joined(data: bytes, name: str, at: Stamp) -> Scan:
    """Return the scan in a ZIP of several DICOS objects, as this appliance keeps one in its evidence."""
    from drivers.dicos import joined

    try:
        return replace(joined.read(data, name, at), answer_repeats=False)
    except joined.NotJoined as error:
        raise ProtocolError(f"this is neither PNG, JPEG, TIFF nor DICOS ({error})") from None


def _pictures(data: bytes, name: str, at: Stamp, form: _Format) -> Scan:
    pages = form.check(data)
    pictures: list[Picture] = []
    for page, array in zip(pages, _decode(data, len(pages)), strict=True):
        if page is not None:
            pictures.append(_picture(len(pictures), page, array))
    return Scan(
        at=at,
        key=hashlib.sha256(data).hexdigest(),
        original=data,
        media_type=form.media_type,
        name=name,
        pictures=tuple(pictures),
    )


def _decode(data: bytes, pages: int) -> list[_Array]:
    """Return every page as OpenCV gives it; raises ProtocolError where it gives fewer, or gives up."""
    coded = np.frombuffer(data, np.uint8)
    try:
        if pages == 1:
            array = cv2.imdecode(coded, cv2.IMREAD_UNCHANGED)
            arrays = [] if array is None else [array]
        else:
            arrays = list(cv2.imdecodemulti(coded, cv2.IMREAD_UNCHANGED)[1])
    except cv2.error as error:
        raise ProtocolError(f"the pixel data cannot be decoded ({str(error.err or error).strip()[:200]})") from None
    except MemoryError:
        raise ProtocolError("decoding takes more memory than this device may use; raise memory_bytes") from None
    if len(arrays) != pages:
        raise ProtocolError("the pixel data cannot be decoded: it is damaged, or packed in a way that is not read here")
    return arrays


def _picture(view: int, page: Page, array: _Array) -> Picture:
    if array.dtype not in (np.uint8, np.uint16) or array.shape[:2] != (page.rows, page.columns):
        raise ProtocolError("the pixel data does not fit the file's own header")
    array = _without_alpha(array)
    if array.ndim == 3 and page.channels == 1:
        array = array[..., 0]
    if array.ndim == 3:
        array = cv2.cvtColor(array, cv2.COLOR_BGR2RGB)
    array = np.ascontiguousarray(array)
    return Picture(
        view=view,
        energy=Energy.COLOUR if array.ndim == 3 else Energy.SINGLE,
        rows=page.rows,
        columns=page.columns,
        channels=3 if array.ndim == 3 else 1,
        bits=array.dtype.itemsize * 8,
        data=array.data.cast("B"),
    )


def _without_alpha(array: _Array) -> _Array:
    """Return a picture with an alpha channel as it looks on white, which is how X-ray pictures show air."""
    if array.ndim != 3 or array.shape[2] != 4:
        return array
    top = int(np.iinfo(array.dtype).max)
    alpha = array[..., 3:]
    if (alpha == top).all():
        return array[..., :3]
    blended = array[..., :3].astype(np.uint32) * alpha + np.uint32(top) * (top - alpha.astype(np.uint32))
    result: _Array = ((blended + top // 2) // top).astype(array.dtype)
    return result
