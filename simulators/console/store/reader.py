"""What the pages ask of the store. Reading alone, on a connection of its own."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
from collections.abc import Iterable
from dataclasses import dataclass

from simulators.console import sequence
from simulators.console.store.file import Place, open_reader

HOUR_MS = 3_600_000
_LAST_WORD = "FROM asked WHERE asked.hit_id=hit.hit_id AND kind='disposition' ORDER BY id DESC LIMIT 1"
_SHOWN = (
    "SELECT hit.*, thumb.id AS thumb_id,"
    " (SELECT count(*) FROM conflict WHERE conflict.hit_id=hit.hit_id) AS conflicts,"
    f" (SELECT body {_LAST_WORD}) AS said, (SELECT state {_LAST_WORD}) AS said_state"
    " FROM hit LEFT JOIN thumb ON thumb.hit_id=hit.hit_id AND thumb.site=hit.site AND thumb.edge=hit.edge"
)


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a reader has seen: the last hit, the last picture, the last change of what was asked. All only rise."""

    hit: int = 0
    thumb: int = 0
    change: int = 0

    def __str__(self) -> str:
        return f"{self.hit}.{self.thumb}.{self.change}"

    @classmethod
    def parse(cls, text: str) -> Mark | None:
        """Read what `str` wrote; None for anything else."""
        numbers = text.split(".")
        if len(numbers) != 3 or not all(each.isascii() and each.isdigit() for each in numbers) or len(text) > 40:
            return None
        return cls(*map(int, numbers))


