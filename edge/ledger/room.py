"""How much room there is, who gets it, and what goes first: thumbnails, then verdicts, never hits."""

from __future__ import annotations

import logging
import os
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path

from drivers.clock import Clock, rfc3339
from drivers.fsync import sync_folder
from edge.ledger import acts
from edge.ledger.accounts import CLASS_SHARE, Accounts
from edge.messages import Audit
from edge.signing import SigningKey

log = logging.getLogger("jaitf.ledger")

#: What no hit rests on, a scan that nothing could judge, goes first.
_HAS_HIT = "EXISTS (SELECT 1 FROM hit h WHERE h.evidence = e.sha256)"

BALLAST = "ballast"
BALLAST_BYTES = 16 * 1024 * 1024
"""A file that is given up when the disk is full, so that hits still find room."""

HITS_SHARE = 0.10
"""The part of the quota that only hits may use."""

EVICTION_ORDER = ("thumb", "verdict")
NS_PER_DAY = 86_400_000_000_000
NEVER_BEFORE_NS = 1_735_689_600_000_000_000
"""2025-01-01: a wall clock that says less has not been set since the machine had no power."""

PURGE = "purge"
UNKNOWN_MEDIA_TYPE = "application/octet-stream"


def drop_ballast(folder: Path) -> bool:
    """Give the ballast's bytes back to the disk; return whether there were any. Raises OSError."""
    path = folder / BALLAST
    if not path.exists():
        return False
    path.unlink()
    sync_folder(folder)
    return True


