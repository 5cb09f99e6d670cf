"""The hand-over package of a hit: a ZIP with the seizure record and the custody list as PDF, JSON and CSV.

What public sources name as fields of a customs seizure record and of a court's custody form; the formats of the
networks that officers enter it into are not public, and none is claimed. There is no field for persons' data.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
from dataclasses import asdict, dataclass, field
from typing import Any

from simulators.console.view import Card, Question

STAMP = (1980, 1, 1, 0, 0, 0)
"""One hit, one file: the archive's own times say nothing, so they say always the same."""


@dataclass(frozen=True, slots=True)
class CustodyItem:
    """One line of the custody list: a thing, or a file with its digest and what it was made from."""

    number: int
    kind: str
    description: str
    reference: str = ""
    bytes: int | None = None
    sha256: str = ""
    derived_from: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """A hit as it is handed over: codes as in the contract, `None` where nobody has said it."""

    case_id: str
    unit: str
    occurred_at: str
    place: str
    direction: str | None
    subject_kind: str | None
    bag_tag: str | None
    detection_methods: list[str]
    selection_reason: str | None
    concealment: str | None
    items: list[dict[str, Any]]
    outcome: str | None
    detector: dict[str, Any]
    corroboration: list[str]
    chain: dict[str, Any]
    linked_hits: list[str]
    custody: list[CustodyItem]
    dispositions: list[dict[str, Any]]
    seen: list[dict[str, str]] = field(default_factory=list)
    notice: str = "A detector's output is an indication, not an identification of a substance or an object."

    def json(self) -> bytes:
        """Return the record as indented UTF-8 JSON."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False).encode()


@dataclass(frozen=True, slots=True)
class Sources:
    """What a record is made of: the hit as shown and as published, its picture, what was said, who looked."""

    card: Card
    payload: bytes
    picture: bytes | None
    dispositions: list[Question]
    log: list[dict[str, str]]
    package: bytes | None = None
    case_id: str = ""


def record(sources: Sources) -> Record:
    """Return the record of a hit; what was said last counts."""
    card = sources.card
    last = sources.dispositions[0].said if sources.dispositions else {}
    data = json.loads(sources.payload)["data"]
    goods = {key: last[key] for key in ("commodity", "quantity") if last.get(key)}
    first = "xray_algorithm" if card.model else ""
    methods = [each for each in (first, last.get("detection_method")) if each]
    return Record(
        case_id=sources.case_id,
        unit=card.site,
        occurred_at=card.observed_at,
        place=f"{card.site} {card.lane}",
        direction=last.get("direction"),
        subject_kind=card.item_type.lower() or None,
        bag_tag=card.bag_tag or None,
        detection_methods=list(dict.fromkeys(methods)),
        selection_reason=last.get("selection_reason"),
        concealment=last.get("concealment"),
        items=[goods] if goods else [],
        outcome=last.get("outcome"),
        detector=_detector(card),
        corroboration=list(card.corroboration),
        chain={key: data[key] for key in ("chain", "signature") if key in data} | {"seq": card.seq, "rev": card.rev},
        linked_hits=[card.hit_id],
        custody=_custody(sources, goods),
        dispositions=[
            {"by": each.by, "at": each.at, "state": each.state} | dict(each.said) for each in sources.dispositions
        ],
        seen=sources.log,
    )


def _detector(card: Card) -> dict[str, Any]:
    return {
        "device": card.device,
        "driver": card.driver,
        "appliance": card.edge,
        "model": card.model,
        "threshold": card.threshold,
        "score": card.score,
        "clock": card.clock,
        "observed_at": card.observed_at,
        "committed_at": card.committed_at,
        "findings": [
            {key: value for key, value in asdict(each).items() if value not in ("", (), None)} for each in card.findings
        ],
    }


def _custody(sources: Sources, goods: dict[str, Any]) -> list[CustodyItem]:
    card = sources.card
    lines: list[tuple[str, str, str, bytes | None, str, str]] = [
        ("physical", "bag", card.bag_tag or card.scan_id, None, "", "")
    ]
    if goods:
        lines.append(("physical", "goods", " ".join(goods.values()), None, "", ""))
    if card.evidence:
        lines.append(("digital", "original", card.evidence["media_type"], None, card.evidence["sha256"], ""))
    lines.append(("digital", "event", "hit.json", sources.payload, "", ""))
    if sources.picture is not None:
        lines.append(("digital", "picture", "picture.jpg", sources.picture, "", "original"))
    if sources.package is not None:
        lines.append(("digital", "package", "evidence.zip", sources.package, "", ""))
    numbers = {description: number for number, (_, description, *_) in enumerate(lines, 1)}
    return [
        CustodyItem(
            number,
            kind,
            description,
            reference,
            None if body is None else len(body),
            digest if body is None else hashlib.sha256(body).hexdigest(),
            str(numbers.get(origin, "")),
        )
        for number, (kind, description, reference, body, digest, origin) in enumerate(lines, 1)
    ]


SEIZURE_COLUMNS = (
    *("case_id", "unit", "occurred_at", "place", "direction", "subject_kind", "bag_tag", "detection_methods"),
    *("selection_reason", "concealment", "commodity", "quantity", "outcome", "hit_id"),
)


def seizure_csv(made: Record) -> bytes:
    """Return the record as one line of CSV under its head; codes, no texts, so that any language reads it."""
    goods = made.items[0] if made.items else {}
    row = asdict(made) | {
        "detection_methods": " ".join(made.detection_methods),
        "commodity": goods.get("commodity"),
        "quantity": goods.get("quantity"),
        "hit_id": made.linked_hits[0],
    }
    return _csv(SEIZURE_COLUMNS, [[row[name] for name in SEIZURE_COLUMNS]])


def custody_csv(made: Record) -> bytes:
    """Return the custody list as CSV."""
    names = tuple(CustodyItem.__dataclass_fields__)
    return _csv(names, [[getattr(item, name) for name in names] for item in made.custody])


def _csv(head: tuple[str, ...], rows: list[list[Any]]) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(head)
    writer.writerows([[_plain(value) for value in row] for row in rows])
    return out.getvalue().encode("utf-8-sig")


def _plain(value: Any) -> str:
    """Return a cell that no spreadsheet takes for a formula."""
    text = "" if value is None else str(value)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def archive(sources: Sources, pdf: bytes) -> bytes:
    """Return the package: the same sources give the same bytes."""
    made = record(sources)
    parts = {
        "record.json": made.json(),
        "seizure.csv": seizure_csv(made),
        "custody.csv": custody_csv(made),
        "handover.pdf": pdf,
        "hit.json": sources.payload,
    }
    if sources.picture is not None:
        parts["picture.jpg"] = sources.picture
    if sources.package is not None:
        parts["evidence.zip"] = sources.package
    sums = "".join(f"{hashlib.sha256(body).hexdigest()}  {name}\n" for name, body in sorted(parts.items()))
    parts["SHA256SUMS"] = sums.encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, body in sorted(parts.items()):
            info = zipfile.ZipInfo(name, STAMP)
            info.compress_type = zipfile.ZIP_DEFLATED
            zipped.writestr(info, body)
    return out.getvalue()
