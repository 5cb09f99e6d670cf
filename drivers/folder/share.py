"""The export folder itself: listing, reading whole files, setting bad ones aside. All of it blocks; see `bounded`.

Nothing here follows a symbolic link below the folder, deletes or changes a file that could be read, or reads a file
that someone still has open for writing, as far as the file system can tell.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import fnmatch
import os
import re
import signal
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from drivers.errors import LinkDenied, LinkError, LinkLost
from drivers.folder.mounts import Mount, mount_of
from drivers.folder.settings import FolderSettings
from drivers.folder.waiting import Seen

REJECTED = "rejected"
MAX_DEPTH = 16
_F_SETSIG = 10  # <linux/fcntl.h>; Python's fcntl does not name it


class Changed(Exception):  # no error: the file is simply not ready
    """The file is not as it was seen; `now` is what it is now, None where it is gone."""

    def __init__(self, now: Seen | None) -> None:
        super().__init__(now)
        self.now = now


class InUse(Exception):  # no error: the file is simply not ready
    """Someone has the file open for writing."""


@dataclass(frozen=True, slots=True)
class Opened:
    """The folder as it was found: which file system it lies on, and which directory it is."""

    mount: Mount
    device: int
    inode: int


@dataclass(frozen=True, slots=True)
class Taken:
    """A file's bytes; `closed` says that nobody has it open for writing, None that the file system cannot say."""

    data: bytes
    closed: bool | None


def link_error(error: OSError, path: Path) -> LinkError:
    """Return an operating system's refusal as a LinkError that names the path and the mend."""
    text = f"{path}: {error.strerror or error}"
    if error.errno in (errno.EACCES, errno.EPERM):
        return LinkDenied(f"{text}; let the appliance's user read the folder (its group, or the mount's uid=)")
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return LinkLost(f"{text}; create the folder, mount the share, or correct `path`")
    return LinkLost(f"{text}; is the file server up, and the share mounted?")


class Share:
    """One export folder."""

    def __init__(self, settings: FolderSettings) -> None:
        self.path = settings.path
        self._recursive = settings.recursive
        self._mounted = settings.mounted
        self._max_bytes = settings.max_file_bytes
        self._ignored = re.compile("|".join(fnmatch.translate(p) for p in settings.ignore) or r"(?!)", re.IGNORECASE)
        self._opened: Opened | None = None

    def open(self) -> Opened:
        """Find the folder and return what it is; raises LinkLost or LinkDenied where it cannot be listed."""
        try:
            real = Path(os.path.realpath(self.path))
            found = real.stat()
            mount = mount_of(real)
            with os.scandir(real):
                pass
        except OSError as error:
            raise link_error(error, self.path) from error
        if self._mounted and (mount.point != str(real) or mount.type == "autofs"):
            raise LinkLost(f"{self.path}: nothing is mounted here; mount the share (mount {self.path}), see /etc/fstab")
        self._opened = Opened(mount, found.st_dev, found.st_ino)
        return self._opened

    def check(self) -> None:
        """Raise LinkLost or LinkDenied unless the folder is still the one that `open` found."""
        try:
            found = self.path.stat()
        except OSError as error:
            raise link_error(error, self.path) from error
        if self._opened and (found.st_dev, found.st_ino) != (self._opened.device, self._opened.inode):
            raise LinkLost(f"{self.path}: the folder was replaced, or its share was mounted or unmounted")

    def sweep(self) -> list[Seen]:
        """Return every file that may be an export; raises LinkLost or LinkDenied where the folder cannot be listed."""
        self.check()
        return list(self._walk(self.path, "", 0))

    def look(self, paths: Iterable[str]) -> tuple[list[Seen], bool]:
        """Return those of these paths that are files of interest, and whether one is a directory, to be swept."""
        found, directory = [], False
        for given in paths:
            path = self._without_links(given)
            if path is None:
                continue
            parts = path.split("/")
            if parts[0] == REJECTED or any(self._skip(part) for part in parts):
                continue
            with contextlib.suppress(OSError):
                status = (self.path / path).lstat()
                directory = directory or stat.S_ISDIR(status.st_mode)
                if stat.S_ISREG(status.st_mode) and (self._recursive or len(parts) == 1):
                    found.append(_seen(path, status))
        return found, directory

    def _without_links(self, path: str) -> str | None:
        """Return where an event's path leads within the folder, None where it leads out of it.

        Events come through linked folders too, and where a link leads back into the folder, they come through it alone.
        """
        folder, _, name = f"{self.path}/{path}".rpartition("/")
        real, root = os.path.realpath(folder), os.path.realpath(self.path)
        if real == root:
            return name
        return f"{real.removeprefix(root + '/')}/{name}" if real.startswith(root + "/") else None

    def take(self, seen: Seen) -> Taken:
        """Read a whole file that looks as it was `seen`.

        Raises Changed or InUse where it is not ready, OSError where it cannot be read.
        """
        try:
            file = os.open(self.path / seen.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            raise Changed(None) from None
        with os.fdopen(file, "rb", buffering=0) as source:
            self._expect(source.fileno(), seen)
            closed = _closed(source.fileno())
            if closed is False:
                raise InUse
            data = source.read(0) if seen.size > self._max_bytes else source.read()
            while len(data) < min(seen.size, self._max_bytes) and (more := source.read()):
                data += more
            self._expect(source.fileno(), seen)
        return Taken(data, closed)

    def _expect(self, file: int, seen: Seen) -> None:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            raise Changed(None)
        now = _seen(seen.path, status)
        if now != seen:
            raise Changed(now)

    def _walk(self, folder: Path, prefix: str, depth: int) -> Iterator[Seen]:
        try:
            with os.scandir(folder) as entries:
                listed = list(entries)
        except OSError as error:
            # A folder in the folder may come, go and be forbidden; the folder itself may not.
            if depth:
                return
            raise link_error(error, self.path) from error
        for entry in listed:
            if self._skip(entry.name) or (not depth and entry.name == REJECTED):
                continue
            with contextlib.suppress(FileNotFoundError):
                if entry.is_dir(follow_symlinks=False):
                    if self._recursive and depth < MAX_DEPTH:
                        yield from self._walk(Path(entry.path), f"{prefix}{entry.name}/", depth + 1)
                elif entry.is_file(follow_symlinks=False):
                    yield _seen(prefix + entry.name, entry.stat(follow_symlinks=False))

    def _skip(self, name: str) -> bool:
        return name.startswith(".") or self._ignored.match(name) is not None


def _seen(path: str, status: os.stat_result) -> Seen:
    return Seen(path, status.st_size, status.st_mtime_ns, status.st_ino, status.st_ctime_ns)


def _closed(file: int) -> bool | None:
    """Return whether nobody has this file open for writing; None where the file system or its permissions don't tell.

    A read lease (fcntl(2), F_SETLEASE) is granted on exactly that condition, and given back at once. Should a writer
    come in between, the kernel signals the holder: by SIGURG then, which nobody minds, and not by the deadly SIGIO.
    """
    try:
        fcntl.fcntl(file, _F_SETSIG, signal.SIGURG)
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return False if error.errno == errno.EAGAIN else None
    return True