@dataclass(slots=True)
class Room:
    """The room of one data directory. For the ledger's thread, but that anyone may ask for the disk's free bytes.

    Everything that changes rows runs in a transaction of the caller's, who restores `accounts` and forgets the doomed
    files where that fails, and calls `settle` where it does not.
    """

    folder: Path
    db: sqlite3.Connection
    quota_bytes: int
    keep_ns: int
    clock: Clock
    key: SigningKey | None = None
    accounts: Accounts = field(default_factory=Accounts)
    _ledger_bytes: int | None = None
    _page_bytes: int = 0
    _ballast: Path = field(init=False)
    _doomed: list[Path] = field(default_factory=list)
    _told: list[tuple[int, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._ballast = self.folder / BALLAST  # asked for after each commit

    def used_bytes(self) -> int:
        """Return the bytes in use under the data directory: evidence, and ledger pages that hold something.

        The log (which is checkpointed away) and the ballast come on top. The pages are those of the last `measure`.
        """
        if self._ledger_bytes is None:
            self.measure()
        return self.accounts.evidence_bytes + (self._ledger_bytes or 0)

    def measure(self) -> None:
        """Count the ledger's pages; within a transaction that takes no lock. Raises sqlite3.Error."""
        if not self._page_bytes:
            (self._page_bytes,) = self.db.execute("PRAGMA page_size").fetchone()
        pages, free = (self.db.execute(f"PRAGMA {p}").fetchone()[0] for p in ("page_count", "freelist_count"))
        self._ledger_bytes = int(pages - free) * self._page_bytes

    def tight(self) -> bool:
        """Return whether only the reserve for hits is left, or less."""
        return self.used_bytes() > self.quota_bytes * (1 - HITS_SHARE)

    def full(self) -> bool:
        """Return whether even the reserve for hits is used up."""
        return self.used_bytes() >= self.quota_bytes

    def keep_to_shares(self) -> None:
        """Drop the oldest messages of a class that is over its share of the quota."""
        for cls, share in CLASS_SHARE.items():
            size = self.accounts.row_bytes[cls]
            if size > share * self.quota_bytes:
                self._drop(cls, size - int(0.9 * share * self.quota_bytes))

    def make_room(self, wanted_bytes: int) -> bool:
        """Give up what matters least until `wanted_bytes` are freed; return whether anything was."""
        freed = 0
        for cls in EVICTION_ORDER:
            if freed < wanted_bytes:
                freed += self._drop(cls, wanted_bytes - freed)
        if freed < wanted_bytes:
            freed += self._purge("room", f"ORDER BY {_HAS_HIT}, e.created_ns LIMIT 64")
        return freed > 0

    def purge_old(self) -> None:
        """Purge evidence past its age whose hits are all proven and that nothing holds; forget old repeats' keys.

        Age counts by a clock that has been set: what was kept before it was is as old as the moment in which it was.
        """
        now = self.clock.now().wall_ns
        if now < NEVER_BEFORE_NS:
            return
        before = now - self.keep_ns
        self.db.execute("UPDATE evidence SET created_ns=? WHERE created_ns < ?", (now, NEVER_BEFORE_NS))
        self.db.execute("UPDATE seen SET at_ns=? WHERE at_ns < ?", (now, NEVER_BEFORE_NS))
        self._purge("age", f"AND e.created_ns < {before:d} ORDER BY e.created_ns LIMIT 256")
        self.db.execute(
            "DELETE FROM seen WHERE (device, key) IN (SELECT device, key FROM seen WHERE at_ns < ? LIMIT 1000)",
            (before,),
        )

    def _drop(self, cls: str, wanted_bytes: int) -> int:
        freed, rows = 0, []
        for row_id, size, aside in self.db.execute(
            "SELECT id, length(payload), set_aside IS NOT NULL FROM outbox WHERE class=? ORDER BY id", (cls,)
        ):
            if freed >= wanted_bytes:
                break
            rows.append((row_id,))
            freed += size
            self.accounts.removed(cls, size)
            self.accounts.set_aside -= aside
        self.db.executemany("DELETE FROM outbox WHERE id=?", rows)
        if rows:
            self.accounts.dropped[cls] += len(rows)
            log.warning("dropped %d messages of class %s to make room", len(rows), cls)
        return freed

    def _purge(self, reason: str, which: str) -> int:
        """Purge what nothing holds and the console has proven to hold, each with a signed tombstone that stays."""
        rows = self.db.execute(
            "SELECT e.sha256, e.path, e.bytes, e.created_ns FROM evidence e WHERE e.purged_ns IS NULL AND e.hold = 0"
            f" AND NOT EXISTS (SELECT 1 FROM hit h WHERE h.evidence = e.sha256 AND h.proven_ns IS NULL) {which}"
        ).fetchall()
        now, freed = self.clock.now(), 0
        for sha256, path, size, created_ns in rows:
            self.db.execute("UPDATE evidence SET purged_ns=? WHERE sha256=?", (now.wall_ns, sha256))
            stone = {"sha256": sha256, "bytes": size, "kept_since": rfc3339(created_ns), "reason": reason}
            hits = self.db.execute("SELECT DISTINCT hit_id FROM hit WHERE evidence=?", (sha256,)).fetchall()
            for hit_id in [hit_id for (hit_id,) in hits] or [None]:
                acts.append(self.db, now.wall_ns, PURGE, hit_id, stone, self.key)
            self._doomed.append(self.folder / path)
            freed += size
        self.accounts.evidence_bytes -= freed
        if rows:
            self._tell(now.rfc3339(), f"{len(rows)} files, {freed} bytes; for {reason}")
        return freed

    def _tell(self, at: str, detail: str) -> None:
        """Put into the outbox that evidence was purged: nothing is deleted silently."""
        line = Audit(at=at, what="evidence purge", by="appliance", outcome="done", detail=detail).encoded()
        row = self.db.execute(
            "INSERT INTO outbox (class, topic, payload, created_ns) VALUES ('audit', 'up/audit', ?, ?)",
            (line, self.clock.now().wall_ns),
        )
        assert row.lastrowid is not None
        self._told.append((row.lastrowid, "audit"))
        self.accounts.added("audit", len(line))

    def why_kept(self) -> str:
        """Say what evidence may not be purged, though room is short: a person must see to it."""
        (held,) = self.db.execute(
            "SELECT coalesce(sum(bytes), 0) FROM evidence WHERE purged_ns IS NULL AND hold != 0"
        ).fetchone()
        (unproven,) = self.db.execute(
            "SELECT coalesce(sum(bytes), 0) FROM evidence e WHERE purged_ns IS NULL AND hold = 0"
            " AND EXISTS (SELECT 1 FROM hit h WHERE h.evidence = e.sha256 AND h.proven_ns IS NULL)"
        ).fetchone()
        said = [f"{size / 1e6:.0f} MB {why}" for size, why in ((held, "held"), (unproven, "not receipted")) if size]
        return f": of the evidence, {' and '.join(said)} must stay" if said else ""

    def forget(self, accounts: Accounts) -> None:
        """Go back to these accounts: the transaction came to nothing, and the files that it doomed stay."""
        self.accounts = accounts
        self._ledger_bytes = None
        self._doomed.clear()
        self._told.clear()

    def settle(self) -> list[tuple[int, str]]:
        """Remove the files of evidence that the commit just made purged: the row first, for a row must not lie.

        Returns the messages that say so, by id and class.
        """
        for path in self._doomed:
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                # The row is committed; a file that stays behind is swept at the next start.
                log.warning("%s is purged, but stays on the disk for now: %s", path, error)
        self._doomed.clear()
        told, self._told = self._told, []
        return told

    def sweep(self, *, adopt: bool) -> None:
        """Remove evidence files that no row names: their commit never came. Raises OSError, sqlite3.Error.

        With `adopt` the rows were lost, not the files: each then gets a row that counts and holds it.
        """
        kept = {row[0] for row in self.db.execute("SELECT sha256 FROM evidence WHERE purged_ns IS NULL")}
        for path in (self.folder / "evidence").glob("*/*"):
            if path.name in kept:
                continue
            if adopt and len(path.name) == 64:
                self._adopt(path)
            else:
                path.unlink()

    def _adopt(self, path: Path) -> None:
        size = path.stat().st_size
        self.db.execute(
            "INSERT INTO evidence (sha256, path, media_type, bytes, created_ns, hold) VALUES (?,?,?,?,?,1)"
            " ON CONFLICT (sha256) DO UPDATE SET purged_ns=NULL, hold=1",
            (path.name, str(path.relative_to(self.folder)), UNKNOWN_MEDIA_TYPE, size, self.clock.now().wall_ns),
        )
        self.accounts.evidence_bytes += size

    def has_ballast(self) -> bool:
        """Return whether the ballast is there, whole."""
        try:
            return self._ballast.stat().st_size >= BALLAST_BYTES
        except FileNotFoundError:
            return False

    def take_ballast(self) -> None:
        """Lay the ballast aside again, once the disk has four times its size to spare. Raises OSError."""
        if self.has_ballast() or self.disk_free_bytes() < 4 * BALLAST_BYTES:
            return
        path = self._ballast
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, BALLAST_BYTES)
        except OSError:
            path.unlink()
            raise
        finally:
            os.close(descriptor)

    def disk_free_bytes(self) -> int:
        """Return what the file system has left for this user."""
        stat = os.statvfs(self.folder)
        return stat.f_bavail * stat.f_frsize
