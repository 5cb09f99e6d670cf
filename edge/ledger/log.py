"""How much of the write-ahead log waits to be written back.

The length of the file does not say it: a log that was written back is begun anew in the same file, over what is there.
What is of now has the two salts of the log's header. The format: SQLite's "Database File Format", section 4, The
Write-Ahead Log. SQLite's own count is in the log's index, but SQLite has its locks there, and POSIX takes all locks of
a process on a file away once it closes that file anywhere.
"""

from __future__ import annotations

import os
from pathlib import Path

_HEADER_BYTES = 32
_FRAME_HEADER_BYTES = 24
_PAGE_BYTES, _SALTS, _FRAME_SALTS = slice(8, 12), slice(16, 24), slice(8, 16)


class Log:
    """The log of a ledger, for its one writer, who alone writes it back."""

    def __init__(self, path: Path) -> None:
        self._path = f"{path}-wal"
        self._file: int | None = None
        self._header = b""
        self._frames = self._back = 0

    def waiting_bytes(self) -> int:
        """Return how many bytes of pages are not in the ledger's file yet. Raises OSError, as where there is no log."""
        file = self._opened()
        header = os.pread(file, _HEADER_BYTES, 0)
        if header != self._header:
            self._header, self._frames, self._back = header, 0, 0
        page_bytes = int.from_bytes(header[_PAGE_BYTES], "big")
        salts, step = header[_SALTS], _FRAME_HEADER_BYTES + page_bytes
        at = _HEADER_BYTES + self._frames * step
        while salts and os.pread(file, _FRAME_HEADER_BYTES, at)[_FRAME_SALTS] == salts:
            self._frames += 1
            at += step
        return (self._frames - self._back) * page_bytes

    def written_back(self, frames: int) -> None:
        """Note how many frames of the log SQLite said are in the ledger's file now."""
        self._back = frames

    def size(self) -> int:
        """Return how long the file is. Raises OSError."""
        return os.fstat(self._opened()).st_size

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            os.close(self._file)

    def _opened(self) -> int:
        if self._file is None:
            self._file = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        return self._file
