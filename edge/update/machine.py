"""An update's steps, each noted down before it is made: whatever is cut off can be finished or undone from the note.

    unpacking ──▶ trial ──▶ confirmed ──▶ (none)
        │           └──▶ undoing ──▶ (none)
        └──▶ (none)

The link moves in `trial` and in `undoing`; that `confirmed` is on the disk is what makes an update one.
"""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Literal, Protocol

from edge.update.disk import GONE, Disk
from edge.update.places import NAME, Places

log = logging.getLogger("jaitf.update")

Phase = Literal["unpacking", "trial", "undoing", "confirmed"]


@dataclass(frozen=True, slots=True)
class State:
    """An update under way: from `old` to `new`; `made` where `new` was unpacked for it.

    `floor` is the ledger's schema that `old` can read, `back` the SQL that undoes each step above it, by its number.
    """

    id: str
    phase: Phase
    old: str
    new: str
    made: bool
    by: str
    data_dir: str | None = None
    floor: int = 0
    back: dict[str, str] = field(default_factory=dict)
    reason: str = ""
    detail: str = ""


def _read(text: bytes) -> State:
    """Return a state as it was written, by whichever version: a later one may know more of an update.

    Raises ValueError, TypeError, AttributeError.
    """
    known = {each.name for each in fields(State)}
    return State(**{name: value for name, value in json.loads(text).items() if name in known})


class Hands(Protocol):
    """What is done as the service's user, in its folders. Both may be called again, and raise OSError."""

    def note(self, state: State, outcome: str, detail: str) -> None:
        """Leave word for the ledger of what became of an update."""

    def take_back(self, state: State) -> None:
        """Undo the ledger's steps above the floor."""


class Machine:
    """Makes the steps on one box. Raises OSError where the disk fails; `recover` then goes on from there."""

    def __init__(self, places: Places, disk: Disk, hands: Hands) -> None:
        self._places = places
        self._disk = disk
        self._hands = hands

    def state(self) -> State | None:
        """Return the update under way."""
        path = self._places.state
        try:
            return _read(path.read_bytes())
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, AttributeError) as error:
            # It was written whole: something else has damaged it. What is in force stays in force.
            log.error("%s cannot be read, and is set aside: %s", path, error)
            self._disk.move(path, path.with_name("state.json.damaged"))
            return None

    def begin(self, state: State) -> State:
        """Note that a version is being unpacked; nothing in force has changed. Raises ValueError for no name."""
        for name in (state.old, state.new):
            if not NAME.fullmatch(name):
                raise ValueError(f"{name!r} is no version's name")
        return self._keep(state)

    def place(self, state: State) -> None:
        """Give the unpacked version its name, in place of one of the same name that is not in force."""
        self._disk.clear(self._places.versions / state.new)
        self._disk.move(self._places.partial / "opt/jaitf-edge/versions" / state.new, self._places.versions / state.new)
        self._disk.clear(self._places.partial)

    def switch(self, state: State) -> State:
        """Put the new version in force, on trial."""
        state = self._keep(replace(state, phase="trial"))
        self._point(state.new)
        return state

    def confirm(self, state: State, detail: str) -> None:
        """Make the new version the one in force, the old one the one that is kept."""
        self._finish(self._keep(replace(state, phase="confirmed", detail=detail)))

    def undo(self, state: State, reason: str) -> None:
        """Put the old version in force again."""
        self._go_back(self._keep(replace(state, phase="undoing", reason=reason)))

    def drop(self, state: State) -> None:
        """Forget an update whose version never was in force."""
        self._disk.clear(self._places.partial)
        if self._places.version(self._places.current) != state.new:
            self._remove(state)
        self._disk.forget(self._places.state)

    def recover(self, reason: str) -> str | None:
        """Finish or undo what was cut off; return the version that is in force again where one is, else None.

        Afterwards a version is in force if there is any.
        """
        state = self.state()
        back = None
        match state:
            case None:
                pass
            case State(phase="unpacking"):
                self.drop(state)
            case State(phase="confirmed"):
                self._finish(state)
            case State(phase="undoing"):
                self._go_back(state)
                back = state.old
            case _:  # on trial, or in a phase that a later version has: what is not confirmed goes back
                self.undo(state, reason)
                back = state.old
        self._sweep()
        self._say_what_is_unsaid()
        return self._last_resort() or back

    def _keep(self, state: State) -> State:
        self._disk.write(self._places.state, json.dumps(asdict(state)).encode())
        return state

    def _point(self, version: str) -> None:
        self._disk.link(self._places.current, f"versions/{version}")

    def _go_back(self, state: State) -> None:
        # The link first: where the rest fails, the version that is known to work is what starts.
        self._point(state.old)
        self._hands.take_back(state)
        self.tell(state, "rolled-back", state.reason)
        self._remove(state)
        self._disk.forget(self._places.state)

    def _remove(self, state: State) -> None:
        """Remove the version that was unpacked for an update; nothing else, whatever its note says."""
        if state.made and NAME.fullmatch(state.new) and state.new != state.old:
            self._disk.clear(self._places.versions / state.new)

    def _finish(self, state: State) -> None:
        self._disk.link(self._places.previous, f"versions/{state.old}")
        for name in self._places.there():
            if name not in (state.old, state.new):
                self._disk.clear(self._places.versions / name)
        self.tell(state, "done", state.detail)
        self._disk.forget(self._places.state)

    def tell(self, state: State, outcome: str, detail: str) -> None:
        """Say what came of an update: to who asks on the box, and to the ledger, now or as soon as that can be."""
        self._note(state, outcome, detail)
        told = {"id": state.id, "old": state.old, "new": state.new, "outcome": outcome, "detail": detail}
        self._disk.write(self._places.last, json.dumps(told).encode())

    def _note(self, state: State, outcome: str, detail: str) -> None:
        """Leave word; what cannot be left now is kept, for a version that works waits for nobody to be told."""
        kept = self._places.state_dir / f"unsaid-{state.id}-{outcome}.json"
        try:
            self._hands.note(state, outcome, detail)
        except OSError as error:
            log.warning("the ledger cannot be told yet: %s", error)
            self._disk.write(kept, json.dumps({**asdict(state), "reason": outcome, "detail": detail}).encode())

    def _say_what_is_unsaid(self) -> None:
        for kept in self._places.state_dir.glob("unsaid-*.json"):
            try:
                state = _read(kept.read_bytes())
                self._hands.note(state, state.reason, state.detail)
            except (OSError, ValueError, TypeError, AttributeError) as error:
                log.warning("%s: %s", kept, error)
            else:
                self._disk.forget(kept)

    def _sweep(self) -> None:
        for path in self._places.versions.glob(".*"):
            if path.name.startswith(GONE) or path == self._places.partial:
                self._disk.clear(path)

    def _last_resort(self) -> str | None:
        """Where the link leads to no version that could run, have it lead to one that is there."""
        if self._places.version(self._places.current) is not None:
            return None
        known = [self._places.version(self._places.previous), *reversed(self._places.there())]
        version = next(filter(None, known), None)
        if version is None:
            log.error("%s: no version is there", self._places.versions)
            return None
        log.error("%s led nowhere: %s is put in force", self._places.current, version)
        self._point(version)
        return version
