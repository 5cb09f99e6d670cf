"""Detection assurance: now and then a simulated threat in a copy of a clear scan, to see that it still alarms.

A trial is never a hit and never a verdict: nothing of it leaves this module but counts. It runs in the judge's thread
and in its idle time, in short steps between which any real scan goes first. The simulator that makes the threats is
loaded with the first trial: an appliance without assurance never loads it.
"""

from __future__ import annotations

import json
import logging
import random
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drivers.clock import Clock
from drivers.contract import Scan
from drivers.errors import ModelError
from inference import Judgement
from inference.manifest import OperatingPoints
from inference.rates import wilson

if TYPE_CHECKING:
    from inference import Model
    from inference.insertion import Inserted, Shot
    from inference.scanner import Scanner

log = logging.getLogger("jaitf.judge")

FILE = "assurance.json"
MAX_FILE_BYTES = 1024 * 1024
KEPT = 100
KINDS = ("pistol", "revolver", "knife", "folding-knife", "cleaver", "hand-tool")
"""Threats that lie open in a bag and are not small: what a working eye sees."""
FIRST_S = 60.0
_LOOK_TRIES = 80
_PLACES = 5
_S_PER_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Trial:
    """One trial: when, which threat, by which model (its SHA-256), and whether it alarmed where the threat was."""

    at: str
    kind: str
    model: str
    detected: bool


@dataclass(frozen=True, slots=True)
class Assured:
    """A device's last trials with its present model: how many alarmed, and Wilson's 95 % interval of that rate.

    `missed` counts misses by threat; `problem` says why the latest trial came to nothing, "" where it did not.
    """

    trials: int
    detected: int
    low: float
    high: float
    last_at: str | None
    missed: dict[str, int]
    problem: str


@dataclass(frozen=True, slots=True)
class Due:
    """A trial to be made: each step of `steps` is a piece of work, the last one gives its outcome."""

    device: str
    steps: Iterator[Trial | None]


@dataclass(slots=True)
class _Device:
    next_ns: int
    model: str = ""
    donor: tuple[Scan, Model, OperatingPoints | None] | None = None
    scanner: Scanner | None = None
    problem: str = ""
    trials: deque[Trial] = field(default_factory=lambda: deque(maxlen=KEPT))


