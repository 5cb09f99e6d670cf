"""What the operator's screen shows at a moment: the belt's picture, scrolling, and everything that gets in its way.

Time is given, never taken: the same seed, script and moments give the same pictures. All of it is simulated.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum

import cv2
import numpy as np

from simulators.screen.bags import Picture, Tile, tile
from simulators.xray import Look


class Act(StrEnum):
    """What an operator, a belt or a workstation does for a while."""

    PAUSE = "pause"
    REVERSE = "reverse"
    ZOOM = "zoom"
    INVERT = "invert"
    GREY = "grey"
    MENU = "menu"
    FREEZE = "freeze"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Event:
    """One act: from when, and for how long, in seconds of the belt's day."""

    act: Act
    at_s: float
    for_s: float


@dataclass(frozen=True, slots=True)
class Layout:
    """Where things are on the screen, x, y, width, height in its pixels; `moves` is left, right, up or down."""

    size: tuple[int, int] = (1280, 720)
    region: tuple[int, int, int, int] = (24, 64, 1232, 560)
    clock: tuple[int, int, int, int] = (1080, 12, 176, 36)
    operator: tuple[int, int, int, int] = (24, 12, 300, 36)
    logo: tuple[int, int, int, int] | None = (1160, 72, 88, 40)
    moves: str = "left"

    def scaled(self, by: float) -> Layout:
        """Return the same layout on a screen so many times as large; its sides stay even, as video wants them."""

        def box(of: tuple[int, ...]) -> tuple[int, ...]:
            return tuple(round(value * by / 2) * 2 for value in of)

        logo = box(self.logo) if self.logo else None
        return replace(
            self,
            size=box(self.size),
            region=box(self.region),
            clock=box(self.clock),
            operator=box(self.operator),
            logo=logo,
        )

    def settings(self) -> dict[str, object]:
        """Return the layout as the settings of a `screen` device have it."""
        masks = [list(box) for box in (self.operator, self.logo) if box]
        return {
            "size": list(self.size),
            "region": list(self.region),
            "mask": masks,
            "clock": list(self.clock),
            "direction": self.moves,
        }


OPERATOR = "OP 4711 M. MUSTER"


@dataclass(slots=True)
class Shown:
    """A bag on the belt: its number, tile, and place: first column on the belt, first row in the region."""

    number: int
    start: int
    top: int
    tile: Tile

    def truth(self) -> dict[str, object]:
        """Return the truth as one JSON line has it: `box` is on the belt (columns) and in the region (rows)."""
        height, width = self.tile.picture.shape[:2]
        return {
            "number": self.number,
            "bag": self.tile.bag,
            "seed": self.tile.seed,
            "box": [self.start, self.top, width, height],
            "threats": list(self.tile.threats),
        }


