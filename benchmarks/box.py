"""The processes that are measured, started as anyone starts them, and what they cost by the kernel's own account.

Nothing here imports the appliance: it is known by its command, its configuration and its messages.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from drivers.ports import free_port

START_S = 60.0
STOP_S = 10.0
SITE, EDGE = "bench", "edge-01"
UP = f"jaitf/v1/{SITE}/{EDGE}/up"
DOWN = f"jaitf/v1/{SITE}/{EDGE}/down"

_EDGE_TOML = """\
[appliance]
site = "{site}"
lane = "lane-1"
id = "{edge}"
data_dir = "{data}"
[console]
url = "mqtt://127.0.0.1:{broker}"
[storage]
quota_bytes = 20_000_000_000
[web]
listen = "127.0.0.1:{web}"
"""
_MOSQUITTO = """\
listener {port} 127.0.0.1
allow_anonymous true
persistence false
max_queued_messages 0
set_tcp_nodelay true
log_type error
user {user}
"""


class NotUp(RuntimeError):
    """A process did not come up, or ended."""


def program(name: str) -> str:
    """Return where a program is: beside this Python, or on the system."""
    beside = Path(sys.executable).with_name(name)
    path = str(beside) if beside.exists() else shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if path is None:
        raise NotUp(f"{name} is not installed")
    return path


class Process:
    """A process whose lines are read; it dies with this one, which the kernel sees to."""

    def __init__(self, *command: str, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> None:
        self.began_s = time.monotonic()
        self.lines: list[tuple[float, str]] = []
        self._came = threading.Condition()
        self._process = subprocess.Popen(
            [program("setpriv"), "--pdeathsig", "KILL", "--", *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=cwd,
            env={**os.environ, **(env or {})},
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """Its number; setpriv is replaced by the command, so it is the command's own."""
        return self._process.pid

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            with self._came:
                self.lines.append((time.monotonic(), line.rstrip()))
                self._came.notify_all()
        with self._came:
            self._came.notify_all()

    def line(self, part: str, deadline_s: float = START_S) -> tuple[float, str]:
        """Return when the first line with `part` in it came, and the line. Raises NotUp."""
        ends = time.monotonic() + deadline_s
        with self._came:
            while True:
                if found := next((each for each in self.lines if part in each[1]), None):
                    return found
                left_s = ends - time.monotonic()
                if left_s <= 0 or not self._reader.is_alive():
                    raise NotUp(f"no {part!r} in {deadline_s:.0f} s; it said: {self.tail()}")
                self._came.wait(min(left_s, 0.5))

    @property
    def status(self) -> int | None:
        """Its status, None while it runs."""
        return self._process.poll()

    def objects(self) -> int:
        """Return how many lines were JSON objects so far."""
        return sum(line.startswith("{") for _, line in list(self.lines))

    def tail(self) -> str:
        """Return the last lines that it wrote."""
        return " | ".join(line for _, line in self.lines[-8:])

    def ended(self, deadline_s: float) -> int:
        """Return its status once it has ended by itself, and its last line is read. Raises NotUp."""
        try:
            status = self._process.wait(deadline_s)
            self._reader.join(STOP_S)
            return status
        except subprocess.TimeoutExpired:
            raise NotUp(f"still there after {deadline_s:.0f} s; it said: {self.tail()}") from None

    def ask_to_end(self) -> None:
        """Ask it to end, and wait for nothing."""
        if self._process.poll() is None:
            self._process.terminate()

    def stop(self) -> None:
        """End it: politely, and after a deadline not."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self._process.poll() is None:
                self._process.send_signal(number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(STOP_S)


@dataclass(frozen=True)
class Cost:
    """What a process and its children have cost: processor seconds so far, memory now (PSS), and what of it is no file.

    What is of files is code, for the most part: how much of it is counted here depends on who else has it mapped.
    """

    cpu_s: float
    pss_bytes: int
    at_s: float
    anonymous_bytes: int = 0

    def share_since(self, before: Cost) -> float:
        """Return the share of one core since an earlier look."""
        return (self.cpu_s - before.cpu_s) / (self.at_s - before.at_s)


def cost(pid: int) -> Cost:
    """Return the cost of a process and all below it, by /proc."""
    root = psutil.Process(pid)
    cpu_s, pss, anonymous = 0.0, 0, 0
    for process in (root, *root.children(recursive=True)):
        with contextlib.suppress(psutil.Error, OSError):
            times = process.cpu_times()
            cpu_s += times.user + times.system
            memory = _memory(process.pid)
            pss += memory["Pss"]
            anonymous += memory["Pss_Anon"]
    return Cost(cpu_s, pss, time.monotonic(), anonymous)


def cpu_s_of_all() -> float:
    """Return the processor seconds of this process and of all that it started, of what has ended too."""
    root = psutil.Process()
    own = root.cpu_times()
    spent_s = own.user + own.system + own.children_user + own.children_system
    for process in root.children(recursive=True):
        with contextlib.suppress(psutil.Error):
            times = process.cpu_times()
            spent_s += times.user + times.system
    return float(spent_s)


def _memory(pid: int) -> dict[str, int]:
    """Return what /proc says of a process's memory, in bytes, by its names: proc(5), smaps_rollup."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    return {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines}


