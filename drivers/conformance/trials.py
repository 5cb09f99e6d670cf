"""The trials: each runs a driver against its peer through a line, spoils something, and says what is not as it must be.

The same holds in all of them: nothing is emitted that cannot be true, nothing but the tree of `drivers.errors` is
raised, and once the trouble is over the driver gives good observations again, without help.
"""

from __future__ import annotations

import asyncio
import gc
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path

import psutil

from drivers import mends, registry
from drivers.clock import Stamp
from drivers.conformance.case import Case, Line, Silence, Wire
from drivers.conformance.port import JumpingClock, TrialPort, running
from drivers.conformance.tap import Tap
from drivers.contract import DeviceState, Driver, Observation, Outcome, Scan, Settings

#: How long a driver may take to be well again once the trouble is over; machines under load are slow.
AGAIN_S = 30.0
#: What a flood may make a driver's process keep.
MAX_GROWTH_BYTES = 96 * 1024 * 1024
NOISES = 20


class Fault(Exception):
    """A driver does not stand a trial; the text says which, and what was not as it must be."""


class Grade(StrEnum):
    """What a driver is worth: each grade stands on the ones before it."""

    BRONZE = "bronze"
    SILVER = "silver"
    GOLD = "gold"
    PLATINUM = "platinum"


@dataclass
class Bench:
    """One driver, its line and the core that it talks to; `patient`: lateness is no part of the trial."""

    case: Case
    line: Line
    port: TrialPort
    clock: JumpingClock
    chance: random.Random
    patient: bool = False

    def driver(self) -> Driver:
        """Return the driver with the case's settings; raises ValueError (pydantic's) where they are not its own."""
        return registry.make(registry.available()[self.case.driver], self.settings())

    def settings(self) -> Settings:
        """Return the case's settings as its driver's; raises ValueError (pydantic's) where they are none."""
        info = registry.available()[self.case.driver]
        given = {**self.case.settings(self.line.where), **(self.case.patient if self.patient else {})}
        return registry.settings_class(info).model_validate(given)

    async def good(self, count: int = 2) -> None:
        """Return once the driver gave so many good observations from now on; raises Fault where it does not."""
        seen = len(self.port.observations)

        def enough() -> bool:
            self.check()
            return sum(map(self.case.good, self.port.observations[seen:])) >= count

        try:
            await self.port.until(enough, AGAIN_S)
        except TimeoutError:
            raise Fault(f"no good observation within {AGAIN_S:g} s; {self._last()}") from None

    async def until(self, true: Callable[[], object], deadline_s: float, what: str) -> None:
        """Return once `true()` is; raises Fault with `what` did not happen."""
        try:
            await self.port.until(true, deadline_s)
        except TimeoutError:
            raise Fault(f"{what} within {deadline_s:g} s; {self._last()}") from None

    def check(self) -> None:
        """Raise Fault where an observation was emitted that cannot be true."""
        possible = self.case.possible or self.case.good
        for observation in self.port.observations:
            if not possible(observation):
                raise Fault(f"emitted what cannot be true: {_short(observation)}")

    def not_up(self) -> bool:
        """Say whether the device is told to be anything but well."""
        return self.port.last is not None and self.port.last.state is not DeviceState.UP

    def _last(self) -> str:
        said = self.port.last
        seen = f"{len(self.port.observations)} observations so far"
        return f"the driver last said {said.state} {said.code} {said.reason!r}, {seen}" if said else f"silent, {seen}"


Trial = Callable[[Bench], Awaitable[None]]


async def exchange(bench: Bench) -> None:
    """See an untroubled exchange: good observations, and the device is up."""
    async with running(bench.driver(), bench.port):
        await bench.good(3)
        await bench.until(lambda: not bench.not_up(), AGAIN_S, "not said to be up")


async def late_reply(bench: Bench) -> None:
    """Deliver what the peer says after the driver's deadline, all at once: it is taken for nothing that it is not."""
    async with running(bench.driver(), bench.port):
        await bench.good()
        for _ in range(2):
            bench.line.hold()
            await asyncio.sleep(bench.case.late_s)  # the fault itself: this is how late it is
            bench.line.release()
            await bench.good()


async def garbage(bench: Bench) -> None:
    """Mix bytes of no meaning between those of the peer: nothing untrue comes of them, and they do not end it."""
    async with running(bench.driver(), bench.port):
        await bench.good()
        for _ in range(NOISES):
            rounds, seen = bench.port.rounds, len(bench.port.observations)
            bench.line.garble(bench.case.noise(bench.chance))
            await bench.until(partial(_went_on, bench, rounds, seen), AGAIN_S, "nothing came of it")
        await bench.good()