@dataclass(frozen=True, slots=True)
class Filter:
    """Which hits a page shows; "" for all. `state` is open (nothing said yet), done, or all."""

    site: str = ""
    lane: str = ""
    device: str = ""
    severity: str = ""
    state: str = ""

    def where(self) -> tuple[str, list[str]]:
        """Return the condition, with a leading AND, and its values."""
        columns = {name: getattr(self, name) for name in ("site", "lane", "device", "severity")}
        text = "".join(f" AND hit.{name}=?" for name, value in columns.items() if value)
        known = "EXISTS (SELECT 1 FROM asked WHERE asked.hit_id=hit.hit_id AND kind='disposition')"
        text += {"open": f" AND NOT {known}", "done": f" AND {known}"}.get(self.state, "")
        return text, [value for value in columns.values() if value]

    def __bool__(self) -> bool:
        return self != Filter()


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in the list of hits, newest first: what comes after it is older."""

    shown_ms: int
    id: int

    def __str__(self) -> str:
        return f"{self.shown_ms}-{self.id}"

    @classmethod
    def parse(cls, text: str) -> Cursor | None:
        """Read what `str` wrote; None for anything else."""
        shown_ms, dash, id_ = text.rpartition("-")
        digits = shown_ms.removeprefix("-") + id_
        if not dash or not shown_ms or not id_ or not (digits.isascii() and digits.isdigit()) or len(digits) > 30:
            return None
        return cls(int(shown_ms), int(id_))


@dataclass(frozen=True, slots=True)
class Gap:
    """Numbers of a ledger that have not come."""

    site: str
    edge: str
    ledger_id: str
    missing: int
    since_ms: int
    ranges: tuple[sequence.Range, ...]


EVERYTHING = Filter()


class Reader:
    """Answers from the file as it stands now; may be asked from any thread. Raises sqlite3.Error."""

    def __init__(self, place: Place) -> None:
        self._db = open_reader(place)
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def _all(self, sql: str, values: Iterable[object] = ()) -> list[sqlite3.Row]:
        with self._lock:
            return self._db.execute(sql, tuple(values)).fetchall()

    def mark(self) -> Mark:
        """Return how far the store has come."""
        (row,) = self._all(
            "SELECT (SELECT max(id) FROM hit), (SELECT max(id) FROM thumb), (SELECT max(change) FROM asked)"
        )
        return Mark(row[0] or 0, row[1] or 0, row[2] or 0)

    def shown(self, limit: int, before: Cursor | None = None, only: Filter = EVERYTHING) -> list[sqlite3.Row]:
        """Return hits newest first, each in its highest revision.

        Beside its own columns each has `thumb_id`, its number of `conflicts`, and what was `said` of it last.
        """
        where, values = only.where()
        if before is not None:
            where, values = f"{where} AND (hit.shown_ms, hit.id) < (?, ?)", [*values, before.shown_ms, before.id]
        order = " ORDER BY hit.shown_ms DESC, hit.id DESC LIMIT ?"
        return self._all(f"{_SHOWN} WHERE hit.latest{where}{order}", (*values, limit))

    def changed(self, since: Mark, limit: int, only: Filter = EVERYTHING) -> list[sqlite3.Row]:
        """Return up to `limit` hits that came, changed, got a picture or were answered since, newest first."""
        where, values = only.where()
        told = Filter(
            only.site, only.lane, only.device, only.severity
        )  # one that is answered may leave the list: show it
        told_where, told_values = told.where()
        new = self._all(
            f"{_SHOWN} WHERE hit.id > ? AND hit.latest{where} ORDER BY hit.id DESC LIMIT ?", (since.hit, *values, limit)
        )
        pictured = self._all(
            f"{_SHOWN} WHERE thumb.id > ? AND hit.latest AND hit.id <= ?{where} ORDER BY thumb.id DESC LIMIT ?",
            (since.thumb, since.hit, *values, limit),
        )
        answered = self._all(
            f"{_SHOWN} WHERE hit.latest AND hit.id <= ?{told_where} AND hit.hit_id IN"
            " (SELECT hit_id FROM asked WHERE change > ? AND kind='disposition') LIMIT ?",
            (since.hit, *told_values, since.change, limit),
        )
        rows = {row["id"]: row for row in (*new, *pictured, *answered)}.values()
        return sorted(rows, key=lambda row: (row["shown_ms"], row["id"]), reverse=True)[:limit]

    def asked(self, *, hit_id: str = "", site: str = "", edge: str = "", limit: int = 50) -> list[sqlite3.Row]:
        """Return what was asked about a hit, or else of an appliance, the last first."""
        if hit_id:
            return self._all("SELECT * FROM asked WHERE hit_id=? ORDER BY id DESC LIMIT ?", (hit_id, limit))
        return self._all("SELECT * FROM asked WHERE site=? AND edge=? ORDER BY id DESC LIMIT ?", (site, edge, limit))

    def package(self, hit_id: str) -> tuple[bytes, str] | None:
        """Return a hit's evidence package once all its parts are here and their digest is what the appliance said.

        With it goes that digest, SHA-256 in hex. None where it was not fetched, is still coming, or is not whole.
        """
        for row in self._all(
            "SELECT reply, site, edge FROM asked WHERE hit_id=? AND name='evidence.fetch' AND state='done'"
            " ORDER BY id DESC",
            (hit_id,),
        ):
            said = json.loads(row["reply"]).get("result") or {}
            parts = self._all(
                "SELECT body FROM evidence_part WHERE hit_id=? AND site=? AND edge=? AND part < ? ORDER BY part",
                (hit_id, row["site"], row["edge"], int(said.get("parts") or 0)),
            )
            body = b"".join(bytes(each["body"]) for each in parts)
            if parts and hashlib.sha256(body).hexdigest() == said.get("sha256"):
                return body, said["sha256"]
        return None

    def keys(self, site: str, edge: str) -> list[sqlite3.Row]:
        """Return the keys that an appliance showed, the first first."""
        return self._all("SELECT kid, first_ms FROM key WHERE site=? AND edge=? ORDER BY first_ms, rowid", (site, edge))

    def log(self, about: str = "", limit: int = 100) -> list[sqlite3.Row]:
        """Return who did what to a thing, or to anything, the last first."""
        if about:
            return self._all("SELECT * FROM log WHERE about=? ORDER BY id DESC LIMIT ?", (about, limit))
        return self._all("SELECT * FROM log ORDER BY id DESC LIMIT ?", (limit,))

    def choices(self) -> dict[str, list[str]]:
        """Return what the list of hits can be filtered by."""
        rows = self._all("SELECT DISTINCT site, lane, device FROM hit ORDER BY 1, 2, 3 LIMIT 2000")
        return {name: sorted({row[name] for row in rows}) for name in ("site", "lane", "device")}

    def targets_version(self, site: str, edge: str) -> int:
        """Return the version of the last risk list for an appliance, 0 where there was none."""
        rows = self._all(
            "SELECT max(CAST(substr(transaction_id, 9) AS INTEGER)) FROM asked"
            " WHERE site=? AND edge=? AND kind='targets'",
            (site, edge),
        )
        return rows[0][0] or 0

    def one(self, hit_id: str) -> sqlite3.Row | None:
        """Return a hit in its highest revision, as `shown` does."""
        rows = self._all(f"{_SHOWN} WHERE hit.latest AND hit.hit_id=?", (hit_id,))
        return rows[0] if rows else None

    def revisions(self, hit_id: str) -> list[sqlite3.Row]:
        """Return all revisions of a hit, the highest first."""
        return self._all("SELECT * FROM hit WHERE hit_id=? ORDER BY rev DESC", (hit_id,))

    def conflicts(self, hit_id: str | None = None, limit: int = 20) -> list[sqlite3.Row]:
        """Return claims that contradict what is kept, the last first."""
        if hit_id is None:
            return self._all("SELECT * FROM conflict ORDER BY last_ms DESC, id DESC LIMIT ?", (limit,))
        return self._all("SELECT * FROM conflict WHERE hit_id=? ORDER BY last_ms DESC LIMIT ?", (hit_id, limit))

    def thumb(self, hit_id: str) -> bytes | None:
        """Return the picture that the hit's own appliance sent for it."""
        rows = self._all(
            "SELECT jpeg FROM thumb JOIN hit USING (hit_id, site, edge) WHERE hit_id=? AND hit.latest", (hit_id,)
        )
        return bytes(rows[0][0]) if rows else None

    def bad(self, limit: int = 20) -> list[sqlite3.Row]:
        """Return the last messages that could not be used."""
        return self._all("SELECT topic, at_ms, reason, bytes FROM bad ORDER BY id DESC LIMIT ?", (limit,))

    def appliances(self) -> list[sqlite3.Row]:
        """Return the appliances that ever spoke, by site and name."""
        return self._all("SELECT * FROM appliance ORDER BY site, edge")

    def devices(self) -> list[sqlite3.Row]:
        """Return all devices, by site, appliance and name."""
        return self._all(
            "SELECT site, edge, device, state, reason, since, last_observation_at, heard_ms FROM device"
            " ORDER BY site, edge, device"
        )

    def gaps(self, most: int = 3) -> list[Gap]:
        """Return the ledgers with numbers missing; of each, its first `most` ranges."""
        return [
            Gap(site, edge, ledger_id, missing, since_ms, self._missing(site, edge, ledger_id, seq_start, most))
            for site, edge, ledger_id, seq_start, missing, since_ms in self._all(
                "SELECT * FROM ledger WHERE missing > 0 ORDER BY gap_since_ms"
            )
        ]

    def _missing(
        self, site: str, edge: str, ledger_id: str, seq_start: int | None, most: int
    ) -> tuple[sequence.Range, ...]:
        ranges = self._all(
            "SELECT first, last FROM seq_range WHERE site=? AND edge=? AND ledger_id=? ORDER BY first LIMIT ?",
            (site, edge, ledger_id, most + 1),
        )
        return tuple(sequence.gaps([(first, last) for first, last in ranges], seq_start)[:most])

    def tallies(self, since_ms: int) -> tuple[dict[str, int], dict[str, int]]:
        """Return counts since a time (rounded down to the hour), and of all time."""
        rows = self._all(
            "SELECT what, sum(n) FILTER (WHERE hour >= ?), sum(n) FROM tally GROUP BY what", (since_ms // HOUR_MS,)
        )
        return {what: recent or 0 for what, recent, _ in rows}, {what: all_ for what, _, all_ in rows}
