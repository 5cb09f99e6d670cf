"""Mounts that end with the process that made them, however it ends."""

import contextlib
import ctypes
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

CLONE_NEWNS = 0x20000
MS_REC, MS_PRIVATE = 0x4000, 1 << 18


@cache
def keep_to_ourselves() -> None:
    """Have this process, and what it starts from now on, mount in a namespace of its own, where it may have one.

    Else what is mounted outlives a process that is killed, on a loop device or in a folder that the next run clears:
    and clearing it would clear what is mounted there.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    with contextlib.suppress(PermissionError):  # nobody but root mounts
        _checked(libc.unshare(CLONE_NEWNS))
        _checked(libc.mount(b"none", b"/", None, ctypes.c_ulong(MS_REC | MS_PRIVATE), None))


def clear(folder: Path) -> None:
    """Remove a folder that an earlier run has left, and nothing that is still mounted in it."""
    keep_to_ourselves()
    rows = Path("/proc/self/mountinfo").read_text().splitlines()
    points = (row.split()[4].replace(r"\040", " ") for row in rows)
    for point in sorted((point for point in points if Path(point).is_relative_to(folder)), reverse=True):
        subprocess.run(["umount", "--lazy", point], check=True)
    shutil.rmtree(folder, ignore_errors=True)


def _checked(result: int) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
