"""A hit's verdict as it is kept in the ledger: whole, unlike the event, which has a size limit."""

from __future__ import annotations

import json
from typing import Any

from edge.nouns import Hit


def report_json(hit: Hit) -> str:
    """Return the verdict behind a hit as JSON: everything of the ThreatReport but the thumbnail, and the item."""
    report = _fields(hit.report)
    del report["thumb"]
    return _WRITER.encode({"item": hit.item, "report": report})


def _fields(part: Any) -> dict[str, Any]:
    # Not `asdict`, which copies every value of it: the nouns are slots, and are only read here.
    return {name: getattr(part, name) for name in part.__slots__}


_WRITER = json.JSONEncoder(separators=(",", ":"), default=_fields)
