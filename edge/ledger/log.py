"""How much of the write-ahead log waits to be written back, as its index says.

The length of the file does not say it: a log that was written back is begun anew in the same file, over what is there.
The index: SQLite's "WAL-mode File Format", section 2.1, The WAL-Index File Format.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

_HEADER_BYTES = 100
#: szPage, mxFrame; nBackfill: in the byte order of the machine.
_PAGE_SIZE, _LAST_FRAME, _WRITTEN_BACK = (struct.Struct(f"={kind}") for kind in "HII")
_PAGE_SIZE_AT, _LAST_FRAME_AT, _WRITTEN_BACK_AT = 14, 16, 96


class Log:
    """The log of a ledger that this process has open. Closed only after it: to close a file gives up SQLite's locks."""

    def __init__(self, path: Path) -> None:
        self._file = Path(f"{path}-wal")
        self._index = os.open(f"{path}-shm", os.O_RDONLY | os.O_CLOEXEC)

    def waiting_bytes(self) -> int:
        """Return how many bytes of pages are not in the ledger's file yet. Raises OSError."""
        header = os.pread(self._index, _HEADER_BYTES, 0)
        (page_bytes,) = _PAGE_SIZE.unpack_from(header, _PAGE_SIZE_AT)
        (last,) = _LAST_FRAME.unpack_from(header, _LAST_FRAME_AT)
        (back,) = _WRITTEN_BACK.unpack_from(header, _WRITTEN_BACK_AT)
        return int(last - back) * int(page_bytes)

    def size(self) -> int:
        """Return how long the file is. Raises OSError."""
        return self._file.stat().st_size

    def close(self) -> None:
        """Let go of the index."""
        os.close(self._index)
