"""What risk assessment asks this lane to look for: salted hashes alone, so that no name travels or is kept here.

The last good list stays in force until it expires, over restarts too; what comes in its place must be whole, in date
and newer. Where no list is in force nothing is targeted, and health says so.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from drivers.clock import Clock
from drivers.contract import Identity, IdKind
from drivers.fsync import sync_folder, write_whole
from edge.allowance import Allowance
from edge.courier.link import Incoming
from edge.down import MAX_BYTES, TARGETS, Target, first_problem, moment_ns
from edge.down import Targets as TargetList
from edge.messages import TargetsBody
from edge.nouns import Targeted

log = logging.getLogger("jaitf.console")

FILE = "targets.json"
REPORTS_PER_S, REPORTS_MAX = 0.2, 10.0


@dataclass(frozen=True, slots=True)
class _InForce:
    """A list as it is looked up in; `digest` is of the message that brought it."""

    version: int
    expires_ns: int
    expires_at: str
    salt: str
    digest: bytes
    entries: dict[tuple[str, str], Target]


class _Refused(Exception):
    """A list that does not come into force, and why."""


class Targets:
    """The list of one appliance. `report` tells the console what became of a list: outcome and detail."""

    def __init__(self, data_dir: Path, clock: Clock, report: Callable[[str, str], None]) -> None:
        self._path = data_dir / FILE
        self._clock = clock
        self._report = report
        self._list: _InForce | None = None
        self._problem = ""
        self._refused: bytes | None = None
        self._matched = 0
        self._allowance = Allowance.full(REPORTS_PER_S, REPORTS_MAX, clock.now().monotonic_ns)
        self._load()

    def take(self, message: Incoming) -> None:
        """Take a message on `down/targets`, in the event loop."""
        digest = hashlib.sha256(message.payload).digest()
        if self._list is not None and digest == self._list.digest:
            return  # it is retained, and comes again with each connection
        try:
            fresh = self._read(message.payload, digest)
            self._check(fresh)
        except _Refused as refusal:
            self._refuse(str(refusal), digest)
            return
        self._list, self._problem = fresh, ""
        try:
            write_whole(self._path, message.payload, mode=0o600)
            sync_folder(self._path.parent)
        except OSError as error:
            # It is in force all the same; after a restart the broker's retained copy brings it again.
            log.warning("%s: the target list cannot be kept: %s", self._path, error.strerror)
        self._report("accepted", f"version {fresh.version}, {len(fresh.entries)} entries, until {fresh.expires_at}")

    def match(self, identities: Iterable[Identity]) -> Targeted | None:
        """Return the entry that an item with these names matches, the highest risk first; None where there is none."""
        held = self._list
        if held is None or self._clock.now().wall_ns >= held.expires_ns:
            return None
        found = [
            entry
            for identity in identities
            if (entry := held.entries.get((identity.kind.value, _hash(held.salt, identity.value))))
        ]
        if not found:
            return None
        self._matched += 1
        best = max(found, key=lambda entry: entry.risk == "high")
        return Targeted(best.target_id, best.risk, covert=any(entry.covert for entry in found))

    def body(self) -> TargetsBody:
        """Return how the list is, as health says it."""
        held, now = self._list, self._clock.now().wall_ns
        state: Literal["none", "in_force", "expired"]
        state = "none" if held is None else "expired" if now >= held.expires_ns else "in_force"
        return TargetsBody(
            state=state,
            version=held.version if held else None,
            entries=len(held.entries) if held else 0,
            expires_at=held.expires_at if held else None,
            matched=self._matched,
            problem=self._problem,
        )

    def _read(self, payload: bytes, digest: bytes) -> _InForce:
        if not payload:
            raise _Refused("empty: an empty list has entries [] and a version of its own")
        if len(payload) > MAX_BYTES[TARGETS]:
            raise _Refused(f"too-large: {len(payload)} bytes, {MAX_BYTES[TARGETS]} at most")
        try:
            said = TargetList.model_validate_json(payload)
        except ValidationError as error:
            raise _Refused(f"malformed: {first_problem(error)}") from None
        entries: dict[tuple[str, str], Target] = {(entry.kind, entry.hash): entry for entry in said.entries}
        expires_ns = moment_ns(said.expires_at)
        return _InForce(said.version, expires_ns, said.expires_at, said.salt, digest, entries)

    def _check(self, fresh: _InForce) -> None:
        if self._list is not None and fresh.version < self._list.version:
            raise _Refused(f"replayed: version {fresh.version}, {self._list.version} is here already")
        if self._list is not None and fresh.version == self._list.version:
            raise _Refused(f"replayed: version {fresh.version} came before with other entries")
        if fresh.expires_ns <= self._clock.now().wall_ns:
            raise _Refused(f"expired: at {fresh.expires_at}")

    def _refuse(self, problem: str, digest: bytes) -> None:
        again, self._refused = digest == self._refused, digest
        self._problem = problem
        log.warning("a target list is refused: %s", problem)
        if not again and self._allowance.take(self._clock.now().monotonic_ns):
            self._report("refused", problem)

    def _load(self) -> None:
        """Take up the list of the run before; one that is over still says which version was the last."""
        try:
            with self._path.open("rb") as file:
                payload = file.read(MAX_BYTES[TARGETS] + 1)
        except FileNotFoundError:
            return
        except OSError as error:
            self._problem = f"{self._path}: {error.strerror}"
            return
        try:
            self._list = self._read(payload, hashlib.sha256(payload).digest())
        except _Refused as refusal:
            self._problem = f"the list kept here is not whole: {refusal}"
            log.warning("%s: %s", self._path, self._problem)


def _hash(salt: str, value: str) -> str:
    return hashlib.sha256((salt + value).encode()).hexdigest()


def names_of(bag_tag: str | None, identities: Iterable[Identity] = ()) -> set[Identity]:
    """Return the names of an item: its tag, and what was read of it."""
    return {*identities, *([Identity(IdKind.BAG_TAG, bag_tag)] if bag_tag else [])}
