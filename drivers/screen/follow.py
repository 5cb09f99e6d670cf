"""Follows a scrolling display from picture to picture, puts the strip together and cuts it into bags. Does no I/O.

A picture is one of four things: the picture before it, moved; the same drawing in other colours (an enhancement); a
part of it magnified; or something else. Only the first is ever judged. While a display is magnified or shows something
else nothing is put together; when it comes back to where it was, nothing was missed, and when it does not, what was
under way is told as unknown.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from drivers.screen import show
from drivers.screen.cut import Rules, Run, crop, extent, runs
from drivers.screen.scroll import SAME_EDGES, Frame, Match, Scroller, Signature, differ
from drivers.screen.show import Colour, Palette
from drivers.screen.stitch import Seen, Strip, solid

#: Of 255, in any of B, G, R: more than a video's noise, less than a thin garment.
DIFFERS = 24
#: More than this part of a bag behind masks, and it was not seen.
MAX_HIDDEN = 0.1
MAGNIFIED = "it fills the display from edge to edge, and may be magnified"
_REACH = 96
_SAME_PALETTE = 0.6
_GREY, _COLOURFUL = 0.9, 0.6
_RETURNS = 0.1


class Mode(StrEnum):
    """How the display shows the belt just now."""

    NORMAL = "normal"
    ENHANCED = "enhanced"
    ZOOMED = "zoomed"
    OTHER = "other"


#: Why an item that was under way when the display changed is unknown.
REASONS = {
    Mode.NORMAL: "the display jumped before all of it was seen",
    Mode.ENHANCED: "the display showed it with an enhancement only",
    Mode.ZOOMED: "the display was magnified before all of it was seen",
    Mode.OTHER: "the display showed something else before all of it was seen",
}


@dataclass(frozen=True, slots=True)
class Bag:
    """One item as the display showed it: BGR, in the turn of the followed region.

    `start` and `top` are where its box lies in the strip. `problem` says why it cannot be judged, `missing` why only a
    part of it can; `part` counts the pieces of one that was too long.
    """

    picture: Frame
    start: int
    top: int
    problem: str | None
    missing: str | None
    part: int

    @property
    def reason(self) -> str | None:
        """Why it is not seen whole, None where it is."""
        return self.problem or self.missing


@dataclass(slots=True)
class _Anchor:
    """A picture whose place in the strip is known: later ones are placed by how far they moved from it."""

    signature: Signature
    left: int
    mode: Mode
    background: Colour


@dataclass(frozen=True, slots=True)
class _Place:
    mode: Mode
    left: int | None


class Follower:
    """Follows one display; `valid` says which pixels of its pictures lie behind no mask (bool [rows, columns])."""

    def __init__(self, valid: NDArray[np.bool_], rules: Rules, idle_s: float) -> None:
        self.mode = Mode.NORMAL
        self.left = 0
        self._valid = valid
        self._rules = rules
        self._idle_s = idle_s
        self._scroller = Scroller(valid)
        self._strip = Strip(valid)
        self._normal: _Anchor | None = None
        self._shown: _Anchor | None = None
        self._other: _Anchor | None = None
        self._background: Colour | None = None
        self._palette: Palette | None = None
        self._segment = self._done = 0
        self._part = 0
        self._moved_s = 0.0
        self._returning: int | None = None
        self._last: Frame | None = None
        self._last_left = 0
        self._magnified = self._recoloured = False

    @property
    def columns_seen(self) -> int:
        """How many columns have come in since the last start of the strip, those of the first picture included."""
        return self._strip.end - self._segment

    def feed(self, frame: Frame, now_s: float) -> list[Bag]:
        """Take the next picture (BGR, as large as `valid`) and return the bags that it completes.

        `now_s` only ever rises.
        """
        background, _ = show.background(frame, self._valid, self._background)
        signature = self._scroller.signature(frame, background)
        if self._shown is None:
            return self._start_over(frame, signature, background, now_s)
        place = self._locate(frame, signature, background)
        if place.left is None:
            return self._hold(place.mode, frame, signature, background, now_s)
        self._other = None
        self.mode = place.mode
        if place.left != self.left:
            self._moved_s = now_s
        self._step(frame, signature, background, place.left)
        return self._cut(idle=now_s - self._moved_s >= self._idle_s)

    def flush(self) -> list[Bag]:
        """Return what is under way, as far as it was seen, and begin anew with the next picture."""
        bags = self._cut(idle=True, last=True)
        self._shown = self._normal = self._other = None
        return bags

    def _locate(self, frame: Frame, signature: Signature, background: Colour) -> _Place:
        """Return how the picture shows the belt, and the number of its left column where that can be told."""
        shown, normal = self._shown, self._normal
        assert shown is not None
        for anchor in (normal, shown):
            if anchor is None or not _near(anchor.background, background) or not self._overlaps(anchor):
                continue
            expected = self.left - anchor.left
            match = self._scroller.match(anchor.signature, signature, expected, self._reach())
            doubtful = self._other is not None or abs(match.shift - expected) >= self._scroller.columns // 8
            if doubtful and match.found and not self._confirmed(anchor, signature, match):
                continue
            if match.coloured:
                return _Place(anchor.mode, anchor.left + match.shift)
            if match.found:
                back = anchor.mode is Mode.ENHANCED and self._looks_normal(frame, background)
                return _Place(Mode.NORMAL if back else Mode.ENHANCED, anchor.left + match.shift)
        if normal is not None and _near(normal.background, background):
            match = self._scroller.match_far(normal.signature, signature)
            if match.coloured:
                return _Place(Mode.NORMAL, normal.left + match.shift)
        if not show.is_light(background) and (signature.empty or shown.signature.empty):
            return _Place(Mode.ENHANCED, self.left)
        shift, agreement = self._scroller.match_edges(shown.signature, signature, self.left - shown.left, self._reach())
        if agreement >= SAME_EDGES:
            if shown.mode is Mode.NORMAL and self._looks_normal(frame, background):
                self._recoloured = True  # neither inverted nor grey, and yet other colours
            back = shown.mode is Mode.ENHANCED and self._looks_normal(frame, background)
            return _Place(Mode.NORMAL if back else Mode.ENHANCED, shown.left + shift)
        zoomed = self._is_magnified(frame, background)
        return _Place(Mode.ZOOMED if zoomed else Mode.OTHER, None)

    def _confirmed(self, anchor: _Anchor, signature: Signature, match: Match) -> bool:
        """Return whether a shift that nobody expected is more than chance: by the pixels, in other colours by edges."""
        if match.coloured:
            return self._scroller.alike(anchor.signature, signature, match.shift)
        return self._scroller.match_edges(anchor.signature, signature, match.shift, 0)[1] >= SAME_EDGES

    def _is_magnified(self, frame: Frame, background: Colour) -> bool:
        if self._last is None:
            return False
        return show.is_magnified(frame, self._last, self._valid, background)

    def _overlaps(self, anchor: _Anchor) -> bool:
        return abs(self.left - anchor.left) + self._reach() < self._scroller.columns

    def _reach(self) -> int:
        return min(_REACH, self._scroller.columns // 4)

    def _looks_normal(self, frame: Frame, background: Colour) -> bool:
        """Return whether a picture has the colours of the normal mode, as far as they are known.

        A light belt tells it from inverted colours, and colour from black and white; another set of colours is told
        from the normal one only where they were seen side by side, and left only for colours that are much alike.
        """
        if not show.is_light(background):
            return False
        palette = Palette.of(frame, self._valid, background)
        if self._palette is None or not palette.telling:
            return not self._recoloured
        if palette.grey >= _GREY and self._palette.grey <= _COLOURFUL:
            return False
        return not self._recoloured or palette.like(self._palette) >= _SAME_PALETTE

    def _hold(self, mode: Mode, frame: Frame, signature: Signature, background: Colour, now_s: float) -> list[Bag]:
        """Wait for the display to come back; begin anew where what it shows now scrolls by itself."""
        assert self._shown is not None
        self.mode = mode
        if mode is Mode.ZOOMED:
            self._magnified, self._other = True, None
            return self._cut(idle=now_s - self._moved_s >= self._idle_s)
        if self._shown.signature.empty:
            return self._start_over(frame, signature, background, now_s)
        if self._other is not None:
            match = self._scroller.match(self._other.signature, signature, 0, self._scroller.columns // 4)
            if match.found and abs(match.shift) >= self._scroller.columns // 8:
                return self._start_over(frame, signature, background, now_s)
            if match.found:
                return []
        self._other = _Anchor(signature, 0, Mode.OTHER, background)
        return []

    def _start_over(self, frame: Frame, signature: Signature, background: Colour, now_s: float) -> list[Bag]:
        bags = self._cut(idle=True, last=True) if self._shown is not None else []
        self._normal = self._other = None
        self.mode = Mode.NORMAL if self._looks_normal(frame, background) else Mode.ENHANCED
        self._segment = self._done = self.left = self._strip.restart()
        self._shown = _Anchor(signature, self.left, self.mode, background)
        self._part, self._moved_s, self._returning = 0, now_s, None
        self._step(frame, signature, background, self.left)
        return bags + self._cut(idle=False)

    def _step(self, frame: Frame, signature: Signature, background: Colour, left: int) -> None:
        self.left = left
        anchor = self._normal if self.mode is Mode.NORMAL else self._shown
        fresh = anchor is None or anchor.mode is not self.mode or self._is_worn(anchor, signature, background, left)
        if fresh and self.mode is not Mode.ZOOMED:
            # What comes out of the tunnel shows the mode anew: an empty belt looks alike in several.
            normal = self._looks_normal(frame, background)
            self.mode = Mode.ENHANCED if not normal else Mode.NORMAL if not self._recoloured else self.mode
            anchor = _Anchor(signature, left, self.mode, background)
        if self.mode is Mode.NORMAL:
            self._check_return(frame)
            self._background, self._last, self._recoloured = background, frame, False
            self._last_left = left
            if fresh:
                self._normal = anchor
                self._palette = Palette.of(frame, self._valid, background).blended(self._palette)
        quality = Seen.NORMAL if self.mode is Mode.NORMAL else Seen.ENHANCED
        self._strip.place(frame, left, background, quality, DIFFERS)
        self._shown = anchor

    def _is_worn(self, anchor: _Anchor, signature: Signature, background: Colour, left: int) -> bool:
        """Return whether a new anchor is due: each one costs up to half a column, an old one shows too little."""
        moved = abs(left - anchor.left)
        fuller = signature.energy > 1.3 * anchor.signature.energy + 1 and moved >= 8
        return moved > self._scroller.columns // 4 or fuller or not _near(anchor.background, background)

    def _check_return(self, frame: Frame) -> None:
        """Compare columns that went back into the tunnel and come again; other ones start from there."""
        right = self.left + self._strip.width
        if right < self._strip.end and (self._returning is None or right <= self._returning):
            self._returning = right
            return
        if self._returning is None:
            return
        start, stop = max(self._returning, self._strip.begin), min(right, self._strip.end)
        self._returning = right if right < self._strip.end else None
        if stop <= start:
            return
        old, seen = self._strip.pixels(start, stop)
        new = frame[:, start - self.left : stop - self.left]
        known = (seen == Seen.NORMAL) & self._valid[:, start - self.left : stop - self.left]
        other = (np.abs(old.astype(np.int16) - new).max(axis=2) > 2 * DIFFERS) & known
        if other.mean() > _RETURNS * max(float(known.mean()), 1e-3):
            self._strip.truncate(start)
            self._done = min(self._done, start)
            self._returning = None

    def _cut(self, idle: bool, last: bool = False) -> list[Bag]:
        """Return the bags that are complete; with `last` all that is there, for no more of it will be seen."""
        start = max(self._done, self._strip.begin)
        found: list[Bag] = []
        for run in runs(self._strip.filled(start, self._strip.end), self._rules):
            first, stop = start + run.start, start + run.stop
            closed = run.closed or last or (idle and stop < self._strip.end)
            if not closed or not (last or self._is_ready(first, stop, idle)):
                break
            self._done = stop
            if bag := self._bag(run, first, stop, stop == self._strip.end and not run.closed):
                found.append(bag)
            self._part = self._part + 1 if run.cut else 0
        pending = min(self._done, self.left - self._strip.width)
        self._strip.forget(pending)
        return found

    def _is_ready(self, first: int, stop: int, idle: bool) -> bool:
        """Return whether waiting would show no more of a bag: it begins to leave, or all is seen but behind masks."""
        if first < self.left or self._strip.whole(first, stop):
            return True
        return idle and not self._strip.enhanced(first, stop)

    def _bag(self, run: Run, first: int, stop: int, breaks_off: bool) -> Bag | None:
        """Return what lies in these columns, None for specks too small to be anything."""
        margin = 0 if run.cut or self._part else self._rules.min_gap // 2
        left, right = max(first - margin, self._strip.begin), min(stop + margin, self._strip.end)
        pixels, seen = self._strip.pixels(left, right)
        background = self._background or (255, 255, 255)
        known = seen == Seen.NORMAL
        off = solid(pixels, background, DIFFERS) & known
        top, bottom = extent(off)
        reason = self._missing(seen, first, breaks_off)
        if reason is None and self._differs_now(pixels, known, left, background):
            reason = "two looks at it do not agree: damaged video, or an enhancement that was not recognised"
        seen_of_it = int(off.any(axis=0).sum())
        small = min(seen_of_it, bottom - top) < self._rules.min_bag
        if reason is None and small and not (run.cut or self._part):
            return None
        magnified = self._magnified and top <= 1 and bottom >= self._strip.rows - 1
        self._magnified = magnified or (self._magnified and reason is not None)
        if bottom == top:
            bottom = self._strip.rows
        top, bottom = max(top - margin, 0), min(bottom + margin, self._strip.rows)
        problem = MAGNIFIED if magnified else reason if small else None
        picture = crop(pixels, known, background, (top, bottom))
        return Bag(picture, left, top, problem, None if problem else reason, self._part)

    def _differs_now(self, pixels: Frame, known: NDArray[np.bool_], left: int, background: Colour) -> bool:
        """Return whether the latest picture shows columns otherwise than they were kept, each at its first look."""
        assert self._last is not None
        start = max(left, self._last_left)
        stop = min(left + pixels.shape[1], self._last_left + self._strip.width)
        if stop <= start:
            return False
        here, there = slice(start - left, stop - left), slice(start - self._last_left, stop - self._last_left)
        both = known[:, here] & self._valid[:, there]
        kept, now = (solid(each, background, DIFFERS) & both for each in (pixels[:, here], self._last[:, there]))
        for axis in (0, 1):  # where it begins and ends: what one of the two looks has and the other has nothing of
            counts = kept.sum(axis=axis), now.sum(axis=axis)
            alone = (np.minimum(*counts) == 0) & (np.maximum(*counts) >= self._rules.min_filled)
            if int(alone.sum()) > self._rules.min_gap // 4:
                return True
        return differ(pixels[:, here], self._last[:, there], both, background)

    def _missing(self, seen: NDArray[np.uint8], first: int, breaks_off: bool) -> str | None:
        if first - self._segment <= self._rules.min_gap // 2:  # no belt was seen before it: it may have begun earlier
            return "the display showed it already when it was first looked at, and only a part of it"
        if breaks_off:
            return REASONS[self.mode]
        if (seen == Seen.ENHANCED).mean() > 0.02:
            return REASONS[Mode.ENHANCED]
        hidden = float((seen[~self._strip.hidden] == Seen.NOT).mean())
        if hidden > MAX_HIDDEN:
            return f"{hidden:.0%} of it lies behind a mask"
        return None


def _near(first: Colour, second: Colour) -> bool:
    return max(abs(a - b) for a, b in zip(first, second, strict=True)) <= 2 * show.NEAR
