"""The `linescan` driver's waiting: takes lines as they come, cuts items out of them, and hands scans over."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import asdict, replace
from typing import Any, ClassVar

from drivers.clock import Stamp
from drivers.contract import DeviceState, Driver, Outcome, Port, ProbeReport, Reading
from drivers.errors import EdgeError, LinkTimeout, ProtocolError
from drivers.linescan.calibrating import Calibrator
from drivers.linescan.calibration import Correction
from drivers.linescan.codec import Flags, Frame
from drivers.linescan.cutter import Bag, Cutter, Rules
from drivers.linescan.lines import Anew, Assembler, Line
from drivers.linescan.scan import Maker
from drivers.linescan.settings import LinescanSettings
from drivers.linescan.source import Source, open_source
from drivers.outgoing import Outgoing

LOOK_S = 0.5
#: Scans on their way to the core, and what their lines may take; more are left out, and told.
MAX_SCANS, MAX_SCANS_BYTES = 6, 256 * 1024 * 1024
#: Pixels of one energy that a scan may have, so that a long line of many pixels fits a device's memory.
MAX_PIXELS_A_SCAN = 8_000_000
FIRST_RETRY_S, MAX_RETRY_S = 0.5, 15.0
#: How often losses are told while there are new ones, and of how many lines how many may be lost before it is degraded.
NEWS_S, WATCHED_LINES, LOSS = 10.0, 2000, 0.05
#: Items in a row that are cut for their length: then the belt never looks empty.
ENDLESS = 2


class LinescanDriver(Driver):
    """Serves one detector; scans on their way and the count of items outlive the connection."""

    progress_deadline_s: ClassVar[float | None] = 180.0

    def __init__(self, settings: LinescanSettings) -> None:
        self._settings = settings
        self._outgoing = Outgoing()
        self._scans: dict[asyncio.Task[None], int] = {}
        self._making = asyncio.Lock()
        self._failure: BaseException | None = None
        self._items = 0
        self._refused = 0
        self._left_out = False

    async def run(self, port: Port) -> None:
        """Serve until cancelled; see `Driver.run`. Raises LinkError or ProtocolError when the detector is lost."""
        port.state_dir.mkdir(parents=True, exist_ok=True)
        source = await open_source(self._settings)
        belt = Belt(self._settings, Calibrator(port.state_dir, port.clock, asyncio.get_running_loop().time))
        try:
            await self._serve(source, belt, port)
        finally:
            source.close()
            if belt.calibrator.correction:
                self._cut(belt.cutter.end("the detector was lost"), belt.calibrator.correction, port)

    async def _serve(self, source: Source, belt: Belt, port: Port) -> None:
        loop = asyncio.get_running_loop()
        heard, damaged, told = loop.time(), source.damaged, loop.time()
        while True:
            self._outgoing.check()
            if self._failure:
                raise self._failure
            belt.calibrator.look()
            try:
                frames = await source.frames(LOOK_S)
            except LinkTimeout:
                frames = []
            if frames:
                heard, damaged = loop.time(), source.damaged
            elif loop.time() - heard >= self._settings.silence_s:
                raise self._silent(source.damaged - damaged)
            for bags, correction in belt.take(frames, loop.time()):
                self._cut(bags, correction, port)
            if loop.time() - told >= NEWS_S and (news := belt.news(source.damaged)):
                told = loop.time()
                self._outgoing.push(port, Reading(port.clock.now(), {"lines": news}))
            if belt.seen:
                port.state(*self._state(belt, port.clock.now()), **belt.facts(port.clock.now()))
            port.progress()

    def _silent(self, damaged: int) -> EdgeError:
        where, limit_s = self._settings.url, self._settings.silence_s
        if damaged:
            return ProtocolError(f"{where}: bytes came in {limit_s:g} s, but no whole frame; is it a JLS1 sender?")
        return LinkTimeout(f"{where}: no line within {limit_s:g} s; power, cable, is the detector sending here?")

    def _cut(self, bags: list[Bag], correction: Correction, port: Port) -> None:
        for bag in bags:
            self._items += 1
            waiting_bytes = sum(self._scans.values())
            if len(self._scans) >= MAX_SCANS or (self._scans and waiting_bytes + bag.bytes > MAX_SCANS_BYTES):
                self._left_out = True
                left = {"number": self._items, "incomplete": "left out: the appliance is behind", "rows": bag.rows}
                self._outgoing.push(port, Reading(port.clock.now(), {"scans": [left]}))
                continue
            task = asyncio.get_running_loop().create_task(
                self._hand_over(bag, correction, port, port.clock.now(), self._items)
            )
            self._scans[task] = bag.bytes
            task.add_done_callback(self._ended)

    async def _hand_over(self, bag: Bag, correction: Correction, port: Port, at: Stamp, number: int) -> None:
        settings = self._settings
        size = (settings.line_mm, settings.pixel_mm) if settings.line_mm and settings.pixel_mm else None
        maker = Maker(port.name, settings.bridge_lines, size)
        async with self._making:  # one after the other: scans reach the port in the order of the belt
            made = await asyncio.to_thread(maker.make, bag, correction, at, number)
        wait_s, refused = FIRST_RETRY_S, False
        try:
            while await port.emit(made.scan) is Outcome.REFUSED:
                self._refused += not refused
                refused = True
                await asyncio.sleep(wait_s)
                wait_s = min(2 * wait_s, MAX_RETRY_S)
        finally:
            self._refused -= refused
        self._left_out = False
        self._outgoing.push(port, Reading(port.clock.now(), {"scans": [made.summary]}))

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._scans.pop(task, None)
        if not task.cancelled() and (failure := task.exception()):
            self._failure = failure

    def _state(self, belt: Belt, now: Stamp) -> tuple[DeviceState, str, str]:
        if self._left_out:
            return DeviceState.DEGRADED, "scans come faster than the appliance takes them: some are left out", "overrun"
        if self._refused:
            return DeviceState.DEGRADED, "the appliance has no room: scans wait in memory", "no-room"
        if trouble := belt.trouble(now):
            return DeviceState.DEGRADED, *trouble
        return DeviceState.UP, "", ""

    async def probe(self, deadline_s: float) -> ProbeReport:
        """Connect or listen, and take the first lines; see `Driver.probe`."""
        steps: list[str] = []
        source: Source | None = None
        try:
            async with asyncio.timeout(deadline_s):
                source = await open_source(self._settings)
                steps.append(f"opened {self._settings.url}{source.about}")
                line = await _first(source, deadline_s)
        except TimeoutError:
            if source and source.damaged:
                return ProbeReport.failed(steps, ProtocolError("bytes came, but no whole frame; is it a JLS1 sender?"))
            return ProbeReport.failed(steps, LinkTimeout(f"no line within {deadline_s:g} s; is the detector sending?"))
        except EdgeError as error:
            return ProbeReport.failed(steps, error)
        finally:
            if source:
                source.close()
        xrays = "on" if line.flags & Flags.XRAYS_ON else "off"
        belt = "runs" if line.flags & Flags.BELT_RUNS else "stands"
        sample = f"line {line.number}: {line.pixels} pixels of {line.bits} bits, X-rays {xrays}, belt {belt}"
        return ProbeReport(True, (*steps, "lines come"), sample=sample)


async def _first(source: Source, deadline_s: float) -> Line:
    assembler = Assembler()
    while True:
        for frame in await source.frames(deadline_s):
            for line in assembler.feed(frame):
                if isinstance(line, Line) and line.whole:
                    return line


class Belt:
    """What the frames of one connection mean; no I/O but the calibrator's files."""

    def __init__(self, settings: LinescanSettings, calibrator: Calibrator) -> None:
        self._settings = settings
        self.calibrator = calibrator
        self.seen = False
        rules = (settings.gap_lines, settings.margin_lines, settings.min_lines, settings.max_lines)
        self.cutter = Cutter(Rules(*rules, settings.bridge_lines, settings.rewind_lines))
        self._lines = Assembler()
        self._position: int | None = None
        self._moved_at = 0.0
        self._unfit = False
        self._endless = 0
        self._told: dict[str, int] = {}
        self._lossy: deque[tuple[int, int]] = deque([(0, 0)], maxlen=64)

    def take(self, frames: list[Frame], now_s: float) -> list[tuple[list[Bag], Correction]]:
        """Take frames that came at this time and return the items that they end, each with its correction."""
        done: list[tuple[list[Bag], Correction]] = []
        for frame in frames:
            for line in self._lines.feed(frame):
                correction = self.calibrator.correction
                bags = self._anew() if isinstance(line, Anew) else self._line(line, now_s)
                if bags and correction:
                    done.append((bags, correction))
        correction = self.calibrator.correction
        if correction and self.cutter.busy and now_s - self._moved_at >= self._settings.stop_s:
            done.append((self.cutter.end(f"the belt stood for {self._settings.stop_s:g} s"), correction))
        return done

    def _anew(self) -> list[Bag]:
        bags = self.cutter.end("the detector began anew")
        self.cutter.forget()
        return bags

    def _line(self, line: Line, now_s: float) -> list[Bag]:
        self.seen = True
        if line.position != self._position:
            self._position, self._moved_at = line.position, now_s
        correction = self.calibrator.correction
        self._unfit = correction is not None and not correction.calibration.fits(line)
        usable = correction is not None and not self._unfit
        settings = self._settings
        covered: bool | None = False
        if correction and usable and line.flags & Flags.XRAYS_ON:
            covered = correction.covered(line, settings.covered_below, settings.covered_pixels)
        self.calibrator.see(line, covered)
        if not usable or not line.flags & Flags.XRAYS_ON:
            return []
        longest = min(settings.max_lines, MAX_PIXELS_A_SCAN // line.pixels)
        if longest != self.cutter.rules.longest:
            self.cutter.rules = replace(self.cutter.rules, longest=longest)
        bags = self.cutter.see(line, covered)
        for bag in bags:
            self._endless = self._endless + 1 if bag.rows >= longest else 0
        return bags

    def news(self, damaged: int) -> dict[str, int]:
        """Return the counts of lines, where any but their number changed since they were last told."""
        counts = {**asdict(self._lines.counts), "damaged_frames": damaged}
        self._lossy.append((counts["lines"], counts["lost"]))
        changed = any(value != self._told.get(key, 0) for key, value in counts.items() if key != "lines")
        if changed:
            self._told = counts
        return counts if changed else {}

    def facts(self, now: Stamp) -> dict[str, Any]:
        """Return the detector's facts; the calibration's age in whole hours, so that it is not told all the time."""
        kept, correction = self.calibrator.calibration, self.calibrator.correction
        facts: dict[str, Any] = {"calibrating": True} if self.calibrator.measuring else {}
        if kept:
            facts["dark_age_h"] = _hours(kept.dark_ns, now)
        if kept and correction:
            facts["gain_age_h"] = _hours(kept.air_ns, now)
            facts["pixels"] = int(correction.dead.shape[1])
            facts["dead_pixels"] = int(correction.dead.sum())
        return facts

    def trouble(self, now: Stamp) -> tuple[str, str] | None:
        """Return what is wrong, in words and as a code; None where all is well."""
        kept, correction = self.calibrator.calibration, self.calibrator.correction
        if kept is None or correction is None:
            return "not calibrated: no items are cut. Run jaitf-edge calibrate", "uncalibrated"
        if self._unfit:
            return "calibrated at another size or depth of lines: calibrate again", "calibration-unfit"
        if self._endless >= ENDLESS:
            return "the belt never looks empty: calibrate again, or look at what lies in the beam", "never-clear"
        if (dead := int(correction.dead.sum())) > self._settings.max_dead_pixels:
            return f"{dead} pixels are dead", "dead-pixels"
        if _hours(kept.air_ns, now) >= self._settings.max_calibration_h:
            return "the calibration is old: calibrate again", "calibration-old"
        lines, lost = (self._lossy[-1][i] - self._lossy[0][i] for i in range(2))
        if lines + lost >= WATCHED_LINES and lost > LOSS * (lines + lost):
            return f"{lost} of {lines + lost} lines are lost on their way", "loss"
        return None


def _hours(then_ns: int, now: Stamp) -> int:
    return max(0, (now.wall_ns - then_ns) // 3_600_000_000_000)