async def half_a_frame(bench: Bench) -> None:
    """Stop a message in its middle, and begin a new one after a while: the halves are not taken for one."""
    async with running(bench.driver(), bench.port):
        await bench.good()
        for _ in range(3):
            bench.line.halve()
            await asyncio.sleep(bench.case.late_s)  # the fault itself
            bench.line.mend()
            await bench.good()


async def silence(bench: Bench) -> None:
    """Let the peer say nothing more and close nothing: that is told, where it means anything, with a code."""
    async with running(bench.driver(), bench.port):
        await bench.good()
        bench.line.silence()
        if bench.case.silence is Silence.LOST:
            await bench.until(bench.not_up, bench.case.lost_s, "silence is not told")
            _has_code(bench)
        else:
            await asyncio.sleep(bench.case.late_s)
        bench.line.mend()
        await bench.good()
        await bench.until(lambda: not bench.not_up(), AGAIN_S, "not said to be up again")


async def unplug(bench: Bench) -> None:
    """Pull the cable, twice: a driver that dials says so with a code, and finds the device again."""
    async with running(bench.driver(), bench.port):
        await bench.good()
        for _ in range(2):
            await bench.line.unplug()
            if bench.case.dial is None:
                await bench.until(bench.not_up, bench.case.lost_s, "the pulled cable is not told")
                _has_code(bench)
            await bench.line.plug()
            await bench.good()
            await bench.until(lambda: not bench.not_up(), AGAIN_S, "not said to be up again")


async def flood(bench: Bench) -> None:
    """Send noise and repetition as fast as the driver takes it, the core being slow: memory stays within bounds."""
    process = psutil.Process()
    async with running(bench.driver(), bench.port):
        await bench.good()
        gc.collect()
        before = process.memory_info().rss
        bench.port.open.clear()
        await bench.line.flood(bench.case.noise(bench.chance), bench.case.flood_bytes)
        grown = process.memory_info().rss - before
        bench.port.open.set()
        if grown > MAX_GROWTH_BYTES:
            raise Fault(f"a flood made it keep {grown // 1024**2} MiB")
        await bench.good()
        await bench.until(lambda: not bench.not_up(), AGAIN_S, "not said to be up again")


async def clock_jump(bench: Bench) -> None:
    """Set the wall clock, forwards and back: nothing stops, and stamps tell the new time."""
    async with running(bench.driver(), bench.port):
        await bench.good()
        errors = len(bench.port.errors)
        for jump_s in (3600, -86_400):
            bench.clock.offset_ns += jump_s * 10**9
            set_at = bench.clock.now()
            await bench.good(3)
            # What was on its way carries the old time; how much that is, is the machine's affair.
            await bench.until(partial(_made_since, bench, set_at), AGAIN_S, "nothing was observed since")
            latest = bench.port.observations[-1].at
            now = bench.clock.now()
            if not set_at.wall_ns - 10**9 <= latest.wall_ns <= now.wall_ns:
                raise Fault(f"{jump_s} s after the clock was set an observation is stamped {latest.rfc3339()}")
            if latest.monotonic_ns > now.monotonic_ns:
                raise Fault("a monotonic stamp lies in the future")
        if len(bench.port.errors) > errors:
            raise Fault(f"a clock that is set lost the device: {bench.port.errors[-1]}")


async def full_core(bench: Bench) -> None:
    """Let the core refuse once for want of room: the driver goes on; a scan or an alarm is offered again."""
    async with running(bench.driver(), bench.port):
        await bench.good()
        seen = len(bench.port.observations)
        refused: list[Observation] = []

        def refuse_the_first(observation: Observation) -> Outcome:
            if refused or not bench.case.good(observation):
                return Outcome.COMMITTED
            refused.append(observation)
            return Outcome.REFUSED

        bench.port.answer = refuse_the_first
        await bench.good(3)
        if refused and _must_arrive(refused[0]):
            await bench.until(
                lambda: sum(_same(refused[0], o) for o in bench.port.observations[seen:]) > 1,
                AGAIN_S,
                "what was refused is not offered again",
            )


