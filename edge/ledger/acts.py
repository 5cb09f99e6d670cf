"""What was done about hits, as a chain of its own: dispositions, exports and views, holds, purges, commands.

An act names the head of the chain of hits at its time, so that the two chains hold each other in place. Its signature
is over its link.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from drivers.clock import rfc3339
from edge.ledger.chain import FIRST_LINK
from edge.signing import SigningKey, is_signed

COLUMNS = ("number", "at_ns", "kind", "hit_id", "body", "signature", "prev", "hash")


@dataclass(frozen=True, slots=True)
class Act:
    """One act as it was written; the names are the table's."""

    number: int
    at_ns: int
    kind: str
    hit_id: str | None
    body: bytes
    signature: bytes | None
    prev: bytes
    hash: bytes

    def as_written(self) -> bool:
        """Return whether its link fits what it says."""
        return act_link(self.prev, self.number, self.at_ns, self.kind, self.hit_id, self.body) == self.hash

    def told(self) -> dict[str, Any]:
        """Return the act as a line of an evidence package."""
        return {
            "number": self.number,
            "at": rfc3339(self.at_ns),
            "at_ns": self.at_ns,
            "kind": self.kind,
            "hit_id": self.hit_id,
            "body": self.body.decode(),
            "signature": self.signature.hex() if self.signature else None,
            "prev": self.prev.hex(),
            "hash": self.hash.hex(),
        }


def act_link(prev: bytes, number: int, at_ns: int, kind: str, hit_id: str | None, body: bytes) -> bytes:
    """Return an act's link: SHA-256 over the link before, and the digests of its head and of its body.

    The head is `number:at_ns:kind:hit_id` in ASCII, the hit's id empty where the act is about none.
    """
    head = f"{number}:{at_ns}:{kind}:{hit_id or ''}".encode()
    return hashlib.sha256(prev + hashlib.sha256(head).digest() + hashlib.sha256(body).digest()).digest()


def append(
    db: sqlite3.Connection, at_ns: int, kind: str, hit_id: str | None, body: dict[str, Any], key: SigningKey | None
) -> int:
    """Add an act within the caller's transaction and return its number."""
    start = int(db.execute("SELECT value FROM meta WHERE key='seq_start'").fetchone()[0])
    last = db.execute("SELECT number, hash FROM act WHERE number >= ? ORDER BY number DESC LIMIT 1", (start,))
    number, prev = last.fetchone() or (start - 1, FIRST_LINK)
    head = db.execute("SELECT seq, hash FROM hit ORDER BY seq DESC LIMIT 1").fetchone()
    said = body | {"hits": {"seq": head[0], "hash": head[1].hex()} if head else None}
    text = json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()
    link = act_link(prev, number + 1, at_ns, kind, hit_id, text)
    signature = key.sign(link) if key else None
    db.execute(
        "INSERT INTO act VALUES (?,?,?,?,?,?,?,?)", (number + 1, at_ns, kind, hit_id, text, signature, prev, link)
    )
    return int(number) + 1


def of_hit(db: sqlite3.Connection, hit_id: str) -> list[Act]:
    """Return what was done about a hit, in order. Raises sqlite3.Error."""
    rows = db.execute(f"SELECT {', '.join(COLUMNS)} FROM act WHERE hit_id=? ORDER BY number", (hit_id,))
    return [Act(*row) for row in rows]


def wrong(db: sqlite3.Connection, public_pem: bytes | None) -> Iterator[str]:
    """Yield what is wrong with the chain of acts: one changed, removed, reordered or not signed by this key.

    Raises sqlite3.Error.
    """
    start = int(db.execute("SELECT value FROM meta WHERE key='seq_start'").fetchone()[0])
    expected, prev = start, FIRST_LINK
    for row in db.execute(f"SELECT {', '.join(COLUMNS)} FROM act WHERE number >= ? ORDER BY number", (start,)):
        act = Act(*row)
        if act.number != expected:
            yield f"act {expected}: missing"
        if act.prev != prev:
            yield f"act {act.number}: does not follow the act before it"
        if not act.as_written():
            yield f"act {act.number}: changed since it was written"
        if act.signature and public_pem and not is_signed(public_pem, act.hash, act.signature):
            yield f"act {act.number}: its signature is not this appliance's"
        expected, prev = act.number + 1, act.hash
