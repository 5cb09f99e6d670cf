"""One handle on a video, read in a thread of its own: FFmpeg with deadlines for RTSP, Video4Linux for frame grabbers.

A handle that failed once gives nothing more, though the stream comes back: each failure ends this handle, and the next
`Capture` opens another. FFmpeg takes its deadlines only when it is opened, and only where it is named as the back end.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote, urlsplit

os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # its complaints become this module's errors

import cv2
import numpy as np

from drivers.clock import Clock, Stamp
from drivers.errors import EdgeError, LinkDenied, LinkError, LinkLost, LinkTimeout, ProtocolError
from drivers.links.address import GrabberAddress, StreamAddress, video
from drivers.screen.alive import Pulse, pulse
from drivers.screen.paint import Ingest
from drivers.screen.scroll import Frame
from drivers.screen.settings import ScreenSettings

MAX_PIXELS = 4096 * 2304
#: What a deadline inside a handle may be late by before its thread is taken for stuck.
SLACK_S = 5.0
#: Video4Linux waits so long for a picture and takes no other deadline (OpenCV's default).
GRABBER_WAIT_S = 10.0
MAX_STUCK = 3
CLOSE_S = 1.0

cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


class PictureSize(ProtocolError):
    """The video's pictures are of another size than the configuration's boxes were drawn for."""

    code: ClassVar[str] = "screen-size"


class CaptureStuck(LinkError):
    """Threads hang in the video library: only a new process gets rid of them."""

    code: ClassVar[str] = "capture-stuck"
    retriable: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture, its masks painted out; `region` of it is what is followed. `pulse` was taken before the paint."""

    picture: Frame
    pulse: Pulse
    at: Stamp


def ingest_of(settings: ScreenSettings, size: tuple[int, int]) -> Ingest:
    """Return what is done to pictures of `size` (width, height). Raises PictureSize."""
    width, height = size
    if settings.size is not None and settings.size != size:
        wanted = f"{settings.size[0]} x {settings.size[1]}"
        raise PictureSize(f"the pictures are {width} x {height}, and the settings' boxes are for {wanted}")
    if not width * height or width * height > MAX_PIXELS:
        raise PictureSize(f"pictures of {width} x {height} are not taken")
    return Ingest(settings.region or (0, 0, width, height), settings.mask, settings.direction)


