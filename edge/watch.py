"""What is watched over the judge's shoulder: thresholds in force, drift of each device, detection trials.

The judge asks for the operating points of each scan and tells each score; everything else is done here.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from drivers.clock import Clock
from drivers.contract import Scan
from edge.assurance import Assurance, Assured, Due, Trial
from edge.calibration import Calibration, Calibrations
from edge.drift import Drift, DriftWatch, Reference
from edge.scores import Keeper
from inference import Judgement
from inference.manifest import OperatingPoints

if TYPE_CHECKING:
    from inference import Model

log = logging.getLogger("jaitf.judge")


class JudgeWatch:
    """Watches one appliance's judge. `on_changed` is called with a threshold's record when it comes into force."""

    def __init__(self, data_dir: Path, assurance_per_hour: float, clock: Clock, chance: random.Random) -> None:
        self.on_changed: Callable[[Calibration], None] = lambda line: None
        self._calibrations = Calibrations(data_dir)
        self._keeper = Keeper(data_dir, clock)
        self._drift = DriftWatch(self._keeper.load())
        self._assurance = Assurance(data_dir, assurance_per_hour, clock, chance) if assurance_per_hour else None
        self._calibrations.refresh()
        self._warn()

    def refresh(self) -> None:
        """Take up thresholds that were set while the appliance runs."""
        before = list(self._calibrations.history)
        if not self._calibrations.refresh():
            return
        self._warn()
        for line in self._calibrations.history:
            if line not in before:
                self.on_changed(line)

    def points(self, device: str, model: Model) -> OperatingPoints | None:
        """Return the operating points set for a model at a device; None where the package's own hold."""
        line = self._calibrations.in_force(model.sha256, device)
        return line.points if line else None

    def saw(self, device: str, scan: Scan, model: Model, judged: Judgement) -> None:
        """Count a judged scan of an ordinary run: whole, no test object and no projected threat."""
        if scan.is_test or scan.incomplete:
            return
        self._drift.saw(device, model.sha256, judged.score)
        self._keeper.keep(self.scores())
        if self._assurance is not None and not judged.alarm:
            self._assurance.offer(device, scan, model, self.points(device, model))

    def due(self) -> Due | None:
        """Return a detection trial that is due."""
        return self._assurance.due() if self._assurance is not None else None

    def tried(self, due: Due, outcome: Trial | str | None) -> None:
        """Keep what came of a trial: its outcome, or why it has none."""
        assert self._assurance is not None  # it gave the trial out
        if isinstance(outcome, Trial):
            self._assurance.record(due.device, outcome)
        elif outcome is not None:
            self._assurance.failed(due.device, outcome)

    def drift(self) -> dict[str, tuple[Drift, Calibration | None]]:
        """Return each device's drift, with the record that it is measured against."""
        found = {}
        for device, sha256 in self._drift.devices():
            line = self._calibrations.in_force(sha256, device)
            found[device] = (self._drift.state(device, _reference(line)), line)
        return found

    def assurance(self) -> dict[str, Assured]:
        """Return how each device's detection trials went."""
        return self._assurance.state() if self._assurance is not None else {}

    def scores(self) -> dict[str, tuple[str, list[float]]]:
        """Return each device's last scores, the oldest first, with the SHA-256 of the model that gave them."""
        return {device: self._drift.scores(device) for device, _ in self._drift.devices()}

    def close(self) -> None:
        """Keep what is only in memory."""
        self._keeper.keep(self.scores(), now=True)

    def trials(self) -> dict[str, list[Trial]]:
        """Return each device's last detection trials, the oldest first."""
        return self._assurance.trials() if self._assurance is not None else {}

    def calibration(self, device: str, model: Model) -> Calibration | None:
        """Return the record of the thresholds set for a model at a device; None where the package's own hold."""
        return self._calibrations.in_force(model.sha256, device)

    def history(self) -> list[Calibration]:
        """Return who set which thresholds when, the oldest first."""
        return list(self._calibrations.history)

    def set(self, line: Calibration) -> None:
        """Write thresholds down; they come into force before the next scan. Raises StoreError."""
        self._calibrations.append(line)

    def _warn(self) -> None:
        if self._calibrations.problem:
            log.warning("%s", self._calibrations.problem)


def _reference(line: Calibration | None) -> Reference | None:
    if line is None or line.measured is None or line.normal is None:
        return None
    return Reference(line.measured.edges, line.measured.alarms, line.measured.bags, line.normal)