@dataclass(slots=True)
class Screen:
    """A workstation's screen over a belt of `px_s` columns a second."""

    seed: int = 1
    px_s: float = 200.0
    layout: Layout = field(default_factory=Layout)
    script: tuple[Event, ...] = ()
    threat_rate: float = 0.3
    gap: tuple[int, int] = (60, 220)
    look: Look = field(default_factory=Look)
    tiles: tuple[Tile, ...] = ()
    count: int = 0
    bags: list[Shown] = field(default_factory=list)
    _rng: np.random.Generator = field(init=False)
    _end: int = field(init=False)
    _frozen: Picture | None = None
    _loading: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng([self.seed, 0x5C])
        self._end = self.along + 40

    @property
    def along(self) -> int:
        """The region's length in the direction in which it scrolls, in pixels."""
        return self.layout.region[2] if self.layout.moves in ("left", "right") else self.layout.region[3]

    @property
    def across(self) -> int:
        """The region's other side, in pixels."""
        return self.layout.region[3] if self.layout.moves in ("left", "right") else self.layout.region[2]

    def _on(self, act: Act, at_s: float) -> Event | None:
        return next((e for e in self.script if e.act is act and e.at_s <= at_s < e.at_s + e.for_s), None)

    def position(self, at_s: float) -> int:
        """Return the belt's column at the region's left edge: it stands while paused, goes back while reversed."""
        run_s = at_s
        for event in self.script:
            lasted = min(max(at_s - event.at_s, 0.0), event.for_s)
            run_s -= {Act.PAUSE: 1.0, Act.REVERSE: 1.5}.get(event.act, 0.0) * lasted
        return int(run_s * self.px_s)

    def picture(self, at_s: float) -> Picture:
        """Return what the screen shows at a moment, BGR uint8 [rows, columns, 3]."""
        if self._on(Act.LOST, at_s):
            return np.zeros((self.layout.size[1], self.layout.size[0], 3), np.uint8)
        if self._on(Act.FREEZE, at_s):
            if self._frozen is None:
                self._frozen = self._drawn(at_s)
            return self._frozen.copy()
        self._frozen = None
        return self._drawn(at_s)

    def frames(self, fps: float, seconds: float) -> Iterator[tuple[float, Picture]]:
        """Yield moments and pictures, `fps` a second."""
        for number in range(round(seconds * fps)):
            yield number / fps, self.picture(number / fps)

    def _drawn(self, at_s: float) -> Picture:
        width, height = self.layout.size
        screen = np.full((height, width, 3), (92, 80, 64), np.uint8)
        x, y, w, h = self.layout.region
        screen[y : y + h, x : x + w] = self._menu() if self._on(Act.MENU, at_s) else self._region(at_s)
        self._overlays(screen, at_s)
        return screen

    def _region(self, at_s: float) -> Picture:
        part = self._turned(self._belt(self.position(at_s)))
        if event := self._on(Act.ZOOM, at_s):
            part = _zoomed(part, 2.0, 0.15 + 0.5 * (at_s - event.at_s) / event.for_s)
        if self._on(Act.INVERT, at_s):
            part = 255 - part
        if self._on(Act.GREY, at_s):
            part = cv2.cvtColor(cv2.cvtColor(part, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
        return part

    def _turned(self, part: Picture) -> Picture:
        moves = self.layout.moves
        part = part.swapaxes(0, 1) if moves in ("up", "down") else part
        return part[:, ::-1] if moves == "right" else part[::-1] if moves == "down" else part

    def _belt(self, left: int) -> Picture:
        right = left + self.along
        self._load(right)
        part = np.full((self.across, self.along, 3), self.look.belt[::-1], np.uint8)
        for bag in self.bags:
            height, width = bag.tile.picture.shape[:2]
            first, last = max(bag.start, left), min(bag.start + width, right)
            if first < last:
                cut = bag.tile.picture[:, first - bag.start : last - bag.start]
                part[bag.top : bag.top + height, first - left : last - left] = cut
        return part

    def _load(self, until: int) -> None:
        """Put bags on the belt up to a column."""
        if self._end >= until:
            return
        with self._loading:
            self._put(until)

    def prepare(self, at_s: float) -> None:
        """Make the bags that come until a moment; from another thread, so that making them does not halt the belt."""
        self._load(self.position(at_s) + self.along)

    def _put(self, until: int) -> None:
        while self._end < until and not (self.count and len(self.bags) >= self.count):
            number = len(self.bags) + 1
            made = self.tiles[(number - 1) % len(self.tiles)] if self.tiles else self._make(number)
            height, width = made.picture.shape[:2]
            top = int(self._rng.integers(4, max(self.across - height - 4, 5)))
            self.bags.append(Shown(number, self._end, top, made))
            self._end += width + int(self._rng.integers(*self.gap))

    def _make(self, number: int) -> Tile:
        threat = "any" if self._rng.random() < self.threat_rate else None
        rows = self.across * 7 // 8
        return tile(self.seed * 1_000_003 + number, threat, rows, round(rows * 1.25), self.look)

    def _menu(self) -> Picture:
        w, h = self.layout.region[2:]
        menu = np.full((h, w, 3), (60, 40, 30), np.uint8)
        for line, text in enumerate(("LOG OUT", "TIP STATISTICS", "ARCHIVE", "SERVICE")):
            cv2.rectangle(menu, (60, 40 + 90 * line), (520, 110 + 90 * line), (160, 120, 90), -1)
            cv2.putText(menu, text, (80, 90 + 90 * line), cv2.FONT_HERSHEY_SIMPLEX, 1, (255, 255, 255), 2)
        return menu

    def _overlays(self, screen: Picture, at_s: float) -> None:
        seconds = int(at_s)
        clock = f"{12 + seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
        for box, text in ((self.layout.clock, clock), (self.layout.operator, OPERATOR)):
            _label(screen, box, text, (40, 32, 24))
        if self.layout.logo:
            _label(screen, self.layout.logo, "VISION", (190, 20, 190))  # a colour that no bag has


def _label(screen: Picture, box: tuple[int, int, int, int], text: str, colour: tuple[int, int, int]) -> None:
    """Write white text on a field of colour; nothing of it goes beyond the field."""
    x, y, w, h = box
    field = np.full((h, w, 3), colour, np.uint8)
    cv2.putText(field, text, (6, h * 3 // 4), cv2.FONT_HERSHEY_SIMPLEX, h / 45, (255, 255, 255), max(h // 18, 1))
    screen[y : y + h, x : x + w] = field


def _zoomed(part: Picture, scale: float, along: float) -> Picture:
    """Return a part of a picture magnified, taken from so far along the room that it leaves."""
    rows, columns = part.shape[:2]
    high, wide = int(rows / scale), int(columns / scale)
    left, top = int((columns - wide) * along), (rows - high) // 2
    return cv2.resize(part[top : top + high, left : left + wide], (columns, rows), interpolation=cv2.INTER_CUBIC)
