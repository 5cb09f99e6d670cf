"""Who set which threshold when: the appliance's own operating points, kept as a history and never overwritten.

`calibration.jsonl` in `data_dir` has one JSON object a line. The newest line that speaks of a model and a device is in
force; one without thresholds gives the package's own points back.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from drivers.errors import StoreError
from inference.manifest import OperatingPoints

FILE = "calibration.jsonl"
MAX_BYTES = 4 * 1024 * 1024
Share = Annotated[float, Field(ge=0, le=1)]
Threshold = Annotated[float, Field(gt=0, le=1)]
Text = Annotated[str, Field(min_length=1, max_length=300)]


class Measured(BaseModel):
    """What the thresholds were fitted on: so many bags, of which so many alarmed; `edges` cut their scores in tenths.

    `wanted` are the false-alarm rates asked for, normal and elevated; `files_sha256` is of the list of the bags'
    digests.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    bags: Annotated[int, Field(ge=1)]
    alarms: Annotated[int, Field(ge=0)]
    alarms_elevated: Annotated[int, Field(ge=0)]
    wanted: tuple[Share, Share]
    edges: Annotated[tuple[Share, ...], Field(min_length=9, max_length=9)]
    files_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Calibration(BaseModel):
    """One line of the history: who set what, when, why, for which model (its SHA-256) and device (None: all)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    at: Text
    by: Text
    reason: Text
    model: Text
    version: Text
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    device: Text | None = None
    normal: Threshold | None
    elevated: Threshold | None
    measured: Measured | None = None

    @model_validator(mode="after")
    def _whole(self) -> Calibration:
        if (self.normal is None) != (self.elevated is None):
            raise ValueError("both thresholds, or neither")
        if self.normal is not None and self.elevated is not None and self.elevated > self.normal:
            raise ValueError("elevated is the stricter point: it cannot lie above normal")
        return self

    @property
    def points(self) -> OperatingPoints | None:
        """The operating points; None where the package's own are to be used."""
        if self.normal is None or self.elevated is None:
            return None
        return OperatingPoints(normal=self.normal, elevated=self.elevated)


class Calibrations:
    """The history of one appliance. Reading never raises for what a line holds: such a line is left out and counted."""

    def __init__(self, data_dir: Path) -> None:
        self.path = data_dir / FILE
        self.problem = ""
        self._seen: tuple[int, int] | None = None
        self._history: tuple[Calibration, ...] = ()

    @property
    def history(self) -> Sequence[Calibration]:
        """Every line that could be read, the oldest first."""
        return self._history

    def refresh(self) -> bool:
        """Read the history where the file has changed; return whether it has. What cannot be read changes nothing."""
        try:
            about = self.path.stat()
        except FileNotFoundError:
            changed, self._seen, self._history = bool(self._history), None, ()
            return changed
        except OSError as error:
            self.problem = f"{self.path}: {error.strerror}"
            return False
        if (about.st_mtime_ns, about.st_size) == self._seen:
            return False
        try:
            data = self.path.read_bytes() if about.st_size <= MAX_BYTES else None
        except OSError as error:
            self.problem = f"{self.path}: {error.strerror}"
            return False
        self._seen = (about.st_mtime_ns, about.st_size)
        if data is None:
            self.problem = f"{self.path}: more than {MAX_BYTES} bytes"
            return False
        return self._take(data)

    def in_force(self, sha256: str, device: str) -> Calibration | None:
        """Return the line that holds for a model at a device; None where the package's own points do."""
        for line in reversed(self._history):
            if line.sha256 == sha256 and line.device in (None, device):
                return line if line.points else None
        return None

    def append(self, line: Calibration) -> None:
        """Write one more line, and see it on the disk. Raises StoreError."""
        try:
            with self.path.open("ab+") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                size = file.seek(0, os.SEEK_END)
                torn = False
                if size:
                    file.seek(size - 1)
                    torn = file.read(1) != b"\n"
                text = line.model_dump_json().encode() + b"\n"
                if size + len(text) > MAX_BYTES:
                    raise StoreError(f"{self.path}: more than {MAX_BYTES} bytes")
                # A line that a power cut left unfinished stays as it is, on a line of its own.
                file.write(b"\n" + text if torn else text)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise StoreError(f"{self.path}: {error.strerror}") from error

    def _take(self, data: bytes) -> bool:
        good, bad = [], 0
        for text in data.splitlines():
            try:
                if text.strip():
                    good.append(Calibration.model_validate_json(text))
            except ValidationError:
                bad += 1
        self.problem = f"{self.path}: {bad} lines cannot be read" if bad else ""
        changed = tuple(good) != self._history
        self._history = tuple(good)
        return changed
