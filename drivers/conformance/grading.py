"""Every trial of a driver, one after the other, and the grade that comes of them."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path

from drivers.conformance.case import Case, Wire
from drivers.conformance.trials import TRIALS, Fault, Grade, hold
from drivers.contract import DriverInfo
from drivers.errors import ConfigError

#: A third party's cases: the entry point's name is the driver's, and it leads to a tuple of `Case`.
GROUP = "jaitf_edge.conformance"
#: No trial of a driver that stands takes so long, on the slowest machine.
TRIAL_S = 180.0


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one trial; `reason` says why the driver does not stand it, and is empty where it does."""

    case: Case
    wire: Wire
    trial: str
    reason: str
    took_s: float

    @property
    def counts_for(self) -> Grade:
        """The grade that the trial is needed for."""
        return TRIALS[self.trial][0]

    @property
    def over(self) -> str:
        """What the trial was held over, in a word."""
        return over(self.case, self.wire)


def cases_of(info: DriverInfo) -> tuple[Case, ...]:
    """Return a driver's cases, none where nobody wrote one; built-in ones lie beside the simulators.

    Raises ConfigError where an entry point leads to something else, or what the simulated peer needs is not there.
    """
    try:
        for point in entry_points(group=GROUP, name=info.name):
            return _checked(info, point.load())
        folder = info.settings.partition(":")[0].split(".")
        # By name: the simulators are beside the product, not under it.
        name = f"simulators.conformance.{folder[1]}" if folder[0] == "drivers" else ""
        if not name or importlib.util.find_spec(name) is None:
            return ()
        return _checked(info, importlib.import_module(name).CASES)
    except ImportError as error:
        raise ConfigError(f"the simulated peer of {info.name} cannot be had here: {error}") from None


def over(case: Case, wire: Wire) -> str:
    """Return what lies between a case's peer and the driver: a wire, or the case's own line."""
    return "own" if case.line else wire.value


def trials_of(cases: Iterable[Case]) -> list[tuple[Case, Wire, str]]:
    """Return every trial that is to be held, over every wire of every case."""
    return [(case, wire, trial) for case in cases for wire in case.wires for trial in TRIALS]


def results(cases: Iterable[Case], before: Callable[[Case, Wire, str], None]) -> Iterator[Result]:
    """Hold each trial in an event loop and an empty folder of its own; `before` is told which comes next."""
    for case, wire, trial in trials_of(cases):
        before(case, wire, trial)
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="jaitf-trial-") as folder:
            reason = asyncio.run(_held(trial, case, wire, Path(folder)))
        yield Result(case, wire, trial, reason, time.monotonic() - began)


def grade(held: Iterable[Result]) -> Grade | None:
    """Return the highest grade whose trials, and those of all below it, were held and stood; None where not even one.

    No trial counts for platinum, so that none of this gives it: see the README beside this file.
    """
    held, reached = list(held), None
    for each in Grade:
        needed = [result for result in held if result.counts_for is each]
        if not needed or any(result.reason for result in needed):
            break
        reached = each
    return reached


def claimed() -> dict[str, Grade]:
    """Return the grades that the built-in drivers are said to have; the test suite holds each of them to it."""
    text = Path(__file__).with_name("grades.toml").read_text(encoding="utf-8")
    return {name: Grade(value) for name, value in tomllib.loads(text).items()}


async def _held(trial: str, case: Case, wire: Wire, folder: Path) -> str:
    try:
        async with asyncio.timeout(TRIAL_S):
            await hold(trial, case, wire, folder)
    except Fault as fault:
        return str(fault)
    except Exception as error:  # noqa: BLE001 - whatever a driver raises of its own is a fault of it, to be told
        return f"raised {type(error).__name__}: {error}"
    return ""


def _checked(info: DriverInfo, cases: object) -> tuple[Case, ...]:
    if isinstance(cases, tuple) and all(isinstance(case, Case) and case.driver == info.name for case in cases):
        return cases
    raise ConfigError(f"what is given as the cases of {info.name} is no tuple of its cases")
