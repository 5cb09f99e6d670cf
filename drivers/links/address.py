"""Where a link leads and how its line is set, from the URL of a configuration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any
from urllib.parse import parse_qsl, urlsplit


class Parity(StrEnum):
    """The parity bit of a serial line."""

    NONE = "none"
    EVEN = "even"
    ODD = "odd"


@dataclass(frozen=True, slots=True)
class Line:
    """How a serial line is set; a driver's own defaults stand where the URL says nothing."""

    baud: int = 9600
    parity: Parity = Parity.NONE
    bits: int = 8
    stop: int = 1

    def takes_s(self, characters: float) -> float:
        """Return how long so many characters take on the line: each with a start bit, its parity and its stop bits."""
        return characters * (1 + self.bits + (self.parity is not Parity.NONE) + self.stop) / self.baud


@dataclass(frozen=True, slots=True)
class SerialAddress:
    """A serial port of this machine and how its line is set."""

    path: str
    line: Line

    def __str__(self) -> str:
        return self.path


@dataclass(frozen=True, slots=True)
class TcpAddress:
    """A TCP server; an IPv6 address stands here without its brackets."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class StreamAddress:
    """An RTSP stream; the URL holds no password."""

    url: str

    def __str__(self) -> str:
        return self.url


@dataclass(frozen=True, slots=True)
class GrabberAddress:
    """A frame grabber of this machine (Video4Linux), and the size and rate it is asked for; 0: its own."""

    path: str
    width: int = 0
    height: int = 0
    fps: int = 0

    def __str__(self) -> str:
        return self.path


def _baud(text: str) -> int:
    if not text.isdecimal() or not 50 <= int(text) <= 4_000_000:
        raise ValueError(f"baud is a number from 50 to 4000000, not {text!r}")
    return int(text)


def _one_of(name: str, allowed: tuple[int, ...]) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if text not in map(str, allowed):
            raise ValueError(f"{name} is {' or '.join(map(str, allowed))}, not {text!r}")
        return int(text)

    return parse


def _parity(text: str) -> Parity:
    try:
        return Parity(text)
    except ValueError:
        raise ValueError(f"parity is none, even or odd, not {text!r}") from None


_KEYS: dict[str, Callable[[str], Any]] = {
    "baud": _baud,
    "parity": _parity,
    "bits": _one_of("bits", (7, 8)),
    "stop": _one_of("stop", (1, 2)),
}


def address(url: str, line: Line | None = None, default_port: int | None = None) -> SerialAddress | TcpAddress:
    """Return where a URL leads; `line` and `default_port` are the driver's, for what the URL leaves out.

    Raises ValueError, in words for who wrote the URL.
    """
    parts = urlsplit(url)
    if parts.scheme == "serial":
        if parts.netloc or not parts.path.startswith("/") or parts.path == "/" or parts.fragment:
            raise ValueError("a serial port is serial:///dev/serial/by-id/NAME?baud=9600 (three slashes)")
        given: dict[str, Any] = {}
        for key, text in parse_qsl(parts.query, keep_blank_values=True):
            if key not in _KEYS:
                raise ValueError(f"{key!r} is no setting of a serial line: {', '.join(_KEYS)} are")
            if key in given:
                raise ValueError(f"{key} is given twice")
            given[key] = _KEYS[key](text)
        return SerialAddress(parts.path, replace(line or Line(), **given))
    if parts.scheme == "tcp":
        port = parts.port or default_port  # raises ValueError of its own above 65535
        if not parts.hostname or port is None or parts.path.strip("/") or parts.query or parts.username is not None:
            raise ValueError("a TCP address is tcp://HOST:PORT")
        return TcpAddress(parts.hostname, port)
    raise ValueError("must be serial:///dev/... or tcp://HOST:PORT")


def video(url: str) -> StreamAddress | GrabberAddress:
    """Return where a video comes from. Raises ValueError, in words for who wrote the URL."""
    parts = urlsplit(url)
    if parts.scheme == "rtsp":
        if not parts.hostname or parts.fragment or parts.port == 0:  # above 65535, `port` raises ValueError of its own
            raise ValueError("a stream is rtsp://HOST:PORT/PATH")
        if parts.username is not None or parts.password is not None:
            raise ValueError("no user or password in the URL: they are username and password_file")
        return StreamAddress(url)
    if parts.scheme == "v4l2":
        if parts.netloc or not parts.path.startswith("/dev/") or parts.fragment:
            raise ValueError("a frame grabber is v4l2:///dev/v4l/by-id/NAME (three slashes)")
        given: dict[str, int] = {}
        for key, text in parse_qsl(parts.query, keep_blank_values=True):
            if key not in ("width", "height", "fps"):
                raise ValueError(f"{key!r} is no setting of a frame grabber: width, height and fps are")
            if not text.isdecimal() or not 1 <= int(text) <= 8192:
                raise ValueError(f"{key} is a number from 1 to 8192, not {text!r}")
            given[key] = int(text)
        return GrabberAddress(parts.path, **given)
    raise ValueError("must be rtsp://HOST:PORT/PATH or v4l2:///dev/...")
