"""Removes a folder once the process that started this one is gone, however it went: our standard input then ends.

Run as a program of its own, with the folder as its argument; signals meant for the demo do not reach it.
"""

import pathlib
import shutil
import sys
import time

DEADLINE_S = 10.0


def sweep(folder: pathlib.Path) -> None:
    """Remove the folder; processes that are just being killed may still write into it, so more than once."""
    end = time.monotonic() + DEADLINE_S
    while folder.exists() and time.monotonic() < end:
        shutil.rmtree(folder, ignore_errors=True)
        time.sleep(0.02)


if __name__ == "__main__":
    sys.stdin.buffer.read()
    sweep(pathlib.Path(sys.argv[1]))
