"""The console as its users start it: a process, driven by its command line, watched by its JSON lines."""

from __future__ import annotations

import json
import queue
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

DEADLINE_S = 60.0


class Console:
    """A running `jaitf-console`; `events` are its JSON lines as they come."""

    def __init__(self, broker_url: str, data: Path, *more: str, listen: str = "127.0.0.1:0") -> None:
        self.data = data
        command = [sys.executable, "-m", "simulators.console.cli", "--broker", broker_url, "--data", str(data)]
        self.process = subprocess.Popen(
            [*command, "--listen", listen, "--json", *more],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._events: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.url = ""

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._events.put(json.loads(line))
        self._events.put(None)

    def wait_for(self, **wanted: str) -> dict[str, Any]:
        """Return the next event with these values; fails where the console ends or stays silent."""
        while True:
            event = self._events.get(timeout=DEADLINE_S)
            assert event is not None, f"the console ended: {self.errors()}"
            if all(event.get(key) == value for key, value in wanted.items()):
                return event

    def ready(self) -> Console:
        """Wait until the page is served and the broker connected."""
        self.url = self.wait_for(event="listening")["url"]
        self.wait_for(event="broker", state="online")
        return self

    def errors(self) -> str:
        """What it said on standard error, once it has ended."""
        assert self.process.stderr is not None
        self.process.wait(DEADLINE_S)
        return self.process.stderr.read()

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """End it; return its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        status = self.process.wait(DEADLINE_S)
        self._reader.join(DEADLINE_S)
        return status

    def close(self) -> None:
        """End it whatever happens."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(DEADLINE_S)
        self._reader.join(DEADLINE_S)
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()
