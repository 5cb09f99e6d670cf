"""The original bits of scans, as files named by their digest: on the disk before any row names them."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from drivers.fsync import sync_folder, write_whole

MOST_BEGUN = 8

Bits = bytes | memoryview


def evidence_path(sha256: str) -> str:
    """Return where evidence lies under the data directory."""
    return f"evidence/{sha256[:2]}/{sha256}"


def _make_folder(folder: Path) -> None:
    """Make a folder whose name is on the disk when this returns, or that is not there. Raises OSError."""
    folder.mkdir(mode=0o750)
    try:
        sync_folder(folder.parent)
    except OSError:
        folder.rmdir()
        raise


class Originals:
    """Puts bits on the disk, those of a hit already while the hit itself is still being made. For any thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._begun: dict[int, tuple[Bits, Future[list[str]]]] = {}
        self._hand = ThreadPoolExecutor(1, thread_name_prefix="originals")
        self._lock = threading.Lock()
        self._writing = threading.Lock()

    def begin(self, original: Bits) -> None:
        """Begin to write what `put` will be asked for. A file that it is never asked for goes with the next start."""
        with self._lock, contextlib.suppress(RuntimeError):  # closed: nobody will ask for it
            while len(self._begun) >= MOST_BEGUN:
                del self._begun[next(iter(self._begun))]
            # By identity: to compare them would take as long as to write them. Held here, its identity is its own.
            self._begun[id(original)] = original, self._hand.submit(self._write, [original])

    def put(self, originals: list[Bits]) -> list[str]:
        """Return the digests of bits that are on the disk when this returns, files and folders. Raises OSError."""
        with self._lock:
            begun = [self._begun.pop(id(original), None) for original in originals]
        # What failed ahead may not fail now; if it does, this is the place to say so.
        ahead = [known[1].result()[0] if known and not known[1].exception() else None for known in begun]
        rest = iter(self._write([bits for bits, digest in zip(originals, ahead, strict=True) if digest is None]))
        return [digest or next(rest) for digest in ahead]

    def close(self) -> None:
        """Finish what was begun."""
        self._hand.shutdown()

    def _write(self, originals: list[Bits]) -> list[str]:
        digests = [hashlib.sha256(original).hexdigest() for original in originals]
        folders = set()
        with self._writing:  # the same bits may be asked for twice at once
            for digest, original in zip(digests, originals, strict=True):
                path = self._folder / evidence_path(digest)
                folders.add(path.parent)
                if path.exists():
                    continue
                if not path.parent.exists():
                    _make_folder(path.parent)
                write_whole(path, original)
            for folder in folders:
                sync_folder(folder)
        return digests
