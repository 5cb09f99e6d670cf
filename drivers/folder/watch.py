"""File events, from a thread of their own. They only say where to look; what is there, a look says."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import watchfiles

# It logs every batch of changes.
logging.getLogger("watchfiles").setLevel(logging.WARNING)

#: Milliseconds: how long changes are gathered at most, how often the watching thread looks for them, and for its end.
GATHER_MS, STEP_MS, END_MS = 200, 100, 1000


class Watcher:
    """Watches a folder until closed; `changed` gets relative paths, `failed` a reason, both on the event loop.

    `began` is called there once it watches: what came before that gave no event.
    """

    def __init__(
        self,
        folder: Path,
        recursive: bool,
        began: Callable[[], None],
        changed: Callable[[set[str]], None],
        failed: Callable[[str], None],
    ) -> None:
        self._folder = folder
        self._recursive = recursive
        self._began = began
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
            watched = watchfiles.watch(
                self._folder,
                watch_filter=None,
                debounce=GATHER_MS,
                step=STEP_MS,
                stop_event=self._stop,
                rust_timeout=END_MS,
                yield_on_timeout=True,  # so that it is known to watch though nothing comes
                raise_interrupt=False,
                force_polling=False,
                recursive=self._recursive,
                ignore_permission_denied=True,
            )
            for number, changes in enumerate(watched):
                if number == 0:
                    self._tell(self._began)
                if paths := {path.removeprefix(prefix) for _, path in changes if path.startswith(prefix)}:
                    self._tell(self._changed, paths)
        except (OSError, RuntimeError) as error:  # no inotify left, no such folder; the library's own inner error
            self._tell(self._failed, str(error))

    def _tell(self, told: Callable[..., None], *what: set[str] | str) -> None:
        def tell() -> None:
            if not self._stop.is_set():
                told(*what)

        with suppress(RuntimeError):  # the loop is closed: nobody listens any more
            self._loop.call_soon_threadsafe(tell)
