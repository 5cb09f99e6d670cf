"""The `screen` driver's waiting: takes pictures, follows the display, and hands over each bag that it cut out."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from typing import ClassVar

import cv2

from drivers.clock import Stamp, SystemClock
from drivers.contract import DeviceState, Driver, Energy, Picture, Port, ProbeReport, Scan
from drivers.errors import EdgeError, LinkTimeout
from drivers.outgoing import Outgoing
from drivers.screen import show
from drivers.screen.alive import Heart
from drivers.screen.capture import Capture, Shot, ingest_of
from drivers.screen.cut import Rules
from drivers.screen.follow import Bag, Follower, Mode
from drivers.screen.paint import Ingest
from drivers.screen.settings import ScreenSettings

#: So many bags wait for the core; of more than that only the verdict `unknown` is left.
MAX_WAITING = 32
#: A display is in another mode, or lost, once so many pictures in a row say so.
SURE = 3

_DEGRADED = {
    Mode.ENHANCED: ("screen-enhanced", "the operator looks with an enhancement; items shown only so are unknown"),
    Mode.ZOOMED: ("screen-zoomed", "the operator has magnified the picture"),
    Mode.OTHER: ("screen-other", "the display shows something other than the belt"),
}


class ScreenDriver(Driver):
    """Follows one workstation's display."""

    progress_deadline_s: ClassVar[float | None] = 120.0

    def __init__(self, settings: ScreenSettings) -> None:
        self._settings = settings
        self._ingest: Ingest | None = None
        self._follower: Follower | None = None
        self._size = (0, 0)
        self._heart = Heart()
        self._outgoing = Outgoing(MAX_WAITING)
        self._seen: list[Mode | None] = []
        self._still_s = 0.0

    async def run(self, port: Port) -> None:
        """Follow the display until cancelled; see `Driver.run`. Raises LinkError or ProtocolError.

        What was seen before a failure is kept: where the display has not gone far meanwhile, nothing was missed.
        """
        capture = Capture(self._settings, port.clock)
        self._seen, self._heart = [], Heart()
        try:
            capture.start()
            shot = await capture.next(first=True)
            while True:
                self._outgoing.check()
                for scan in await asyncio.to_thread(self._scans, shot):
                    push(self._outgoing, port, scan)
                self._say(port)
                port.progress()
                shot = await capture.next()
        finally:
            await capture.close()

    def _look(self, shot: Shot) -> list[Bag]:
        now_s = shot.at.monotonic_ns / 1e9
        self._still_s = self._heart.beat(shot.pulse, now_s)
        size = (shot.picture.shape[1], shot.picture.shape[0])
        if self._follower is None or self._ingest is None or size != self._size:
            self._size, self._ingest = size, ingest_of(self._settings, size)
            valid = self._ingest.valid()
            self._follower = Follower(valid, self._rules(valid.shape[1], valid.shape[0]), self._settings.idle_s)
        if show.is_lost(shot.picture):
            self._note(None)
            return []
        bags = self._follower.feed(self._ingest.part(shot.picture), now_s)
        self._note(self._follower.mode)
        return bags

    def _scans(self, shot: Shot) -> list[Scan]:
        return [self._scan(bag, shot.at) for bag in self._look(shot)]

    def _rules(self, along: int, across: int) -> Rules:
        longest = self._settings.max_bag_px or 2 * along
        return Rules(max(3, across // 200), self._settings.min_gap_px, self._settings.min_bag_px, longest)

    def _note(self, mode: Mode | None) -> None:
        self._seen = [*self._seen, mode][-SURE:]

    def _scan(self, bag: Bag, at: Stamp) -> Scan:
        assert self._ingest is not None
        shown = self._ingest.back(bag.picture)
        original = cv2.imencode(".png", shown, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()
        picture = Picture(
            view=0,
            energy=Energy.COLOUR,
            rows=shown.shape[0],
            columns=shown.shape[1],
            channels=3,
            bits=8,
            data=cv2.cvtColor(shown, cv2.COLOR_BGR2RGB).tobytes(),
        )
        return Scan(
            at=at,
            key=f"{at.wall_ns}-{bag.start}-{hashlib.sha256(original).hexdigest()}",
            original=original,
            media_type="image/png",
            name=f"screen {at.rfc3339()}" + (f" part {bag.part + 1}" if bag.part else ""),
            pictures=() if bag.problem else (picture,),
            problem=bag.problem,
            incomplete=bag.missing,
        )

    def _say(self, port: Port) -> None:
        if len(self._seen) < SURE or len(set(self._seen)) > 1:
            return
        state, code, reason = self._state(self._seen[-1])
        port.state(state, reason, code, picture=f"{self._size[0]} x {self._size[1]}")

    def _state(self, mode: Mode | None) -> tuple[DeviceState, str, str]:
        settings = self._settings
        if mode is None:
            return DeviceState.DOWN, "screen-lost", "the picture is of one colour: no signal from the workstation"
        if settings.clock and self._still_s >= settings.frozen_s:
            return DeviceState.DOWN, "screen-frozen", "the clock on the display stands still: the display is frozen"
        if mode in _DEGRADED:
            return DeviceState.DEGRADED, *_DEGRADED[mode]
        if not settings.clock and self._still_s >= settings.still_s:
            words = "nothing has changed for long: a quiet belt or a frozen display; `clock` would tell which"
            return DeviceState.DEGRADED, "screen-still", words
        if self._outgoing.refused:
            return DeviceState.DEGRADED, "store-full", "the core takes no scans: its store is full"
        return DeviceState.UP, "", ""

    async def probe(self, deadline_s: float) -> ProbeReport:
        """Open the video and look at one picture; see `Driver.probe`."""
        steps: list[str] = []
        capture = Capture(self._settings, SystemClock())
        try:
            async with asyncio.timeout(deadline_s):
                capture.start()
                shot = await capture.next(first=True)
        except TimeoutError:
            return ProbeReport.failed((), LinkTimeout(f"no picture within {deadline_s:g} s"))
        except EdgeError as error:
            return ProbeReport.failed((), error)
        finally:
            await capture.close()
        height, width = shot.picture.shape[:2]
        steps.append(f"a picture of {width} x {height} from {self._settings.url}")
        if show.is_lost(shot.picture):
            return ProbeReport(False, (*steps, "the picture is of one colour: no signal"), code="no-signal")
        ingest = ingest_of(self._settings, (width, height))
        part = ingest.part(shot.picture)
        colour, share = show.background(part, ingest.valid(), None)
        sample = f"{share:.0%} of the window has the colour {colour[::-1]} (R, G, B)"
        if not show.is_light(colour):
            return ProbeReport(
                False, tuple(steps), sample=sample, mend="no light belt in the window: region? enhancement?"
            )
        return ProbeReport(True, tuple(steps), {"picture": f"{width} x {height}"}, sample)


def push(outgoing: Outgoing, port: Port, scan: Scan) -> None:
    """Hand a scan over; where too many wait, without its picture, and then it is unknown."""
    if outgoing.full:
        scan = replace(scan, original=b"", pictures=(), problem="too many items waited for the core")
    outgoing.push(port, scan)
