"""What came of a hit, said by the console: applied once, chained, answered; a find holds the evidence."""

from __future__ import annotations

import hashlib
import json
import logging
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from drivers.clock import Clock
from drivers.errors import StoreError
from edge import codes
from edge.codes import KIND
from edge.down import DISPOSITION, MAX_BYTES, Disposition, first_problem
from edge.ledger import Ledger, Note
from edge.ledger.batch import Batch
from edge.messages import Audit, Reply

if TYPE_CHECKING:
    from edge.courier.link import Incoming  # the page's process has no use for a broker's client

log = logging.getLogger("jaitf.console")

HOLDING = codes.CONFIRMED | codes.PENDING
MAX_WAITING = 256


@dataclass(frozen=True, slots=True)
class Apply:
    """Writes a disposition, the hold that follows from it, its act and its answer: all or nothing."""

    said: Disposition
    clock: Clock
    what: str = "a disposition"

    def write(self, batch: Batch) -> None:
        """Write it; see Deed."""
        body = self.said.model_dump(exclude_none=True)
        digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).digest()
        known = batch.db.execute(
            "SELECT digest, answer FROM disposition WHERE disposition_id=?", (self.said.disposition_id,)
        ).fetchone()
        if known is not None and known[0] == digest:
            batch.note(Note("reply", "up/reply", known[1]))
        elif known is not None:
            self._answer(batch, "rejected", "conflict", "this disposition_id was used for other words")
        elif batch.db.execute("SELECT 1 FROM hit WHERE hit_id=?", (self.said.hit_id,)).fetchone() is None:
            self._answer(batch, "rejected", "unknown-hit", "no such hit in this appliance's ledger")
        else:
            self._apply(batch, body, digest)

    def _apply(self, batch: Batch, body: dict[str, Any], digest: bytes) -> None:
        hit_id = self.said.hit_id
        before = held(batch.db, hit_id)
        now = holds_after(before, body)
        act = batch.act(KIND, hit_id, body | {"hold": now})
        code, detail = "applied", f"{hit_id}: {self.said.outcome}"
        if now and self.said.outcome not in HOLDING:
            code = "hold-kept"
            detail += "; the evidence stays held: a find is taken back by an officer and a witness, two people"
        answer = self._reply("done", code, detail).encoded()
        batch.db.execute(
            "INSERT INTO disposition VALUES (?,?,?,?,?,?)",
            (self.said.disposition_id, hit_id, self.said.outcome, act, digest, answer),
        )
        hold_evidence(batch.db, hit_id)
        if self.said.covert:
            batch.revise(hit_id, {"covert": True})
        self._tell(batch, answer, "done", f"{code}: {detail}")

    def _answer(self, batch: Batch, status: str, code: str, detail: str) -> None:
        self._tell(batch, self._reply(status, code, detail).encoded(), status, f"{code}: {detail}")

    def _tell(self, batch: Batch, answer: bytes, outcome: str, detail: str) -> None:
        batch.note(Note("reply", "up/reply", answer))
        at, by = self.clock.now().rfc3339(), self.said.officer or "unknown"
        batch.note(Note("audit", "up/audit", Audit(at=at, what=KIND, by=by, outcome=outcome, detail=detail).encoded()))

    def _reply(self, status: str, code: str, detail: str) -> Reply:
        return reply(self.clock, self.said.disposition_id, self.said.hit_id, status, code, detail)


def reply(clock: Clock, disposition_id: str, hit_id: str | None, status: Any, code: str, detail: str) -> Reply:
    """Return the answer to a disposition: its id is its transaction."""
    return Reply(
        transaction=disposition_id,
        status=status,
        code=code,
        detail=detail,
        disposition_id=disposition_id,
        hit_id=hit_id,
        at=clock.now().rfc3339(),
    )


def holds_after(held_before: bool, disposition: dict[str, Any]) -> bool:
    """Return whether a hit's evidence is held after a disposition.

    A find and an open question hold it. Taking either back takes two people, named and not the same: an insider alone
    cannot have evidence of a find purged.
    """
    if disposition["outcome"] in HOLDING:
        return True
    officer, witness = disposition.get("officer"), disposition.get("witness")
    return held_before and (not officer or not witness or officer == witness)


def held(db: sqlite3.Connection, hit_id: str) -> bool:
    """Return whether a hit's dispositions so far hold its evidence. Raises sqlite3.Error."""
    holds = False
    for (body,) in db.execute("SELECT body FROM act WHERE hit_id=? AND kind=? ORDER BY number", (hit_id, KIND)):
        holds = holds_after(holds, json.loads(body))
    return holds


def hold_evidence(db: sqlite3.Connection, hit_id: str) -> None:
    """Hold or release what a hit rests on; the same picture may be another hit's too. Raises sqlite3.Error."""
    rows = db.execute("SELECT DISTINCT evidence FROM hit WHERE hit_id=? AND evidence IS NOT NULL", (hit_id,)).fetchall()
    for (sha256,) in rows:
        hits = db.execute("SELECT DISTINCT hit_id FROM hit WHERE evidence=?", (sha256,)).fetchall()
        holds = any(held(db, other) for (other,) in hits)
        db.execute("UPDATE evidence SET hold=? WHERE sha256=?", (int(holds), sha256))


class Dispositions:
    """Takes dispositions in the event loop. One that the store cannot take is not answered: it will be sent again."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock
        self._waiting = 0

    def take(self, message: Incoming) -> None:
        """Take a message on `down/disposition`."""
        if not message.payload:
            return
        if self._waiting >= MAX_WAITING:
            log.warning("a disposition is left for later: %d wait already", self._waiting)
            return
        try:
            said = self._read(message)
        except ValueError as error:
            self._refuse(message, str(error))
            return
        self._commit(Apply(said, self._clock))

    def _read(self, message: Incoming) -> Disposition:
        if len(message.payload) > MAX_BYTES[DISPOSITION]:
            raise ValueError(f"too-large: more than {MAX_BYTES[DISPOSITION]} bytes")
        try:
            said = Disposition.model_validate_json(message.payload)
        except ValidationError as error:
            raise ValueError(f"malformed: {first_problem(error)}") from None
        if message.retained:
            raise ValueError("retained: a disposition is never retained")
        return said

    def _refuse(self, message: Incoming, problem: str) -> None:
        code, _, detail = problem.partition(": ")
        names: dict[str, Any] = {}
        if len(message.payload) <= MAX_BYTES[DISPOSITION]:
            try:
                names = dict(json.loads(message.payload))
            except (ValueError, TypeError, RecursionError):
                names = {}
        name = names.get("disposition_id")
        known = name if isinstance(name, str) and len(name) <= 128 and name.isprintable() else ""
        answer = reply(self._clock, known, None, "rejected", code, detail)
        self._commit(Note("reply", "up/reply", answer.encoded()))

    def _commit(self, entry: Apply | Note) -> None:
        def done(future: Any) -> None:
            self._waiting -= 1
            error = None if future.cancelled() else future.exception()
            if isinstance(error, StoreError):
                log.warning("a disposition could not be kept, and is not answered: %s", error)

        self._waiting += 1
        self._ledger.commit(entry).add_done_callback(done)
