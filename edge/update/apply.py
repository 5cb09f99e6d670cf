"""One update from the package to the verdict: is it to be believed, may it take over, does what worked still work."""

from __future__ import annotations

import logging
import os
import subprocess
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

from drivers.errors import UpdateError
from edge.update import package
from edge.update.box import Facts, Standing, Versions, worst
from edge.update.disk import Disk
from edge.update.hands import Service
from edge.update.machine import Hands, Machine, State
from edge.update.places import Places

log = logging.getLogger("jaitf.update")

POLL_S = 2.0
SETTLE_S = 10.0
"""How long the appliance must stay the same process."""


SLACK_S = 5.0


@dataclass(frozen=True, slots=True)
class Request:
    """Who asks, for what: the package that was taken, or, `back`, the version that is kept."""

    by: str
    back: bool = False
    older: bool = False
    trial_s: float = 300.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it, and between which versions; `detail` is for reading."""

    outcome: Literal["done", "rolled-back", "refused"]
    old: str
    new: str
    detail: str


@dataclass(frozen=True, slots=True)
class Healthy:
    """What worked before: the doctor's checks, the devices; and whether the appliance ran at all."""

    checks: dict[str, str]
    standing: Standing | None
    ran: bool

    def passed(self, check: str) -> bool:
        """Return whether a check was made and did not fail."""
        return self.checks.get(check) in ("ok", "warn")

    def lost(self, now: Standing | None, since_s: float) -> list[str]:
        """Return which devices worked and do not, by what the appliance wrote since it was started `since_s` ago."""
        if self.standing is None or not self.standing.working:
            return []
        # What the old one wrote last may still lie there; it had run for longer.
        if now is None or now.at == self.standing.at or now.uptime_s > since_s + SLACK_S:
            return ["the appliance has not said yet how its devices are"]
        return [f"{name} worked before, and does not" for name in self.standing.working if name not in now.working]


class Update:
    """Makes updates on one box; the caller holds the update's lock."""

    def __init__(
        self,
        places: Places,
        disk: Disk,
        hands: Hands,
        versions: Versions,
        service: Service,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._places = places
        self._disk = disk
        self._machine = Machine(places, disk, hands)
        self._versions = versions
        self._service = service
        self._sleep = sleep
        self._monotonic = monotonic

    def apply(self, request: Request) -> Outcome:
        """Make the update. Raises UpdateError where one before cannot be undone, OSError where the disk fails."""
        self._machine.recover("an update before this one was cut off")
        old = self._places.version(self._places.current)
        if old is None:
            raise UpdateError(f"{self._places.current}: no version is in force here: install the package with apt")
        state = State(uuid.uuid4().hex[:12], "unpacking", old, "", made=not request.back, by=request.by)
        try:
            before = self._versions.facts(old)
            state = replace(state, data_dir=before.data_dir)
            state, signer = self._prepare(request, state)
            state = self._allowed(state, before)
            ran = bool(self._service.there() and self._service.running())
            healthy = Healthy(worst(self._versions.doctor(old)), before.standing if ran else None, ran)
        except UpdateError as error:
            return self._refuse(state, str(error))
        return self._try(request, state, signer, healthy)

    def _prepare(self, request: Request, state: State) -> tuple[State, str]:
        """Have the new version stand beside the old one; return the state, and who answers for the new one."""
        if request.back:
            kept = self._places.version(self._places.previous)
            if kept is None or kept == state.old:
                raise UpdateError("no version before this one is kept")
            return self._machine.begin(replace(state, new=kept)), "kept from before"
        keys = package.trusted(self._places.keys, os.geteuid())
        signer = package.signer(self._places.package, keys)
        about = package.facts(self._places.package)
        state = replace(state, new=about.version)
        self._welcome(about, state, request)
        state = self._machine.begin(state)
        package.unpack(self._places.package, about, self._places)
        self._machine.place(state)
        return state, f"signed by {signer[:16]}"

    def _welcome(self, about: package.Facts, state: State, request: Request) -> None:
        """Raise UpdateError for a package that is not for this box."""
        if about.version == state.old:
            raise UpdateError(f"{state.old} is in force already")
        if package.is_older(about.version, state.old) and not request.older:
            raise UpdateError(f"{about.version} is older than {state.old}: --older, if that is what is wanted")
        here = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True)
        if about.architecture not in ("all", here.stdout.strip()):
            raise UpdateError(f"a package for {about.architecture}, and this box is {here.stdout.strip()}")

    def _allowed(self, state: State, before: Facts) -> State:
        """Return the state with the way back of the ledger in it.

        Raises UpdateError for a version that cannot read the ledger, or that would leave one that the old cannot read.
        """
        after = self._versions.facts(state.new)
        found = after.found or 0
        if found > after.knows:
            raise UpdateError(f"the ledger is of schema {found}, and {state.new} knows up to {after.knows}")
        floor = max(found, before.knows)
        steps = [str(number) for number in range(floor + 1, after.knows + 1)]
        if missing := [number for number in steps if number not in after.back]:
            raise UpdateError(
                f"{state.new} brings ledger schema {missing[0]} without its way back: a trial that fails could not be"
                " undone"
            )
        return replace(state, floor=floor, back={number: after.back[number] for number in steps})

    def _refuse(self, state: State, why: str) -> Outcome:
        if noted := self._machine.state():
            self._machine.drop(noted)
            state = replace(noted, data_dir=state.data_dir)
        log.warning("refused: %s", why)
        self._machine.tell(state, "refused", why)
        return Outcome("refused", state.old, state.new, why)

    def _try(self, request: Request, state: State, signer: str, before: Healthy) -> Outcome:
        """Put the new version in force, watch it, and decide."""
        state = self._machine.switch(state)
        problems = self._problems_after(request, state, before)
        if not problems:
            detail = f"{state.old} to {state.new}, {signer}"
            self._machine.confirm(state, detail)
            return Outcome("done", state.old, state.new, detail)
        why = f"{state.new} did not do: {'; '.join(problems)}"
        if before.ran:
            self._service.stop()
        self._machine.undo(state, why)
        if before.ran:
            self._service.restart()
        return Outcome("rolled-back", state.old, state.new, why)

    def _problems_after(self, request: Request, state: State, before: Healthy) -> list[str]:
        """Return what worked before and does not within the trial time, none as soon as all of it does."""
        began = self._monotonic()
        try:
            if before.ran:
                self._service.restart()
        except OSError as error:
            return [str(error)]
        while True:
            problems = self._problems(state, before, began)
            if not problems or self._monotonic() - began >= request.trial_s:
                return problems
            self._sleep(POLL_S)

    def _problems(self, state: State, before: Healthy, began: float) -> list[str]:
        try:
            first = self._service.running() if before.ran else 0
            found: list[dict[str, Any]] = self._versions.doctor(state.new)
            if before.ran:
                self._sleep(SETTLE_S)
                if not first or self._service.running() != first:
                    return ["the appliance does not stay up"]
            lost = before.lost(self._versions.facts(state.new).standing, self._monotonic() - began)
        except (UpdateError, OSError) as error:
            return [str(error)]
        # What failed before is not the new version's doing, and what was not looked at before did not work before.
        # Whether devices answer is `lost`'s to say: it gives them their time.
        failed = (
            line
            for line in found
            if line["grade"] == "fail" and line["check"] != "answers" and before.passed(line["check"])
        )
        return [*(f"{line['check']}: {line['text']}" for line in failed), *lost]
