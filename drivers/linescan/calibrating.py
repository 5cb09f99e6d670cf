"""Calibration on command: a request file in the device's own folder, and the answer beside it.

The device's process holds the detector, so whoever asks (a command in another process) leaves `calibrate.json` there
and finds `calibrated.json`. Both are JSON, written whole or not at all.
"""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from drivers.clock import Clock, rfc3339
from drivers.errors import DeviceRefused, LinkTimeout
from drivers.fsync import write_whole
from drivers.linescan.calibration import LINES, Calibration, Correction, Measuring, load, save
from drivers.linescan.lines import Line

KEPT, REQUEST, ANSWER = "calibration.npz", "calibrate.json", "calibrated.json"
_MAX_FILE_BYTES = 4096
_LOOK_S = 0.1
#: What the driver gets beyond the asked time to write its answer.
_GRACE_S = 5.0


class What(StrEnum):
    """What is measured: dark with the X-rays off, gain with them on and the belt running empty."""

    DARK = "dark"
    GAIN = "gain"
    BOTH = "both"


class Request(BaseModel):
    """Someone asks for a calibration."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Annotated[str, Field(max_length=64)]
    what: What
    deadline_s: Annotated[float, Field(gt=0, le=3600)]


class Answer(BaseModel):
    """What came of it; times are RFC 3339, dead pixels those of the low and the high row."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Annotated[str, Field(max_length=64)]
    ok: bool
    detail: str
    dark_at: str | None = None
    gain_at: str | None = None
    dead_pixels: tuple[int, int] | None = None


def ask(folder: Path, what: What, deadline_s: float) -> Answer:
    """Have the driver whose folder this is calibrate, and return its answer.

    Raises LinkTimeout where no driver answers, OSError where the folder cannot be written.
    """
    return answer_to(request_for(folder, what, deadline_s), folder)


def request_for(folder: Path, what: What, deadline_s: float) -> Request:
    """Leave a request for the driver, which takes the file away once it begins. Raises OSError."""
    request = Request(id=uuid.uuid4().hex, what=what, deadline_s=deadline_s)
    write_whole(folder / REQUEST, request.model_dump_json().encode(), mode=0o644)
    return request


def answer_to(request: Request, folder: Path) -> Answer:
    """Wait for the answer to a request. Raises LinkTimeout, and takes the request back, where none comes in time."""
    ends = time.monotonic() + request.deadline_s + _GRACE_S
    while time.monotonic() < ends:
        with contextlib.suppress(OSError, ValidationError):
            answer = Answer.model_validate_json((folder / ANSWER).read_bytes())
            if answer.id == request.id:
                return answer
        time.sleep(_LOOK_S)
    with contextlib.suppress(OSError):
        (folder / REQUEST).unlink()
    raise LinkTimeout("the device does not answer: is the appliance running, and the device up?")


class Calibrator:
    """Keeps a detector's calibration, and measures it anew when asked to."""

    def __init__(self, folder: Path, clock: Clock, now: Callable[[], float]) -> None:
        """`now` is a monotonic clock in seconds."""
        self._folder = folder
        self._clock = clock
        self._now = now
        self._request: Request | None = None
        self._steps: list[Measuring] = []
        self._ends = 0.0
        self._why = ""
        self.calibration = load(folder / KEPT)
        self.correction = self._ready()

    @property
    def measuring(self) -> bool:
        """Whether a measurement is under way."""
        return bool(self._steps)

    def look(self) -> None:
        """Take a request that has come, and give up one whose time is over."""
        path = self._folder / REQUEST
        if path.exists():
            try:
                if path.stat().st_size <= _MAX_FILE_BYTES:
                    self._begin(Request.model_validate_json(path.read_bytes()))
            except (OSError, ValidationError):
                self._request = None
            with contextlib.suppress(OSError):
                path.unlink()
        if self._request and self._now() >= self._ends:
            step = self._steps[0]
            wanted = "with X-rays on and the belt running empty" if step.xrays_on else "with X-rays off"
            self._answer(False, self._why or f"{step.count} of {LINES} lines {wanted} came in time")

    def see(self, line: Line, covered: bool | None) -> None:
        """Take a line; `covered` where something is known to lie in it."""
        if not self._steps:
            return
        step = self._steps[0]
        if step.xrays_on and covered:
            self._why = "something lies on the belt: it must be empty"
            step.drop()
        elif step.add(line):
            self._measured(step)

    def _begin(self, request: Request) -> None:
        self._request = request
        self._ends = self._now() + request.deadline_s
        self._why = ""
        wanted = {What.DARK: (False,), What.GAIN: (True,), What.BOTH: (False, True)}[request.what]
        self._steps = [Measuring(xrays_on) for xrays_on in wanted]

    def _measured(self, step: Measuring) -> None:
        at_ns = self._clock.now().wall_ns
        try:
            found = step.gain(at_ns, self.calibration) if step.xrays_on else step.dark(at_ns, self.calibration)
            save(self._folder / KEPT, found)
        except DeviceRefused as error:
            self._why = str(error)
            step.drop()
            return
        except OSError as error:
            self._answer(False, f"it cannot be kept: {error.strerror or error}")
            return
        self.calibration = found
        self.correction = self._ready()
        self._steps.pop(0)
        if not self._steps:
            self._answer(True, "calibrated")

    def _ready(self) -> Correction | None:
        return Correction(self.calibration) if self.calibration and self.calibration.complete else None

    def _answer(self, ok: bool, detail: str) -> None:
        request, self._request = self._request, None
        self._steps = []
        if request is None:
            return
        kept: Calibration | None = self.calibration
        dead = self.correction.dead.sum(axis=1).tolist() if self.correction else None
        answer = Answer(
            id=request.id,
            ok=ok,
            detail=detail,
            dark_at=rfc3339(kept.dark_ns) if kept else None,
            gain_at=rfc3339(kept.air_ns) if kept and kept.complete else None,
            dead_pixels=dead,
        )
        with contextlib.suppress(OSError):  # whoever asked hears nothing in time, which is told there
            write_whole(self._folder / ANSWER, answer.model_dump_json().encode(), mode=0o644)
