"""Frames into lines, in order: parts are joined, reordering is mended in a window, losses are counted. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from drivers.linescan.codec import Beam, Flags, Frame, Values, ahead

#: Lines that wait for parts of an earlier one; beyond it that one is given up.
WINDOW = 64
#: A line number further off than this is another beginning, not a loss.
RESTART = 100_000


@dataclass(slots=True)
class Line:
    """One line, both energies: uint16 and bool (which pixels came) [2, pixels], low first; its frames as they came."""

    number: int
    position: int
    flags: Flags
    bits: int
    values: Values
    there: NDArray[np.bool_]
    frames: list[bytes] = field(default_factory=list)
    whole: bool = False

    @property
    def pixels(self) -> int:
        """How many pixels a line has."""
        return int(self.values.shape[1])


class Anew:
    """The detector began anew: numbers, size or depth of lines have nothing to do with those before."""


ANEW = Anew()


@dataclass(slots=True)
class Counts:
    """What came of the frames since the connection was made. A line is lost where any part of it never came."""

    lines: int = 0
    lost: int = 0
    reordered: int = 0
    repeated: int = 0
    late: int = 0
    restarts: int = 0


class Assembler:
    """Puts lines together; one whose parts are missing is given up once `WINDOW` later ones have begun."""

    def __init__(self) -> None:
        self.counts = Counts()
        self._waiting: dict[int, Line] = {}
        self._next: int | None = None
        self._newest = 0
        self._form: tuple[int, int] | None = None

    def feed(self, frame: Frame) -> list[Line | Anew]:
        """Take a frame and return the lines that are done, in order; ANEW where what follows is another beginning."""
        done: list[Line | Anew] = []
        form = (frame.pixels, frame.bits)
        if self._next is None:
            self._begin(frame)
        elif form != self._form or abs(ahead(frame.line, self._next)) > RESTART:
            done = [*self._flushed(), ANEW]
            self.counts.restarts += 1
            self._begin(frame)
        assert self._next is not None
        if ahead(frame.line, self._next) < 0:
            self.counts.late += 1
            return done
        self._take(frame)
        done += self._ready()
        return done

    def _begin(self, frame: Frame) -> None:
        self._next = self._newest = frame.line
        self._form = (frame.pixels, frame.bits)

    def _take(self, frame: Frame) -> None:
        behind = ahead(frame.line, self._newest)
        self.counts.reordered += behind < 0
        if behind > 0:
            self._newest = frame.line
        line = self._waiting.get(frame.line)
        if line is None:
            shape = (len(Beam), frame.pixels)
            line = Line(
                frame.line,
                frame.position,
                frame.flags,
                frame.bits,
                np.zeros(shape, np.uint16),
                np.zeros(shape, np.bool_),
            )
            self._waiting[frame.line] = line
        part = slice(frame.first, frame.first + len(frame.values))
        if line.there[frame.beam, part].all():
            self.counts.repeated += 1
            return
        line.values[frame.beam, part] = frame.values
        line.there[frame.beam, part] = True
        line.frames.append(frame.raw)
        line.whole = bool(line.there.all())

    def _ready(self) -> list[Line | Anew]:
        assert self._next is not None
        done: list[Line | Anew] = []
        while self._waiting:
            line = self._waiting.get(self._next)
            if not (line and line.whole) and ahead(self._newest, self._next) < WINDOW:
                break
            if line is None and ahead(self._newest, self._next) > WINDOW:
                # A long hole: straight to the first line that is there, not number by number.
                first = min(self._waiting, key=lambda number: ahead(number, self._next or 0))
                skipped = min(ahead(first, self._next), ahead(self._newest, self._next) - WINDOW + 1)
                self.counts.lost += skipped
                self._next = (self._next + skipped) % (1 << 32)
                continue
            self._next = (self._next + 1) % (1 << 32)
            self._count(line)
            if line:
                del self._waiting[line.number]
                done.append(line)
        return done

    def _count(self, line: Line | None) -> None:
        self.counts.lines += line is not None
        self.counts.lost += line is None or not line.whole

    def _flushed(self) -> list[Line | Anew]:
        start = self._next or 0
        lines = sorted(self._waiting.values(), key=lambda line: ahead(line.number, start))
        self._waiting.clear()
        for line in lines:
            self._count(line)
        return list(lines)
