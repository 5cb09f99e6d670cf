"""Sequence numbers in the file: ranges that came, and since when something is missing between them."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator

from simulators.console import sequence


class Sequences:
    """Reads and writes the ledger and seq_range tables inside the caller's transaction."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def born(self, site: str, edge: str, ledger_id: str, seq_start: int, now_ms: int) -> None:
        """Note where a ledger starts; numbers that came before any birth was known are counted to it."""
        known = self._db.execute(
            "SELECT seq_start FROM ledger WHERE site=? AND edge=? AND ledger_id=?", (site, edge, ledger_id)
        ).fetchone()
        if known is not None and known[0] == seq_start:
            return
        self._db.execute(
            "INSERT INTO ledger (site, edge, ledger_id, seq_start) VALUES (?,?,?,?)"
            " ON CONFLICT DO UPDATE SET seq_start=excluded.seq_start",
            (site, edge, ledger_id, seq_start),
        )
        orphans = self._ranges(site, edge, "")
        self._db.execute("DELETE FROM seq_range WHERE site=? AND edge=? AND ledger_id=''", (site, edge))
        self._db.execute("DELETE FROM ledger WHERE site=? AND edge=? AND ledger_id=''", (site, edge))
        for run in orphans:
            self._absorb(site, edge, ledger_id, run)
        self._recount(site, edge, ledger_id, now_ms)

    def arrived(self, site: str, edge: str, ledger_id: str, numbers: list[int], now_ms: int) -> set[int]:
        """Note numbers that came with new hits; return those that another hit had already used."""
        clashes = {number for number, times in Counter(numbers).items() if times > 1}
        for run in sequence.runs(numbers):
            clashes.update(self._absorb(site, edge, ledger_id, run))
        self._db.execute("INSERT OR IGNORE INTO ledger (site, edge, ledger_id) VALUES (?,?,?)", (site, edge, ledger_id))
        self._recount(site, edge, ledger_id, now_ms)
        return clashes

    def _absorb(self, site: str, edge: str, ledger_id: str, run: sequence.Range) -> tuple[int, ...]:
        key = (site, edge, ledger_id)

        def touching(low: int, high: int) -> Iterator[sequence.Range]:
            below = self._db.execute(
                "SELECT first, last FROM seq_range WHERE site=? AND edge=? AND ledger_id=? AND first<=?"
                " ORDER BY first DESC",
                (*key, high),
            )
            for first, last in below:
                if last < low:
                    return  # ranges are disjoint: those further down end even earlier
                yield first, last

        result = sequence.merge(run, touching)
        self._db.executemany(
            "DELETE FROM seq_range WHERE site=? AND edge=? AND ledger_id=? AND first=?",
            [(*key, first) for first, _ in result.replaced],
        )
        self._db.execute("INSERT INTO seq_range VALUES (?,?,?,?,?)", (*key, *result.merged))
        return result.clashes

    def _ranges(self, site: str, edge: str, ledger_id: str) -> list[sequence.Range]:
        return self._db.execute(
            "SELECT first, last FROM seq_range WHERE site=? AND edge=? AND ledger_id=?", (site, edge, ledger_id)
        ).fetchall()

    def _recount(self, site: str, edge: str, ledger_id: str, now_ms: int) -> None:
        start, since_ms = self._db.execute(
            "SELECT seq_start, gap_since_ms FROM ledger WHERE site=? AND edge=? AND ledger_id=?",
            (site, edge, ledger_id),
        ).fetchone()
        missing = sum(last - first + 1 for first, last in sequence.gaps(self._ranges(site, edge, ledger_id), start))
        since_ms = (since_ms or now_ms) if missing else None
        self._db.execute(
            "UPDATE ledger SET missing=?, gap_since_ms=? WHERE site=? AND edge=? AND ledger_id=?",
            (missing, since_ms, site, edge, ledger_id),
        )
