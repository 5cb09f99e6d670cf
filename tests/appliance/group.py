"""A group of processes (cgroups' version 2) of one machine's own, which ends with the process that made it."""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path

GUARD = 'cat >/dev/null; echo 1 >"$0/cgroup.kill"'
"""Ends a group once its own standard input ends, with whoever held the other end: a killed run leaves no machine."""


class Group:
    """A group below this process's own; none where there are none, or none that may be divided.

    systemd-nspawn puts a machine into the group "payload" of its own group: two machines of one group would have the
    same, and the init of each take the other's units for its own.
    """

    def __init__(self, name: str) -> None:
        rows = [line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines()]
        kinds = [(row[row.index("-") + 1], row[4]) for row in rows]
        own = [line[3:] for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::")]
        two = [point for kind, point in kinds if kind == "cgroup2"] if own else []
        self._folder = Path(two[0], own[0].lstrip("/"), name) if two else None
        self._everywhere = [Path(point, own[0].lstrip("/"), name) for kind, point in kinds if kind == "cgroup" and own]
        self._guard: subprocess.Popen[bytes] | None = None

    def open(self) -> None:
        """Make it, and have it end with this process."""
        if self._folder is None:
            return
        with contextlib.suppress(OSError):
            self._folder.mkdir(exist_ok=True)
            command = ["sh", "-c", GUARD, str(self._folder)]
            self._guard = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)

    def within(self, *command: str) -> list[str]:
        """Return the command that runs a command in it."""
        enter = ["sh", "-c", 'echo $$ >"$0/cgroup.procs" && exec "$@"', str(self._folder)] if self._guard else []
        return [*enter, *command]

    def close(self) -> None:
        """End what is left of it; systemd-nspawn leaves groups of its name in every hierarchy, with others below."""
        if self._guard is not None:
            self._guard.communicate()
        for place in (*([self._folder] if self._folder else ()), *self._everywhere):
            for where, _, _ in os.walk(place, topdown=False):
                with contextlib.suppress(OSError):
                    Path(where).rmdir()
