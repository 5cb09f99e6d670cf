"""Whether a ledger's log is damaged in its middle: SQLite takes its first bad frame for its end, and says nothing.

What stands behind it is gone then, though it was committed, and its numbers would be given a second time. A cut of
power leaves at most one transaction unfinished, for each is on the disk before the next begins; whole transactions
behind a bad frame therefore mean damage. The format: SQLite's "Database File Format", section 4, The Write-Ahead Log.
"""

from __future__ import annotations

import struct
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_HEADER = struct.Struct(">8I")
_MAGIC = {0x377F0682: "<u4", 0x377F0683: ">u4"}
_FRAME_HEADER_BYTES = 24
_CHECKED_HEADER_WORDS = 2
_BLOCK = 256
_PAGE_SIZES = {1 << bits for bits in range(9, 17)}

_Words = NDArray[Any]


def damage(path: Path, page_bytes: int) -> str | None:
    """Return what is wrong with a log, None where all of it can be read or only its end is unfinished. Raises OSError.

    `page_bytes` is the ledger's page size, for a log whose own header does not say.
    """
    data = path.read_bytes() if path.exists() else b""
    if len(data) < _HEADER.size + _FRAME_HEADER_BYTES:
        return None
    magic, _, size, _, salt1, salt2, sum1, sum2 = _HEADER.unpack_from(data)
    order = _MAGIC.get(magic)
    headed = order is not None and size in _PAGE_SIZES and _sums(data[:24], order) == (sum1, sum2)
    frames = _Frames(data, size if headed else page_bytes, order or "<u4")
    if not frames.count:
        return None
    good = frames.good((salt1, salt2) if headed else None, (sum1, sum2))
    bad = 0 if not headed else int(np.argmin(good)) if not good.all() else frames.count
    lost = int((good & frames.commits)[bad:].sum())
    # Of the frames from the first bad one on, the last transaction may never have been finished.
    if lost < 2:
        return None
    where = f"its frame {bad + 1} of {frames.count}" if headed else "its header"
    return f"the log is damaged at {where}, and {lost} transactions stand behind that"


class _Frames:
    """The frames of a log: each page's number, size after commit, salts and sums, and its content."""

    def __init__(self, data: bytes, page_bytes: int, order: str) -> None:
        frame_bytes = _FRAME_HEADER_BYTES + page_bytes
        self.count = (len(data) - _HEADER.size) // frame_bytes
        self._raw = np.frombuffer(data, np.uint8, self.count * frame_bytes, _HEADER.size).reshape(-1, frame_bytes)
        self._order = order
        heads = np.ascontiguousarray(self._raw[:, :_FRAME_HEADER_BYTES])
        self._head = heads.view(">u4").astype(np.uint32)

    @property
    def commits(self) -> NDArray[np.bool_]:
        """Which frames end a transaction."""
        return np.asarray(self._head[:, 1] != 0)

    def good(self, salts: tuple[int, ...] | None, seed: tuple[int, int]) -> NDArray[np.bool_]:
        """Return which frames are of this log and agree with the sums of the frame before, be that good or not.

        `salts` are the log's; where its header is lost, those of the first two frames that agree with each other.
        """
        before = np.vstack([np.array([seed], np.uint32), self._head[:-1, 4:6]])
        agree = np.empty(self.count, np.bool_)
        for begin in range(0, self.count, _BLOCK):
            some = slice(begin, begin + _BLOCK)
            agree[some] = (_continued(self._words(some), before[some]) == self._head[some, 4:6]).all(axis=1)
        if salts is None:
            if not agree[1:].any():
                return np.zeros(self.count, np.bool_)
            salts = tuple(self._head[1 + int(np.argmax(agree[1:])), 2:4].tolist())
        return np.asarray(agree & (self._head[:, 2:4] == np.array(salts, np.uint32)).all(axis=1))

    def _words(self, some: slice) -> _Words:
        raw = self._raw[some]
        checked = np.concatenate([raw[:, : 4 * _CHECKED_HEADER_WORDS], raw[:, _FRAME_HEADER_BYTES:]], axis=1)
        return np.ascontiguousarray(checked).view(self._order).astype(np.uint32)


def _sums(data: bytes, order: str) -> tuple[int, int]:
    words = np.frombuffer(data, order).astype(np.uint32)[None, :]
    found = _continued(words, np.zeros((1, 2), np.uint32))[0]
    return int(found[0]), int(found[1])


def _continued(words: _Words, before: _Words) -> _Words:
    """Return SQLite's pair of sums after each row of words, each begun with its row of `before`; modulo 2**32.

    The rule (s0 += x + s1; s1 += y + s0, for each pair x, y of words) is linear, so each word has a weight.
    """
    weights, carry = _weights(words.shape[1])
    return np.asarray(words @ weights + before @ carry, np.uint32)


@cache
def _weights(count: int) -> tuple[_Words, _Words]:
    step = np.array([[1, 1], [1, 2]], np.uint32)  # what a pair does to the sums, as rows: s0 -> (s0, s1), s1 -> ...
    entry = np.array([[1, 1], [0, 1]], np.uint32)  # what x and y add to them
    weights = np.empty((count, 2), np.uint32)
    carry = np.eye(2, dtype=np.uint32)
    for pair in range(count - 2, -1, -2):
        weights[pair : pair + 2] = entry @ carry
        carry = step @ carry
    return weights, carry
