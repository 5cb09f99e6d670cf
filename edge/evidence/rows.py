"""What the ledger holds of one hit, and whether its chain is whole."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drivers.errors import StoreError
from edge.ledger import acts
from edge.ledger.chain import COLUMNS, FIRST_LINK, Row
from edge.ledger.room import PURGE
from edge.ledger.store import FILE, at_one_moment, connect_read_only
from edge.signing import SigningKey, event_holds


@dataclass(frozen=True, slots=True)
class HitRow:
    """One revision of a hit as committed."""

    seq: int
    hit_id: str
    rev: int
    payload: bytes
    report: dict[str, Any]
    report_text: str
    raw: bytes
    evidence: str | None
    path: str | None
    media_type: str | None
    purged_ns: int | None
    prev: bytes
    hash: bytes


def revisions(data_dir: Path, hit_id: str) -> list[HitRow]:
    """Return every revision of a hit, the first first. Raises StoreError where there is none."""
    db = connect_read_only(data_dir / FILE)
    try:
        rows = db.execute(
            "SELECT h.seq, h.hit_id, h.rev, h.payload, h.report, h.raw, h.evidence, e.path, e.media_type, e.purged_ns,"
            " h.prev, h.hash FROM hit h LEFT JOIN evidence e ON e.sha256 = h.evidence WHERE h.hit_id=? ORDER BY h.rev",
            (hit_id,),
        ).fetchall()
    finally:
        db.close()
    if not rows:
        raise StoreError(f"no hit {hit_id} in this ledger; `jaitf-edge hits` lists them")
    return [_row(*row) for row in rows]


def acts_of(data_dir: Path, hit_id: str) -> list[acts.Act]:
    """Return what was done about a hit, in order. Raises StoreError where the ledger cannot be read."""
    db = connect_read_only(data_dir / FILE)
    try:
        return acts.of_hit(db, hit_id)
    except sqlite3.Error as error:
        raise StoreError(f"the ledger cannot be read: {error}") from error
    finally:
        db.close()


def wrong_acts(data_dir: Path) -> Iterator[str]:
    """Yield what is wrong with the chain of acts. Raises StoreError, for the appliance's key."""
    key = SigningKey.of(data_dir)
    yield from _looked_through(data_dir, lambda db: acts.wrong(db, key.public_pem))


def _looked_through(data_dir: Path, wrong: Callable[[sqlite3.Connection], Iterator[str]]) -> Iterator[str]:
    """Yield what a check finds wrong with the ledger as it is at one moment, or that it cannot be read."""
    with at_one_moment(data_dir / FILE) as db:
        try:
            yield from wrong(db)
        except sqlite3.DatabaseError as error:
            yield f"the ledger cannot be read: {error}"


def _row(  # one parameter a column, in the query's order
    seq: int,
    hit_id: str,
    rev: int,
    payload: bytes,
    report: str,
    raw: bytes | None,
    evidence: str | None,
    path: str | None,
    media_type: str | None,
    purged_ns: int | None,
    prev: bytes,
    link: bytes,
) -> HitRow:
    whole = json.loads(report)
    return HitRow(
        seq, hit_id, rev, payload, whole, report, raw or b"", evidence, path, media_type, purged_ns, prev, link
    )


def changed_files(data_dir: Path) -> Iterator[str]:
    """Yield what is wrong with the evidence folder: a file that is missing or is not what was committed."""
    with at_one_moment(data_dir / FILE) as db:
        for sha256, path in db.execute("SELECT sha256, path FROM evidence WHERE purged_ns IS NULL ORDER BY created_ns"):
            try:
                with (data_dir / path).open("rb") as file:
                    if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
                        yield f"{path}: changed since it was committed"
            except OSError as error:
                if not _purged(data_dir, sha256):
                    yield f"{path}: {error.strerror}"


def _purged(data_dir: Path, sha256: str) -> bool:
    """Return whether evidence is purged by now: the row is committed before the file goes."""
    with at_one_moment(data_dir / FILE) as db:
        row = db.execute("SELECT 1 FROM evidence WHERE sha256=? AND purged_ns IS NOT NULL", (sha256,)).fetchone()
    return row is not None


def bad_signatures(data_dir: Path) -> Iterator[str]:
    """Yield which hits carry a signature that is not this appliance's over them. Raises StoreError, for its key."""
    key = SigningKey.of(data_dir)

    def wrong(db: sqlite3.Connection) -> Iterator[str]:
        for seq, payload in db.execute("SELECT seq, payload FROM hit ORDER BY seq"):
            if b'"signature":{' in payload and not event_holds(key.public_pem, payload):
                yield f"hit {seq}: its signature is not this appliance's over it"

    yield from _looked_through(data_dir, wrong)


def unburied(data_dir: Path) -> Iterator[str]:
    """Yield which evidence is marked as purged and has no tombstone: someone else than the appliance marked it."""

    def wrong(db: sqlite3.Connection) -> Iterator[str]:
        stones = {json.loads(body)["sha256"] for (body,) in db.execute("SELECT body FROM act WHERE kind=?", (PURGE,))}
        for (sha256,) in db.execute("SELECT sha256 FROM evidence WHERE purged_ns IS NOT NULL"):
            if sha256 not in stones:
                yield f"evidence {sha256}: gone, and no tombstone says why"

    return _looked_through(data_dir, wrong)


def broken_links(data_dir: Path) -> Iterator[str]:
    """Yield what is wrong with the ledger's chain: a row changed, removed or reordered since its commit."""

    def wrong(db: sqlite3.Connection) -> Iterator[str]:
        start = int(db.execute("SELECT value FROM meta WHERE key='seq_start'").fetchone()[0])
        expected_seq, prev = start, FIRST_LINK
        query = f"SELECT {', '.join(COLUMNS)} FROM hit WHERE seq >= ? ORDER BY seq"
        for row in (Row(*found) for found in db.execute(query, (start,))):
            if row.seq != expected_seq:
                yield f"hit {expected_seq}: missing"
            if row.prev != prev:
                yield f"hit {row.seq}: does not follow the hit before it"
            if not row.as_committed():
                yield f"hit {row.seq}: changed since it was committed"
            expected_seq, prev = row.seq + 1, row.hash

    return _looked_through(data_dir, wrong)
