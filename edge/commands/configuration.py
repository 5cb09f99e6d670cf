"""The configuration by command: staged, probed, put on trial; and then it stays, or goes.

While it is on trial the appliance runs with it. It stays once the console is connected and every device that must be
back is back; where that is not so within the trial time, the configuration before is put in force again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from drivers.clock import Clock
from drivers.contract import DeviceState
from drivers.errors import ConfigError, LinkBusy
from edge import trial
from edge.commands.desk import Answer, Call, Desk, Handler
from edge.config.model import Config, DeviceConfig
from edge.courier import Courier
from edge.probing import Probed, probe
from edge.supervisor.supervisor import Supervisor

log = logging.getLogger("jaitf.core")

PROBE_S = 5.0
MAX_PROBES = 8
LOOK_S = 0.2
SETTLED_S = 3.0
HERE = (DeviceState.UP, DeviceState.DEGRADED)


@dataclass(slots=True)
class Configuration:
    """The handlers, and the watch over a trial; `restart` has the appliance start again from its configuration."""

    config: Config
    supervisor: Supervisor
    courier: Courier
    clock: Clock
    restart: Callable[[], None]

    def handlers(self) -> dict[str, Handler]:
        """Return the handlers by the commands' names."""
        return {"config.stage": self._stage, "config.commit": self._commit, "config.rollback": self._rollback}

    async def _stage(self, call: Call) -> Answer:
        if busy := self._under_way():
            return busy
        found = await asyncio.to_thread(trial.stage, self.config, call.args.files)
        about: dict[str, Any] = {"problems": list(found.problems)}
        if found.config is None:
            return Answer("failed", "invalid", f"{len(found.problems)} problems; nothing was changed", about)
        probes = [device for device in self._changed(found.config) if device.enabled][:MAX_PROBES]
        held = {device.name for device in self.config.devices if device.enabled}
        results = await asyncio.gather(*(asyncio.to_thread(_probe, device, device.name in held) for device in probes))
        about |= {"sha256": found.config.digest, "probes": dict(zip([d.name for d in probes], results, strict=True))}
        return Answer("done", "staged", "nothing is changed before config.commit", about)

    async def _commit(self, call: Call) -> Answer:
        if busy := self._under_way():
            return busy
        staged = await asyncio.to_thread(trial.staged, self.config)
        if staged is None:
            return Answer("rejected", "nothing-staged", "stage a configuration first")
        if call.args.sha256 not in (None, staged.digest):
            return Answer("rejected", "other-staged", f"what is staged is {staged.digest}")
        back = self._must_be_back(staged)
        told = trial.Told(transaction=call.transaction, by=call.by, name=call.name)
        state = trial.State(
            phase="installing", told=told, sha256=staged.digest, trial_s=call.args.trial_s, back=tuple(back)
        )
        await asyncio.to_thread(trial.begin, self.config, state)
        about = {"sha256": staged.digest, "trial_s": call.args.trial_s, "back": back}
        return Answer("accepted", "trial", "the appliance starts again with it", about, self._start_again)

    async def _rollback(self, call: Call) -> Answer:
        told = trial.Told(
            transaction=call.transaction, by=call.by, name=call.name, status="done", code="rolled-back",
            detail="the configuration before is in force again",
        )  # fmt: skip
        state = trial.read(self.config.folder)
        also = []
        if state is not None:
            also.append(state.told.model_copy(update={"code": "rolled-back", "detail": f"by {call.by}"}))
        state = state or trial.State(phase="ended", told=told, sha256=self.config.digest, trial_s=0)
        await asyncio.to_thread(trial.roll_back, self.config.folder, state, told, *also)
        return Answer("accepted", "rolling-back", "the appliance starts again", None, self._start_again)

    async def _start_again(self) -> Answer:
        self.restart()
        await asyncio.Event().wait()  # the end of this run ends it; the next one answers
        raise AssertionError

    def _under_way(self) -> Answer | None:
        if trial.read(self.config.folder) is None:
            return None
        return Answer("failed", "trial", "a configuration is on trial: wait for its end, or roll it back")

    def _changed(self, new: Config) -> list[DeviceConfig]:
        """Return the devices that are new or configured otherwise."""
        known = {device.name: _as_configured(device) for device in self.config.devices}
        return [device for device in new.devices if known.get(device.name) != _as_configured(device)]

    def _must_be_back(self, new: Config) -> list[str]:
        """Return which devices must come up: those that are up now, and those that are new or changed."""
        changed = {device.name for device in self._changed(new)}
        status = self.supervisor.status
        return [
            device.name
            for device in new.devices
            if device.enabled and (device.name in changed or status[device.name].state in HERE)
        ]

    async def run(self, desk: Desk) -> None:
        """Watch over a trial that this run is, and answer for the one before."""
        state = trial.read(self.config.folder)
        if state is None:
            return
        desk.expect(state.told.transaction)
        if state.phase == "running":
            state = await self._watch(state)
        if state is None:
            return
        for told in (state.told, *state.also):
            answer = Answer(told.status, told.code, told.detail, {"sha256": self.config.digest})
            await desk.conclude(told.name, told.by, told.transaction, answer)
        await asyncio.to_thread(trial.end, self.config.folder)

    async def _watch(self, state: trial.State) -> trial.State | None:
        """Return how the trial ended; None where it did not do, and the appliance starts again without it."""
        began = well_since = self.clock.now().monotonic_ns
        last_missing: list[str] = []
        while True:
            now, missing = self.clock.now().monotonic_ns, self._missing(state)
            if missing:
                well_since, last_missing = now, missing
            elif now - well_since >= SETTLED_S * 1e9:
                said = {"status": "done", "code": "committed", "detail": "console and devices are back"}
                return state.model_copy(update={"phase": "ended", "told": state.told.model_copy(update=said)})
            if now - began > state.trial_s * 1e9:
                break
            await asyncio.sleep(LOOK_S)
        reason = f"not back within {state.trial_s:g} s: {', '.join(last_missing) or 'not for long enough'}"
        log.warning("the configuration on trial is rolled back: %s", reason)
        told = state.told.model_copy(update={"code": "rolled-back", "detail": reason})
        try:
            await asyncio.to_thread(trial.roll_back, self.config.folder, state, told)
        except ConfigError as error:
            log.error("it cannot be rolled back, and stays: %s", error)
            told = told.model_copy(update={"code": "stuck", "detail": f"{reason}; and {error}"})
            return state.model_copy(update={"phase": "ended", "told": told})
        self.restart()
        return None

    def _missing(self, state: trial.State) -> list[str]:
        status = self.supervisor.status
        missing = [name for name in state.back if name in status and status[name].state not in HERE]
        return missing if self.courier.connected else ["the console", *missing]


OWN_PORT = "if this appliance itself holds it, nothing is wrong: how the change does is seen when it is on trial"


def _as_configured(device: DeviceConfig) -> dict[str, Any]:
    return {
        **device.model_dump(exclude={"file", "settings", "model"}),
        "model": str(device.model).rpartition("/")[2],
        "settings": device.settings.model_dump(mode="json", exclude_unset=True),
    }


def _probe(device: DeviceConfig, runs: bool) -> dict[str, Any]:
    found: Probed = probe(device.driver, device.settings, PROBE_S)
    mend = OWN_PORT if runs and found.report.code == LinkBusy.code else found.mend
    return {"ok": found.report.ok, "layer": found.layer, "steps": list(found.report.steps), "mend": mend}
