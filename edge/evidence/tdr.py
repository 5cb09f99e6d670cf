"""A hit's verdict as a DICOS Threat Detection Report, from what the ledger holds of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from drivers.clock import Stamp
from drivers.contract import Category
from drivers.dicos import codec, tdr
from drivers.dicos.uids import DX_FOR_PROCESSING
from drivers.errors import ProtocolError
from edge import __version__
from edge.evidence.rows import HitRow


def threat_detection_report(row: HitRow, original: bytes) -> bytes:
    """Return the report on the item of a hit, as a DICOS file; `original` is what the scanner sent."""
    data: dict[str, Any] = json.loads(row.payload)["data"]
    report: dict[str, Any] = row.report["report"]
    item: dict[str, Any] = row.report["item"]
    image_class, image_uid = _image(original, row)
    model = report["model"] or {"name": "rules", "version": __version__}
    return tdr.write(
        tdr.Report(
            seed=f"{row.hit_id}:{row.rev}",
            decision="ALARM",
            scan_uid=item["scan_id"],
            image_uid=image_uid,
            image_class=image_class,
            started=_time(report["started"], data["observed_at"]),
            ended=_time(report["ended"], data["committed_at"]),
            algorithm=("JAITF", f"{model['name']} {model['version']}", f"-threshold={report['threshold']}"),
            threats=tuple(_threat(threat) for threat in report["threats"]),
            ooi_id=item["bag_tag"] or "",
            ooi_id_type="BARCODE" if item["bag_tag"] else "TEXT",
            ooi_type=item["type"] or "BAGGAGE",
            site=data["site"],
            lane=data["lane"],
            station=data["edge"],
            software=__version__,
            scan_type=data.get("scan_type") or "OPERATIONAL",
            tip_type=data.get("tip_type"),
        )
    )


def _threat(threat: dict[str, Any]) -> tdr.PotentialThreat:
    x, y, width, height = threat["box"] or (0.0, 0.0, 1.0, 1.0)
    return tdr.PotentialThreat(threat["label"], Category(threat["category"]), (x, y, width, height), threat["score"])


def _image(original: bytes, row: HitRow) -> tuple[str, str]:
    """Return SOP class and instance of the picture that was judged; one that is no DICOM gets a UID of its own."""
    if row.media_type == codec.MEDIA_TYPE:
        try:
            return codec.identity(original)
        except ProtocolError:
            pass  # evidence is kept as it came, however odd; the report is written all the same
    return DX_FOR_PROCESSING, tdr.uid_of(row.evidence or row.hit_id)


def _time(stamp: dict[str, int] | None, otherwise: str) -> datetime:
    if stamp is None:
        return datetime.fromisoformat(otherwise)
    at = Stamp(**stamp)
    return datetime.fromtimestamp(at.wall_ns / 1e9, UTC)
