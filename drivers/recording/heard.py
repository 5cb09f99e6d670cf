"""A core that writes down what a driver says, timed from the start, in a form in which two runs can be compared."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from drivers.clock import Clock, Stamp
from drivers.contract import (
    DeviceState,
    Driver,
    IdKind,
    Observation,
    Outcome,
    Picture,
    Reading,
    Scan,
    Screened,
)
from drivers.errors import EdgeError

#: Between a loss and the next try; always the same, so that a replay tries when the recorded driver did.
RETRY_S = 0.5

#: Of what a driver tells beside its state, what a fault shows in: files that were set aside.
_FACTS = ("rejected",)

Said = dict[str, Any]


class LoopClock:
    """Both clocks from a loop's time, for any thread: a replayed day has the recorded day's date."""

    def __init__(self, wall_ns: int, loop: asyncio.AbstractEventLoop) -> None:
        self._wall_ns = wall_ns
        self._loop = loop
        self._began_s = loop.time()

    def now(self) -> Stamp:
        """Return this moment on both clocks."""
        passed_ns = round((self._loop.time() - self._began_s) * 1e9)
        return Stamp(self._wall_ns + passed_ns, passed_ns)


class Hearing:
    """The port of a driver whose words are written down: each is given to `tell` as one flat object for JSON."""

    def __init__(
        self,
        name: str,
        state_dir: Path,
        clock: Clock,
        tell: Callable[[Said], None],
        outcome: Callable[[Observation], Outcome] = lambda _: Outcome.COMMITTED,
    ) -> None:
        self.name = name
        self.clock = clock
        self.state_dir = state_dir
        self._tell = tell
        self._outcome = outcome
        self._began_ns = clock.now().monotonic_ns
        self._state: tuple[DeviceState, str, Said] | None = None

    @property
    def at_s(self) -> float:
        """How long this has been going on, in seconds, to the millisecond."""
        return round((self.clock.now().monotonic_ns - self._began_ns) / 1e9, 3)

    async def emit(self, observation: Observation) -> Outcome:
        """Write an observation down; see `Port.emit`."""
        self._tell({"at_s": self.at_s} | described(observation))
        await asyncio.sleep(0)
        return self._outcome(observation)

    async def screen(self, scan: Scan) -> Screened:
        """Write a scan down; there is never a verdict."""
        return Screened(await self.emit(scan))

    def state(self, state: DeviceState, reason: str = "", code: str = "", **facts: str | int | float | bool) -> None:
        """Write down how the device is, where that changes."""
        told = {key: facts[key] for key in _FACTS if key in facts}
        if self._state != (state, code, told):
            self._state = (state, code, told)
            self._tell({"at_s": self.at_s, "state": state.value, "code": code, "reason": reason} | told)

    def progress(self) -> None:
        """Nothing: nobody watches."""

    def failed(self, error: Exception) -> None:
        """Write down what a driver must never raise."""
        self._tell({"at_s": self.at_s, "failed": type(error).__name__, "reason": str(error)[:512]})


@asynccontextmanager
async def running(driver: Driver, port: Hearing) -> AsyncIterator[asyncio.Task[None]]:
    """Run a driver as its host does; what it must not raise is written down, and ends it."""

    async def keep_running() -> None:
        while True:
            try:
                await driver.run(port)
            except EdgeError as error:
                port.state(DeviceState.DOWN, str(error), error.code)
                if not error.retriable:
                    return
            except Exception as error:  # noqa: BLE001 - a driver's own mistake is what a replay is there to show
                port.failed(error)
                return
            await asyncio.sleep(RETRY_S)

    task = asyncio.create_task(keep_running())
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def described(observation: Observation) -> Said:
    """Return an observation for JSON: all that a case compares, pictures and originals by their SHA-256.

    A travel document's number is left out, its kind stands: a case is kept and passed on.
    """
    if isinstance(observation, Scan):
        return {"scan": _scan(observation)}
    return {"reading": _reading(observation)}


def _reading(reading: Reading) -> Said:
    said: Said = {"values": reading.values}
    if reading.findings:
        said["findings"] = [
            {"label": f.label, "category": f.category.value, "severity": f.severity.value}
            | {"measurement": asdict(f.measurement)}
            | ({"zone": f.zone} if f.zone else {})
            for f in reading.findings
        ]
    if reading.raw:
        said["raw_sha256"] = hashlib.sha256(reading.raw).hexdigest()
    if reading.distinct:
        said["distinct"] = True
    if reading.identities:
        said["identities"] = [
            {"kind": i.kind.value} | ({} if i.kind is IdKind.DOCUMENT else {"value": i.value})
            for i in reading.identities
        ]
    return said | _common(reading)


def _scan(scan: Scan) -> Said:
    said: Said = {
        "media_type": scan.media_type,
        "original_sha256": hashlib.sha256(scan.original).hexdigest(),
        "pictures": [_picture(picture) for picture in scan.pictures],
    }
    for key in ("scan_id", "problem", "incomplete"):
        if getattr(scan, key) is not None:
            said[key] = getattr(scan, key)
    return said | _common(scan)


def _picture(picture: Picture) -> Said:
    return {
        "view": picture.view,
        "energy": picture.energy.value,
        "rows": picture.rows,
        "columns": picture.columns,
        "channels": picture.channels,
        "bits": picture.bits,
        "polarity": picture.polarity.value,
        "sha256": hashlib.sha256(picture.data).hexdigest(),
    }


def _common(observation: Observation) -> Said:
    item = {key: value for key, value in asdict(observation.item).items() if value is not None}
    said: Said = {"item": item} if item else {}
    if observation.is_test:
        said |= {"scan_type": observation.scan_type, "tip_type": observation.tip_type}
    return said
