"""DICOS files read and written, MB a second, beside bare pydicom. It imports the project, whose library it measures."""

from __future__ import annotations

import warnings
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import numpy
from pydicom import dcmread
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset

from benchmarks.harness import Bar, Row, Say, Spread, timed
from drivers.dicos import Image, read_pictures, write_image

ROWS, COLUMNS = 832, 640
SECONDS, SECONDS_SHORT = 2.0, 0.3
TURNS = 3


def rows(folder: Path, short: bool, say: Say) -> list[Row]:
    """Return the row."""
    say("a file of 832 x 640, 16 bit, read and written")
    pixels = numpy.random.default_rng(1).integers(0, 65_536, (ROWS, COLUMNS), numpy.uint16)
    image = Image(pixels, "seed", "2.25.1", datetime(2026, 1, 1, tzinfo=UTC))
    data = write_image(image)
    plain = dcmread(BytesIO(data))
    works = {
        "read": lambda: read_pictures(data),
        "bare read": lambda: dcmread(BytesIO(data)).pixel_array,
        "write": lambda: write_image(image),
        "bare write": lambda: _written(plain, pixels),
    }
    taken: dict[str, list[float]] = {name: [] for name in works}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom's dictionary lacks some of DICOS's attributes
        for _ in range(TURNS):
            for name, work in works.items():
                taken[name] += timed(work, (SECONDS_SHORT if short else SECONDS) / TURNS)
    mb_s = {name: len(data) / 1e6 / Spread.of(each).p50 for name, each in taken.items()}
    return [
        Row(
            "dicos",
            "DICOS read and write",
            f"read {mb_s['read']:,.0f} MB/s, write {mb_s['write']:,.0f} MB/s",
            f"bare pydicom: read {mb_s['bare read']:,.0f} MB/s, write {mb_s['bare write']:,.0f} MB/s",
            "at least 0.8 of bare",
            (
                Bar("read, of bare", mb_s["read"] / mb_s["bare read"], 0.8, at_most=False),
                Bar("write, of bare", mb_s["write"] / mb_s["bare write"], 0.8, at_most=False),
            ),
            "from bytes to pictures and from pixels to bytes, with every check that a stranger's file gets; pydicom:"
            " the same attributes, and the pixels as an array",
            {"mb_s": mb_s},
            guards=tuple(
                Bar(f"{kind}, of bare", mb_s[kind] / mb_s[f"bare {kind}"], usual, at_most=False)
                for kind, usual in (("read", 1.8), ("write", 0.95))
            ),
        )
    ]


def _written(like: FileDataset, pixels: numpy.ndarray) -> bytes:
    """Return a file of the same attributes, made one by one, as anyone makes it with pydicom."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    for element in like.file_meta:
        ds.file_meta.add_new(element.tag, element.VR, element.value)
    for element in like:
        value = pixels.tobytes() if element.keyword == "PixelData" else element.value
        ds.add_new(element.tag, element.VR, value)
    buffer = BytesIO()
    ds.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()
