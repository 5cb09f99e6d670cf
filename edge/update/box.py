"""How the box fares under one version or another: what its doctor finds, what it says of it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from drivers.errors import UpdateError
from drivers.fsync import write_whole
from edge.update.hands import become
from edge.update.places import Places

DOCTOR_DEADLINE_S = 180.0
FACTS_DEADLINE_S = 60.0
CREDENTIALS = "CREDENTIALS_DIRECTORY"
GRADES = ("ok", "warn", "fail")


@dataclass(frozen=True, slots=True)
class Standing:
    """What an appliance wrote last of how it was: when, how long it had run, which devices worked."""

    at: str
    uptime_s: float
    working: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """What a version says of this box.

    `knows` is the newest schema of the ledger that it can read, `found` that of the file, None where there is none;
    `back` is the SQL that undoes each step that has a way back, by its number.
    """

    version: str
    data_dir: str | None
    knows: int
    found: int | None
    back: dict[str, str] = field(default_factory=dict)
    standing: Standing | None = None


def worst(lines: list[dict[str, Any]]) -> dict[str, str]:
    """Return the worst grade of each check in the doctor's lines; one that a later version has is not a failure."""
    found: dict[str, str] = {}
    for line in lines:
        grade = line["grade"] if line["grade"] in GRADES else "ok"
        found[line["check"]] = max(found.get(line["check"], "ok"), grade, key=GRADES.index)
    return found


class Versions:
    """Asks versions by their own commands, as the service's user."""

    def __init__(self, places: Places, config: Path) -> None:
        self._places = places
        self._config = config

    def facts(self, version: str) -> Facts:
        """Return what a version says of the box, having it do nothing else. Raises UpdateError."""
        ran = self._ask(version, FACTS_DEADLINE_S, "update", "facts", "--config", str(self._config))
        try:
            return _facts(json.loads(ran.stdout))
        except (ValueError, TypeError, AttributeError, KeyError):
            raise UpdateError(f"{version} does not run here: {_last_words(ran)}") from None

    def doctor(self, version: str) -> list[dict[str, Any]]:
        """Return the doctor's lines. Raises UpdateError where there are none."""
        ran = self._ask(version, DOCTOR_DEADLINE_S, "doctor", "--json", "--config", str(self._config))
        try:
            lines: list[dict[str, Any]] = [json.loads(line) for line in ran.stdout.splitlines()]
        except ValueError:
            lines = []
        if not lines:
            raise UpdateError(f"the doctor of {version} has nothing to say: {_last_words(ran)}")
        return lines

    def _ask(self, version: str, deadline_s: float, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(self._places.versions / version / "bin" / "jaitf-edge"), *arguments]
        environment = {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}
        try:
            with _lent_credentials(self._places.user) as lent:
                return subprocess.run(
                    command,
                    capture_output=True,
                    text=True,
                    timeout=deadline_s,
                    check=False,
                    env=environment | lent,
                    cwd="/",
                    stdin=subprocess.DEVNULL,
                    **become(self._places.user),
                )
        except subprocess.TimeoutExpired:
            raise UpdateError(f"{' '.join(arguments[:2])} of {version}: nothing within {deadline_s:g} s") from None
        except OSError as error:
            raise UpdateError(f"{version} does not run here: {error}") from None


def _facts(said: dict[str, Any]) -> Facts:
    """Return what a version said, of what this one knows: a later one may say more."""
    known = {each.name: said[each.name] for each in fields(Facts) if each.name in said}
    if standing := said.get("standing"):
        known["standing"] = Standing(standing["at"], standing["uptime_s"], tuple(standing["working"]))
    return Facts(**known)


@contextlib.contextmanager
def _lent_credentials(user: str | None) -> Iterator[dict[str, str]]:
    """Give what a child that has become `user` finds this unit's systemd credentials by: else root alone may read them.

    They lie in the unit's runtime folder meanwhile, in memory, and nobody but the user can read them. Raises OSError.
    """
    own, runtime = os.environ.get(CREDENTIALS), os.environ.get("RUNTIME_DIRECTORY")
    who = become(user)
    if not own or not runtime or not who:
        yield {CREDENTIALS: own} if own else {}
        return
    with tempfile.TemporaryDirectory(dir=runtime) as folder:
        for path in Path(own).iterdir():
            write_whole(Path(folder) / path.name, path.read_bytes(), mode=0o400)
            os.chown(Path(folder) / path.name, who["user"], who["group"])
        os.chown(folder, who["user"], who["group"])
        yield {CREDENTIALS: folder}


def _last_words(ran: subprocess.CompletedProcess[str]) -> str:
    words = ran.stderr.strip().splitlines()[-1:] or [f"exit status {ran.returncode}"]
    return words[0][:300]
