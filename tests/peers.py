"""Real peers for tests: processes on loopback, on free ports, that go away with the test.

`broker` is a plain mosquitto; `start_broker` starts as many as wanted, with configuration lines of one's own.
"""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from drivers.ports import free_port

START_DEADLINE_S = 60.0
STOP_DEADLINE_S = 60.0
PORT_ATTEMPTS = 5


def _program(name: str) -> str:
    """Where a system program is; Debian keeps daemons in /usr/sbin, which is not on everyone's PATH."""
    path = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"]))
    if path is None:
        pytest.fail(f"{name} is not installed: apt-get install {name}")
    return path


class Broker:
    """A mosquitto on a free loopback port: the port stays the same over `stop()`, `kill()` and `start()`.

    `config` is lines of mosquitto.conf added to the defaults (no persistence, anonymous, queues as Debian ships
    them: 1000 messages a client, the rest is dropped; `max_queued_messages 0` lifts that). `listener` replaces the
    plain loopback listener, `{port}` in either is the port chosen.
    """

    def __init__(self, folder: Path, config: str = "", listener: str = "listener {port} 127.0.0.1") -> None:
        self.folder = folder
        self._config = config
        self._listener = listener
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        self.log_path = folder / "mosquitto.log"
        for attempt in range(PORT_ATTEMPTS):
            self.port = free_port()
            try:
                self.start()
            except RuntimeError:
                # Another process may have taken the port between our look and mosquitto's bind.
                if attempt == PORT_ATTEMPTS - 1:
                    raise
            else:
                break

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def configure(self, config: str) -> None:
        """Other lines of mosquitto.conf, from the next start on."""
        self._config = config

    def log(self) -> str:
        """What mosquitto has said since it was first started."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def start(self) -> None:
        """Start it, on the same port as before; returns once it answers connections.

        Raises RuntimeError with mosquitto's own words when it does not come up.
        """
        if self.pid is not None:
            return
        conf = self.folder / "mosquitto.conf"
        head = [
            self._listener.replace("{port}", str(self.port)),
            "allow_anonymous true" if "allow_anonymous" not in self._config else "",
            "persistence false" if "persistence" not in self._config else "",
            f"user {getpass.getuser()}",  # else root's mosquitto drops its rights, and cannot read a test's folder
        ]
        conf.write_text("\n".join(head) + "\n" + self._config.replace("{port}", str(self.port)) + "\n")
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [_program("mosquitto"), "-c", str(conf)], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self._wait_until_it_listens()

    def _wait_until_it_listens(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + START_DEADLINE_S
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise RuntimeError(f"mosquitto ended with {self._process.returncode}:\n{self.log()[-2000:]}")
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.01)
            else:
                return
        self.kill()
        raise RuntimeError(f"mosquitto does not listen on {self.port}:\n{self.log()[-2000:]}")

    def stop(self) -> None:
        """An orderly end: clients are told, wills are sent."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """A power cut: what it held in memory is gone."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(how)
        try:
            process.wait(STOP_DEADLINE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_DEADLINE_S)


@pytest.fixture
def start_broker(tmp_path: Path) -> Iterator[Callable[..., Broker]]:
    """`start_broker(config="...", listener="...")` starts a mosquitto; all of them end with the test."""
    running: list[Broker] = []

    def start(config: str = "", listener: str = "listener {port} 127.0.0.1") -> Broker:
        running.append(Broker(tmp_path / f"mosquitto-{len(running)}", config, listener))
        return running[-1]

    yield start
    for each in running:
        each.stop()


@pytest.fixture
def broker(start_broker: Callable[..., Broker]) -> Broker:
    """A plain mosquitto: anonymous, no persistence, no limit to its queues."""
    return start_broker(config="max_queued_messages 0\nmax_inflight_messages 100")
