"""Which files are done, so that a restart does not read ten thousand of them again. It may be lost at any time."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Collection
from pathlib import Path
from typing import TextIO

log = logging.getLogger("jaitf.device.folder")

#: What tells one state of a file from another: size in bytes, time of last change in nanoseconds, inode.
Identity = tuple[int, int, int]

SLACK_LINES = 1000


class Journal:
    """The done files of one folder: path within it, and what the file was then; one JSON line each, never fsynced.

    A lost or torn journal costs time only: a file that is read again has the key that it had, and is known by it.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._done: dict[str, Identity] = {}
        self._lines = 0
        self._out: TextIO | None = None
        self._load()

    def __len__(self) -> int:
        return len(self._done)

    def has(self, path: str, identity: Identity) -> bool:
        """Return whether this file, as it is now, is done."""
        return self._done.get(path) == identity

    def add(self, path: str, identity: Identity) -> None:
        """Note a file as done."""
        self._done[path] = identity
        self._write(path, identity)

    def keep(self, paths: Collection[str]) -> None:
        """Forget files that are no longer there; a folder without any is left alone, for it may be an unmounted one."""
        if paths:
            for path in self._done.keys() - set(paths):
                del self._done[path]
            if self._lines > 2 * len(self._done) + SLACK_LINES:
                self._rewrite()

    def keep_newest(self, count: int) -> None:
        """Forget the oldest, once there are twice as many as are to be kept."""
        if len(self._done) > 2 * count:
            self.keep(list(self._done)[-count:])

    def close(self) -> None:
        """Close the file; safe to call twice."""
        if self._out:
            self._out.close()
            self._out = None

    def _load(self) -> None:
        try:
            lines = self._file.read_text("ascii", "replace").splitlines()
        except OSError:
            return
        self._lines = len(lines)
        for line in lines:
            # The last line of a killed process may be torn, and any line of a damaged disk may be nonsense.
            with contextlib.suppress(ValueError, TypeError, RecursionError):
                path, size, mtime_ns, inode = json.loads(line)
                if isinstance(path, str):
                    self._done[path] = (int(size), int(mtime_ns), int(inode))

    def _write(self, path: str, identity: Identity) -> None:
        try:
            if self._out is None:
                self._file.parent.mkdir(parents=True, exist_ok=True)
                self._out = self._file.open("a", encoding="ascii")
                if self._out.tell():
                    self._out.write("\n")  # a torn last line must not take the next one with it
            self._out.write(json.dumps([path, *identity]) + "\n")
            self._out.flush()
            self._lines += 1
        except OSError as error:
            log.debug("the journal of done files cannot be written: %s", error)
            self.close_quietly()

    def close_quietly(self) -> None:
        """Close the file, whatever the disk says to it."""
        with contextlib.suppress(OSError):
            self.close()
        self._out = None

    def _rewrite(self) -> None:
        self.close_quietly()
        fresh = self._file.with_suffix(".new")
        try:
            with fresh.open("w", encoding="ascii") as out:
                out.writelines(json.dumps([path, *identity]) + "\n" for path, identity in self._done.items())
            fresh.replace(self._file)
            self._lines = len(self._done)
        except OSError as error:
            log.debug("the journal of done files cannot be rewritten: %s", error)
