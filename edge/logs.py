"""The last lines of the log, kept in memory for diagnostics."""

from __future__ import annotations

import logging
from collections import deque

KEPT = 500
MAX_CHARS = 500


class Recent(logging.Handler):
    """Keeps the newest lines, the oldest first, each with its time."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        self._lines: deque[str] = deque(maxlen=KEPT)
        self._taken = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Take a line."""
        self._lines.append(self.format(record)[:MAX_CHARS])
        self._taken += 1

    def lines(self, count: int) -> list[str]:
        """Return the newest `count` lines, the oldest first."""
        return list(self._lines)[-count:]

    def after(self, number: int, most: int) -> tuple[int, list[str]]:
        """Return at most `most` lines behind the first `number`, the oldest first, and how many there were with them.

        Lines that are not kept any more are skipped.
        """
        first = max(number, self._taken - len(self._lines))
        kept = list(self._lines)[len(self._lines) - (self._taken - first) :][:most] if first < self._taken else []
        return first + len(kept), kept
