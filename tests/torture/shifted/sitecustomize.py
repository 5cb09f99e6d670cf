"""Puts the wall clock of a Python process off by what a file says; on PYTHONPATH of the appliance under trial only.

The product knows nothing of it: the process simply finds another `time.time_ns`. The file holds nanoseconds.
"""

import contextlib
import os
import time
from pathlib import Path

_FILE = os.environ.get("TORTURE_CLOCK")
_LOOK_NS = 20_000_000


def _shift(path, real_wall, real_monotonic):
    known = [0, 0]  # when the file was read last, what it said

    def shift():
        now = real_monotonic()
        if now - known[0] > _LOOK_NS:
            known[0] = now
            with contextlib.suppress(OSError, ValueError):  # being written just now
                known[1] = int(path.read_text() or 0)
        return known[1]

    return (lambda: real_wall() + shift()), (lambda: real_wall() / 1e9 + shift() / 1e9)


if _FILE:
    time.time_ns, time.time = _shift(Path(_FILE), time.time_ns, time.monotonic_ns)
