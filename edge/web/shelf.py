"""What the page reads for itself, read-only: the ledger, and the configuration's files.

A hit that only the console may know of is not on this shelf, whichever of its revisions says so.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drivers.clock import rfc3339
from drivers.errors import StoreError
from edge import codes
from edge.codes import KIND
from edge.figures import Outcome
from edge.ledger.store import FILE, connect_read_only
from edge.trial import toml_files

STATES = {
    "queued": "h.received_ns IS NULL AND h.sent_ns IS NULL",
    "sent": "h.received_ns IS NULL AND h.sent_ns IS NOT NULL",
    "received": "h.received_ns IS NOT NULL",
}
_LAST = (
    "SELECT h.seq, h.hit_id, h.rev, h.device, h.committed_ns, h.sent_ns, h.received_ns, h.set_aside, h.payload,"
    " e.path, e.media_type, e.purged_ns FROM hit h LEFT JOIN evidence e ON e.sha256 = h.evidence"
    " WHERE NOT EXISTS (SELECT 1 FROM hit n WHERE n.hit_id = h.hit_id AND n.rev > h.rev)"
)
NEWEST = 50
NEWEST_WAITING = 1000
COVERT = b'"covert":true'
"""As an event says it of a hit that only the console may know of."""
MAX_OUTCOMES = 5000
SCANNED = 2000
"""Rows that one request reads at most: the page asks again from where it stopped."""


@dataclass(frozen=True, slots=True)
class Glance:
    """`mark` is another whenever a hit has come or gone on its way; so many hits that wait are the console's alone."""

    mark: tuple[Any, ...]
    hidden: int
    hidden_bytes: int


class Shelf:
    """Opens the ledger for each question: it may be replaced by another. Every method raises StoreError."""

    def __init__(self, data_dir: Path, config: Path) -> None:
        self.data_dir = data_dir
        self.config = config
        self._searched: tuple[int, dict[str, list[tuple[float, bool]]]] = (-1, {})

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        db = connect_read_only(self.data_dir / FILE)
        try:
            yield db
        except (sqlite3.Error, ValueError, KeyError, TypeError) as error:
            raise StoreError(f"the ledger cannot be read: {error}") from error
        finally:
            db.close()

    def glance(self) -> Glance:
        """Return what changes whenever a hit comes or goes on its way, and how much of what waits is not to be told."""
        with self._open() as db:
            newest = db.execute(
                f"SELECT seq, sent_ns, received_ns, set_aside FROM hit ORDER BY seq DESC LIMIT {NEWEST}"
            ).fetchall()
            (act,) = db.execute("SELECT coalesce(max(number), 0) FROM act").fetchone()
            hidden, size = db.execute(
                "SELECT count(*), coalesce(sum(length(payload)), 0) FROM (SELECT payload FROM hit INDEXED BY"
                f" hit_on_its_way WHERE received_ns IS NULL ORDER BY seq DESC LIMIT {NEWEST_WAITING})"
                " WHERE instr(payload, ?)",
                (COVERT,),
            ).fetchone()
        return Glance((act, *newest), hidden, size)

    def hits(self, before: int | None, limit: int, state: str = "", device: str = "") -> dict[str, Any]:
        """Return hits in their last revision, the newest first, from below `before`; `next` is where to go on."""
        where = ""
        values: list[object] = []
        if before is not None:
            where, values = where + " AND h.seq < ?", [*values, before]
        if state in STATES:
            where += f" AND {STATES[state]}"
        if device:
            where, values = where + " AND h.device = ?", [*values, device]
        found: list[dict[str, Any]] = []
        with self._open() as db:
            rows = db.execute(f"{_LAST}{where} ORDER BY h.seq DESC LIMIT {SCANNED}", values)
            for row in rows:
                hit = _hit(row)
                if not hit.pop("covert"):
                    found.append(hit)
                if len(found) > limit:
                    break
            said = _said(db, [hit["hit_id"] for hit in found])
        for hit in found:
            hit["outcome"] = said.get(hit["hit_id"])
        return {"hits": found[:limit], "next": found[limit - 1]["seq"] if len(found) > limit else None}

    def hit(self, hit_id: str) -> dict[str, Any] | None:
        """Return a hit with what was done about it, None where the page knows of none."""
        with self._open() as db:
            row = db.execute(f"{_LAST} AND h.hit_id=?", (hit_id,)).fetchone()
            if row is None or (found := _hit(row)).pop("covert"):
                return None
            rows = db.execute("SELECT at_ns, kind, body FROM act WHERE hit_id=? ORDER BY number", (hit_id,)).fetchall()
        acts = [{"at": rfc3339(at), "kind": kind, **_act(json.loads(body))} for at, kind, body in rows]
        return found | {"acts": acts, "outcome": next((a["outcome"] for a in acts[::-1] if a["outcome"]), None)}

    def found(self) -> dict[str, list[tuple[float, bool]]]:
        """Return by device, of the hits that somebody searched, the score and whether there was a find."""
        with self._open() as db:
            (said,) = db.execute("SELECT count(*) FROM disposition").fetchone()
            if said != self._searched[0]:
                self._searched = said, _searched(db)
        return self._searched[1]

    def reply(self, transaction: str) -> dict[str, Any] | None:
        """Return what was answered last to an order, None where nothing was."""
        with self._open() as db:
            row = db.execute("SELECT answer FROM command WHERE transaction_id=?", (transaction,)).fetchone()
        return json.loads(row[0]) if row and row[0] else None

    def files(self) -> dict[str, str]:
        """Return the configuration's files as they lie there. Raises ConfigError."""
        return {name: text.decode(errors="replace") for name, text in sorted(toml_files(self.config).items())}


