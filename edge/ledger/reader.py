"""Read-only views of the ledger: for the courier, which runs beside the writer, and for commands."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from drivers.clock import rfc3339
from drivers.errors import StoreError
from edge.ledger.accounts import Accounts
from edge.ledger.store import FILE, connect_read_only

HitState = Literal["queued", "sent", "received"]

_STATES: dict[str, str] = {
    "queued": "received_ns IS NULL AND sent_ns IS NULL",
    "sent": "received_ns IS NULL AND sent_ns IS NOT NULL",
    "received": "received_ns IS NOT NULL",
}


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message on its way: a hit by its sequence number, another by its id."""

    number: int
    cls: str
    topic: str
    payload: bytes
    hit_id: str = ""
    rev: int = 0
    correlation: bytes | None = None


PAGE = 500


class Reader:
    """A read-only connection to the ledger of a data directory.

    Every method raises StoreError where the ledger cannot be read. None holds a transaction open after it returned or
    yielded: a reader that rests would keep the writer from cutting its log.
    """

    def __init__(self, folder: Path) -> None:
        self._db = connect_read_only(folder / FILE)

    def close(self) -> None:
        """Close the connection."""
        self._db.close()

    def _rows(self, sql: str, *values: object) -> list[Any]:
        try:
            return self._db.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise StoreError(f"the ledger cannot be read: {error}") from error

    def hits_after(self, seq: int, limit: int, up_to: int) -> list[Outgoing]:
        """Return hits that are not received and not set aside, above `seq`, in order."""
        # Told which index: among a million hits that were received long ago the few that were not are found at once.
        rows = self._rows(
            "SELECT seq, device, payload, hit_id, rev FROM hit INDEXED BY hit_on_its_way WHERE received_ns IS NULL"
            " AND set_aside IS NULL AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?",
            *(seq, up_to, limit),
        )
        return [Outgoing(s, "hit", f"up/hit/{device}", payload, h, r) for s, device, payload, h, r in rows]

    def hit(self, seq: int) -> Outgoing | None:
        """Return a hit that is still on its way."""
        found = self.hits_after(seq - 1, 1, seq)
        return found[0] if found else None

    def notes_after(self, number: int, cls: str, limit: int, up_to: int) -> list[Outgoing]:
        """Return messages of a class above `number`, in order."""
        rows = self._rows(
            "SELECT id, topic, payload, correlation FROM outbox WHERE class=? AND set_aside IS NULL"
            " AND id > ? AND id <= ? ORDER BY id LIMIT ?",
            *(cls, number, up_to, limit),
        )
        return [Outgoing(i, cls, topic, payload, correlation=asked) for i, topic, payload, asked in rows]

    def note(self, number: int) -> Outgoing | None:
        """Return a message that is still on its way."""
        rows = self._rows(
            "SELECT id, class, topic, payload, correlation FROM outbox WHERE id=? AND set_aside IS NULL", number
        )
        return next(
            (Outgoing(i, cls, topic, payload, correlation=asked) for i, cls, topic, payload, asked in rows), None
        )

    def last(self) -> tuple[int, int]:
        """Return the highest sequence number of a hit and the highest id of another message."""
        rows = self._rows("SELECT (SELECT coalesce(max(seq), 0) FROM hit), (SELECT coalesce(max(id), 0) FROM outbox)")
        return int(rows[0][0]), int(rows[0][1])

    def payload(self, seq: int) -> bytes | None:
        """Return a hit's bytes as committed, wherever it is on its way."""
        rows = self._rows("SELECT payload FROM hit WHERE seq=?", seq)
        return bytes(rows[0][0]) if rows else None

    def seq_of(self, hit_id: str, rev: int) -> int | None:
        """Return the sequence number of a hit."""
        rows = self._rows("SELECT seq FROM hit WHERE hit_id=? AND rev=?", hit_id, rev)
        return int(rows[0][0]) if rows else None

    def knows(self, device: str, key: str) -> bool:
        """Return whether a device's observation of this key is committed already."""
        return bool(self._rows("SELECT 1 FROM seen WHERE device=? AND key=?", device, key))

    def verdict(self, device: str, key: str) -> bytes | None:
        """Return the verdict on a device's observation of this key as published, None where it was not kept."""
        rows = self._rows("SELECT verdict FROM seen WHERE device=? AND key=?", device, key)
        return rows[0][0] if rows else None

    def revision(self, hit_id: str) -> tuple[bytes, dict[str, Any]] | None:
        """Return a hit's first event and the report behind it, None where there is no such hit."""
        rows = self._rows("SELECT payload, report FROM hit WHERE hit_id=? AND rev=0", hit_id)
        return (rows[0][0], json.loads(rows[0][1])) if rows else None

    def oldest_unsent_ns(self) -> int | None:
        """Return when the oldest hit that no broker has taken yet was committed, None where there is none."""
        rows = self._rows(
            "SELECT committed_ns FROM hit INDEXED BY hit_on_its_way WHERE received_ns IS NULL AND sent_ns IS NULL"
            " ORDER BY seq LIMIT 1"
        )
        return int(rows[0][0]) if rows else None

    def waiting(self) -> dict[str, Any]:
        """Return what is on its way: rows by class, bytes, the oldest hit's time of commit, what is set aside.

        Reads every row that waits, which takes seconds for many: for commands, not for the appliance.
        """
        try:
            accounts = Accounts.read(self._db)
        except sqlite3.Error as error:
            raise StoreError(f"the ledger cannot be read: {error}") from error
        return {
            "queued": accounts.queued(),
            "bytes": accounts.queued_bytes(),
            "oldest_unsent_ns": self.oldest_unsent_ns() or 0,
            "set_aside": accounts.set_aside,
        }

    def hits(self, state: HitState | None = None) -> Iterator[dict[str, Any]]:
        """Yield every hit, or those of a state, in order, with where it is on its way; read page by page."""
        where = f"AND {_STATES[state]}" if state else ""
        columns = ", ".join(_COLUMNS)
        after = 0
        while rows := self._rows(f"SELECT {columns} FROM hit WHERE seq > ? {where} ORDER BY seq LIMIT {PAGE}", after):
            for row in rows:
                yield _hit(dict(zip(_COLUMNS, row, strict=True)))
            after = rows[-1][0]


_COLUMNS = (
    *("seq", "hit_id", "rev", "device", "scan_id", "observed_ns", "committed_ns", "sent_ns", "received_ns"),
    *("set_aside", "evidence", "payload"),
)


def _hit(row: dict[str, Any]) -> dict[str, Any]:
    times = {name: row.pop(f"{name}_ns") for name in ("observed", "committed", "sent", "received")}
    return {
        **row,
        "state": "received" if times["received"] else "sent" if times["sent"] else "queued",
        **{f"{name}_at": rfc3339(at) if at else None for name, at in times.items()},
    }
