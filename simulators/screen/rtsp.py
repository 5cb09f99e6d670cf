"""A stream of pictures over RTSP: GStreamer's own server in a process beside this one, fed through a pipe."""

from __future__ import annotations

import contextlib
import subprocess
import threading
from pathlib import Path

from simulators.screen.bags import Picture

SERVER = Path(__file__).with_name("rtsp_server.py")
SYSTEM_PYTHON = "/usr/bin/python3"
PACKAGES = "python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-base, -good and -ugly"


class RtspServer:
    """Serves what `show` is given, H.264, on 127.0.0.1; while it is stopped (SIGSTOP) pictures are dropped."""

    def __init__(self, size: tuple[int, int], fps: int, port: int = 0, login: tuple[str, str] | None = None) -> None:
        """Start it and return once it listens; port 0: a free one; `login` is who may look, and the password.

        Raises RuntimeError where it does not start.
        """
        command = [SYSTEM_PYTHON, str(SERVER), *map(str, (*size, fps, port)), *(login or ())]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        said = self._process.stdout.readline().strip().decode()
        if not said:
            self.close()
            raise RuntimeError(f"GStreamer's RTSP server did not start on port {port}; installed? {PACKAGES}")
        self.port = int(said)
        self._next: bytes | None = None
        self._news = threading.Condition()
        self._closed = False
        self._feeder = threading.Thread(target=self._feed, name="rtsp", daemon=True)
        self._feeder.start()

    @property
    def pid(self) -> int:
        """The server's process."""
        return self._process.pid

    @property
    def url(self) -> str:
        """Where it serves."""
        return f"rtsp://127.0.0.1:{self.port}/screen"

    @property
    def alive(self) -> bool:
        """Whether the process is there, stopped or not."""
        return self._process.poll() is None

    def show(self, picture: Picture) -> None:
        """Show a picture, BGR; one that was not taken yet gives way to it."""
        with self._news:
            self._next = picture.tobytes()
            self._news.notify()

    def close(self) -> None:
        """End the process; safe to call at any time."""
        self._closed = True
        self._process.kill()
        self._process.wait()
        if hasattr(self, "_feeder"):
            self._feeder.join(5.0)
            if self._feeder.is_alive():
                return  # it holds the pipe's lock: closing would wait for it
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        self._process.stdout.close()

    def _feed(self) -> None:
        while not self._closed:
            with self._news:
                self._news.wait_for(lambda: self._next is not None or self._closed, timeout=1.0)
                picture, self._next = self._next, None
            if picture is not None:
                with contextlib.suppress(OSError, ValueError):  # the process has ended; `alive` says so
                    self._process.stdin.write(picture)
                    self._process.stdin.flush()
