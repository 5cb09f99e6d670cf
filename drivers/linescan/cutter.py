"""Bags out of lines on a belt that stops and runs back: by position, never by count. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from drivers.linescan.codec import ahead
from drivers.linescan.lines import Line


@dataclass(frozen=True, slots=True)
class Rules:
    """How bags are cut; lengths are in lines (line pitches of the belt)."""

    gap: int = 24
    margin: int = 8
    shortest: int = 12
    longest: int = 3000
    bridge: int = 4
    rewind: int = 200


@dataclass(slots=True)
class Bag:
    """One item's lines by rising position; `incomplete` says why it is not the whole item, where it is not."""

    lines: list[Line]
    incomplete: str | None = None
    covered: int = 0

    @property
    def rows(self) -> int:
        """How many line pitches it is long."""
        return ahead(self.lines[-1].position, self.lines[0].position) + 1

    @property
    def bytes(self) -> int:
        """What its lines take in memory: values, which of them came, and the frames."""
        return sum(2 * line.values.nbytes + line.there.nbytes for line in self.lines)


@dataclass(slots=True)
class Cutter:
    """Cuts bags. `repeated` counts lines that a standing or returning belt showed again, `specks` things too short."""

    rules: Rules
    repeated: int = 0
    specks: int = 0
    _highest: int | None = None
    _bag: Bag | None = None
    _before: deque[Line] = field(default_factory=deque)
    _clear: int = 0
    _doubt: int = 0
    _torn: str | None = "it lay in the beam when lines began to come"
    _untorn: int = 1

    @property
    def busy(self) -> bool:
        """Whether a bag is under way."""
        return self._bag is not None

    def see(self, line: Line, covered: bool | None) -> list[Bag]:
        """Take a line with X-rays on and return the bags that it ends.

        `covered` says whether something lies in it, None where so little of it came that nobody knows.
        """
        done: list[Bag] = []
        if self._highest is not None:
            step = ahead(line.position, self._highest)
            if -self.rules.rewind <= step <= 0:
                self.repeated += 1
                return []
            if step < 0:
                done = self.end("the belt ran back over it")
            elif step - 1 > self.rules.bridge:
                done = self.end(f"{step - 1} lines together are lost")
        self._highest = line.position
        self._doubt = self._doubt + 1 if covered is None else 0
        if self._doubt > self.rules.bridge:
            return done + self.end(f"{self._doubt} lines together are half lost")
        if self._bag is None:
            self._outside(line, covered)
            return done
        return done + self._inside(self._bag, line, covered)

    def end(self, why: str) -> list[Bag]:
        """End the bag under way before its time; what follows without a gap is marked too."""
        bag, self._bag = self._bag, None
        self._before.clear()
        self._clear = 0
        if bag is None:  # nothing was seen to lie there, but what comes next may have begun unseen
            self._torn, self._untorn = why, max(self.rules.margin, 1)
            return []
        self._torn, self._untorn = f"it follows one that was cut: {why}", self.rules.gap
        bag.incomplete = bag.incomplete or f"cut: {why}"
        return [bag]

    def forget(self) -> None:
        """Begin anew, with positions that have nothing to do with those before; call `end` first."""
        self._highest = None
        self._torn, self._untorn = "it lay in the beam when lines began to come", 1

    def _outside(self, line: Line, covered: bool | None) -> None:
        if covered:
            self._bag = Bag([*self._before, line], self._torn and f"cut: {self._torn}", covered=1)
            self._before.clear()
            self._clear = 0
            self._torn = None
            return
        self._clear += covered is False
        if self._clear >= self._untorn:
            self._torn = None
        self._before.append(line)
        while len(self._before) > self.rules.margin:
            self._before.popleft()

    def _inside(self, bag: Bag, line: Line, covered: bool | None) -> list[Bag]:
        bag.lines.append(line)
        bag.covered += covered is True
        self._clear = 0 if covered is not False else self._clear + 1
        if self._clear >= self.rules.gap:
            return self._over(bag)
        if bag.rows >= self.rules.longest:
            return self.end(f"longer than {self.rules.longest} lines")
        return []

    def _over(self, bag: Bag) -> list[Bag]:
        self._bag = None
        tail = bag.lines[-self._clear :]
        self._before = deque(tail[-self.rules.margin :])
        bag.lines = bag.lines[: -self._clear] + tail[: self.rules.margin]
        if bag.covered < self.rules.shortest:
            self.specks += 1
            return []
        return [bag]