def _searched(db: sqlite3.Connection) -> dict[str, list[tuple[float, bool]]]:
    known: dict[str, list[tuple[float, bool]]] = {}
    rows = db.execute(
        "SELECT (SELECT payload FROM hit h WHERE h.hit_id = d.hit_id ORDER BY rev DESC LIMIT 1), a.body"
        " FROM (SELECT hit_id, max(act) AS last FROM disposition GROUP BY hit_id) d JOIN act a ON a.number = d.last"
        f" ORDER BY d.last DESC LIMIT {MAX_OUTCOMES}"
    )
    for payload, body in rows:
        if payload is None:
            continue
        hit = Outcome(json.loads(payload)["data"], json.loads(body))
        score, searched = hit.data.get("score"), hit.word in codes.CONFIRMED | codes.FOUND_NOTHING
        if score is not None and searched and not hit.exercise and not hit.data.get("covert"):
            known.setdefault(hit.data["device"], []).append((score, hit.word in codes.CONFIRMED))
    return known


def _act(body: dict[str, Any]) -> dict[str, Any]:
    """Return of what was done about a hit only what a technician needs: no officer, no note."""
    return {"by": body.get("by"), "outcome": body.get("outcome")}


def _hit(row: tuple[Any, ...]) -> dict[str, Any]:
    """Return a hit as the page's list has it. Whom the console asks for, and why, is the console's business."""
    seq, hit_id, rev, device, committed, sent, received, aside, payload, path, media_type, purged = row
    data = json.loads(payload)["data"]
    return {
        "seq": seq,
        "hit_id": hit_id,
        "rev": rev,
        "device": device,
        "state": "received" if received else "sent" if sent else "queued",
        "set_aside": aside,
        "observed_at": data["observed_at"],
        **{f"{name}_at": rfc3339(at) if at else None for name, at in (("committed", committed), ("sent", sent))},
        "received_at": rfc3339(received) if received else None,
        "severity": data["severity"],
        "score": data["score"],
        "threshold": data["threshold"],
        "threats": data["threats"],
        "bag_tag": data["item"].get("bag_tag"),
        "scan_id": data["item"]["scan_id"],
        "type": data["item"].get("type"),
        "covert": bool(data.get("covert")),
        "picture": bool(path) and purged is None and data["item"].get("type") != "PERSON",
        "evidence": media_type if path and purged is None else None,
    }


def _said(db: sqlite3.Connection, hit_ids: list[str]) -> dict[str, str]:
    """Return what was said last of each hit."""
    said = {}
    for hit_id in hit_ids:
        row = db.execute(
            "SELECT body FROM act WHERE hit_id=? AND kind=? ORDER BY number DESC LIMIT 1", (hit_id, KIND)
        ).fetchone()
        if row:
            said[hit_id] = str(json.loads(row[0])["outcome"])
    return said
