"""Which files wait, since when, and which may be read now: the rules of the `folder` driver without any I/O."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from drivers.folder.journal import Identity


@dataclass(frozen=True, slots=True)
class Seen:
    """A file as a look at the folder found it; `path` is relative to the folder, `changed_ns` the inode's change."""

    path: str
    size: int
    mtime_ns: int
    inode: int
    changed_ns: int = field(compare=False)

    @property
    def identity(self) -> Identity:
        """What tells this state of the file from another."""
        return (self.size, self.mtime_ns, self.inode)


@dataclass(slots=True)
class _File:
    seen: Seen
    since_ns: int
    not_before_ns: int
    tried: bool = False
    slow: bool = False


class Waiting:
    """Files that are not done, each with the moment (monotonic clock) since when it has not changed.

    A file is ready once it has been unchanged for the settling time. One that changes after it had been ready once is
    `slow`: its writer pauses for longer than the settling time.
    """

    def __init__(self, settle_ns: int) -> None:
        self._settle_ns = settle_ns
        self._files: dict[str, _File] = {}

    def __len__(self) -> int:
        return len(self._files)

    def __contains__(self, path: str) -> bool:
        return path in self._files

    def saw(self, seen: Seen, now_ns: int, age_ns: int = 0, settles: bool = False) -> None:
        """Note how a file looks now.

        `age_ns` says how long it has looked so, where that is known; with `settles` it still has to settle from now.
        """
        old = self._files.get(seen.path)
        if old and old.seen == seen:
            return
        since = now_ns - age_ns
        slow = old is not None and (old.slow or old.tried)
        self._files[seen.path] = _File(seen, since, (now_ns if settles else since) + self._settle_ns, slow=slow)

    def gone(self, path: str) -> None:
        """Forget a file."""
        self._files.pop(path, None)

    def keep(self, paths: Collection[str]) -> None:
        """Forget every file that is not among these."""
        for path in self._files.keys() - set(paths):
            del self._files[path]

    def later(self, seen: Seen, not_before_ns: int) -> None:
        """Put a file that was ready off until then; a change makes it ready sooner."""
        file = self._files.get(seen.path)
        if file and file.seen == seen:
            file.not_before_ns = not_before_ns
            file.tried = True

    def since_ns(self, seen: Seen) -> int | None:
        """Return since when the file has not changed; None where it has changed since `seen`, or is gone."""
        file = self._files.get(seen.path)
        return file.since_ns if file and file.seen == seen else None

    def slow(self, seen: Seen) -> bool:
        """Return whether this file's writer is known to pause."""
        file = self._files.get(seen.path)
        return file is not None and file.slow

    def ready(self, now_ns: int) -> list[Seen]:
        """Return the files that may be read, in the order in which they were written, then by name."""
        files = [file.seen for file in self._files.values() if file.not_before_ns <= now_ns]
        return sorted(files, key=lambda seen: (seen.mtime_ns, seen.path))

    def next_ns(self) -> int | None:
        """Return when the next file may be ready."""
        return min((file.not_before_ns for file in self._files.values()), default=None)
