"""The file of a recording: a header, then one JSON object a line, appended as it happens. See README.md, "The file"."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, BinaryIO

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from drivers.errors import ConfigError, StoreFull

VERSION = 1
#: A recording never grows past this unless who records says so.
MAX_BYTES = 64 * 1024 * 1024
#: One event's bytes; longer ones are several events.
MAX_CHUNK_BYTES = 256 * 1024
MAX_LINE_BYTES = 1024 * 1024
#: Kept free at the end of a bounded file for the line that says why it ended.
_RESERVE_BYTES = 256
_HEX_BYTES = 256


class Kind(StrEnum):
    """What happened: `in` is what the device said, `out` what the driver did."""

    OPEN = "open"
    FAIL = "fail"
    IN = "in"
    OUT = "out"
    HANGUP = "hangup"
    CLOSE = "close"
    FILE = "file"
    NOTE = "note"
    STOP = "stop"


class Header(BaseModel):
    """The first line: whose wire it is, and how its driver was set."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    jaitf_wire: Annotated[int, Field(ge=1, le=VERSION)]
    driver: str
    device: str
    started_ns: int
    software: str = ""
    settings: dict[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Event:
    """One line: when (monotonic nanoseconds from the start), on which connection, what; `text` is a name or reason."""

    at_ns: int
    connection: int
    kind: Kind
    data: bytes = b""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Recording:
    """A whole file. `torn` says that its last line was cut off, as a pulled plug leaves it."""

    header: Header
    events: tuple[Event, ...]
    torn: bool = False

    @property
    def took_s(self) -> float:
        """How long it was recorded."""
        return self.events[-1].at_ns / 1e9 if self.events else 0.0


class _Line(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    t: Annotated[int, Field(ge=0, lt=2**63)]
    c: Annotated[int, Field(ge=0)] = 0
    e: Kind
    ascii: str | None = None
    hex: str | None = None
    b64: str | None = None
    text: str = ""


def encoded(event: Event) -> bytes:
    """Return an event as its line; bytes as `ascii` where they are, short ones as `hex`, others as `b64`."""
    line: dict[str, Any] = {"t": event.at_ns, "c": event.connection, "e": event.kind}
    if event.data:
        line |= _spelled(event.data)
    if event.text:
        line["text"] = event.text
    return json.dumps(line, separators=(",", ":"), ensure_ascii=True).encode() + b"\n"


def _spelled(data: bytes) -> dict[str, str]:
    if all(32 <= byte < 127 or byte in b"\r\n\t\x02\x03" for byte in data):
        return {"ascii": data.decode("ascii")}
    if len(data) <= _HEX_BYTES:
        return {"hex": data.hex(" ")}
    return {"b64": base64.b64encode(data).decode("ascii")}


def decoded(line: bytes) -> Event:
    """Return a line's event; raises ValueError where it is none."""
    found = _Line.model_validate_json(line)
    if found.ascii is not None:
        data = found.ascii.encode("ascii")
    elif found.hex is not None:
        data = bytes.fromhex(found.hex)
    else:
        data = base64.b64decode(found.b64 or "", validate=True)
    return Event(found.t, found.c, found.e, data, found.text)


class Tape:
    """A recording that is being written: every event is in the file when the call returns, and nothing past the bound.

    The file is new, and readable by its owner alone. Raises ConfigError where there is one of this name, or none can
    be made.
    """

    def __init__(self, path: Path, header: Header, now_ns: Callable[[], int], max_bytes: int = MAX_BYTES) -> None:
        self._now_ns = now_ns
        self._began_ns = now_ns()
        self._max_bytes = max_bytes
        self._connections = 0
        self._stop_ns: int | None = None
        self.size_bytes = 0
        self.full = False
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        try:
            self._file: BinaryIO = os.fdopen(os.open(path, flags, 0o600), "wb", buffering=0)
        except FileExistsError:
            raise ConfigError(f"{path}: is there already; a recording takes a new name") from None
        except OSError as error:
            raise ConfigError(f"{path}: {error.strerror}") from None
        self._write(json.dumps(header.model_dump(mode="json"), ensure_ascii=True).encode() + b"\n")

    def connection(self) -> int:
        """Return the number of one more connection."""
        self._connections += 1
        return self._connections

    @property
    def now_ns(self) -> int:
        """How long it has been recorded."""
        return self._now_ns() - self._began_ns

    def add(self, connection: int, kind: Kind, data: bytes = b"", text: str = "", at_ns: int | None = None) -> None:
        """Append what happened just now, or `at_ns`; nothing once the file is full, which `full` says.

        Nor what happened after `stop`. Raises StoreFull where the disk takes no more.
        """
        at_ns = self.now_ns if at_ns is None else at_ns
        if self._file.closed or (self._stop_ns is not None and at_ns > self._stop_ns):
            return
        for start in range(0, max(len(data), 1), MAX_CHUNK_BYTES):
            line = encoded(Event(at_ns, connection, kind, data[start : start + MAX_CHUNK_BYTES], text[:512]))
            if self.full or self.size_bytes + len(line) > self._max_bytes - _RESERVE_BYTES:
                self._ended(at_ns)
                return
            self._write(line)

    @property
    def over(self) -> bool:
        """Whether it has ended: it is full, or was told to."""
        return self.full or self._stop_ns is not None

    def stop(self) -> None:
        """Let the recording end now; what happened before may still be appended. Safe from any thread, and twice."""
        self._stop_ns = self._stop_ns or self.now_ns

    def close(self) -> None:
        """Say that the recording ends here, and bring it to the disk."""
        if self._file.closed:
            return
        if not self.full:
            self._write(encoded(Event(self._stop_ns or self.now_ns, 0, Kind.STOP)))
        os.fsync(self._file.fileno())
        self._file.close()

    def _ended(self, at_ns: int) -> None:
        if not self.full:
            self.full = True
            self._write(encoded(Event(at_ns, 0, Kind.STOP, text=f"the bound of {self._max_bytes} bytes is reached")))

    def _write(self, line: bytes) -> None:
        try:
            if self._file.write(line) != len(line):
                raise StoreFull("the recording cannot be written: the disk is full")
        except OSError as error:
            raise StoreFull(f"the recording cannot be written: {error.strerror}") from None
        self.size_bytes += len(line)


def read(path: Path) -> Recording:
    """Return a recording; a last line that was cut off is left out. Raises ConfigError, with the line."""
    try:
        with path.open("rb") as file:
            return parsed(_lines(file, path), path)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None


def parsed(lines: Iterator[bytes], path: Path) -> Recording:
    """Return the recording that these lines are; raises ConfigError."""
    first = next(lines, b"")
    try:
        header = Header.model_validate_json(first)
    except ValidationError:
        raise ConfigError(f"{path}:1: no recording: its first line has no jaitf_wire, driver, device") from None
    events: list[Event] = []
    for number, line in enumerate(lines, 2):
        if not line.endswith(b"\n"):
            return Recording(header, tuple(events), torn=True)
        if line.strip():
            try:
                events.append(decoded(line))
            except ValueError as error:
                said = str(error).splitlines()[0]
                raise ConfigError(f"{path}:{number}: not a line of a recording: {said}") from None
    return Recording(header, tuple(events))


def _lines(file: BinaryIO, path: Path) -> Iterator[bytes]:
    while line := file.readline(MAX_LINE_BYTES + 1):
        if len(line) > MAX_LINE_BYTES:
            raise ConfigError(f"{path}: a line of more than {MAX_LINE_BYTES} bytes")
        yield line


def header_of(driver: str, device: str, settings: Mapping[str, Any], started_ns: int, software: str) -> Header:
    """Return the first line of a new recording; `started_ns` is Unix time."""
    return Header(
        jaitf_wire=VERSION,
        driver=driver,
        device=device,
        started_ns=started_ns,
        software=software,
        settings=dict(settings),
    )