class Assurance:
    """Trials of each device that judges pictures, `per_hour` of them each; the last KEPT outlive a restart."""

    def __init__(self, data_dir: Path, per_hour: float, clock: Clock, chance: random.Random) -> None:
        self._path = data_dir / FILE
        self._interval_ns = int(_S_PER_HOUR / per_hour * 1e9)
        self._clock = clock
        self._chance = chance
        self._first_ns = clock.now().monotonic_ns + int(FIRST_S * 1e9)
        self._devices = {name: _Device(self._first_ns, trials=trials) for name, trials in self._kept().items()}

    def offer(self, device: str, scan: Scan, model: Model, points: OperatingPoints | None) -> None:
        """Take a clear scan for the device's next trial, where one is due; others pass by and are not kept."""
        known = self._devices.setdefault(device, _Device(self._first_ns))
        known.model = model.sha256
        if known.donor is None and self._clock.now().monotonic_ns >= known.next_ns:
            known.donor = (scan, model, points)

    def due(self) -> Due | None:
        """Return a trial that is due, None where none is; the next one of that device is an interval away."""
        for name, known in self._devices.items():
            if known.donor is not None:
                donor, known.donor = known.donor, None
                known.next_ns = self._clock.now().monotonic_ns + self._interval_ns
                return Due(name, self._steps(known, *donor))
        return None

    def record(self, device: str, trial: Trial) -> None:
        """Keep a trial's outcome."""
        known = self._devices[device]
        known.problem = ""
        known.trials.append(trial)
        if not trial.detected:
            log.info("%s: a simulated %s was not detected", device, trial.kind)
        self._keep()

    def failed(self, device: str, problem: str) -> None:
        """Note that a trial came to nothing: it says nothing about detection."""
        self._devices[device].problem = problem
        log.warning("%s: a detection trial failed: %s", device, problem)

    def state(self) -> dict[str, Assured]:
        """Return how each device's last trials went."""
        return {name: _assured(known) for name, known in self._devices.items()}

    def trials(self) -> dict[str, list[Trial]]:
        """Return each device's last trials, the oldest first."""
        return {name: list(known.trials) for name, known in self._devices.items()}

    def _steps(
        self, known: _Device, scan: Scan, model: Model, points: OperatingPoints | None
    ) -> Iterator[Trial | None]:
        # Each piece between two yields holds the judge's thread for some tenths of a second at most.
        from inference import insertion
        from inference.look import views
        from inference.scanner import glance

        yield None
        shot = insertion.shot_of(views(scan.pictures)[0])
        yield None
        if known.scanner is None:
            colours = [shot.colour] if shot.colour is not None else []
            known.scanner = glance(colours, self._chance.getrandbits(32), _LOOK_TRIES)
        yield None
        kind = self._chance.choice(KINDS)
        for _ in range(_PLACES):
            inserted = _insert(shot, kind, known.scanner, self._chance)
            yield None
            if inserted is not None:
                judged = model.judge(inserted.shot.pictures(), points=points)
                yield Trial(self._clock.now().rfc3339(), kind, model.sha256, _found(judged, inserted))
                return
        raise ModelError(f"a simulated {kind} could not be seen anywhere in the bag")

    def _keep(self) -> None:
        table = {name: [asdict(trial) for trial in known.trials] for name, known in self._devices.items()}
        whole = self._path.with_suffix(".part")
        try:
            whole.write_text(json.dumps(table), encoding="utf-8")
            whole.replace(self._path)
        except OSError as error:
            # What is lost is a statistic that fills again; the ledger says for itself that the disk is bad.
            log.warning("%s: %s", self._path, error.strerror)

    def _kept(self) -> dict[str, deque[Trial]]:
        try:
            if self._path.stat().st_size > MAX_FILE_BYTES:
                return {}
            table = json.loads(self._path.read_bytes())
            return {str(name): deque(map(_trial, trials), maxlen=KEPT) for name, trials in table.items()}
        except (OSError, ValueError, TypeError, AttributeError, KeyError) as error:
            if not isinstance(error, FileNotFoundError):
                log.warning("%s: the trials kept there cannot be read: %s", self._path, error)
            return {}


def _insert(shot: Shot, kind: str, scanner: Scanner, chance: random.Random) -> Inserted | None:
    import numpy as np

    from inference import insertion

    rng = np.random.default_rng(chance.getrandbits(64))
    return insertion.insert(shot, kind, scanner, insertion.Operator.PHYSICS, rng)


def _found(judged: Judgement, inserted: Inserted) -> bool:
    """Return whether there is an alarm, and it is about the threat: one of its boxes holds a part of it."""
    for found in judged.findings:
        x, y, width, height = (round(v) for v in found.box)
        if inserted.mask[max(y, 0) : max(y + height, 0), max(x, 0) : max(x + width, 0)].any():
            return judged.alarm
    return False


def _assured(known: _Device) -> Assured:
    trials = [trial for trial in known.trials if trial.model == known.model or not known.model]
    detected = sum(trial.detected for trial in trials)
    low, high = wilson(detected, len(trials))
    missed = Counter(trial.kind for trial in trials if not trial.detected)
    last = trials[-1].at if trials else None
    return Assured(
        len(trials), detected, round(low, 4), round(high, 4), last, dict(sorted(missed.items())), known.problem
    )


def _trial(entry: Any) -> Trial:
    return Trial(str(entry["at"]), str(entry["kind"]), str(entry["model"]), bool(entry["detected"]))
