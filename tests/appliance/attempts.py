"""What a driver that has been taken over would try. Runs on the machine, with the standard library alone."""

import ctypes
import mmap
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

CLONE_NEWUSER = 0x10000000


def _unshare() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWUSER):
        raise OSError(ctypes.get_errno(), "unshare")


ATTEMPTS: dict[str, Callable[[], object]] = {
    "a device of no class that was named": lambda: os.open("/a-device", os.O_RDWR),
    "memory that is written and run": lambda: mmap.mmap(
        -1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC
    ),
    "a namespace": _unshare,
    "files that everyone may write": lambda: os.open("/var/tmp-of-all/x", os.O_WRONLY | os.O_CREAT),
    "the system's files": lambda: os.open("/usr/bin/x", os.O_WRONLY | os.O_CREAT),
    "the homes of users": lambda: next(Path("/home").iterdir()),
    "a packet socket": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW),
    "a netlink socket": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW),
    "the clock": lambda: time.clock_settime(time.CLOCK_REALTIME, 0),
    "other people's processes": lambda: next(Path("/proc/1").iterdir()),
}


if __name__ == "__main__":
    for name, attempt in ATTEMPTS.items():
        try:
            attempt()
        except OSError:
            continue
        print(name, flush=True)
