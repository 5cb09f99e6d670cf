"""What officers ask of appliances: kept before it is sent, sent until it is answered, never forgotten."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from simulators.console.messages import Reply
from simulators.console.store.file import Place, open_writer

FIRST_AGAIN_MS = 5_000
LONGEST_AGAIN_MS = 600_000
FINAL = ("done", "failed", "rejected", "expired")
"""The answers after which nothing more is sent; `accepted` means that another one follows."""

_CHANGE = "(SELECT coalesce(max(change), 0) + 1 FROM asked)"


@dataclass(frozen=True, slots=True)
class Asked:
    """Something to be sent to an appliance: `kind` is disposition, cmd or targets; `name` a command's name."""

    site: str
    edge: str
    kind: str
    name: str
    transaction: str
    by: str
    made_ms: int
    body: dict[str, Any]
    hit_id: str = ""
    expires_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Due:
    """What the thread that speaks to the broker sends now; `kind`, `name`, `transaction` as in `Asked`."""

    id: int
    site: str
    edge: str
    kind: str
    name: str
    transaction: str
    body: bytes


class Desk:
    """The pages' way to write: a connection of its own, beside the thread that hears. Raises sqlite3.Error."""

    def __init__(self, place: Place) -> None:
        self._db = open_writer(place)
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def ask(self, asked: Asked) -> None:
        """Keep something to be sent, flushed to the disk; the same transaction again changes nothing."""
        with self._lock:
            self._db.execute(
                "INSERT OR IGNORE INTO asked (change, site, edge, kind, name, transaction_id, hit_id, by, made_ms,"
                f" expires_ms, body, due_ms) VALUES ({_CHANGE},?,?,?,?,?,?,?,?,?,?,?)",
                (
                    *(asked.site, asked.edge, asked.kind, asked.name, asked.transaction, asked.hit_id, asked.by),
                    *(asked.made_ms, asked.expires_ms, _encoded(asked.body), asked.made_ms),
                ),
            )

    def log(
        self, at_ms: int, by: str, what: str, about: str, detail: str = "", origin: tuple[str, str] = ("", "")
    ) -> None:
        """Keep that somebody looked at, exported or changed something."""
        with self._lock:
            self._db.execute(
                "INSERT INTO log (at_ms, site, edge, by, what, about, detail) VALUES (?,?,?,?,?,?,?)",
                (at_ms, *origin, by, what, about, detail),
            )


def due(db: sqlite3.Connection, now_ms: int, most: int) -> list[Due]:
    """Return what is to be sent now, the oldest first; what expired unanswered is closed instead."""
    db.execute(
        f"UPDATE asked SET state='expired', due_ms=NULL, change={_CHANGE} WHERE due_ms IS NOT NULL AND expires_ms < ?",
        (now_ms,),
    )
    rows = db.execute(
        "SELECT id, site, edge, kind, name, transaction_id, body FROM asked WHERE due_ms <= ? ORDER BY id LIMIT ?",
        (now_ms, most),
    )
    return [Due(*row) for row in rows]


def sent(db: sqlite3.Connection, ids: Iterable[int], now_ms: int) -> None:
    """Keep that these were handed to the broker; they go again, at growing intervals, until they are answered."""
    for id_ in ids:
        db.execute(
            "UPDATE asked SET times=times+1, sent_ms=?, state=CASE state WHEN 'waiting' THEN 'sent' ELSE state END,"
            f" due_ms=CASE kind WHEN 'targets' THEN NULL ELSE ? + min(?, ? << min(times, 8)) END, change={_CHANGE}"
            " WHERE id=?",
            (now_ms, now_ms, LONGEST_AGAIN_MS, FIRST_AGAIN_MS, id_),
        )


def again(db: sqlite3.Connection, now_ms: int) -> None:
    """Make everything unanswered due: the connection is a new one."""
    db.execute("UPDATE asked SET due_ms=? WHERE due_ms > ?", (now_ms, now_ms))


def answered(db: sqlite3.Connection, site: str, edge: str, reply: Reply, payload: bytes, at_ms: int) -> bool:
    """Keep an appliance's answer to what was asked of it; say whether it was. A later answer replaces `accepted`."""
    done = reply.status in FINAL
    return bool(
        db.execute(
            f"UPDATE asked SET state=?, reply=?, replied_ms=?, due_ms=CASE WHEN ? THEN NULL ELSE due_ms END,"
            f" change={_CHANGE} WHERE site=? AND edge=? AND transaction_id=?"
            " AND state NOT IN ('done', 'failed', 'rejected')",
            (reply.status, payload, at_ms, done, site, edge, reply.transaction),
        ).rowcount
    )


def _encoded(body: dict[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
