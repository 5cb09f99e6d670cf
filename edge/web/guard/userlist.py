"""The list of users as it is now: `jaitf-edge web` changes it while the page is served."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from drivers.errors import ConfigError
from edge.config.users import User, read

log = logging.getLogger("jaitf.web")


class UserList:
    """Reads the file again when it is another one. A list that cannot be read any more lets nobody in."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int, int] | None = None
        self._users: dict[str, User] | None = None

    def current(self) -> Mapping[str, User] | None:
        """Return who may sign in by name; None where there is no list, and never was since this process began."""
        try:
            now = self._path.stat()
        except OSError:
            if self._users is not None:
                self._users = {}
            self._seen = None
            return self._users
        seen = (now.st_ino, now.st_mtime_ns, now.st_size, now.st_mode)
        if seen != self._seen:
            self._seen = seen
            try:
                self._users = read(self._path)
            except ConfigError as error:
                self._users = {}
                log.error("nobody can sign in: %s", error)
        return self._users
