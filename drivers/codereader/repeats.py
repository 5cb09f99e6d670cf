"""Which codes were read a moment ago: remembered as salted hashes, for a code may be somebody's document."""

from __future__ import annotations

import os
from hashlib import blake2b

MAX_REMEMBERED = 512


class Repeats:
    """Counts how often a text came in a row, each time within a window after the last."""

    def __init__(self) -> None:
        self._salt = os.urandom(16)
        self._heard: dict[bytes, tuple[int, float]] = {}

    def count(self, text: str, now_s: float, window_s: float) -> int:
        """Take a text and return which time in a row this is: 1 is the first."""
        key = blake2b(text.encode(), key=self._salt, digest_size=16).digest()
        times, last_s = self._heard.pop(key, (0, now_s))
        times = times + 1 if now_s - last_s < window_s else 1
        self._heard[key] = (times, now_s)
        while len(self._heard) > MAX_REMEMBERED:
            del self._heard[next(iter(self._heard))]
        return times