class Capture:
    """Reads one video from `open` to its first failure; for one event loop, used once."""

    _stuck: ClassVar[list[threading.Thread]] = []

    def __init__(self, settings: ScreenSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._where = video(settings.url)
        self._stop = threading.Event()
        self._news = asyncio.Event()
        self._shot: Shot | None = None
        self._error: EdgeError | None = None
        self._thread: threading.Thread | None = None
        self._over = False
        grabber = isinstance(self._where, GrabberAddress)
        self._open_s = GRABBER_WAIT_S if grabber else settings.open_timeout_ms / 1000
        self._read_s = GRABBER_WAIT_S if grabber else settings.read_timeout_ms / 1000

    def start(self) -> None:
        """Start reading. Raises LinkError for a grabber that cannot be opened, CaptureStuck where too much hangs."""
        Capture._stuck = [thread for thread in Capture._stuck if thread.is_alive()]
        if len(Capture._stuck) >= MAX_STUCK:
            raise CaptureStuck(f"{len(Capture._stuck)} threads hang in the video library")
        if isinstance(self._where, GrabberAddress):
            _check_device(self._where.path)
        url = self._url()
        loop = asyncio.get_running_loop()

        def tell(give: Callable[[], None]) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody looks any more
                loop.call_soon_threadsafe(give)

        self._thread = threading.Thread(target=self._work, args=(url, tell), name="capture", daemon=True)
        self._thread.start()

    async def next(self, first: bool = False) -> Shot:
        """Return the latest picture, waiting for one that was not returned yet; `first` allows for connecting.

        Raises LinkError or ProtocolError once nothing more comes from this handle.
        """
        deadline_s = self._read_s + SLACK_S + (self._open_s + self._read_s if first else 0)
        try:
            async with asyncio.timeout(deadline_s):
                while self._shot is None and self._error is None:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            if self._thread is not None:
                Capture._stuck.append(self._thread)
            raise LinkTimeout(f"{self._where}: the video library does not come back") from None
        if self._shot is None:
            assert self._error is not None
            raise self._error
        shot, self._shot = self._shot, None
        return shot

    async def close(self) -> None:
        """Let the handle go, and wait a moment for its thread to do so; safe to call at any time."""
        self._stop.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                while self._thread is not None and not self._over:
                    self._news.clear()
                    await self._news.wait()

    def _url(self) -> str:
        if isinstance(self._where, GrabberAddress):
            return self._where.path
        if self._settings.username is None or self._settings.password_file is None:
            return self._where.url
        try:
            password = self._settings.password_file.read_text().strip()
        except OSError as error:
            raise LinkDenied(f"{self._settings.password_file}: {error.strerror}") from error
        parts = urlsplit(self._where.url)
        who = f"{quote(self._settings.username, safe='')}:{quote(password, safe='')}"
        return parts._replace(netloc=f"{who}@{parts.netloc}").geturl()

    def _work(self, url: str, tell: Callable[[Callable[[], None]], None]) -> None:
        handle: cv2.VideoCapture | None = None
        try:
            handle = self._opened(url)
            self._read(handle, tell)
        except EdgeError as error:
            failure: EdgeError = error
            tell(lambda: self._failed(failure))
        except cv2.error as error:
            broken = ProtocolError(f"{self._where}: the video cannot be decoded ({str(error.err)[:200]})")
            tell(lambda: self._failed(broken))
        finally:
            if handle is not None:
                handle.release()
            tell(self._ended)

    def _opened(self, url: str) -> cv2.VideoCapture:
        started = time.monotonic()
        if isinstance(self._where, StreamAddress):
            handle = cv2.VideoCapture(
                url,
                cv2.CAP_FFMPEG,
                [
                    *(cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, self._settings.open_timeout_ms),
                    *(cv2.CAP_PROP_READ_TIMEOUT_MSEC, self._settings.read_timeout_ms),
                    *(cv2.CAP_PROP_N_THREADS, 1),  # more of them hold pictures back
                ],
            )
        else:
            asked = (
                (cv2.CAP_PROP_FRAME_WIDTH, self._where.width),
                (cv2.CAP_PROP_FRAME_HEIGHT, self._where.height),
                (cv2.CAP_PROP_FPS, self._where.fps),
            )
            handle = cv2.VideoCapture(url, cv2.CAP_V4L2, [v for key, value in asked if value for v in (key, value)])
        if handle.isOpened():
            return handle
        handle.release()
        if time.monotonic() - started >= 0.9 * self._open_s:
            raise LinkTimeout(f"{self._where}: no video within {self._open_s:g} s")
        raise LinkLost(f"{self._where}: no video there; address, path, user name and password?")

    def _read(self, handle: cv2.VideoCapture, tell: Callable[[Callable[[], None]], None]) -> None:
        ingest: Ingest | None = None
        size = (0, 0)
        due = last = time.monotonic()
        while not self._stop.is_set():
            ok = handle.grab()
            now = time.monotonic()
            if not ok:
                self._end(now - last)
            last = now
            if now < due:
                continue
            at = self._clock.now()
            ok, picture = handle.retrieve()
            if not ok or picture.ndim != 3 or picture.dtype != np.uint8:
                raise ProtocolError(f"{self._where}: a picture cannot be decoded")
            if ingest is None or size != (picture.shape[1], picture.shape[0]):
                size = (picture.shape[1], picture.shape[0])
                ingest = ingest_of(self._settings, size)
            beat = pulse(picture, self._settings.clock)
            ingest.paint(picture)
            shot = Shot(picture, beat, at)
            tell(partial(self._got, shot))
            due = max(due + 1 / self._settings.fps, now - 1 / self._settings.fps)

    def _end(self, waited_s: float) -> None:
        if waited_s >= 0.9 * self._read_s:
            raise LinkTimeout(f"{self._where}: no picture for {waited_s:.1f} s")
        raise LinkLost(f"{self._where}: the video ended")

    def _got(self, shot: Shot) -> None:
        self._shot = shot  # one that nobody took in time is gone: the latest counts
        self._news.set()

    def _ended(self) -> None:
        self._over = True
        self._news.set()

    def _failed(self, error: EdgeError) -> None:
        self._error = error
        self._news.set()


def _check_device(path: str) -> None:
    if not Path(path).exists():
        raise LinkLost(f"{path}: there is no such frame grabber")
    if not os.access(path, os.R_OK | os.W_OK):
        raise LinkDenied(f"{path}: no permission; the appliance's user must be in the group video")
