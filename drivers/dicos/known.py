"""Which objects are done, so that one that a scanner stores again is not taken for another. It may be lost."""

from __future__ import annotations

import contextlib
import json
import logging
import threading
from collections import OrderedDict
from pathlib import Path

log = logging.getLogger("jaitf.dicos")

MAX_KNOWN = 4096


class Known:
    """The last objects that were done, each with the key of what it was part of; a JSON line each, never fsynced.

    For any thread. A file that is lost or torn costs a second verdict where a scanner stores a part of a scan again.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._known: OrderedDict[str, str] = OrderedDict()
        self._lines = 0
        self._lock = threading.Lock()
        with contextlib.suppress(OSError):
            for line in file.read_text("ascii", "replace").splitlines():
                with contextlib.suppress(ValueError, TypeError, RecursionError):
                    key, whole = json.loads(line)
                    self._remember(str(key), str(whole))
                self._lines += 1

    def get(self, key: str) -> str | None:
        """Return the key of what an object was part of, None for one that is not known."""
        with self._lock:
            return self._known.get(key)

    def add(self, keys: list[str], whole: str) -> None:
        """Note objects as done."""
        with self._lock:
            for key in keys:
                self._remember(key, whole)
            try:
                self._file.parent.mkdir(parents=True, exist_ok=True)
                if self._lines > 2 * MAX_KNOWN:
                    self._rewrite()
                    return
                with self._file.open("a", encoding="ascii") as out:
                    # A torn last line must not take the next one with it.
                    out.write("\n" * bool(out.tell()) + "\n".join(json.dumps([key, whole]) for key in keys) + "\n")
                self._lines += 2 * len(keys)
            except OSError as error:
                log.debug("the list of done objects cannot be written: %s", error)

    def _remember(self, key: str, whole: str) -> None:
        self._known[key] = whole
        self._known.move_to_end(key)
        while len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)

    def _rewrite(self) -> None:
        fresh = self._file.with_suffix(".new")
        fresh.write_text("".join(json.dumps(pair) + "\n" for pair in self._known.items()), "ascii")
        fresh.replace(self._file)
        self._lines = len(self._known)
