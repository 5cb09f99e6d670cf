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

    def emit(self, record: logging.LogRecord) -> None:
        """Take a line."""
        self._lines.append(self.format(record)[:MAX_CHARS])

    def lines(self, count: int) -> list[str]:
        """Return the newest `count` lines, the oldest first."""
        return list(self._lines)[-count:]
