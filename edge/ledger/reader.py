"""Read-only views of the ledger: for the courier, which runs beside the writer, and for commands."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from drivers.clock import rfc3339
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


class Reader:
    """A read-only connection to the ledger of a data directory. Raises StoreError where there is none."""

    def __init__(self, folder: Path) -> None:
        self._db = connect_read_only(folder / FILE)

    def close(self) -> None:
        """Close the connection."""
        self._db.close()

    def hits_after(self, seq: int, limit: int, up_to: int | None = None) -> list[Outgoing]:
        """Return hits that are not received and not set aside, above `seq`, in order."""
        rows = self._db.execute(
            "SELECT seq, device, payload, hit_id, rev FROM hit WHERE received_ns IS NULL AND set_aside IS NULL"
            " AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?",
            (seq, up_to if up_to is not None else (1 << 62), limit),
        )
        return [Outgoing(s, "hit", f"up/hit/{device}", payload, h, r) for s, device, payload, h, r in rows]

    def hit(self, seq: int) -> Outgoing | None:
        """Return a hit that is still on its way."""
        found = self.hits_after(seq - 1, 1, seq)
        return found[0] if found else None

    def notes_after(self, number: int, cls: str, limit: int, up_to: int) -> list[Outgoing]:
        """Return messages of a class above `number`, in order."""
        rows = self._db.execute(
            "SELECT id, topic, payload FROM outbox WHERE class=? AND set_aside IS NULL AND id > ? AND id <= ?"
            " ORDER BY id LIMIT ?",
            (cls, number, up_to, limit),
        )
        return [Outgoing(i, cls, topic, payload) for i, topic, payload in rows]

    def note(self, number: int) -> Outgoing | None:
        """Return a message that is still on its way."""
        row = self._db.execute(
            "SELECT id, class, topic, payload FROM outbox WHERE id=? AND set_aside IS NULL", (number,)
        ).fetchone()
        return Outgoing(*row) if row else None

    def last(self) -> tuple[int, int]:
        """Return the highest sequence number of a hit and the highest id of another message."""
        row = self._db.execute(
            "SELECT (SELECT coalesce(max(seq), 0) FROM hit), (SELECT coalesce(max(id), 0) FROM outbox)"
        ).fetchone()
        return int(row[0]), int(row[1])

    def seq_of(self, hit_id: str, rev: int) -> int | None:
        """Return the sequence number of a hit."""
        row = self._db.execute("SELECT seq FROM hit WHERE hit_id=? AND rev=?", (hit_id, rev)).fetchone()
        return int(row[0]) if row else None

    def knows(self, device: str, key: str) -> bool:
        """Return whether a device's observation of this key is committed already."""
        return self._db.execute("SELECT 1 FROM seen WHERE device=? AND key=?", (device, key)).fetchone() is not None

    def waiting(self) -> dict[str, Any]:
        """Return what is on its way: rows by class, bytes, the oldest hit's time of commit, what is set aside."""
        queued = {"hit": self._one("SELECT count(*) FROM hit WHERE received_ns IS NULL")}
        size = self._one("SELECT coalesce(sum(length(payload)), 0) FROM hit WHERE received_ns IS NULL")
        for cls, rows, length in self._db.execute(
            "SELECT class, count(*), sum(length(payload)) FROM outbox GROUP BY class"
        ):
            queued[cls] = rows
            size += length
        return {
            "queued": queued,
            "bytes": size,
            "oldest_unsent_ns": self._one("SELECT coalesce(min(committed_ns), 0) FROM hit WHERE sent_ns IS NULL")
            if queued["hit"]
            else 0,
            "set_aside": self._one("SELECT count(*) FROM hit WHERE received_ns IS NULL AND set_aside IS NOT NULL")
            + self._one("SELECT count(*) FROM outbox WHERE set_aside IS NOT NULL"),
        }

    def _one(self, sql: str) -> int:
        return int(self._db.execute(sql).fetchone()[0])

    def hits(self, state: HitState | None = None) -> Iterator[dict[str, Any]]:
        """Yield every hit, or those of a state, in order, with where it is on its way."""
        where = f"WHERE {_STATES[state]}" if state else ""
        self._db.row_factory = sqlite3.Row
        try:
            for row in self._db.execute(f"SELECT * FROM hit {where} ORDER BY seq"):
                yield {
                    "seq": row["seq"],
                    "hit_id": row["hit_id"],
                    "rev": row["rev"],
                    "device": row["device"],
                    "scan_id": row["scan_id"],
                    "state": "received" if row["received_ns"] else "sent" if row["sent_ns"] else "queued",
                    "observed_at": rfc3339(row["observed_ns"]),
                    "committed_at": rfc3339(row["committed_ns"]),
                    "sent_at": rfc3339(row["sent_ns"]) if row["sent_ns"] else None,
                    "received_at": rfc3339(row["received_ns"]) if row["received_ns"] else None,
                    "set_aside": row["set_aside"],
                    "evidence": row["evidence"],
                    "payload": row["payload"],
                }
        finally:
            self._db.row_factory = None
