"""What a TIFF or BigTIFF file says of itself, and whether it is whole; see `drivers.folder.formats`."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from drivers.errors import ProtocolError
from drivers.folder.formats import MAX_DECODED_BYTES, MAX_PAGES, CutShort, Page, believed

#: Bytes of one value of the field types that sizes and offsets come in, and their struct letters.
_TYPES = {1: (1, "B"), 3: (2, "H"), 4: (4, "I"), 13: (4, "I"), 16: (8, "Q")}

_SUBFILE, _WIDTH, _LENGTH, _BITS, _COMPRESSION, _PHOTOMETRIC = 254, 256, 257, 258, 259, 262
_STRIP_OFFSETS, _SAMPLES, _ROWS_PER_STRIP, _STRIP_BYTES, _PLANAR = 273, 277, 278, 279, 284
_TILE_WIDTH, _TILE_LENGTH, _TILE_OFFSETS, _TILE_BYTES, _FORMAT = 322, 323, 324, 325, 339
_WANTED = {
    _SUBFILE, _WIDTH, _LENGTH, _BITS, _COMPRESSION, _PHOTOMETRIC, _STRIP_OFFSETS, _SAMPLES, _ROWS_PER_STRIP,
    _STRIP_BYTES, _PLANAR, _TILE_WIDTH, _TILE_LENGTH, _TILE_OFFSETS, _TILE_BYTES, _FORMAT,
}  # fmt: skip
_UNCOMPRESSED, _PALETTE, _CMYK = 1, 3, 5

_Fields = dict[int, Sequence[int]]


@dataclass(frozen=True, slots=True)
class _Layout:
    """How this file writes numbers: byte order, and the sizes that differ between TIFF and BigTIFF."""

    order: str
    first: int
    count: struct.Struct
    entry: struct.Struct
    pointer: struct.Struct


def _layout(data: bytes) -> _Layout:
    order = "<" if data[:2] == b"II" else ">"
    if len(data) < 16:
        raise CutShort(f"the TIFF file ends early, after {len(data)} bytes")
    (magic,) = struct.unpack_from(order + "H", data, 2)
    if magic == 42:
        (first,) = struct.unpack_from(order + "I", data, 4)
        return _Layout(order, first, *(struct.Struct(order + form) for form in ("H", "HHI4s", "I")))
    if magic == 43 and struct.unpack_from(order + "HH", data, 4) == (8, 0):
        (first,) = struct.unpack_from(order + "Q", data, 8)
        return _Layout(order, first, *(struct.Struct(order + form) for form in ("Q", "HHQ8s", "Q")))
    raise ProtocolError("the TIFF file's header is invalid")


def tiff(data: bytes) -> list[Page | None]:
    """Return what each page of a whole TIFF file claims, in order; None stands for a page that is a mere thumbnail.

    Raises ProtocolError where the file is cut, damaged, of a kind that is not read, or larger than can be believed.
    """
    layout = _layout(data)
    pages: list[Page | None] = []
    seen: set[int] = set()
    offset = layout.first
    while offset:
        if offset in seen or len(pages) >= MAX_PAGES:
            raise ProtocolError(f"the TIFF file's pages run in a circle, or are more than {MAX_PAGES}")
        seen.add(offset)
        fields, offset = _directory(data, layout, offset)
        pages.append(_page(data, fields))
    kept = [page for page in pages if page]
    if not kept:
        raise ProtocolError("the TIFF file holds no picture")
    if sum(page.rows * page.columns * page.channels * page.bits // 8 for page in kept) > MAX_DECODED_BYTES:
        raise ProtocolError(f"the TIFF file's pages take more than {MAX_DECODED_BYTES // (1024 * 1024)} MiB of memory")
    return pages


def _directory(data: bytes, layout: _Layout, offset: int) -> tuple[_Fields, int]:
    """Return the wanted fields of the directory at `offset`, and where the next directory is (0: nowhere)."""
    try:
        (entries,) = layout.count.unpack_from(data, offset)
        if entries * layout.entry.size > len(data) - offset:
            raise CutShort("the TIFF file ends early, in its table of contents")
        start = offset + layout.count.size
        fields: _Fields = {}
        for at in range(start, start + entries * layout.entry.size, layout.entry.size):
            tag, kind, count, inline = layout.entry.unpack_from(data, at)
            if tag in _WANTED and kind in _TYPES:
                fields[tag] = _values(data, layout, kind, count, inline)
        (following,) = layout.pointer.unpack_from(data, start + entries * layout.entry.size)
    except (struct.error, OverflowError):  # the latter for BigTIFF offsets beyond 2**63
        raise CutShort(f"the TIFF file ends early: it has {len(data)} bytes and points beyond") from None
    return fields, following


def _values(data: bytes, layout: _Layout, kind: int, count: int, inline: bytes) -> Sequence[int]:
    size, letter = _TYPES[kind]
    if count * size > len(data):
        raise ProtocolError("the TIFF file's table of contents is invalid")
    form = f"{layout.order}{count}{letter}"
    if count * size <= len(inline):
        return struct.unpack_from(form, inline)
    return struct.unpack_from(form, data, layout.pointer.unpack(inline)[0])


def _one(fields: _Fields, tag: int, default: int) -> int:
    values = fields.get(tag) or (default,)
    return values[0]


def _page(data: bytes, fields: _Fields) -> Page | None:
    bits = set(fields.get(_BITS) or (1,))
    samples, photometric = _one(fields, _SAMPLES, 1), _one(fields, _PHOTOMETRIC, 1)
    if len(bits) != 1 or not bits <= {1, 8, 16} or set(fields.get(_FORMAT, (1,))) != {1}:
        raise ProtocolError(
            f"a TIFF with {'/'.join(map(str, sorted(bits)))} bits a value, or signed or floating-point values: "
            "8 and 16 bit unsigned is what is read; set the scanner's export so"
        )
    if samples not in (1, 3, 4) or photometric == _CMYK:
        raise ProtocolError(
            f"a TIFF with {samples} values a pixel and colour model {photometric} is not read; export grey or RGB"
        )
    bit = bits.pop()
    page = believed(
        _one(fields, _LENGTH, 0),
        _one(fields, _WIDTH, 0),
        1 if samples == 1 and photometric != _PALETTE else 3,
        16 if bit == 16 else 8,
    )
    _check_data(data, fields, page, samples, bit)
    return None if _one(fields, _SUBFILE, 0) & 1 else page


def _check_data(data: bytes, fields: _Fields, page: Page, samples: int, bits: int) -> None:
    """Check that every strip or tile is there: as many as the page needs, all inside the file, and long enough."""
    tiled = _TILE_OFFSETS in fields
    offsets = fields.get(_TILE_OFFSETS if tiled else _STRIP_OFFSETS, ())
    sizes = fields.get(_TILE_BYTES if tiled else _STRIP_BYTES, ())
    height = _one(fields, _TILE_LENGTH, 0) if tiled else min(_one(fields, _ROWS_PER_STRIP, page.rows), page.rows)
    width = _one(fields, _TILE_WIDTH, 0) if tiled else page.columns
    if width < 1 or height < 1 or width * height * samples * bits // 8 > MAX_DECODED_BYTES:
        raise ProtocolError(f"the TIFF file's parts claim to be {width} x {height} pixels")
    planes = samples if _one(fields, _PLANAR, 1) == 2 else 1
    expected = -(-page.rows // height) * -(-page.columns // width) * planes
    if len(offsets) != expected or len(sizes) != expected:
        raise ProtocolError(
            f"the TIFF file has {len(offsets)} parts of pixel data where its header promises {expected}"
        )
    if any(offset + size > len(data) for offset, size in zip(offsets, sizes, strict=True)):
        missing = max(offset + size for offset, size in zip(offsets, sizes, strict=True)) - len(data)
        raise CutShort(f"the TIFF file ends early: {missing} bytes of pixel data are missing")
    whole = page.rows * planes * -(-page.columns * (samples // planes) * bits // 8)
    if _one(fields, _COMPRESSION, _UNCOMPRESSED) == _UNCOMPRESSED and sum(sizes) < whole:
        raise ProtocolError(f"the TIFF file holds {sum(sizes)} bytes of pixel data where its header promises {whole}")
