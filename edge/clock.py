"""How good the wall clock is, which boot this is, and identifiers that carry time."""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

_STA_UNSYNC = 0x0040
_STA_NANO = 0x2000
_MAX_ERROR_US = 1_000_000


class ClockQuality(StrEnum):
    """Whether something disciplines the wall clock: now, earlier in this run, or never."""

    SYNCED = "synced"
    HOLDOVER = "holdover"
    UNSYNCED = "unsynced"


@dataclass(frozen=True, slots=True)
class ClockState:
    """The clock's quality and, where it is synced, how far off it was last found, in milliseconds."""

    quality: ClockQuality
    offset_ms: float | None


@cache
def boot_id() -> str:
    """Return the kernel's UUID of this boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


class _Timex(ctypes.Structure):
    # struct timex of adjtimex(2) on Linux, 64 bit; only what is read is named.
    _fields_ = [
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 256),
    ]


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


class ClockWatch:
    """Asks the kernel how good the clock is (adjtimex(2), which both timesyncd and chrony keep true)."""

    def __init__(self) -> None:
        self._was_synced = False

    def state(self) -> ClockState:
        """Return the clock's quality now; a clock that was synced in this run and no longer is holds over."""
        timex = _Timex()
        result = _libc().adjtimex(ctypes.byref(timex))
        if result >= 0 and not timex.status & _STA_UNSYNC and timex.maxerror < _MAX_ERROR_US:
            self._was_synced = True
            scale = 1e6 if timex.status & _STA_NANO else 1e3
            return ClockState(ClockQuality.SYNCED, round(timex.offset / scale, 3))
        return ClockState(ClockQuality.HOLDOVER if self._was_synced else ClockQuality.UNSYNCED, None)


def uuid7(wall_ns: int, entropy: bytes | None = None) -> str:
    """Return a UUIDv7 (RFC 9562, 5.7) of this wall time; `entropy` is 10 bytes, from the system where not given."""
    random = int.from_bytes(entropy or os.urandom(10), "big")
    value = (wall_ns // 1_000_000 & (1 << 48) - 1) << 80 | 0x7 << 76 | (random >> 68 & 0xFFF) << 64
    value |= 0b10 << 62 | random & (1 << 62) - 1
    text = f"{value:032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
