"""Whether an appliance runs on a data directory, as another process sees it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

LOCK = "lock"
"""The file in the data directory that the running appliance holds locked, with its process number in it."""


def pid_of(data_dir: Path) -> str | None:
    """Return the process number of the appliance that runs on `data_dir`, None where none does."""
    try:
        file = os.open(data_dir / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None  # it has never run here, or is another user's
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return os.read(file, 32).decode(errors="replace").strip() or "?"
    finally:
        os.close(file)
    return None
