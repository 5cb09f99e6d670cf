"""The core's hold on the nursery and on each device's process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from drivers.errors import LinkLost, LinkTimeout

SPAWN_DEADLINE_S = 20.0
CLOSE_DEADLINE_S = 3.0
MAX_NEWS_BYTES = 4096


@dataclass(slots=True)
class Child:
    """A device's process: its end of the wire, and a handle that never means another process."""

    name: str
    pid: int
    wire: socket.socket
    handle: int
    exit: asyncio.Future[int] = field(repr=False)

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send the process a signal; one that is gone already needs none."""
        with contextlib.suppress(ProcessLookupError, OSError):
            signal.pidfd_send_signal(self.handle, number)

    def rss_bytes(self) -> int:
        """Return the memory that the process holds, 0 where it is gone."""
        try:
            pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        except (OSError, IndexError, ValueError):
            return 0
        return pages * os.sysconf("SC_PAGE_SIZE")

    def close(self) -> None:
        """Let go of the wire and the handle."""
        self.wire.close()
        if self.handle >= 0:
            os.close(self.handle)
            self.handle = -1


class Nursery:
    """Starts the nursery's process, and devices' processes through it. For the event loop alone."""

    def __init__(self, drivers: Iterable[str] = ()) -> None:
        """Start nothing yet; `drivers` are those that the nursery is to have ready."""
        self._drivers = sorted(set(drivers))
        self._control: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._spawning: dict[str, asyncio.Future[Child]] = {}
        self._living: dict[int, asyncio.Future[int]] = {}
        self._ready: asyncio.Future[None] | None = None
        self._starting = asyncio.Lock()

    async def _up(self) -> socket.socket:
        """Return the control socket of a living nursery, starting one where there is none."""
        async with self._starting:
            if self._control is None:
                ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                ours.setblocking(False)
                program = (sys.executable, "-m", "edge.supervisor.nursery")
                command = [*program, str(theirs.fileno()), str(os.getpid()), *self._drivers]
                loop = asyncio.get_running_loop()
                self._ready = loop.create_future()
                # Started from the main thread, whose end the kernel takes for this process's.
                self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)  # noqa: ASYNC220 - as above
                theirs.close()
                self._control = ours
                loop.add_reader(ours, self._news)
            assert self._ready is not None
            # Not wait_for, here and below: in Python 3.11 it swallows a cancellation that comes with the result.
            async with asyncio.timeout(SPAWN_DEADLINE_S):
                await asyncio.shield(self._ready)
            return self._control

    async def spawn(self, name: str, memory_bytes: int) -> Child:
        """Return a new process for a device.

        Raises LinkTimeout where the nursery doesn't answer, LinkLost where it ends; the next call starts another.
        """
        spawned: asyncio.Future[Child] = asyncio.get_running_loop().create_future()
        try:
            control = await self._up()
            self._spawning[name] = spawned
            control.send(json.dumps({"name": name, "memory_bytes": memory_bytes}).encode())
            async with asyncio.timeout(SPAWN_DEADLINE_S):
                return await spawned
        except asyncio.CancelledError:
            if spawned.done() and not spawned.cancelled() and not spawned.exception():
                spawned.result().kill()
                spawned.result().close()
            raise
        except TimeoutError:
            self._lost()
            raise LinkTimeout(f"the nursery gave no process for {name}") from None
        except OSError as error:
            self._lost()
            raise LinkLost(f"the nursery is gone: {error}") from error

    def _news(self) -> None:
        assert self._control is not None
        try:
            data, descriptors, _, _ = socket.recv_fds(self._control, MAX_NEWS_BYTES, 2)
        except BlockingIOError:
            return
        except OSError:
            data, descriptors = b"", []
        if not data:
            self._lost()
            return
        news = json.loads(data)
        if "ready" in news and self._ready and not self._ready.done():
            self._ready.set_result(None)
        elif "spawned" in news:
            self._born(news["spawned"], news["pid"], descriptors)
        elif "failed" in news and (waiting := self._spawning.pop(news["failed"], None)) and not waiting.done():
            waiting.set_exception(LinkLost(f"no process could be started: {news['reason']}"))
        elif "exited" in news and (living := self._living.pop(news["exited"], None)) and not living.done():
            living.set_result(news["status"])

    def _born(self, name: str, pid: int, descriptors: list[int]) -> None:
        if len(descriptors) < 2:
            self._stillborn(name, descriptors)
            return
        wire = socket.socket(fileno=descriptors[0])
        wire.setblocking(False)
        exited: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._living[pid] = exited
        child = Child(name, pid, wire, descriptors[1], exited)
        waiting = self._spawning.pop(name, None)
        if waiting and not waiting.done():
            waiting.set_result(child)
        else:
            child.kill()
            child.close()

    def _stillborn(self, name: str, descriptors: list[int]) -> None:
        """Give up a process whose wire did not arrive: this process may open no more files. The other end sees it."""
        for descriptor in descriptors:
            os.close(descriptor)
        waiting = self._spawning.pop(name, None)
        if waiting and not waiting.done():
            waiting.set_exception(LinkLost("too many open files"))

    def _lost(self) -> None:
        """Forget a nursery that is gone; its children are gone with it."""
        if self._control is not None:
            asyncio.get_running_loop().remove_reader(self._control)
            self._control.close()
            self._control = None
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        for exited in self._living.values():
            if not exited.done():
                exited.set_result(-signal.SIGKILL)
        self._living.clear()
        for waiting in self._spawning.values():
            if not waiting.done():
                waiting.set_exception(LinkLost("the nursery ended"))
        self._spawning.clear()
        if self._ready and not self._ready.done():
            self._ready.set_exception(LinkLost("the nursery ended"))
            self._ready.exception()

    async def close(self) -> None:
        """End the nursery, which ends and awaits every process that is left."""
        process = self._process
        if self._control is not None and process is not None:
            self._control.shutdown(socket.SHUT_WR)
            with contextlib.suppress(subprocess.TimeoutExpired):
                await asyncio.to_thread(process.wait, CLOSE_DEADLINE_S)
        self._lost()
