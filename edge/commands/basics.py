"""The commands that need no more than a question to a part of the appliance, or a word to it."""

from __future__ import annotations

import asyncio
import json
import os
import platform
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from drivers.errors import ConfigError
from edge import CONTRACT_VERSION, __version__
from edge.commands.desk import Answer, Call, Handler
from edge.commands.redact import redacted, without_numbers
from edge.config.model import Config
from edge.discretion import Discretion
from edge.judge import Judge
from edge.logs import Recent
from edge.messages import Health
from edge.supervisor.supervisor import Supervisor
from edge.trial import OPTIONAL

MAX_RESULT_BYTES = 128 * 1024
LOG_LINES = 200


@dataclass(slots=True)
class Basics:
    """Their handlers; `health` gathers the appliance's health, `tell_all` says everything of every connect again."""

    config: Config
    supervisor: Supervisor
    judge: Judge
    recent: Recent
    health: Callable[[], Health]
    tell_all: Callable[[], None]

    def handlers(self) -> dict[str, Handler]:
        """Return the handlers by the commands' names."""
        return {
            "ping": self._ping,
            "rebirth": self._rebirth,
            "device.restart": self._restart,
            "device.disable": self._disable,
            "device.enable": self._enable,
            "selftest": self._selftest,
            "config.get": self._config,
            "diagnostics": self._diagnostics,
        }

    async def _ping(self, call: Call) -> Answer:
        return Answer("done", "pong", "the appliance is here")

    async def _rebirth(self, call: Call) -> Answer:
        self.tell_all()
        return Answer("done", "told", "state, birth, devices and health are told anew")

    async def _restart(self, call: Call) -> Answer:
        return self._device(call, self.supervisor.restart, "it is restarted")

    async def _disable(self, call: Call) -> Answer:
        return self._device(call, self.supervisor.disable, "it is off until device.enable or the next start")

    async def _enable(self, call: Call) -> Answer:
        return self._device(call, self.supervisor.enable, "it is started")

    def _device(self, call: Call, work: Callable[[str], None], said: str) -> Answer:
        name = call.args.device
        if name not in self.supervisor.status:
            return Answer("rejected", "unknown-device", f"there is no device {name}")
        work(name)
        status = self.supervisor.status[name]
        return Answer("done", status.state.value, f"{name}: {said}", {"device": name, "state": status.state.value})

    async def _selftest(self, call: Call) -> Answer:
        await self.judge.self_test()
        health = self.health()
        found = {
            "models": [{"name": m.name, "version": m.version, "sha256": m.sha256} for m in self.judge.models],
            "blind": health.blind_reason,
            "storage": health.storage_reason,
            "devices": {name: state.value for name, state in health.devices.items()},
            "clock": health.clock.quality.value,
        }
        if health.blind:
            return Answer("failed", "blind", health.blind_reason, found)
        if health.storage in ("full", "failing"):
            return Answer("failed", f"storage-{health.storage}", health.storage_reason, found)
        return Answer("done", "passed", "the models score their golden pictures as they should", found)

    async def _config(self, call: Call) -> Answer:
        """Return the files as they are in force, without secrets: those are in files of their own, which stay here."""
        files: dict[str, Any] = {}
        beside = [path for name in OPTIONAL if (path := self.config.folder / name).exists()]
        for path in (self.config.folder / "edge.toml", *beside, *(device.file for device in self.config.devices)):
            try:
                table = tomllib.loads(path.read_text(encoding="utf-8-sig"))
            except (OSError, ValueError) as error:
                raise ConfigError(f"{path.name} cannot be read any more: {error}") from None
            name = path.name if path.parent == self.config.folder else f"devices/{path.name}"
            files[name] = redacted(table)
        return _sized({"sha256": self.config.digest, "files": files}, "config", "as in force; secrets are left out")

    async def _diagnostics(self, call: Call) -> Answer:
        discretion = await asyncio.to_thread(Discretion.of, self.config.folder)
        status = {
            name: {"state": s.state.value, "reason": s.reason, "code": s.code, "restarts": s.restarts}
            for name, s in self.supervisor.status.items()
        }
        found = {
            "software": __version__,
            "contract": CONTRACT_VERSION,
            "system": f"{platform.system()} {platform.release()} {platform.machine()}",
            "python": platform.python_version(),
            "cpus": os.cpu_count(),
            "load": [round(load, 2) for load in os.getloadavg()],
            "config_sha256": self.config.digest,
            "devices": status,
            "health": json.loads(self.health().encoded()),
            "log": without_numbers(discretion.kept("\n".join(self.recent.lines(LOG_LINES)))).split("\n"),
        }
        return _sized(found, "diagnostics", "what the appliance knows of itself; secrets are left out")


def _sized(found: dict[str, Any], code: str, detail: str) -> Answer:
    """Return an answer that is no larger than a message may be; of the log, the newest lines stay."""
    while len(json.dumps(found)) > MAX_RESULT_BYTES:
        log = found.get("log")
        if not log:
            return Answer("failed", "too-large", f"more than {MAX_RESULT_BYTES} bytes")
        found = found | {"log": log[len(log) // 2 + 1 :]}
    return Answer("done", code, detail, found)
