"""What stays in memory, and what does not.

How much of what was freed the C library keeps is bounded, so that a burst of pictures does not stay. By itself glibc
raises its limits to twice the largest block ever freed, in as many arenas as there are threads.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc

MAPPED_FROM_BYTES = 4 * 1024 * 1024
"""A plane of a picture is smaller: to map it anew each time costs the kernel more than all else that is done to it."""
KEPT_BYTES = 8_000_000
DEVICE_KEPT_BYTES = 4_000_000
"""What a device's process keeps: a scan's bytes, some times over, which it else asks of the kernel for each scan."""
ARENAS = 2

# Of mallopt(3).
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8


def bound(kept_bytes: int = KEPT_BYTES) -> None:
    """Set every limit for this process, before it has threads."""
    few_arenas()
    _set(_M_TRIM_THRESHOLD, kept_bytes)
    _set(_M_MMAP_THRESHOLD, MAPPED_FROM_BYTES)


def few_arenas() -> None:
    """Limit the arenas alone, for this process and those that it forks."""
    _set(_M_ARENA_MAX, ARENAS)


def give_back() -> None:
    """Return to the system what is free; takes some milliseconds, so it is for a moment in which nothing is done."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def settle() -> None:
    """Have Python's collector leave alone, from now on, whatever is there by now: it is there to stay.

    Else it looks every few hundred scans at all that was ever loaded, which holds up the scan at hand by tens of
    milliseconds; and in a process that is forked it writes to every object, and the kernel copies every page.
    """
    gc.collect()
    gc.freeze()


def _set(option: int, value: int) -> None:
    with contextlib.suppress(OSError, AttributeError):  # a C library that has no such function
        ctypes.CDLL(None).mallopt(option, value)
