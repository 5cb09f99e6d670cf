"""A hit's verdict as a DICOS Threat Detection Report, from what the ledger holds of it."""

from __future__ import annotations

from drivers.dicos import joined, verdict
from edge.answer import verdict_of_hit
from edge.evidence.rows import HitRow


def threat_detection_report(row: HitRow, original: bytes) -> bytes:
    """Return the report on the item of a hit, as a DICOS file; `original` is what the scanner sent.

    Where the device sends reports to a workstation, that of a hit's first revision is the one sent, byte for byte.
    """
    images = joined.images(original, row.media_type)
    return verdict.write(verdict_of_hit(row.payload, row.report), row.hit_id, images, row.evidence or "")
