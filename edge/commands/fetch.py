"""`evidence.fetch`: a hit's evidence package in parts, behind everything else, from where an earlier answer ended."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from pathlib import Path

from drivers.clock import Clock
from drivers.errors import StoreError
from drivers.fsync import write_whole
from edge.commands.desk import Answer, Call, Handler
from edge.evidence.export import packed
from edge.ledger import Ledger, Note
from edge.ledger.batch import Batch

PART_BYTES = 256 * 1024
MAX_WAITING_PARTS = 4
MAX_FETCHES = 4
KEPT_PACKAGES = 16
FOLDER = "fetched"


@dataclass(frozen=True, slots=True)
class Handed:
    """Writes down that a hit's evidence left the appliance, and to whom."""

    hit_id: str
    by: str
    sha256: str
    what: str = "that evidence was handed out"

    def write(self, batch: Batch) -> None:
        """Write it; see Deed."""
        batch.act("fetch", self.hit_id, {"by": self.by, "sha256": self.sha256})


@dataclass(slots=True)
class Fetch:
    """Hands out packages. A package is kept for a while as it was made, so that its later parts are its own."""

    data_dir: Path
    ledger: Ledger
    clock: Clock
    bytes_per_s: int
    _under_way: int = 0

    def handlers(self) -> dict[str, Handler]:
        """Return the handler by the command's name."""
        return {"evidence.fetch": self._fetch}

    async def _fetch(self, call: Call) -> Answer:
        if self._under_way >= MAX_FETCHES:
            return Answer("failed", "busy", f"{MAX_FETCHES} packages are on their way: ask again later")
        hit_id, first = call.args.hit_id, call.args.from_part
        package = await asyncio.to_thread(self._package, hit_id, first, call.by)
        parts = -(-len(package) // PART_BYTES)
        if first >= parts:
            return Answer("rejected", "no-such-part", f"the package has {parts} parts")
        digest = hashlib.sha256(package).hexdigest()
        await self.ledger.commit(Handed(hit_id, call.by, digest))
        about = {"hit_id": hit_id, "parts": parts, "part_bytes": PART_BYTES, "bytes": len(package), "sha256": digest}

        async def rest() -> Answer:
            self._under_way += 1
            try:
                for part in range(first, parts):
                    await self._send(hit_id, part, package[part * PART_BYTES : (part + 1) * PART_BYTES])
            finally:
                self._under_way -= 1
            return Answer("done", "sent", f"{parts - first} of {parts} parts", about)

        return Answer("accepted", "sending", f"{parts} parts on up/evidence/{hit_id}/", about, rest)

    async def _send(self, hit_id: str, part: int, content: bytes) -> None:
        """Put a part into the outbox once there is little of the kind in it, and no faster than allowed."""
        while self.ledger.accounts.rows["evidence"] >= MAX_WAITING_PARTS:  # noqa: ASYNC110 - a thread counts and tells nobody
            await asyncio.sleep(0.05)
        await self.ledger.commit(Note("evidence", f"up/evidence/{hit_id}/{part}", content))
        await asyncio.sleep(len(content) / self.bytes_per_s)

    def _package(self, hit_id: str, first: int, by: str) -> bytes:
        """Return the package whose later parts are asked for, else a new one. Raises StoreError."""
        folder = self.data_dir / FOLDER
        path = folder / f"{hit_id}.zip"
        try:
            if first and path.exists():
                return path.read_bytes()
            _, package = packed(self.data_dir, hit_id, self.clock, by)
            folder.mkdir(mode=0o750, exist_ok=True)
            write_whole(path, package)
            for old in sorted(folder.glob("*.zip"), key=lambda each: each.stat().st_mtime)[:-KEPT_PACKAGES]:
                old.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(f"{path}: {error.strerror}") from error
        return package
