"""What the ledger holds, counted as it changes: to ask SQLite would mean reading a hundred thousand rows each time."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field, replace

CLASS_SHARE = {"thumb": 0.10, "verdict": 0.05, "evidence": 0.05, "audit": 0.05, "reply": 0.05}
"""The part of the quota that each class of the outbox may take; also: which classes there are."""


def _by_class() -> dict[str, int]:
    return dict.fromkeys(CLASS_SHARE, 0)


@dataclass(slots=True)
class Accounts:
    """Counts and bytes of what is on its way and what is kept."""

    hits: int = 0
    hit_bytes: int = 0
    set_aside: int = 0
    evidence_bytes: int = 0
    rows: dict[str, int] = field(default_factory=_by_class)
    row_bytes: dict[str, int] = field(default_factory=_by_class)
    dropped: dict[str, int] = field(default_factory=_by_class)

    def copy(self) -> Accounts:
        """Return accounts of their own with the same figures."""
        return replace(self, rows=self.rows.copy(), row_bytes=self.row_bytes.copy(), dropped=self.dropped.copy())

    def queued(self) -> dict[str, int]:
        """Return how many messages of each class are on their way; a class with none is left out, hits never are."""
        return {"hit": self.hits} | {cls: rows for cls, rows in self.rows.items() if rows}

    def queued_bytes(self) -> int:
        """Return the bytes of all that is on its way."""
        return self.hit_bytes + sum(self.row_bytes.values())

    def added(self, cls: str, size: int) -> None:
        """Count a message of a class that was written."""
        self.rows[cls] += 1
        self.row_bytes[cls] += size

    def removed(self, cls: str, size: int) -> None:
        """Count a message of a class that is gone."""
        self.rows[cls] -= 1
        self.row_bytes[cls] -= size

    @classmethod
    def read(cls, db: sqlite3.Connection) -> Accounts:
        """Count what a ledger holds, row by row: once, at the start. Raises sqlite3.Error."""
        found = cls()
        found.hits, found.hit_bytes, found.set_aside = db.execute(
            "SELECT count(*), coalesce(sum(length(payload)), 0), count(set_aside) FROM hit WHERE received_ns IS NULL"
        ).fetchone()
        for name, rows, size, aside in db.execute(
            "SELECT class, count(*), sum(length(payload)), count(set_aside) FROM outbox GROUP BY class"
        ):
            found.rows[name], found.row_bytes[name] = rows, size
            found.set_aside += aside
        (found.evidence_bytes,) = db.execute(
            "SELECT coalesce(sum(bytes), 0) FROM evidence WHERE purged_ns IS NULL"
        ).fetchone()
        return found
