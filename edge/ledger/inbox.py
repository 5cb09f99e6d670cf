"""What commands beside the appliance have done about hits, or to it, left for its ledger: the core alone writes that.

A command leaves a note before it does what the note says; the core takes notes up while it runs, or when it starts.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from drivers.clock import Clock
from drivers.errors import StoreError
from drivers.fsync import sync_folder, write_whole
from edge.down import HitId, Person
from edge.ledger.batch import Batch
from edge.ledger.entries import Note
from edge.messages import Audit

log = logging.getLogger("jaitf.ledger")

FOLDER = "inbox"
MAX_BYTES = 16 * 1024
MAX_AT_ONCE = 50


class Visit(BaseModel):
    """Somebody saw or took evidence: who, when, of which hit, and what of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["export", "view", "dataset"]
    at: str = Field(max_length=40)
    by: Person
    hit_id: HitId | None = None
    about: dict[str, Any] = {}


class Work(BaseModel):
    """Something was done or found about the appliance itself: who had it done, when, and what became of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["update", "users", "doctor"]
    at: str = Field(max_length=40)
    by: Person
    outcome: Literal["done", "rolled-back", "refused", "failed"]
    detail: str = Field(max_length=2000)
    about: dict[str, Any] = {}


Left = TypeAdapter[Visit | Work](Annotated[Visit | Work, Field(discriminator="kind")])


def leave(data_dir: Path, left: Visit | Work) -> None:
    """Leave a note that is on the disk when this returns. Raises StoreError: what cannot be noted is not done."""
    folder = data_dir / FOLDER
    path = folder / f"{uuid.uuid4()}.json"
    try:
        with _as_owner_of(data_dir):
            folder.mkdir(mode=0o770, exist_ok=True)
            write_whole(path, left.model_dump_json().encode(), mode=0o660)
            sync_folder(folder)
    except OSError as error:
        raise StoreError(f"{path}: who did what is written down, and this cannot be: {error.strerror}") from error


@contextlib.contextmanager
def _as_owner_of(data_dir: Path) -> Iterator[None]:
    """Where root asks, be the appliance's user meanwhile: it must be able to take the note up.

    Nor may root write in a folder of that user's, who could have put a link there that leads elsewhere. Raises OSError.
    """
    owner, group = data_dir.stat(), os.getegid()
    if os.geteuid() != 0 or owner.st_uid == 0:
        yield
        return
    os.setegid(owner.st_gid)
    os.seteuid(owner.st_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)


@dataclass(frozen=True, slots=True)
class TakeUp:
    """Writes a note's act and its audit, once."""

    name: str
    left: Visit | Work
    clock: Clock
    what: str = "a note of a command's"

    def write(self, batch: Batch) -> None:
        """Write it; see Deed."""
        row = batch.db.execute("INSERT OR IGNORE INTO seen VALUES ('', ?, ?, NULL)", (self.name, batch.now_ns()))
        if not row.rowcount:
            return
        batch.note(Note("audit", "up/audit", self._written(batch).encoded()))

    def _written(self, batch: Batch) -> Audit:
        left, said = self.left, {"by": self.left.by, "at": self.left.at, **self.left.about}
        if isinstance(left, Work):
            batch.act(left.kind, None, said | {"outcome": left.outcome, "detail": left.detail})
            return Audit(at=left.at, what=left.kind, by=left.by, outcome=left.outcome, detail=left.detail)
        batch.act(left.kind, left.hit_id, said)
        detail = json.dumps({"hit_id": left.hit_id, **left.about})
        return Audit(at=left.at, what=f"evidence {left.kind}", by=left.by, outcome="done", detail=detail)


def waiting(data_dir: Path, clock: Clock) -> Iterator[tuple[Path, TakeUp | None]]:
    """Yield the notes that wait, each with what is to be written; None for a file that is no note."""
    paths = sorted((data_dir / FOLDER).glob("*.json"))[:MAX_AT_ONCE]
    for path in paths:
        try:
            with path.open("rb") as file:
                text = file.read(MAX_BYTES + 1)
            yield path, TakeUp(path.name, Left.validate_json(text[:MAX_BYTES]), clock)
        except OSError as error:
            log.warning("%s: %s", path, error.strerror)
        except ValidationError:
            yield path, None