def by_process(pid: int) -> dict[str, float]:
    """Return the memory (PSS, MB) of a process and all below it, by what they call themselves."""
    root, found = psutil.Process(pid), {}
    for process in (root, *root.children(recursive=True)):
        with contextlib.suppress(psutil.Error, OSError):
            title = " ".join(process.cmdline()).strip()
            name = title if title.startswith("jaitf-edge-") else "core"
            found[name] = round(_memory(process.pid)["Pss"] / 1e6, 1)
    return found


@contextlib.contextmanager
def broker(folder: Path) -> Iterator[int]:
    """Run mosquitto on a loopback port, without persistence, and yield the port."""
    with mosquitto(folder) as (port, _):
        yield port


@contextlib.contextmanager
def mosquitto(folder: Path) -> Iterator[tuple[int, Process]]:
    """Run mosquitto as `broker` does, and yield the port and the process."""
    port = free_port()
    conf = folder / "mosquitto.conf"
    conf.write_text(_MOSQUITTO.format(port=port, user=getpass.getuser()))
    process = Process(program("mosquitto"), "-c", str(conf))
    try:
        _until_listening(port, process)
        yield port, process
    finally:
        process.stop()


def _until_listening(port: int, process: Process) -> None:
    ends = time.monotonic() + START_S
    while time.monotonic() < ends:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    raise NotUp(f"nothing listens on {port}; it said: {process.tail()}")


def configure(folder: Path, broker_port: int, devices: Mapping[str, str], more: str = "") -> Path:
    """Write a configuration; `devices` are the device files by name, `more` is added to edge.toml."""
    (folder / "devices").mkdir(parents=True, exist_ok=True)
    given = {"site": SITE, "edge": EDGE, "data": folder / "data", "broker": broker_port, "web": free_port()}
    (folder / "edge.toml").write_text(_EDGE_TOML.format(**given) + more)
    for name, text in devices.items():
        (folder / "devices" / f"{name}.toml").write_text(text)
    return folder


@contextlib.contextmanager
def appliance(folder: Path) -> Iterator[Process]:
    """Run `jaitf-edge run` on a configuration, and yield it once it says that it is ready."""
    process = Process(program("jaitf-edge"), "run", "--config", str(folder))
    try:
        process.line("ready:")
        yield process
    finally:
        process.stop()


@contextlib.contextmanager
def simulated(*arguments: str) -> Iterator[Process]:
    """Run `jaitf-sim ... --json`, and yield it."""
    process = Process(program("jaitf-sim"), *arguments, "--json")
    try:
        yield process
    finally:
        process.stop()
