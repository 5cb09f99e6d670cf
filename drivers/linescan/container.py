"""The evidence of a line scan: the frames as they came, bit for bit, with what is needed to make the picture again.

8 bytes   "JLSC0001"
4         length of the description, unsigned, little endian
N         the description, JSON in UTF-8
...       dark, then air: float32, little endian, [2, pixels] each, low first; as many bytes as `pixels` says
...       frames, one after another, as `README.md` describes them; `frames` says how many
32        SHA-256 of all that is before it
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from drivers.errors import ProtocolError
from drivers.linescan.calibration import Calibration, Plane
from drivers.linescan.codec import HEADER, MAX_PIXELS, Frame, frame_bytes, parse

MAGIC = b"JLSC0001"
MEDIA_TYPE = "application/vnd.jaitf.linescan"
_LENGTH = struct.Struct("<I")
_DIGEST_BYTES = 32


def write(description: dict[str, Any], calibration: Calibration, frames: Iterable[bytes]) -> bytes:
    """Return a container; `description` is kept, and `pixels` and `frames` are added to it."""
    assert calibration.air is not None
    kept = list(frames)
    told = {**description, "pixels": calibration.dark.shape[1], "frames": len(kept)}
    head = json.dumps(told, separators=(",", ":")).encode()
    planes = (np.ascontiguousarray(plane, "<f4").tobytes() for plane in (calibration.dark, calibration.air))
    body = b"".join((MAGIC, _LENGTH.pack(len(head)), head, *planes, *kept))
    return body + hashlib.sha256(body).digest()


@dataclass(frozen=True, slots=True)
class Container:
    """What is in a container."""

    description: dict[str, Any]
    dark: Plane
    air: Plane
    frames: tuple[Frame, ...]


def read(data: bytes) -> Container:
    """Return what is in a container. Raises ProtocolError where it is damaged or none."""
    body, digest = data[:-_DIGEST_BYTES], data[-_DIGEST_BYTES:]
    if not data.startswith(MAGIC) or hashlib.sha256(body).digest() != digest:
        raise ProtocolError("no line-scan container, or a damaged one")
    start = len(MAGIC) + _LENGTH.size
    try:
        (length,) = _LENGTH.unpack_from(body, len(MAGIC))
        description = json.loads(body[start : start + length])
        pixels = int(description["pixels"])
    except (ValueError, KeyError, TypeError, struct.error, RecursionError):
        raise ProtocolError("a line-scan container without a description") from None
    at = start + length
    size = 2 * pixels * 4
    if not 1 <= pixels <= MAX_PIXELS or len(body) < at + 2 * size:
        raise ProtocolError("a line-scan container without its calibration")
    dark, air = (np.frombuffer(body, "<f4", 2 * pixels, at + n * size).reshape(2, pixels) for n in range(2))
    return Container(description, dark, air, tuple(_frames(body, at + 2 * size)))


def _frames(body: bytes, at: int) -> Iterator[Frame]:
    while at < len(body):
        size = frame_bytes(memoryview(body)[at : at + HEADER.size])
        if size is None:
            raise ProtocolError("a line-scan container that ends within a frame")
        yield parse(body[at : at + size])
        at += size
