"""Thresholds set from the technician's page: of one device's model, with who and why, as `model calibrate` does."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from drivers.clock import Clock
from edge.calibration import Calibration
from edge.commands.args import Args, DeviceName
from edge.commands.desk import Answer, Call, Handler
from edge.config.model import DeviceConfig
from edge.judge import Judge
from edge.watch import JudgeWatch


class ThresholdArgs(Args):
    """Which device, its thresholds (none: the package's own again), and why."""

    device: DeviceName
    normal: Annotated[float, Field(gt=0, le=1)] | None
    elevated: Annotated[float, Field(gt=0, le=1)] | None
    reason: Annotated[str, Field(min_length=3, max_length=300)]


@dataclass(slots=True)
class Thresholds:
    """The handler; what it sets is in force before the next scan is judged."""

    devices: tuple[DeviceConfig, ...]
    judge: Judge
    watch: JudgeWatch
    clock: Clock

    def handlers(self) -> dict[str, Handler]:
        """Return the handler by the order's name."""
        return {"threshold.set": self._set}

    async def _set(self, call: Call) -> Answer:
        args: ThresholdArgs = call.args
        configured = {device.name: device.model for device in self.devices}
        model = self.judge.active(args.device, configured.get(args.device))
        if model is None:
            return Answer("rejected", "no-model", f"no model judges what {args.device} gives")
        if (args.normal is None) != (args.elevated is None):
            return Answer("rejected", "one-threshold", "both thresholds, or neither")
        if args.normal is not None and args.elevated is not None and args.elevated > args.normal:
            return Answer("rejected", "elevated-above", "elevated is the stricter point: it cannot lie above normal")
        line = Calibration(
            at=self.clock.now().rfc3339(),
            by=call.by,
            reason=args.reason,
            model=model.name,
            version=model.version,
            sha256=model.sha256,
            device=args.device,
            normal=args.normal,
            elevated=args.elevated,
        )
        await asyncio.to_thread(self.watch.set, line)
        return Answer("done", "set", "in force before the next scan", {"device": args.device})
