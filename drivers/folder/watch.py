"""File events, from a thread of their own. They only say where to look; what is there, a look says."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from pathlib import Path

import watchfiles

# It logs every batch of changes.
logging.getLogger("watchfiles").setLevel(logging.WARNING)

#: Milliseconds: how long changes are gathered at most, how often the watching thread looks for them, and for its end.
GATHER_MS, STEP_MS, END_MS = 200, 100, 1000


class Watcher:
    """Watches a folder until closed; `changed` gets relative paths, `failed` a reason, both on the event loop."""

    def __init__(
        self, folder: Path, recursive: bool, changed: Callable[[set[str]], None], failed: Callable[[str], None]
    ) -> None:
        self._folder = folder
        self._recursive = recursive
        self._changed = changed
        self._failed = failed
        self._loop = asyncio.get_running_loop()
        self._stop = threading.Event()
        threading.Thread(target=self._run, name="file events", daemon=True).start()

    def close(self) -> None:
        """Stop watching; returns at once, nothing is called afterwards."""
        self._stop.set()

    def _run(self) -> None:
        prefix = f"{self._folder}/"
        try:
            for changes in watchfiles.watch(
                self._folder,
                watch_filter=None,
                debounce=GATHER_MS,
                step=STEP_MS,
                stop_event=self._stop,
                rust_timeout=END_MS,
                raise_interrupt=False,
                force_polling=False,
                recursive=self._recursive,
                ignore_permission_denied=True,
            ):
                self._tell(self._changed, {path.removeprefix(prefix) for _, path in changes if path.startswith(prefix)})
        except (OSError, RuntimeError) as error:  # no inotify left, no such folder; the library's own inner error
            self._tell(self._failed, str(error))

    def _tell(self, told: Callable[..., None], what: set[str] | str) -> None:
        def tell() -> None:
            if not self._stop.is_set():
                told(what)

        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(tell)