async def restart(bench: Bench) -> None:
    """Stop the driver and start a new one: the first ends at once and lets go of the wire."""
    for _ in range(2):
        async with running(bench.driver(), bench.port) as task:
            await bench.good()
            task.cancel()
            done, _pending = await asyncio.wait({task}, timeout=AGAIN_S)
            if not done:
                raise Fault("does not end when it is cancelled")
    if bench.port.errors:
        raise Fault(f"the second could not begin: {bench.port.errors[0]}")


async def probe(bench: Bench) -> None:
    """Probe the peer, and then nothing: it says what mends it, or a code whose mend is known, and never raises."""
    if bench.case.dial is None:
        report = await bench.driver().probe(AGAIN_S)
        if not report.ok:
            raise Fault(f"the probe does not find the peer: {report.steps} {report.mend}")
        await bench.line.unplug()
        report = await bench.driver().probe(AGAIN_S)
        if report.ok:
            raise Fault(f"the probe of nothing says that all is well: {report.steps}")
        if not (report.mend or mends.mend(report.code, mends.scheme_of(bench.settings()))):
            raise Fault(f"the probe of nothing says no mend, and there is none for its code {report.code!r}")
    else:
        report = await bench.driver().probe(AGAIN_S)
        if not report.ok:
            raise Fault(f"the probe of a free port fails: {report.steps} {report.mend}")


#: Every trial with the grade that it counts for.
TRIALS: dict[str, tuple[Grade, Trial]] = {
    "exchange": (Grade.BRONZE, exchange),
    "silence": (Grade.BRONZE, silence),
    "unplug": (Grade.BRONZE, unplug),
    "restart": (Grade.BRONZE, restart),
    "late-reply": (Grade.SILVER, late_reply),
    "garbage": (Grade.SILVER, garbage),
    "half-a-frame": (Grade.SILVER, half_a_frame),
    "flood": (Grade.GOLD, flood),
    "clock-jump": (Grade.GOLD, clock_jump),
    "full-core": (Grade.GOLD, full_core),
    "probe": (Grade.GOLD, probe),
}

#: Trials in which a driver loses nothing: whose deadlines are short would lose it where the machine alone is late.
PATIENT = {"restart", "clock-jump", "probe"}


@asynccontextmanager
async def _line(case: Case, wire: Wire, folder: Path) -> AsyncIterator[Line]:
    if case.line:
        async with case.line(folder) as line:
            yield line
    elif case.serve:
        async with case.serve() as port:
            tap = Tap(wire, folder, serve=port)
            await tap.plug()
            try:
                yield tap
            finally:
                await tap.unplug()
                tap.close()
    elif case.dial:
        tap = Tap(wire, folder)
        await tap.plug()
        try:
            async with case.dial(tap.port):
                yield tap
        finally:
            await tap.unplug()
            tap.close()


async def hold(name: str, case: Case, wire: Wire, folder: Path, seed: int = 1) -> None:
    """Hold one trial of one case over one wire; `folder` is an empty one for it.

    Raises Fault where the driver does not stand it, and whatever the driver raises that is not an EdgeError.
    """
    clock = JumpingClock()
    port = TrialPort(folder / "state", clock=clock)
    port.state_dir.mkdir()
    async with _line(case, wire, folder) as line:
        bench = Bench(case, line, port, clock, random.Random(seed), name in PATIENT)
        await TRIALS[name][1](bench)
        bench.check()


def _has_code(bench: Bench) -> None:
    said = bench.port.last
    if said is None or not said.code or not said.reason:
        raise Fault(f"the loss has no code or no reason: {said}")


def _went_on(bench: Bench, rounds: int, seen: int) -> bool:
    return bench.port.rounds > rounds or len(bench.port.observations) > seen or bench.not_up()


def _made_since(bench: Bench, at: Stamp) -> bool:
    return bench.port.observations[-1].at.monotonic_ns >= at.monotonic_ns


def _must_arrive(observation: Observation) -> bool:
    return isinstance(observation, Scan) or bool(observation.findings)


def _same(one: Observation, other: Observation) -> bool:
    if isinstance(one, Scan):
        return isinstance(other, Scan) and one.key == other.key
    return one == other


def _short(observation: Observation) -> str:
    if isinstance(observation, Scan):
        sizes = ", ".join(f"{picture.columns} x {picture.rows}" for picture in observation.pictures)
        return (
            f"a scan {observation.name!r} of {sizes or 'no picture'}: {observation.problem or observation.incomplete}"
        )
    return repr(observation)[:400]
