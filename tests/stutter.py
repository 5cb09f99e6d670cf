"""Runs a command on a machine that seems busy: `python -m tests.stutter --seed 1 -- pytest tests/unit/drivers`.

Each process of the command is stopped and let go on at random, by itself. That needs no processor time of others, and
shows in minutes which test takes lateness for a fault.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

LOOK_S, FAMILY_S = 0.005, 0.1
#: A stop is at most so many times the usual one.
LONGEST = 6


class Stutter:
    """Stops the processes of a family and lets them go on; what somebody else stopped is left as it is."""

    def __init__(self, root: int, chance: random.Random, stopped_s: float, running_s: float) -> None:
        self._root = psutil.Process(root)
        self._chance = chance
        self._stopped_s, self._running_s = stopped_s, running_s
        self._due: dict[int, float] = {}
        self._stopped: set[int] = set()
        self._family: list[int] = []
        self._family_due = 0.0

    def look(self, now: float) -> None:
        """Stop, or let go on, whoever's time has come."""
        if now >= self._family_due:
            self._family_due = now + FAMILY_S
            with contextlib.suppress(psutil.Error):
                self._family = [self._root.pid, *(each.pid for each in self._root.children(recursive=True))]
        for pid in {*self._family, *self._stopped}:
            if now >= self._due.setdefault(pid, now + self._chance.expovariate(1 / self._running_s)):
                self._turn(pid, now)

    def _turn(self, pid: int, now: float) -> None:
        if pid in self._stopped:
            self._go_on(pid)
            self._due[pid] = now + self._chance.expovariate(1 / self._running_s)
        elif state_of(pid) in ("R", "S", "D"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
                self._stopped.add(pid)
            pause_s = self._chance.expovariate(1 / self._stopped_s)
            self._due[pid] = now + min(pause_s, LONGEST * self._stopped_s)
        else:
            self._due[pid] = now + FAMILY_S

    def _go_on(self, pid: int) -> None:
        self._stopped.discard(pid)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)

    def end(self) -> None:
        """Let everybody go on."""
        for pid in list(self._stopped):
            self._go_on(pid)


def state_of(pid: int) -> str:
    """Return a process's state as its letter in /proc, "" where it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def main() -> int:
    """Run the command; the exit status is its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--stopped-ms", type=float, default=150, help="how long a stop is, on average [150]")
    parser.add_argument("--running-ms", type=float, default=50, help="how long it runs between stops [50]")
    parser.add_argument("command", nargs="+")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    process = subprocess.Popen(asked.command)
    stutter = Stutter(process.pid, random.Random(asked.seed), asked.stopped_ms / 1000, asked.running_ms / 1000)
    try:
        while process.poll() is None:
            stutter.look(time.monotonic())
            time.sleep(LOOK_S)
    finally:
        stutter.end()
        if process.poll() is None:
            process.terminate()
    return process.returncode


if __name__ == "__main__":
    sys.exit(main())
