"""From rows of the store to what a page or an answer says. What came over the wire stays text, and is bounded."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from simulators.console.intake import time_ms
from simulators.console.messages import HitEvent, Threat
from simulators.console.store.reader import Cursor

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MAX_TEXT = 300
MAX_LISTED = 16
_SAID = (
    *("outcome", "commodity", "detection_method", "selection_reason", "concealment", "direction"),
    *("witness", "note", "covert"),
)


def stamp(ms: int) -> str:
    """Return a time as messages write it: RFC 3339, UTC, milliseconds."""
    at = _EPOCH + timedelta(milliseconds=ms)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"


def text(value: object) -> str:
    """Return anything as a short text; "" for nothing."""
    if value is None:
        return ""
    shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return shown if len(shown) <= MAX_TEXT else shown[: MAX_TEXT - 1] + "…"


def parsed(payload: bytes | None) -> dict[str, Any]:
    """Return a JSON object, or an empty one for anything that is none."""
    try:
        value = json.loads(payload or b"{}")
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def pretty(payload: bytes) -> str:
    """Return JSON indented for reading; the text as it came where that cannot be done."""
    try:
        return json.dumps(json.loads(payload), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return payload.decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Finding:
    """One threat of a hit."""

    label: str
    category: str
    score: float | None
    box: tuple[float, ...]
    view: str
    zone: str
    name: str
    value: str
    unit: str

    @classmethod
    def of(cls, threat: Threat) -> Finding:
        """Return a threat as it is shown."""
        measured = threat.measurement
        return cls(
            text(threat.label),
            threat.category,
            threat.score,
            tuple(threat.box),
            text(threat.view),
            text(threat.zone),
            text(measured.name),
            text(measured.value),
            text(measured.unit),
        )


@dataclass(frozen=True, slots=True)
class Card:
    """A hit as the list shows it, and as `/api/hits` gives it."""

    key: str
    hit_id: str
    rev: int
    seq: int
    site: str
    lane: str
    edge: str
    device: str
    driver: str
    stream: str
    severity: str
    score: float | None
    threshold: float | None
    findings: tuple[Finding, ...]
    more_findings: int
    bag_tag: str
    scan_id: str
    item_type: str
    observed_at: str
    committed_at: str
    arrived_at: str
    delay_ms: int
    historical: bool
    clock: str
    count: str
    covert: bool
    test: str
    targeted: str
    corroboration: tuple[str, ...]
    parcel: str
    tied: str
    tied_ms: str
    canine: tuple[tuple[str, str], ...]
    lapsed: str
    model: str
    evidence: dict[str, str]
    picture: str
    picture_version: int
    conflicts: int
    sha256: str
    outcome: str
    told: str
    trust: str


def _targeted(value: Any) -> str:
    if isinstance(value, dict):
        return text(value.get("risk") or value.get("target_id") or "yes")
    return text(value) if value else ""


def _corroboration(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        return ()
    named = (
        " · ".join(filter(None, (text(each.get("kind")).replace("_", " "), text(each.get("device")))))
        if isinstance(each, dict)
        else ""
        for each in value[:MAX_LISTED]
    )
    return tuple(filter(None, named))


#: How an item was told from others, or why it has no name: what the page has words for.
TIED = ("tag", "belt", "view")
UNTIED = ("no_tag", "two_tags", "two_items", "no_item", "moved", "belt_unknown", "belt_wrong")
CANINE = ("team", "dog", "handler", "place", "response")


def _tied(value: Any) -> tuple[str, str]:
    """Return how an item is tied, or why it is not, and by how many milliseconds of belt time it may be off."""
    if not isinstance(value, dict):
        return "", ""
    by, reason = value.get("by"), value.get("reason")
    if by in TIED:
        return by, text(value.get("uncertainty_ms")) if by == "belt" else ""
    return (reason, "") if reason in UNTIED else ("", "")


def _canine(value: Any) -> tuple[tuple[tuple[str, str], ...], str]:
    """Return what a dog's handler reported, and since when the team's certification has lapsed."""
    if not isinstance(value, dict):
        return (), ""
    said = ((name, text(value.get(name)).replace("_", " ")) for name in CANINE)
    lapsed = text(value.get("certified_until")) if value.get("certification_lapsed") is True else ""
    return tuple((name, words) for name, words in said if words), lapsed


def _picture(event: HitEvent, thumb_id: int | None) -> str:
    if thumb_id is not None:
        return "here"
    evidence = event.data.evidence
    return "expected" if evidence is not None and evidence.thumb is True else "none"


def card(row: sqlite3.Row) -> Card:
    """Return a row of `Reader.shown` as it is shown."""
    event = HitEvent.model_validate_json(row["payload"])
    data = event.data
    evidence = data.evidence
    tied, tied_ms = _tied(data.item.match)
    canine, lapsed = _canine(data.canine)
    observed_ms = time_ms(data.observed_at)
    return Card(
        key=str(Cursor(row["shown_ms"], row["id"])),
        hit_id=data.hit_id,
        rev=data.rev,
        seq=data.seq,
        site=data.site,
        lane=data.lane,
        edge=data.edge,
        device=data.device,
        driver=data.driver,
        stream=data.stream,
        severity=data.severity,
        score=data.score,
        threshold=data.threshold,
        findings=tuple(Finding.of(threat) for threat in data.threats[:MAX_LISTED]),
        more_findings=max(0, len(data.threats) - MAX_LISTED),
        bag_tag=text(data.item.bag_tag),
        scan_id=text(data.item.scan_id),
        item_type=text(data.item.type),
        observed_at=data.observed_at,
        committed_at=data.committed_at,
        arrived_at=stamp(row["arrived_ms"]),
        delay_ms=row["arrived_ms"] - (observed_ms if observed_ms is not None else row["shown_ms"]),
        historical=data.historical,
        clock=data.clock.quality,
        count=text(data.count) if data.count not in (None, 1) else "",
        covert=data.covert is True,
        test=text(data.tip_type or data.scan_type),
        targeted=_targeted(data.targeted),
        corroboration=_corroboration(data.corroboration),
        parcel=text(data.item.parcel),
        tied=tied,
        tied_ms=tied_ms,
        canine=canine,
        lapsed=lapsed,
        model=" ".join(filter(None, (text(data.model.name), text(data.model.version)))) if data.model else "",
        evidence=({key: text(getattr(evidence, key)) for key in ("sha256", "media_type", "bytes")} if evidence else {}),
        picture=_picture(event, row["thumb_id"]),
        picture_version=row["thumb_id"] or 0,
        conflicts=row["conflicts"],
        sha256=row["sha256"].hex(),
        outcome=text(parsed(row["said"]).get("outcome")),
        told=row["said_state"] or "",
        trust=row["trust"],
    )


class Filled(dict[str, str]):
    """What was filled into a form; "" for what was not."""

    def __missing__(self, key: str) -> str:
        return ""


@dataclass(frozen=True, slots=True)
class Question:
    """Something that was asked of an appliance, and where it stands."""

    kind: str
    name: str
    by: str
    at: str
    state: str
    times: int
    code: str
    detail: str
    said: Filled
    result: str


def question(row: sqlite3.Row) -> Question:
    """Return a row of `Reader.asked` as it is shown."""
    reply, body = parsed(row["reply"]), parsed(row["body"])
    quantity = body.get("quantity")
    said = Filled({key: text(value) for key, value in body.items() if key in _SAID and value is not None})
    if isinstance(quantity, dict):
        said["quantity"] = " ".join(text(quantity.get(key)) for key in ("value", "unit"))
    result = reply.get("result")
    return Question(
        kind=row["kind"],
        name=row["name"] or row["kind"],
        by=row["by"],
        at=stamp(row["made_ms"]),
        state=row["state"],
        times=row["times"],
        code=text(reply.get("code")),
        detail=text(reply.get("detail")),
        said=said,
        result=json.dumps(result, indent=2, ensure_ascii=False) if result else "",
    )
