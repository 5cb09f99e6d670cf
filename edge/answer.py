"""What the core tells a driver of the scan that it brought: the verdict, whole, now or when the scan comes again."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from drivers.clock import Stamp
from drivers.contract import Category, Scan, Verdict, VerdictThreat
from edge import __version__
from edge.event import Identity
from edge.ledger.reader import Reader
from edge.nouns import Item, ThreatReport

#: What a message to a device's process has room for; the ledger has them all.
MAX_THREATS = 64
RULES = "rules"
UNSTATED = "unstated"


def verdict(who: Identity, scan: Scan, item: Item, report: ThreatReport, hit_id: str | None, now: Stamp) -> Verdict:
    """Return the verdict on a scan that was judged just now."""
    threats = sorted(report.threats, key=lambda threat: -(threat.score or 0.0))[:MAX_THREATS]
    return Verdict(
        decision=report.decision.value,
        reason=report.reason,
        scan_id=item.scan_id,
        bag_tag=item.bag_tag,
        type=item.type,
        hit_id=hit_id,
        threshold=report.threshold,
        threats=tuple(VerdictThreat(t.label, t.category, t.score, t.box, t.view, t.zone) for t in threats),
        model=report.model.name if report.model else RULES,
        version=report.model.version if report.model else __version__,
        started_ns=(report.started or scan.at).wall_ns,
        ended_ns=(report.ended or now).wall_ns,
        scan_type=scan.scan_type,
        tip_type=scan.tip_type,
        site=who.site,
        lane=who.lane,
        edge=who.edge,
        software=__version__,
    )


def verdict_again(who: Identity, reader: Reader, device: str, key: str) -> Verdict | None:
    """Return the verdict on a scan that is committed already: a hit's from its row, another from its message.

    None where the ledger does not hold it any more. Raises StoreError.
    """
    payload = reader.verdict(device, key)
    if payload is None:
        return None
    said: dict[str, Any] = json.loads(payload)
    if hit_id := said.get("hit_id"):
        row = reader.revision(hit_id)
        return verdict_of_hit(row[0], row[1]) if row and not is_covert(row[0]) else None
    at_ns = _wall_ns(said["at"])
    return Verdict(
        decision=said["decision"],
        reason=said["reason"],
        scan_id=said["scan_id"],
        bag_tag=said["item"]["bag_tag"],
        type=said["item"]["type"],
        threshold=said["threshold"],
        model=UNSTATED,  # a message of a verdict does not name it
        version="",
        started_ns=at_ns - int((said.get("ms") or 0.0) * 1e6),
        ended_ns=at_ns,
        scan_type=said.get("scan_type") or "OPERATIONAL",
        tip_type=said.get("tip_type"),
        site=who.site,
        lane=who.lane,
        edge=who.edge,
        software=__version__,
    )


def verdict_of_hit(payload: bytes, kept: dict[str, Any]) -> Verdict:
    """Return the verdict behind a hit, from its event and from what its row keeps of the report."""
    data: dict[str, Any] = json.loads(payload)["data"]
    report, item = kept["report"], kept["item"]
    model = report["model"] or {"name": RULES, "version": __version__}
    threats = sorted(report["threats"], key=lambda threat: -(threat["score"] or 0.0))[:MAX_THREATS]
    return Verdict(
        decision="alarm",
        scan_id=item["scan_id"],
        bag_tag=item["bag_tag"],
        type=item["type"],
        hit_id=data["hit_id"],
        rev=data["rev"],
        threshold=report["threshold"],
        threats=tuple(_threat(threat) for threat in threats),
        model=model["name"],
        version=model["version"],
        started_ns=_stamp_ns(report["started"], data["observed_at"]),
        ended_ns=_stamp_ns(report["ended"], data["committed_at"]),
        scan_type=data.get("scan_type") or "OPERATIONAL",
        tip_type=data.get("tip_type"),
        site=data["site"],
        lane=data["lane"],
        edge=data["edge"],
        software=__version__,
    )


def _threat(kept: dict[str, Any]) -> VerdictThreat:
    box = tuple(kept["box"]) if kept["box"] else None
    return VerdictThreat(
        kept["label"], Category(kept["category"]), kept["score"], box, kept.get("view", 0), kept.get("zone")
    )


def _stamp_ns(stamp: dict[str, int] | None, otherwise: str) -> int:
    return stamp["wall_ns"] if stamp else _wall_ns(otherwise)


def _wall_ns(rfc3339: str) -> int:
    return int(datetime.fromisoformat(rfc3339).timestamp() * 1e6) * 1000


def is_covert(payload: bytes) -> bool:
    """Return whether a hit is for the console alone: no driver shows or signals it."""
    return bool(json.loads(payload)["data"].get("covert"))
