"""A hit's verdict as it is kept in the ledger: whole, unlike the event, which has a size limit."""

from __future__ import annotations

import json
from dataclasses import asdict

from edge.nouns import Hit


def report_json(hit: Hit) -> str:
    """Return the verdict behind a hit as JSON: everything of the ThreatReport but the thumbnail, and the item."""
    report = asdict(hit.report)
    del report["thumb"]
    return json.dumps({"item": asdict(hit.item), "report": report}, separators=(",", ":"))
