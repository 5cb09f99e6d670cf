"""Processes that never outlive the demo: the kernel kills them with it, whatever ends it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from drivers.errors import EdgeError
from edge.demo import sweeper

STOP_DEADLINE_S = 8.0
KEPT_LINES = 15
KEPT_CHARACTERS = 2000
_SYSTEM_FOLDERS = ("/usr/sbin", "/usr/local/sbin", "/sbin")


class DemoFailed(EdgeError):
    """A part of the demo did not come up, or ended; `lines` are the last that it wrote."""

    code = "demo"

    def __init__(self, message: str, lines: Sequence[str] = ()) -> None:
        self.lines = tuple(lines)
        super().__init__(message)


def program(name: str, package: str) -> str:
    """Return the path of a system program. Raises DemoFailed with the mend where it is not installed."""
    # Debian keeps daemons in folders that are not on every user's PATH.
    path = shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", os.defpath), *_SYSTEM_FOLDERS)))
    if path is None:
        raise DemoFailed(f"{name} is not installed; `make setup` or `apt-get install {package}` mends that")
    return path


def our_program(name: str) -> str:
    """Return the path of one of this project's own commands, from the environment that this one runs in."""
    path = Path(sys.executable).with_name(name)
    if not path.exists():
        raise DemoFailed(f"{path} is not there; `make setup` installs it")
    return str(path)


class Child:
    """A process of the demo; `lines` are the last that it wrote."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, told: Callable[[str], None] | None) -> None:
        self.name = name
        self.lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._process = process
        assert process.stdout is not None and process.stderr is not None
        self._readers = [
            asyncio.create_task(self._read(process.stdout, told)),
            asyncio.create_task(self._read(process.stderr, None)),
        ]

    @classmethod
    async def start(
        cls, name: str, command: Sequence[str], folder: Path, told: Callable[[str], None] | None = None
    ) -> Child:
        """Start a process in a session of its own; `told` hears each line of its standard output."""
        # setpriv sets the death signal between fork and exec, which is not safe from Python once there are threads.
        process = await asyncio.create_subprocess_exec(
            program("setpriv", "util-linux"),
            "--pdeathsig",
            "KILL",
            "--",
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=folder,
            env={**os.environ, "TMPDIR": str(folder), "PYTHONUNBUFFERED": "1"},
            start_new_session=True,
        )
        return cls(name, process, told)

    async def ended(self) -> int:
        """Return the exit status once it has ended by itself."""
        status = await self._process.wait()
        await asyncio.wait(self._readers, timeout=1)
        return status

    async def stop(self) -> None:
        """End it: politely, and after a deadline not."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), STOP_DEADLINE_S)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()
        for reader in self._readers:
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)

    async def _read(self, stream: asyncio.StreamReader, told: Callable[[str], None] | None) -> None:
        rest = b""
        while chunk := await stream.read(65536):
            *whole, rest = (rest + chunk).split(b"\n")
            for raw in whole:
                line = raw.decode(errors="replace")
                self.lines.append(line[:KEPT_CHARACTERS])
                if told:
                    told(line)


class Sweeper:
    """A process that removes the demo's folder once the demo is gone, even by SIGKILL."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, folder: Path) -> Sweeper:
        """Start it; from now on `folder` does not outlive this process."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-IS",
            sweeper.__file__,
            str(folder),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        return cls(process)

    async def sweep(self) -> None:
        """Have it remove the folder now, and wait until that is done."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()
