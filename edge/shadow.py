"""A new model beside the present one: both judge the same scans, both scores are kept, only the present one alarms."""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drivers.clock import Clock
from inference import Judgement

if TYPE_CHECKING:
    from inference import Model

log = logging.getLogger("jaitf.judge")

FOLDER = "shadow"


@dataclass(slots=True)
class Shadow:
    """Counts how a new model judges `wanted` scans; `done` has how that went: a table of figures, or why it failed.

    `path` takes a line of JSON for each scan.
    """

    model: Model
    wanted: int
    path: Path
    clock: Clock
    done: asyncio.Future[dict[str, Any] | str] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    scans: int = 0
    alike: int = 0
    alarms_now: int = 0
    alarms_new: int = 0

    @property
    def over(self) -> bool:
        """Whether nothing more is to be judged."""
        return self.done.done()

    def record(self, device: str, now: Judgement, new: Judgement) -> None:
        """Keep both judgements of a scan."""
        self.scans += 1
        self.alike += now.alarm == new.alarm
        self.alarms_now += now.alarm
        self.alarms_new += new.alarm
        line = {
            "at": self.clock.now().rfc3339(),
            "device": device,
            "now": {"score": round(now.score, 4), "threshold": now.threshold, "alarm": now.alarm},
            "new": {"score": round(new.score, 4), "threshold": new.threshold, "alarm": new.alarm},
        }
        try:
            self.path.parent.mkdir(mode=0o750, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        except OSError as error:
            # The figures go on in memory; the ledger says for itself that the disk is bad.
            log.warning("%s: %s", self.path, error.strerror)
        if self.scans >= self.wanted and not self.over:
            self.done.set_result(self.figures())

    def fail(self, reason: str) -> None:
        """Note that the new model does not do."""
        if not self.over:
            self.done.set_result(reason)

    def figures(self) -> dict[str, Any]:
        """Return how the two compare."""
        return {
            "scans": self.scans,
            "alike": self.alike,
            "alarms_now": self.alarms_now,
            "alarms_new": self.alarms_new,
            "scores": str(self.path.name),
        }
