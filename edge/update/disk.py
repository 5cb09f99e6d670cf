"""The few things an update does to the disk: each is done whole or not at all, and on the disk when it returns."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from drivers.fsync import sync_folder, write_whole

GONE = ".gone-"


class Disk:
    """The real one. Every call may be made again after a crash at any point of it. All raise OSError."""

    def write(self, path: Path, data: bytes) -> None:
        """Give a file this content."""
        write_whole(path, data, mode=0o600)
        sync_folder(path.parent)

    def link(self, link: Path, target: str) -> None:
        """Have a link lead to a target; at every moment it leads to the one before or to this one."""
        fresh = link.with_name(link.name + ".new")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(target)
        fresh.rename(link)
        sync_folder(link.parent)

    def move(self, path: Path, to: Path) -> None:
        """Give a folder its name, once everything in it is on the disk."""
        os.sync()
        path.rename(to)
        sync_folder(to.parent)

    def forget(self, path: Path) -> None:
        """Remove a file."""
        path.unlink(missing_ok=True)
        sync_folder(path.parent)

    def clear(self, folder: Path) -> None:
        """Remove a folder: its name first, so that no half of it is taken for the whole."""
        gone = folder if folder.name.startswith(GONE) else folder.with_name(GONE + folder.name.lstrip("."))
        shutil.rmtree(gone, ignore_errors=True)
        if folder.exists():
            folder.rename(gone)
            sync_folder(folder.parent)
        shutil.rmtree(gone, ignore_errors=True)
