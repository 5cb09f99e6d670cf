"""Dark and gain of each pixel: measured on command, kept, and taken out of every line. Pure but for `load` and `save`.

A corrected value is (raw - dark) / (air - dark): 1 in clear air, 0 where nothing comes through (flat-field correction).
"""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drivers.errors import DeviceRefused
from drivers.fsync import sync_folder, write_whole
from drivers.linescan.codec import Flags
from drivers.linescan.lines import Line

Plane = NDArray[np.float32]

#: Lines that a measurement takes: the mean's noise is then a fifteenth of a line's.
LINES = 256
#: A pixel is dead where its light is less than, or more than this many times the row's median ...
_DARKEST, _BRIGHTEST = 0.3, 3.0
#: ... its dark value more than this part of the range, or its noise so many times the median's.
_DARK_PART, _NOISIEST = 0.3, 6.0
#: Air is not clear where this part of the pixels changed by more than this part between its two halves.
_CHANGED_PIXELS, _CHANGED_BY = 0.03, 0.02
_LEAST_LIGHT = 0.02


@dataclass(frozen=True, slots=True)
class Calibration:
    """Means of dark and air, float32 [2, pixels], low first; dead pixels, bool likewise; when, in Unix nanoseconds."""

    bits: int
    dark: Plane
    dark_ns: int
    air: Plane | None = None
    air_ns: int = 0
    noise: Plane | None = None

    @property
    def complete(self) -> bool:
        """Whether lines can be corrected with it."""
        return self.air is not None

    def fits(self, line: Line) -> bool:
        """Whether a line has the size and depth that this was measured at."""
        return line.values.shape == self.dark.shape and line.bits == self.bits

    def dead(self) -> NDArray[np.bool_]:
        """Return which pixels tell nothing: dark, stuck, glaring or wild. All, where there is no gain yet."""
        if self.air is None or self.noise is None:
            return np.ones(self.dark.shape, np.bool_)
        light = self.air - self.dark
        median = np.median(light, axis=1, keepdims=True)
        loud = np.median(self.noise, axis=1, keepdims=True)
        found: NDArray[np.bool_] = (
            (light < _DARKEST * median)
            | (light > _BRIGHTEST * median)
            | (self.dark > _DARK_PART * (2**self.bits - 1))
            | (self.noise > _NOISIEST * loud)
            | ((self.noise == 0) & (loud > 0))
        )
        return found


class Correction:
    """A calibration made ready for use: corrects lines and pictures, and repairs dead pixels from their neighbours."""

    def __init__(self, calibration: Calibration) -> None:
        """`calibration` is complete."""
        assert calibration.air is not None
        self.calibration = calibration
        self.dead = calibration.dead()
        self._per_count = 1 / np.maximum(calibration.air - calibration.dark, 1)

    def transmission(self, raw: NDArray[np.uint16]) -> Plane:
        """Return raw values [..., 2, pixels] as the part of the light that comes through, dead pixels as they are."""
        return np.asarray((raw - self.calibration.dark) * self._per_count, np.float32)

    def covered(self, line: Line, below: float, pixels: int) -> bool | None:
        """Whether at least so many live pixels of the low energy show less than `below`.

        None where those that came do not, but not all came: what is not known to be clear is not clear.
        """
        dark = (self.transmission(line.values)[0] < below) & ~self.dead[0] & line.there[0]
        if int(np.count_nonzero(dark)) >= pixels:
            return True
        return False if line.there[0].all() else None

    def repaired(self, planes: Plane) -> Plane:
        """Return planes [rows, 2, pixels] with dead pixels interpolated between the nearest live ones of their row."""
        for row in range(planes.shape[1]):
            dead = self.dead[row]
            if not dead.any() or dead.all():
                continue
            at, live = np.flatnonzero(dead), np.flatnonzero(~dead)
            right = np.searchsorted(live, at).clip(max=len(live) - 1)
            left = live[np.maximum(np.searchsorted(live, at) - 1, 0)]
            after = live[right]
            span = np.maximum(after - left, 1)
            part = np.clip((at - left) / span, 0, 1).astype(np.float32)
            planes[:, row, at] = planes[:, row, left] * (1 - part) + planes[:, row, after] * part
        return planes


