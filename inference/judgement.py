"""What a model says about the pictures of one scan."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from drivers.contract import Category

if TYPE_CHECKING:
    from inference.look import Look


@dataclass(frozen=True, slots=True)
class Found:
    """A potential threat object in one picture: what, how sure (0..1), and where.

    `box` is x, y, width and height in the pixels of the picture as the device gave it; `view` is that picture's view.
    """

    label: str
    category: Category
    score: float
    box: tuple[float, float, float, float]
    view: int = 0


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict on one scan.

    `score` (0..1) ranks scans below the threshold too; `peak` is where it comes from: x, y in the pixels of the picture
    of `view`. `findings` holds what reached `threshold`, the strongest first; with several views the highest score
    decides. `ms` is how long it took. Where a server is configured `at` says whose graph ran, and `fallback` why it was
    the local one for a view. `look` is the view that decided as it was read, for who draws it: some megabytes.
    """

    alarm: bool
    score: float
    threshold: float
    peak: tuple[float, float]
    view: int
    findings: tuple[Found, ...]
    ms: float
    at: Literal["server", "local"] | None = None
    fallback: str | None = None
    look: Look | None = field(default=None, repr=False, compare=False)
