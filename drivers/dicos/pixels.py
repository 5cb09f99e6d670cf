"""Pixel data of a DICOM data set as plain values: bits cut out, signs removed, compressed data decompressed (PS3.5, 8).

Sizes are checked before anything of that size is made, and what a compressed picture says of itself must be what its
data set says. imagecodecs decompresses (libjpeg-turbo, CharLS, OpenJPEG), loaded when the first such picture comes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from drivers.dicos.elements import (
    DEFLATED_LITTLE,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    PIXEL_DATA,
    DataSet,
)
from drivers.errors import ProtocolError
from drivers.wire import MAX_SIDE

MAX_PICTURE_BYTES = 128 * 1024 * 1024
RLE = "1.2.840.10008.1.2.5"
JPEG_LOSSLESS = "1.2.840.10008.1.2.4.57"
JPEG_LOSSLESS_SV1 = "1.2.840.10008.1.2.4.70"
JPEG_LS_LOSSLESS = "1.2.840.10008.1.2.4.80"
JPEG_2000_LOSSLESS = "1.2.840.10008.1.2.4.90"

_PLAIN = (EXPLICIT_LITTLE, IMPLICIT_LITTLE, DEFLATED_LITTLE, EXPLICIT_BIG)
#: What is offered to scanners, in order of preference. Lossy ones are not: what they left out cannot be judged.
TRANSFER_SYNTAXES = (*_PLAIN, RLE, JPEG_LOSSLESS_SV1, JPEG_LOSSLESS, JPEG_LS_LOSSLESS, JPEG_2000_LOSSLESS)

_SAMPLES, _PHOTOMETRIC, _PLANAR, _FRAMES = 0x00280002, 0x00280004, 0x00280006, 0x00280008
_ROWS, _COLUMNS, _ALLOCATED, _STORED, _HIGH, _SIGNED = (
    0x00280010,
    0x00280011,
    0x00280100,
    0x00280101,
    0x00280102,
    0x00280103,
)
_Array = npt.NDArray[Any]


class Unjudgeable(ProtocolError):
    """A DICOM object without a picture that can be judged."""

    code = "unjudgeable"
    retriable = False


@dataclass(frozen=True, slots=True)
class Pixels:
    """Values as a `drivers.contract.Picture` has them: C order, little endian, unsigned, `bits` of each used.

    `start` is where they lie in the bytes that came, None where they lie there otherwise than here.
    """

    rows: int
    columns: int
    channels: int
    bits: int
    data: memoryview
    start: int | None = None


@dataclass(frozen=True, slots=True)
class _Layout:
    """How values lie in the pixel data (PS3.3, C.7.6.3)."""

    rows: int
    columns: int
    channels: int
    allocated: int
    stored: int
    high: int
    signed: bool
    planar: bool

    @property
    def values(self) -> int:
        return self.rows * self.columns * self.channels

    @property
    def size_bytes(self) -> int:
        return self.values * self.allocated // 8


def pixels(found: DataSet, transfer_syntax: str) -> Pixels:
    """Return the picture of a data set; where it can be, a view of the data set's own bytes.

    Raises Unjudgeable for a picture that is cut off, damaged, contradicts itself, or is of a kind not read here.
    """
    if transfer_syntax not in TRANSFER_SYNTAXES:
        raise Unjudgeable(f"not supported: transfer syntax {transfer_syntax or 'missing'}")
    value = found.value(PIXEL_DATA)
    if value is None:
        raise Unjudgeable("there is no pixel data: the file is cut off, or no image")
    layout = _layout(found)
    if transfer_syntax in _PLAIN:
        values = _plain(value, layout, found)
        if values is None:
            start = None if transfer_syntax == DEFLATED_LITTLE else found.elements[PIXEL_DATA].start
            return _pixels(layout, value[: layout.size_bytes], start)
    else:
        values = _decompressed(found, layout, transfer_syntax)
    return _pixels(layout, np.ascontiguousarray(_unsigned(values, layout)).data.cast("B"))


def _pixels(layout: _Layout, data: memoryview, start: int | None = None) -> Pixels:
    return Pixels(layout.rows, layout.columns, layout.channels, layout.stored, data, start)


def _layout(found: DataSet) -> _Layout:
    rows, columns, allocated = (_needed(found, tag) for tag in (_ROWS, _COLUMNS, _ALLOCATED))
    channels = found.short(_SAMPLES) or 1
    stored = found.short(_STORED) or allocated
    high = stored - 1 if (given := found.short(_HIGH)) is None else given
    if not (0 < rows <= MAX_SIDE and 0 < columns <= MAX_SIDE):
        raise Unjudgeable(f"an image of {columns} x {rows} pixels is over the limit of {MAX_SIDE} a side")
    if allocated not in (8, 16) or not 1 <= stored <= allocated or not stored - 1 <= high < allocated:
        raise Unjudgeable(f"not supported: {stored} bits in {allocated}, the highest of them bit {high}")
    photometric = found.text(_PHOTOMETRIC) or "MONOCHROME2"
    if (channels, photometric) not in ((1, "MONOCHROME1"), (1, "MONOCHROME2"), (3, "RGB")):
        raise Unjudgeable(f"not supported: {channels} samples a pixel, {photometric}")
    if (frames := found.text(_FRAMES)) not in (None, "1"):
        raise Unjudgeable(f"not supported: several frames in one image ({frames[:16] if frames else ''})")
    planar = channels == 3 and found.short(_PLANAR) == 1
    layout = _Layout(rows, columns, channels, allocated, stored, high, found.short(_SIGNED) == 1, planar)
    if layout.size_bytes > MAX_PICTURE_BYTES:
        raise Unjudgeable(f"an image of {layout.size_bytes} bytes is over the limit of {MAX_PICTURE_BYTES}")
    return layout


def _needed(found: DataSet, tag: int) -> int:
    number = found.short(tag)
    if number is None:
        raise Unjudgeable(f"({tag >> 16:04X},{tag & 0xFFFF:04X}) is missing or no number")
    return number


def _plain(value: memoryview, layout: _Layout, found: DataSet) -> _Array | None:
    """Return the values as stored, None where the bytes are what a picture has anyway."""
    if found.fragments is not None:
        raise Unjudgeable("the pixel data is compressed, and the transfer syntax says that it is not")
    if len(value) < layout.size_bytes:
        raise Unjudgeable(f"the pixel data is cut off: {len(value)} of {layout.size_bytes} bytes")
    whole = layout.stored == layout.allocated and not layout.signed and not layout.planar
    words = found.elements[PIXEL_DATA].vr == "OW" and layout.allocated == 8
    if whole and (found.little or (layout.allocated == 8 and not words)):
        return None
    order = "<" if found.little else ">"
    if words and not found.little:  # bytes in pairs, the second one first (PS3.5, A.2, note)
        swapped = np.frombuffer(value[: len(value) // 2 * 2], ">u2").astype("<u2").view("u1")
        return _shaped(swapped[: layout.values], layout)
    return _shaped(np.frombuffer(value, f"{order}u{layout.allocated // 8}", count=layout.values), layout)


def _shaped(flat: _Array, layout: _Layout) -> _Array:
    if layout.planar:
        return flat.reshape(layout.channels, layout.rows, layout.columns).transpose(1, 2, 0)
    shape = (layout.rows, layout.columns)
    return flat.reshape(shape if layout.channels == 1 else (*shape, layout.channels))


def _unsigned(values: _Array, layout: _Layout) -> _Array:
    """Return the stored bits as unsigned values; of signed ones the lowest becomes 0."""
    wide = values.astype(np.uint16)
    wide >>= np.uint16(layout.high + 1 - layout.stored)
    wide &= np.uint16((1 << layout.stored) - 1)
    if layout.signed:
        wide ^= np.uint16(1 << (layout.stored - 1))
    return wide.astype("u1") if layout.stored <= 8 else wide.astype("<u2", copy=False)


def _decompressed(found: DataSet, layout: _Layout, transfer_syntax: str) -> _Array:
    """Return the values of a picture in one frame of one or several fragments (PS3.5, A.4)."""
    if not found.fragments or len(found.fragments) < 2:
        raise Unjudgeable("there is no compressed pixel data: the file is cut off, or not what its header says")
    frame = b"".join(found.fragments[1:])
    # Each decoder of imagecodecs has an error of its own, all of them of RuntimeError.
    try:
        if transfer_syntax == RLE:
            return _run_lengths(frame, layout)
        return _jpeg(frame, layout, transfer_syntax)
    except (RuntimeError, ValueError, MemoryError) as error:
        raise Unjudgeable(f"the compressed pixel data is damaged: {error}"[:300]) from None


def _run_lengths(frame: bytes, layout: _Layout) -> _Array:
    import imagecodecs  # here and below: 10 MB that most scanners never need

    # A run of two bytes grows to 128: less cannot be the picture that the header claims.
    if len(frame) * 64 < layout.size_bytes:
        raise Unjudgeable("the pixel data is too short for the size that the header claims")
    if int.from_bytes(frame[:4], "little") != layout.channels * layout.allocated // 8:
        raise Unjudgeable("the compressed pixel data has not as many planes as the header claims")
    out = np.empty(layout.size_bytes, np.uint8)
    decoded = imagecodecs.dicomrle_decode(frame, np.dtype(f"<u{layout.allocated // 8}"), out=out.data)
    if len(decoded) != layout.size_bytes:
        raise Unjudgeable("the pixel data is too short for the size that the header claims")
    flat = out.view(f"<u{layout.allocated // 8}")
    if layout.channels == 1:
        return flat.reshape(layout.rows, layout.columns)
    return flat.reshape(layout.channels, layout.rows, layout.columns).transpose(1, 2, 0)


#: By transfer syntax: what a frame begins with, the marker of its header, and the decoder's name in imagecodecs.
_JPEGS: dict[str, tuple[bytes, bytes, str]] = {
    JPEG_LOSSLESS: (b"\xff\xd8\xff", b"\xff\xc3", "jpeg8_decode"),
    JPEG_LOSSLESS_SV1: (b"\xff\xd8\xff", b"\xff\xc3", "jpeg8_decode"),
    JPEG_LS_LOSSLESS: (b"\xff\xd8\xff", b"\xff\xf7", "jpegls_decode"),
    JPEG_2000_LOSSLESS: (b"\xff\x4f\xff\x51", b"\xff\x51", "jpeg2k_decode"),
}
_END_OF_IMAGE = b"\xff\xd9"


def _jpeg(frame: bytes, layout: _Layout, transfer_syntax: str) -> _Array:
    import imagecodecs

    if layout.channels != 1:
        raise Unjudgeable("not supported: colours in a JPEG of this kind")
    begin, marker, decoder = _JPEGS[transfer_syntax]
    # The decoders fill up with grey what is missing at the end: the end marker must be there.
    if not frame.startswith(begin) or not frame.rstrip(b"\0").endswith(_END_OF_IMAGE):
        raise Unjudgeable("the compressed pixel data is cut off, or no JPEG of the kind that the header says")
    rows, columns, components, bits = _jpeg_2000_header(frame) if begin[1:2] == b"\x4f" else _header(frame, marker)
    if (rows, columns, components) != (layout.rows, layout.columns, 1) or not bits <= layout.allocated:
        raise Unjudgeable(
            f"the header says {layout.columns} x {layout.rows} pixels of {layout.allocated} bits, "
            f"the compressed picture {columns} x {rows} of {bits}"
        )
    decode: Callable[..., _Array] = getattr(imagecodecs, decoder)
    return decode(frame, out=np.empty((rows, columns), np.uint8 if bits <= 8 else np.uint16))


def _header(frame: bytes, wanted: bytes) -> tuple[int, int, int, int]:
    """Return rows, columns, components, bits of a JPEG's frame header (ISO/IEC 10918-1, B.2.2)."""
    at = 2
    while at + 4 <= len(frame) and frame[at] == 0xFF:
        marker, length = frame[at : at + 2], int.from_bytes(frame[at + 2 : at + 4], "big")
        if marker == wanted and at + 10 <= len(frame):
            bits, rows, columns = frame[at + 4], frame[at + 5 : at + 7], frame[at + 7 : at + 9]
            return int.from_bytes(rows, "big"), int.from_bytes(columns, "big"), frame[at + 9], bits
        if length < 2 or marker == b"\xff\xda":
            break
        at += 2 + length
    raise Unjudgeable("the compressed pixel data is no JPEG of the kind that the header says")


def _jpeg_2000_header(frame: bytes) -> tuple[int, int, int, int]:
    """Return the same of a JPEG 2000 code stream, whose sizes come first (ISO/IEC 15444-1, A.5.1)."""
    if len(frame) < 43:
        raise Unjudgeable("the compressed pixel data is cut off")
    width, height, left, top = (int.from_bytes(frame[8 + 4 * n : 12 + 4 * n], "big") for n in range(4))
    components, precision = int.from_bytes(frame[40:42], "big"), frame[42]
    return height - top, width - left, components, (precision & 0x7F) + 1
