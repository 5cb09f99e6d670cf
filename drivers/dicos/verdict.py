"""The core's verdict on a scan as a Threat Detection Report: the same bytes wherever it is written from."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from drivers.contract import Verdict
from drivers.dicos import tdr
from drivers.dicos.uids import DX_FOR_PROCESSING

#: What the reason of an unknown verdict says, and DICOS's word for it (4010,1021); the first that fits counts.
_ABORT_REASONS: Final[tuple[tuple[str, tdr.AbortReason], ...]] = (
    ("not supported", "UNKNOWN_DATATYPE"),
    ("overloaded", "TIMEOUT"),
    ("in time", "TIMEOUT"),
    ("came within", "INCOMPLETE_SCAN"),
    ("cut", "INCOMPLETE_SCAN"),
    ("damaged", "INCOMPLETE_SCAN"),
)
_OTHER_REASON: Final[tdr.AbortReason] = "NOT_REVIEWED"
#: A zone, or nothing but the picture as a whole: readers refuse a region without extent.
_NO_BOX = (0.0, 0.0, 1.0, 1.0)


def write(verdict: Verdict, key: str, images: Sequence[tuple[str, str]], evidence: str = "") -> bytes:
    """Return the report on a scan as a DICOS file.

    `key` names the scan where the verdict has no hit; `images` are SOP class and instance UID of its views; for one
    that came as no DICOM the UID is made of `evidence`, its SHA-256, or of the key.
    """
    (image_class, image_uid), *further = images or [(DX_FOR_PROCESSING, tdr.uid_of(evidence or key))]
    algorithm = ["JAITF", f"{verdict.model} {verdict.version}", f"-threshold={verdict.threshold}"]
    if verdict.reason:
        algorithm.append(f"-unknown={verdict.reason}")
    return tdr.write(
        tdr.Report(
            seed=f"{verdict.hit_id}:{verdict.rev}" if verdict.hit_id else key,
            decision=_DECISIONS[verdict.decision],
            scan_uid=verdict.scan_id,
            image_uid=image_uid,
            image_class=image_class,
            further=tuple(further),
            started=_time(verdict.started_ns),
            ended=_time(verdict.ended_ns),
            algorithm=tuple(algorithm),
            threats=tuple(
                tdr.PotentialThreat(threat.label, threat.category, threat.box or _NO_BOX, threat.score, threat.view)
                for threat in verdict.threats
            ),
            abort_reason=abort_reason(verdict.reason or "") if verdict.decision == "unknown" else None,
            ooi_id=verdict.bag_tag or "",
            ooi_id_type="BARCODE" if verdict.bag_tag else "TEXT",
            ooi_type=verdict.type or "BAGGAGE",
            site=verdict.site,
            lane=verdict.lane,
            station=verdict.edge,
            software=verdict.software,
            scan_type=verdict.scan_type,
            tip_type=verdict.tip_type,
        )
    )


_DECISIONS: Final[dict[str, tdr.Decision]] = {"alarm": "ALARM", "clear": "CLEAR", "unknown": "UNKNOWN"}


def abort_reason(reason: str) -> tdr.AbortReason:
    """Return DICOS's word for why an item could not be judged."""
    return next((word for part, word in _ABORT_REASONS if part in reason), _OTHER_REASON)


def _time(wall_ns: int) -> datetime:
    return datetime.fromtimestamp(wall_ns // 1000 / 1e6, UTC)
