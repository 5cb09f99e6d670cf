"""What a kind of trial is given, and what it hands back."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path


class Broken(AssertionError):
    """The appliance did not keep its promise."""


@dataclass(slots=True)
class Figures:
    """What one kind of trial measured. `recoveries_s`: from a fault's end to the next new hit at the console."""

    trials: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    committed: int = 0
    acknowledged: int = 0
    delivered: int = 0
    lost: int = 0
    duplicates: int = 0
    recoveries_s: list[float] = field(default_factory=list)
    notes: dict[str, float | str] = field(default_factory=dict)

    def plain(self) -> dict[str, object]:
        """Return the figures as JSON takes them."""
        return {name: getattr(self, name) for name in self.__slots__} | {"faults": dict(self.faults)}

    def add(self, other: Figures) -> None:
        """Take in the figures of a part."""
        self.trials += other.trials
        self.faults += other.faults
        for name in ("committed", "acknowledged", "delivered", "lost", "duplicates"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.recoveries_s += other.recoveries_s
        self.notes |= other.notes


@dataclass(slots=True)
class Bench:
    """A kind's place to work: an empty folder, its own chance (from the seed and its name), how many trials to do."""

    folder: Path
    chance: random.Random
    trials: int
    step: Callable[[], None] = lambda: None
    figures: Figures = field(default_factory=Figures)

    def part(self, name: str) -> Path:
        """Return a fresh folder within the bench."""
        path = self.folder / f"{name}-{len(list(self.folder.iterdir()))}"
        path.mkdir()
        return path

    def tried(self, fault: str) -> None:
        """Count a trial done."""
        self.figures.trials += 1
        self.figures.faults[fault] += 1
        self.step()


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of trial. `weight`: how many kills of the core one of its trials is worth in time.

    `short` is how many the test suite does; `unable` returns why this machine cannot do it, or None.
    """

    name: str
    summary: str
    run: Callable[[Bench], None]
    weight: float = 1
    short: int = 1
    unable: Callable[[], str | None] = lambda: None
