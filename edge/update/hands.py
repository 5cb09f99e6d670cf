"""Has done, as the service's user, what an update does in the service's folders; and starts and stops the service."""

from __future__ import annotations

import json
import logging
import os
import pwd
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drivers.clock import rfc3339
from edge.update.machine import State
from edge.update.places import SERVICE

log = logging.getLogger("jaitf.update")

SERVANT_DEADLINE_S = 120.0
SYSTEMCTL_DEADLINE_S = 330.0
"""Longer than the unit's own TimeoutStartSec= of five minutes."""


def become(user: str | None) -> dict[str, Any]:
    """Return what subprocess needs to run a child as a user; nothing where that is who runs this. Raises OSError."""
    if user is None or os.geteuid() != 0:
        return {}
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        raise OSError(f"there is no user {user}") from None
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": os.getgrouplist(user, entry.pw_gid)}


@dataclass(frozen=True, slots=True)
class ServantHands:
    """Hands, by a child; see edge.update.servant."""

    user: str | None

    def note(self, state: State, outcome: str, detail: str) -> None:
        """Leave word; see Hands. The same update's same outcome is one note, however often it is left."""
        if state.data_dir is None or not Path(state.data_dir).is_dir():
            log.warning("no data directory to report to: %s", detail)
            return
        about = {"id": state.id, "from": state.old, "to": state.new}
        note = {
            "kind": "update",
            "at": rfc3339(time.time_ns()),
            "by": state.by,
            "outcome": outcome,
            "detail": detail[:2000],
            "about": about,
        }
        self._have("note", state.data_dir, {"name": f"update-{state.id}-{outcome}.json", "note": note})

    def take_back(self, state: State) -> None:
        """Undo the ledger's steps; see Hands."""
        if state.data_dir is not None and state.back:
            self._have("back", state.data_dir, {"floor": state.floor, "back": state.back})

    def _have(self, duty: str, data_dir: str, asked: dict[str, Any]) -> None:
        try:
            ran = subprocess.run(
                [sys.executable, "-P", "-m", "edge.update.servant", duty, data_dir],
                input=json.dumps(asked).encode(),
                capture_output=True,
                timeout=SERVANT_DEADLINE_S,
                check=False,
                **become(self.user),
            )
        except subprocess.TimeoutExpired:
            raise OSError(f"{duty}: not done within {SERVANT_DEADLINE_S:g} s") from None
        if ran.returncode:
            raise OSError(f"{duty}: {ran.stderr.decode(errors='replace').strip()[-500:]}")


class Service:
    """The appliance's service, as systemd keeps it."""

    def there(self) -> bool:
        """Return whether systemd runs this machine at all."""
        return Path("/run/systemd/system").is_dir()

    def stop(self) -> None:
        """Stop it, and wait until it is stopped. Raises OSError."""
        self._systemctl("stop", SERVICE)

    def restart(self) -> None:
        """Start it, or start it again, and wait until it is ready. Raises OSError where it isn't in time."""
        self._systemctl("reset-failed", SERVICE)
        self._systemctl("restart", SERVICE)

    def running(self) -> int:
        """Return the main process of an active service, 0 where it isn't active."""
        said = self._systemctl("show", "--property=ActiveState,MainPID", SERVICE)
        facts = dict(line.partition("=")[::2] for line in said.splitlines())
        return int(facts.get("MainPID", 0)) if facts.get("ActiveState") == "active" else 0

    def _systemctl(self, *arguments: str) -> str:
        try:
            ran = subprocess.run(
                ["systemctl", *arguments], capture_output=True, text=True, timeout=SYSTEMCTL_DEADLINE_S, check=False
            )
        except subprocess.TimeoutExpired:
            raise OSError(f"systemctl {' '.join(arguments)}: nothing within {SYSTEMCTL_DEADLINE_S:g} s") from None
        if ran.returncode and arguments[0] not in ("reset-failed",):
            raise OSError(f"systemctl {' '.join(arguments)}: {ran.stderr.strip()[-500:]}")
        return ran.stdout
