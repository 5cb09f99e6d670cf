"""A committed hit said anew: other words in its data, and a thumbnail where it had none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edge.ledger.batch import Batch


@dataclass(frozen=True, slots=True)
class Revision:
    """What is known better of a hit that is in the ledger: the next `rev`, unless it says so already."""

    hit_id: str
    words: dict[str, Any]
    thumb: bytes | None = None

    @property
    def what(self) -> str:
        """Name it, for the log."""
        return f"what is known better of hit {self.hit_id}"

    def write(self, batch: Batch) -> int | None:
        """Write it; return the sequence number that it took, None where it says nothing new."""
        seq = batch.revise(self.hit_id, self.words) if self.words else None
        if self.thumb is not None:
            batch.thumb(self.hit_id, self.thumb)
        return seq
