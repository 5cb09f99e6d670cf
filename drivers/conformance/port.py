"""A core for one driver under trial: it keeps what the driver says, and answers as the trial wants."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from drivers.clock import Clock, Stamp, SystemClock
from drivers.contract import DeviceState, Driver, Observation, Outcome, Reading, Scan, Screened, Verdict
from drivers.errors import EdgeError

#: What has not come by then does not come; no measure of anything.
DEADLINE_S = 60.0
#: How often a trial looks whether what it waits for is so, where the driver says nothing.
LOOK_S = 0.05


class JumpingClock:
    """The machine's clocks, with a wall clock that a trial sets; the monotonic one stays true, as the kernel's does."""

    def __init__(self) -> None:
        self._system = SystemClock()
        self.offset_ns = 0

    def now(self) -> Stamp:
        """Return this moment on both clocks."""
        stamp = self._system.now()
        return Stamp(stamp.wall_ns + self.offset_ns, stamp.monotonic_ns)


@dataclass(frozen=True)
class Said:
    """One call of `Port.state`."""

    state: DeviceState
    reason: str
    code: str
    facts: dict[str, str | int | float | bool]


@dataclass
class TrialPort:
    """A driver's port whose other end is a trial or a test; see `drivers.contract.Port`."""

    state_dir: Path
    name: str = "device-1"
    clock: Clock = field(default_factory=SystemClock)
    observations: list[Observation] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)
    errors: list[EdgeError] = field(default_factory=list)
    rounds: int = 0
    answer: Callable[[Observation], Outcome] = lambda _: Outcome.COMMITTED
    verdict: Callable[[Scan], Verdict | None] = lambda _: None
    open: asyncio.Event = field(default_factory=asyncio.Event)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.open.set()

    async def emit(self, observation: Observation) -> Outcome:
        """Keep the observation; answer once the port is open."""
        self.observations.append(observation)
        self._news.set()
        await self.open.wait()
        outcome = self.answer(observation)
        self._news.set()
        return outcome

    async def screen(self, scan: Scan) -> Screened:
        """Take a scan, and return what became of it with the verdict that the test gives."""
        outcome = await self.emit(scan)
        return Screened(outcome, self.verdict(scan) if outcome is not Outcome.REFUSED else None)

    def state(self, state: DeviceState, reason: str = "", code: str = "", **facts: str | int | float | bool) -> None:
        """Keep what is said where it changes."""
        said = Said(state, reason, code, facts)
        if not self.said or self.said[-1] != said:
            self.said.append(said)
            self._news.set()

    def progress(self) -> None:
        """Count a round."""
        self.rounds += 1
        self._news.set()

    @property
    def scans(self) -> list[Scan]:
        """The scans among the observations."""
        return [o for o in self.observations if isinstance(o, Scan)]

    @property
    def readings(self) -> list[Reading]:
        """The readings among the observations."""
        return [o for o in self.observations if isinstance(o, Reading)]

    @property
    def last(self) -> Said | None:
        """What was said of the device's state last."""
        return self.said[-1] if self.said else None

    async def until(self, true: Callable[[], object], deadline_s: float = DEADLINE_S) -> None:
        """Return once `true()` is; looked at whenever the driver does something. Raises TimeoutError.

        Time counts while this process runs: the driver is in it, and does nothing either while it is kept waiting.
        """
        loop, left_s = asyncio.get_running_loop(), deadline_s
        while not true():
            if left_s <= 0:
                raise TimeoutError
            self._news.clear()
            began_s = loop.time()
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):  # files and sockets change without the driver's doing
                    await self._news.wait()
            left_s -= min(loop.time() - began_s, LOOK_S)

    async def rounds_more(self, count: int) -> None:
        """Return once the driver did so many rounds more."""
        goal = self.rounds + count
        await self.until(lambda: self.rounds >= goal)


@asynccontextmanager
async def running(driver: Driver, port: TrialPort, retry_s: float = 0.05) -> AsyncIterator[asyncio.Task[None]]:
    """Run a driver as its host does, with a short back-off; what it raises of its own is raised at the end."""

    async def keep_running() -> None:
        while True:
            try:
                await driver.run(port)
            except EdgeError as error:
                if not error.retriable:
                    raise
                port.errors.append(error)
                port.state(DeviceState.DOWN, str(error), error.code)
            await asyncio.sleep(retry_s)

    task = asyncio.create_task(keep_running())
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
