"""What a PNG, JPEG or TIFF file says of itself, and whether it is whole: checked before a decoder sees it.

Decoders allocate what a header claims, and some hand out half a picture without a word. So each function here walks the
whole structure of a file, allocates nothing that the file's own size does not justify, and raises ProtocolError with a
sentence for a technician. Sources: PNG (ISO/IEC 15948), JPEG (ITU-T T.81), TIFF 6.0 and the BigTIFF design note.
"""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass

from drivers.errors import ProtocolError
from drivers.wire import MAX_SIDE


class CutShort(ProtocolError):
    """The file ends before its picture does, or may do so: damaged, or not yet written to its end."""


MAX_DECODED_BYTES = 128 * 1024 * 1024
MAX_PAGES = 16


@dataclass(frozen=True, slots=True)
class Page:
    """One picture of a file as its header claims it; `bits` is 8 or 16, `channels` 1 (grey) or 3 (colour)."""

    rows: int
    columns: int
    channels: int
    bits: int


def believed(rows: int, columns: int, channels: int, bits: int) -> Page:
    """Return a page of this size; raises ProtocolError where no scanner's picture is that large, or it is empty."""
    if rows < 1 or columns < 1:
        raise ProtocolError(f"the file says that its picture is {columns} x {rows} pixels")
    if rows > MAX_SIDE or columns > MAX_SIDE:
        raise ProtocolError(
            f"the file claims a picture of {columns} x {rows} pixels; more than {MAX_SIDE} a side is not believed"
        )
    if rows * columns * channels * (bits // 8) > MAX_DECODED_BYTES:
        raise ProtocolError(
            f"the file claims a picture of {columns} x {rows} pixels, which would take more than "
            f"{MAX_DECODED_BYTES // (1024 * 1024)} MiB of memory"
        )
    return Page(rows, columns, channels, bits)


# --- PNG ---

_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_PNG_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
#: Adam7: first column, first row, column step, row step of each pass.
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
_STEP_BYTES = 1024 * 1024


def png(data: bytes) -> Page:
    """Return what a whole PNG file claims; every chunk's CRC and the length of the pixel data are checked.

    Raises ProtocolError where the file is cut, damaged, or larger than can be believed.
    """
    view = memoryview(data)
    position, page, interlaced, per_pixel, pixels = 8, None, False, 0, []
    while True:
        if position + 12 > len(data):
            raise CutShort(f"the PNG file ends early, after {len(data)} bytes")
        length, kind = struct.unpack_from(">I4s", data, position)
        end = position + 12 + length
        if end > len(data):
            raise CutShort(f"the PNG file ends early: {end - len(data)} bytes of a {kind!r} chunk are missing")
        body = view[position + 8 : end - 4]
        if zlib.crc32(view[position + 4 : end - 4]) != struct.unpack_from(">I", data, end - 4)[0]:
            raise ProtocolError(f"the PNG file is damaged: the checksum of a {kind!r} chunk is wrong")
        if page is None:
            if kind != b"IHDR" or length != 13:
                raise ProtocolError("the PNG file does not begin with its header")
            page, interlaced, per_pixel = _ihdr(body)
        elif kind == b"IDAT":
            pixels.append(body)
        elif kind == b"IEND":
            _check_png_pixels(pixels, _png_bytes(page, interlaced, per_pixel))
            return page
        position = end


def _ihdr(body: memoryview) -> tuple[Page, bool, int]:
    columns, rows, depth, colour, compression, filters, interlace = struct.unpack(">IIBBBBB", body)
    if depth not in _PNG_DEPTHS.get(colour, ()) or compression or filters or interlace > 1:
        raise ProtocolError(f"the PNG header is invalid (colour type {colour}, {depth} bits)")
    page = believed(rows, columns, 1 if colour in (0, 4) else 3, 16 if depth == 16 else 8)
    return page, bool(interlace), depth * _PNG_CHANNELS[colour]


def _png_bytes(page: Page, interlaced: bool, bits_per_pixel: int) -> int:
    if not interlaced:
        return page.rows * (1 + (page.columns * bits_per_pixel + 7) // 8)
    total = 0
    for left, top, across, down in _ADAM7:
        columns, rows = (page.columns - left + across - 1) // across, (page.rows - top + down - 1) // down
        if columns > 0 and rows > 0:
            total += rows * (1 + (columns * bits_per_pixel + 7) // 8)
    return total


def _check_png_pixels(pixels: list[memoryview], expected: int) -> None:
    inflate, got = zlib.decompressobj(), 0
    try:
        for body in pixels:
            rest: bytes | memoryview = body
            while rest and got <= expected and not inflate.eof:
                got += len(inflate.decompress(rest, _STEP_BYTES))
                rest = inflate.unconsumed_tail
    except zlib.error as error:
        raise ProtocolError(f"the PNG file's pixel data is damaged ({error})") from None
    if got < expected:
        raise ProtocolError(f"the PNG file holds {got} bytes of pixel data where its header promises {expected}")


# --- JPEG ---

_AFTER_SCAN = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])")
_START_OF_FRAME = {0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF}
_MAX_JPEG_SCANS = 200
_SOI, _EOI, _SOS, _TEM = 0xD8, 0xD9, 0xDA, 0x01


def jpeg(data: bytes) -> Page:
    """Return what a whole JPEG file claims; it must have a picture and end with its end marker.

    Raises ProtocolError where the file is cut, damaged, or larger than can be believed.
    """
    position, page, scans = 2, None, 0
    while True:
        position, marker = _jpeg_marker(data, position)
        if marker == _EOI:
            if page is None or not scans:
                raise ProtocolError("the JPEG file holds no picture")
            return page
        if position + 2 > len(data):
            raise CutShort(f"the JPEG file ends early, after {len(data)} bytes")
        (length,) = struct.unpack_from(">H", data, position)
        if length < 2 or position + length > len(data):
            raise CutShort(f"the JPEG file ends early, in a segment at byte {position}")
        if marker in _START_OF_FRAME:
            if page is not None:
                raise ProtocolError("the JPEG file has two headers")
            page = _sof(marker, data[position + 2 : position + length])
        position += length
        if marker == _SOS:
            scans += 1
            if scans > _MAX_JPEG_SCANS:
                raise ProtocolError(f"the JPEG file has more than {_MAX_JPEG_SCANS} scans")
            found = _AFTER_SCAN.search(data, position)
            if not found:
                raise CutShort(f"the JPEG file ends early: its end marker is missing after {len(data)} bytes")
            position = found.start()


def _jpeg_marker(data: bytes, position: int) -> tuple[int, int]:
    if position < len(data) and data[position] != 0xFF:
        raise ProtocolError(f"the JPEG file is damaged: no marker at byte {position}")
    while position < len(data) and data[position] == 0xFF:
        position += 1
    if position >= len(data):
        raise CutShort(f"the JPEG file ends early, after {len(data)} bytes")
    marker = data[position]
    if marker in (0x00, _SOI, _TEM) or 0xD0 <= marker <= 0xD7:
        raise ProtocolError(f"the JPEG file is damaged: marker {marker:02X} at byte {position}")
    return position + 1, marker


def _sof(marker: int, body: bytes) -> Page:
    if len(body) < 6:
        raise ProtocolError("the JPEG file's header is too short")
    precision, rows, columns, components = struct.unpack_from(">BHHB", body)
    if marker > 0xC2 or precision != 8:
        raise ProtocolError(
            f"a kind of JPEG that is not read here (frame type {marker:02X}, {precision} bits); export PNG or TIFF"
        )
    if components not in (1, 3, 4):
        raise ProtocolError(f"the JPEG file has {components} components")
    return believed(rows, columns, 1 if components == 1 else 3, 8)
