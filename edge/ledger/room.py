"""How much room there is, who gets it, and what goes first: thumbnails, then verdicts, never hits."""

from __future__ import annotations

import logging
import os
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path

from drivers.clock import Clock
from drivers.fsync import sync_folder

log = logging.getLogger("jaitf.ledger")

BALLAST = "ballast"
BALLAST_BYTES = 16 * 1024 * 1024
"""A file that is given up when the disk is full, so that hits still find room."""

HITS_SHARE = 0.10
"""The part of the quota that only hits may use."""

CLASS_SHARE = {"thumb": 0.10, "verdict": 0.05, "evidence": 0.05, "audit": 0.05}
EVICTION_ORDER = ("thumb", "verdict")
NS_PER_DAY = 86_400_000_000_000


@dataclass(slots=True)
class Room:
    """The byte accounts of one data directory. Used by the ledger's thread alone."""

    folder: Path
    db: sqlite3.Connection
    quota_bytes: int
    keep_ns: int
    clock: Clock
    evidence_bytes: int = 0
    dropped: dict[str, int] = field(default_factory=lambda: dict.fromkeys(CLASS_SHARE, 0))
    _class_bytes: dict[str, int] = field(default_factory=lambda: dict.fromkeys(CLASS_SHARE, 0))
    _doomed: list[Path] = field(default_factory=list)

    def load(self) -> None:
        """Read the accounts from the ledger; what a rolled-back transaction meant to remove stays."""
        self._doomed.clear()
        row = self.db.execute("SELECT coalesce(sum(bytes), 0) FROM evidence WHERE purged_ns IS NULL").fetchone()
        self.evidence_bytes = row[0]
        for cls in self._class_bytes:
            row = self.db.execute(
                "SELECT coalesce(sum(length(payload)), 0) FROM outbox WHERE class=?", (cls,)
            ).fetchone()
            self._class_bytes[cls] = row[0]

    def used_bytes(self) -> int:
        """Return the bytes in use under the data directory: evidence, ledger pages that hold something, the log."""
        pages, free, size = (
            self.db.execute(f"PRAGMA {p}").fetchone()[0] for p in ("page_count", "freelist_count", "page_size")
        )
        return self.evidence_bytes + int(pages - free) * int(size)

    def full_for_scans(self) -> bool:
        """Return whether only the reserve for hits is left, or less."""
        return self.used_bytes() > self.quota_bytes * (1 - HITS_SHARE)

    def full(self) -> bool:
        """Return whether even the reserve for hits is used up."""
        return self.used_bytes() >= self.quota_bytes

    def added(self, cls: str, size: int) -> None:
        """Count a message of a class that was written."""
        self._class_bytes[cls] += size

    def removed(self, cls: str, size: int) -> None:
        """Count a message of a class that is gone."""
        self._class_bytes[cls] -= size

    def keep_to_shares(self) -> None:
        """Drop the oldest messages of a class that is over its share of the quota."""
        for cls, share in CLASS_SHARE.items():
            if self._class_bytes[cls] > share * self.quota_bytes:
                self._drop(cls, self._class_bytes[cls] - int(0.9 * share * self.quota_bytes))

    def make_room(self, wanted_bytes: int) -> bool:
        """Give up what matters least until `wanted_bytes` are freed; return whether anything was."""
        freed = 0
        for cls in EVICTION_ORDER:
            if freed < wanted_bytes:
                freed += self._drop(cls, wanted_bytes - freed)
        if freed < wanted_bytes:
            freed += self._purge("ORDER BY e.created_ns LIMIT 64")
        return freed > 0

    def purge_old(self) -> None:
        """Purge evidence past its age whose hits are all received and that nothing holds; forget old repeats' keys."""
        before = self.clock.now().wall_ns - self.keep_ns
        self._purge(f"AND e.created_ns < {before:d} ORDER BY e.created_ns LIMIT 256")
        self.db.execute(
            "DELETE FROM seen WHERE (device, key) IN (SELECT device, key FROM seen WHERE at_ns < ? LIMIT 1000)",
            (before,),
        )

    def _drop(self, cls: str, wanted_bytes: int) -> int:
        freed, rows = 0, []
        for row_id, size in self.db.execute("SELECT id, length(payload) FROM outbox WHERE class=? ORDER BY id", (cls,)):
            if freed >= wanted_bytes:
                break
            rows.append((row_id,))
            freed += size
        self.db.executemany("DELETE FROM outbox WHERE id=?", rows)
        if rows:
            self.dropped[cls] += len(rows)
            self.removed(cls, freed)
            log.warning("dropped %d messages of class %s to make room", len(rows), cls)
        return freed

    def _purge(self, which: str) -> int:
        rows = self.db.execute(
            "SELECT e.sha256, e.path, e.bytes FROM evidence e WHERE e.purged_ns IS NULL AND e.hold = 0 AND NOT EXISTS"
            f" (SELECT 1 FROM hit h WHERE h.evidence = e.sha256 AND h.received_ns IS NULL) {which}"
        ).fetchall()
        freed = 0
        for sha256, path, size in rows:
            self.db.execute("UPDATE evidence SET purged_ns=? WHERE sha256=?", (self.clock.now().wall_ns, sha256))
            self._doomed.append(self.folder / path)
            freed += size
        self.evidence_bytes -= freed
        return freed

    def settle(self) -> None:
        """Remove the files of evidence that the commit just made purged: the row first, for a row must not lie."""
        for path in self._doomed:
            path.unlink(missing_ok=True)
        self._doomed.clear()

    def sweep(self) -> None:
        """Remove evidence files that no row names: their commit never came."""
        kept = {row[0] for row in self.db.execute("SELECT sha256 FROM evidence WHERE purged_ns IS NULL")}
        for path in (self.folder / "evidence").glob("*/*"):
            if path.name not in kept:
                path.unlink()

    def has_ballast(self) -> bool:
        """Return whether the ballast is still there."""
        return (self.folder / BALLAST).exists()

    def drop_ballast(self) -> bool:
        """Give the ballast's bytes back to the disk; return whether there was one."""
        path = self.folder / BALLAST
        if not path.exists():
            return False
        path.unlink()
        sync_folder(self.folder)
        return True

    def take_ballast(self) -> None:
        """Lay the ballast aside again, once the disk has four times its size to spare."""
        if self.has_ballast() or self.disk_free_bytes() < 4 * BALLAST_BYTES:
            return
        descriptor = os.open(self.folder / BALLAST, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, BALLAST_BYTES)
        finally:
            os.close(descriptor)

    def disk_free_bytes(self) -> int:
        """Return what the file system has left for this user."""
        stat = os.statvfs(self.folder)
        return stat.f_bavail * stat.f_frsize
