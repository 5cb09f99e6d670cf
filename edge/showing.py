"""What the technician's page is told of the lane: its state as a whole, and each scan as it is judged.

A hit that only the console may know of is not told here: nothing of its scan is, and its picture is never made.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from drivers import mends
from drivers.clock import Clock
from drivers.contract import DeviceState, Scan
from drivers.errors import ModelError
from edge import CONTRACT_VERSION, __version__, trial
from edge.config.model import Config, DeviceConfig
from edge.courier import Courier
from edge.drift import KEPT
from edge.judge import Judge
from edge.lane.signs import is_of_person
from edge.messages import Health
from edge.nouns import Hit, ThreatReport
from edge.pulse import MINUTE_NS, Pulse
from edge.supervisor.device import Status
from edge.supervisor.supervisor import Supervisor
from edge.watch import JudgeWatch
from inference import picture

log = logging.getLogger("jaitf.page")

HISTORY = 20
_OF_A_TRIAL: Any = {"phase": True, "sha256": True, "trial_s": True, "told": {"code", "detail"}}


@dataclass(slots=True)
class Showing:
    """Gathers what is shown. `watched` says whether anybody looks; `show` takes a scan's words and its picture."""

    config: Config
    supervisor: Supervisor
    judge: Judge
    watch: JudgeWatch
    courier: Courier
    clock: Clock
    health: Callable[[], Health]
    watched: Callable[[], bool] = lambda: False
    show: Callable[[dict[str, Any], bytes], None] = lambda said, picture: None
    _pulse: Pulse = field(default_factory=Pulse)
    _hidden: dict[str, deque[float]] = field(default_factory=dict)
    _next: tuple[Scan, dict[str, Any]] | None = None
    _drawing: asyncio.Task[None] | None = None

    def taken(self, device: str) -> None:
        """Count an observation."""
        self._pulse.beat(device, self.clock.now().monotonic_ns)

    def screened(self, device: str, scan: Scan, report: ThreatReport, hit: Hit | None) -> None:
        """Have a scan shown, where somebody looks; while a picture is made, the newest of those that come waits."""
        if hit is not None and hit.covert:
            if report.score is not None:
                self._hidden.setdefault(device, deque(maxlen=KEPT)).append(round(report.score, 4))
            return
        if not self.watched():
            return
        self._next = scan, _words(device, scan, report, hit)
        if self._drawing is None or self._drawing.done():
            self._drawing = asyncio.create_task(self._draw())

    async def _draw(self) -> None:
        while self._next is not None:
            (scan, said), self._next = self._next, None
            drawn = b""
            if scan.pictures and not is_of_person(scan):
                try:
                    boxes = [t["box"] for t in said["threats"] if t["box"] and t["view"] == said["view"]]
                    drawn, place = await asyncio.to_thread(picture, scan.pictures, said["view"], boxes)
                    said["place"] = [round(value, 1) for value in place]
                except ModelError as error:
                    log.debug("a scan is shown without its picture: %s", error)
                except Exception:
                    # OpenCV raises what it pleases; the verdict is told all the same.
                    log.exception("a scan is shown without its picture")
            self.show(said, drawn)

    def scores(self) -> dict[str, dict[str, Any]]:
        """Return each device's last scores of ordinary scans, with the SHA-256 of the model that gave them.

        Without those of hits that only the console may know of: the count would say that there was one.
        """
        return {
            device: {"model": sha256, "scores": self._shown(device, [round(score, 4) for score in scores])}
            for device, (sha256, scores) in self.watch.scores().items()
        }

    def _shown(self, device: str, scores: list[float]) -> list[float]:
        for score in self._hidden.get(device, ()):
            if score in scores:
                scores.remove(score)
        return scores

    def state(self) -> dict[str, Any]:
        """Return the state of everything, for a program."""
        who = self.config.appliance
        now, on_trial = self.clock.now(), trial.read(self.config.folder)
        return {
            "appliance": {"site": who.site, "lane": who.lane, "id": who.id, "stream": who.stream},
            "software": __version__,
            "contract": CONTRACT_VERSION,
            "config_sha256": self.config.digest,
            "trial": on_trial.model_dump(mode="json", include=_OF_A_TRIAL) if on_trial else None,
            "console": {
                "url": self.config.console.url,
                "connected": self.courier.connected,
                "error": self.courier.last_error,
            },
            "minute_s": now.monotonic_ns % MINUTE_NS / 1e9,
            "devices": [self._device(device) for device in self.config.devices],
            "models": [{"name": m.name, "version": m.version, "sha256": m.sha256} for m in self.judge.models],
            "trials": {
                device: [{"at": t.at, "kind": t.kind, "detected": t.detected} for t in trials]
                for device, trials in self.watch.trials().items()
            },
            "history": [line.model_dump(mode="json") for line in self.watch.history()[-HISTORY:]],
            "health": self.health().model_dump(mode="json"),
        }

    def _device(self, device: DeviceConfig) -> dict[str, Any]:
        status = self.supervisor.status[device.name]
        last = status.last_observation
        return {
            "name": device.name,
            "driver": device.driver,
            "state": status.state.value,
            "reason": status.reason,
            "code": status.code,
            "mend": self._mend(device, status),
            "since": status.since.rfc3339(),
            "last": last.rfc3339() if last else None,
            "restarts": status.restarts,
            "facts": status.facts,
            "minutes": self._pulse.counts(device.name, self.clock.now().monotonic_ns),
            "model": self._model(device),
        }

    def _mend(self, device: DeviceConfig, status: Status) -> str | None:
        """Return what mends that a device is not well, None where nothing is known to."""
        if status.state in (DeviceState.UP, DeviceState.DISABLED):
            return None
        return mends.mend(status.code, mends.scheme_of(device.settings))

    def _model(self, device: DeviceConfig) -> dict[str, Any] | None:
        """Return which model judges a device's scans, at which operating points, and who set those."""
        model = self.judge.active(device.name, device.model)
        if model is None:
            return None
        own, line = model.manifest.operating_points, self.watch.calibration(device.name, model)
        points = (line.points if line else None) or own
        measured = line.measured if line else None
        return {
            "name": model.name,
            "version": model.version,
            "sha256": model.sha256,
            "normal": points.normal,
            "elevated": points.elevated,
            "own": {"normal": own.normal, "elevated": own.elevated},
            "set": {"at": line.at, "by": line.by, "reason": line.reason} if line else None,
            "edges": list(measured.edges) if measured else None,
            "measured": {"bags": measured.bags, "alarms": measured.alarms} if measured else None,
        }


def _words(device: str, scan: Scan, report: ThreatReport, hit: Hit | None) -> dict[str, Any]:
    """Return what is said of a scan.

    Whether it is a test or a projected threat is left out: it may be the reader who is tested.
    """
    threats = [
        {"label": t.label, "category": t.category.value, "score": t.score, "box": t.box, "view": t.view, "zone": t.zone}
        for t in report.threats
    ]
    first = next((t.view for t in report.threats if t.box), scan.pictures[0].view if scan.pictures else 0)
    return {
        "device": device,
        "at": scan.at.rfc3339(),
        "decision": report.decision.value,
        "reason": report.reason,
        "score": report.score,
        "threshold": report.threshold,
        "severity": report.severity.value if report.severity else None,
        "peak": report.peak,
        "threats": threats,
        "view": first,
        "ms": report.ms,
        "hit_id": hit.hit_id if hit else None,
        "person": is_of_person(scan),
    }