class Measuring:
    """Gathers the lines of one measurement, dark or air; `add` returns true once there are enough."""

    def __init__(self, xrays_on: bool) -> None:
        self.xrays_on = xrays_on
        self._lines: list[NDArray[np.uint16]] = []
        self._bits = 0

    @property
    def count(self) -> int:
        """How many lines it has."""
        return len(self._lines)

    def add(self, line: Line) -> bool:
        """Take a line if it serves: whole, with X-rays as wanted, of the same form; air only while the belt runs."""
        wanted = bool(line.flags & Flags.XRAYS_ON) == self.xrays_on
        if not wanted or not line.whole or (self.xrays_on and not line.flags & Flags.BELT_RUNS):
            return False
        if self._lines and (line.values.shape != self._lines[0].shape or line.bits != self._bits):
            self._lines.clear()
        self._bits = line.bits
        self._lines.append(line.values)
        return len(self._lines) >= LINES

    def drop(self) -> None:
        """Forget what was gathered: something was in the way."""
        self._lines.clear()

    def dark(self, at_ns: int, before: Calibration | None) -> Calibration:
        """Return the calibration with this dark; an earlier gain of the same form stays.

        Raises DeviceRefused where it is no dark.
        """
        stack = np.stack(self._lines).astype(np.float32)
        mean = np.asarray(stack.mean(axis=0), np.float32)
        if np.median(mean) > _DARK_PART * (2**self._bits - 1):
            raise DeviceRefused("there is light: were the X-rays really off?")
        if before is not None and before.bits == self._bits and before.dark.shape == mean.shape:
            return replace(before, dark=mean, dark_ns=at_ns)
        return Calibration(self._bits, mean, at_ns)

    def gain(self, at_ns: int, before: Calibration | None) -> Calibration:
        """Return the calibration with this gain. Raises DeviceRefused where it is no clear air."""
        stack = np.stack(self._lines).astype(np.float32)
        mean = np.asarray(stack.mean(axis=0), np.float32)
        if before is None or before.bits != self._bits or before.dark.shape != mean.shape:
            raise DeviceRefused("dark comes first: calibrate that with the X-rays off")
        full = 2**self._bits - 1
        light = mean - before.dark
        if np.median(light) < _LEAST_LIGHT * full:
            raise DeviceRefused("there is too little light: are the X-rays on, is the detector in the beam?")
        if np.median(mean) >= full - 1:
            raise DeviceRefused("the detector is saturated in clear air: less tube current, or less gain")
        half = len(stack) // 2
        change = np.abs(stack[:half].mean(axis=0) - stack[half:].mean(axis=0)) / np.maximum(light, 1)
        alive = light > _DARKEST * np.median(light, axis=1, keepdims=True)
        if (change[alive] > _CHANGED_BY).mean() > _CHANGED_PIXELS:
            raise DeviceRefused("something passed: the belt must be empty")
        return replace(before, air=mean, air_ns=at_ns, noise=np.asarray(stack.std(axis=0), np.float32))


def save(path: Path, calibration: Calibration) -> None:
    """Write a calibration whole or not at all. Raises OSError."""
    out = io.BytesIO()
    form = np.array([calibration.bits, calibration.dark_ns, calibration.air_ns], np.int64)
    if calibration.air is None or calibration.noise is None:
        np.savez(out, form=form, dark=calibration.dark)
    else:
        np.savez(out, form=form, dark=calibration.dark, air=calibration.air, noise=calibration.noise)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, out.getvalue())
    sync_folder(path.parent)


def load(path: Path) -> Calibration | None:
    """Return the calibration kept there; None where there is none, or it is damaged."""
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as kept:
            bits, dark_ns, air_ns = (int(value) for value in kept["form"])
            air, noise = (kept["air"], kept["noise"]) if "air" in kept else (None, None)
            return Calibration(bits, kept["dark"], dark_ns, air, air_ns, noise)
    except (OSError, ValueError, KeyError, EOFError):
        return None
