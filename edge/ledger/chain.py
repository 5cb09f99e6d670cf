"""The hash chain over the hits: each row's link proves its bytes, and the link of the row before."""

from __future__ import annotations

import hashlib
import sqlite3
from dataclasses import dataclass

FIRST_LINK = bytes(32)


def chain_link(prev: bytes, payload: bytes, raw: bytes, evidence: str | None) -> bytes:
    """Return a row's link in the chain: SHA-256 over the link before and the digests of all that the row proves."""
    parts = (prev, hashlib.sha256(payload).digest(), hashlib.sha256(raw).digest(), bytes.fromhex(evidence or ""))
    return hashlib.sha256(b"".join(parts)).digest()


@dataclass(frozen=True, slots=True)
class Row:
    """What a hit's row proves of itself; the names are the table's."""

    seq: int
    hit_id: str
    rev: int
    payload: bytes
    raw: bytes | None
    evidence: str | None
    prev: bytes
    hash: bytes

    def as_committed(self) -> bool:
        """Return whether the row is as it was committed: its link fits its bytes, and its names are the event's."""
        named = b'"hit_id":"%s","rev":%d,"seq":%d,' % (self.hit_id.encode(), self.rev, self.seq)
        try:
            link = chain_link(self.prev, self.payload, self.raw or b"", self.evidence)
        except ValueError:  # the digest of its evidence is none
            return False
        return link == self.hash and named in self.payload


COLUMNS = tuple(Row.__slots__)


def altered(db: sqlite3.Connection) -> list[int]:
    """Return the numbers of hits on their way whose rows are not as they were committed.

    What is received is history, and `doctor` and `evidence verify` look at all of it; a row on its way would be
    published as it stands. Raises sqlite3.Error.
    """
    rows = db.execute(f"SELECT {', '.join(COLUMNS)} FROM hit WHERE received_ns IS NULL")
    return [row.seq for row in (Row(*found) for found in rows) if not row.as_committed()]
