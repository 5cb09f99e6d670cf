"""Whether the ledger's tables agree with the chains: what a row says beside its chained bytes must be what they say."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from edge.codes import KIND
from edge.dispositions import held
from edge.ledger.originals import evidence_path
from edge.ledger.room import UNKNOWN_MEDIA_TYPE
from edge.ledger.store import FILE, at_one_moment

_MS = 1_000_000


def disagreements(data_dir: Path) -> Iterator[str]:
    """Yield where a table says something else than the chained bytes. Raises StoreError where there is no ledger."""
    with at_one_moment(data_dir / FILE) as db:
        try:
            yield from _hits(db)
            yield from _dispositions(db)
        except (sqlite3.DatabaseError, ValueError, KeyError, TypeError) as error:
            yield f"the ledger cannot be read: {error!r}"


def _hits(db: sqlite3.Connection) -> Iterator[str]:
    rows = db.execute(
        "SELECT h.seq, h.device, h.scan_id, h.observed_ns, h.committed_ns, h.payload, h.evidence, e.path, e.media_type,"
        " e.bytes, e.hold FROM hit h LEFT JOIN evidence e ON e.sha256 = h.evidence ORDER BY h.seq"
    )
    for seq, device, scan_id, observed, committed, payload, sha256, path, media_type, size, hold in rows:
        data: dict[str, Any] = json.loads(payload)["data"]
        named = (data["device"], data["item"]["scan_id"], _ms(data["observed_at"]), _ms(data["committed_at"]))
        if named != (device, scan_id, observed // _MS, committed // _MS):
            yield f"hit {seq}: its row says something else than its event"
        kept = data["evidence"]
        if (kept is None) != (sha256 is None):
            yield f"hit {seq}: its row and its event do not name the same evidence"
        elif kept and ((kept["sha256"], kept["bytes"]) != (sha256, size) or media_type not in _types(kept)):
            yield f"hit {seq}: its evidence is not as its event has it"
        elif kept and path != evidence_path(sha256):
            yield f"hit {seq}: its evidence is said to lie elsewhere than it was put"
        if kept and not hold and held(db, data["hit_id"]):
            yield f"hit {seq}: its evidence is not held, though it was confirmed"


def _types(kept: dict[str, Any]) -> tuple[str, str]:
    """Return what the row of a hit's evidence may say: the media type, or that of a file found after a damage."""
    return kept["media_type"], UNKNOWN_MEDIA_TYPE


def _dispositions(db: sqlite3.Connection) -> Iterator[str]:
    rows = db.execute(
        "SELECT d.disposition_id, d.hit_id, d.outcome, a.hit_id, a.body FROM disposition d"
        " LEFT JOIN act a ON a.number = d.act AND a.kind = ?",
        (KIND,),
    ).fetchall()
    for name, hit_id, outcome, said_hit_id, body in rows:
        said = json.loads(body) if body else {}
        if (said.get("disposition_id"), said_hit_id, said.get("outcome")) != (name, hit_id, outcome):
            yield f"disposition {name!r}: not as it was said"
    (acts,) = db.execute("SELECT count(*) FROM act WHERE kind=?", (KIND,)).fetchone()
    if acts != len(rows):
        yield f"{acts} dispositions were said, and {len(rows)} are kept"


def _ms(text: str) -> int:
    at = datetime.fromisoformat(text)
    return int(at.timestamp()) * 1000 + at.microsecond // 1000
