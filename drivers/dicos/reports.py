"""A scanner's own verdict, as its Threat Detection Report says it. Pure; the bytes are a stranger's.

Of a report on a person nothing comes out but the decision, categories and zones: no identifier, no text, no bytes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct
from typing import Any, Final

from drivers.clock import Stamp
from drivers.contract import Category, Finding, ItemHint, Measurement, Reading, Severity
from drivers.dicos.elements import OOI_TYPE, DataSet
from drivers.dicos.settings import DicosSettings
from drivers.dicos.zones import Point, zone_of

MAX_FINDINGS = 32
MAX_RAW_BYTES = 256 * 1024
MAX_LABEL_CHARS = 96
PERSON = "PERSON"

_STUDY, _OOI_ID, _OOI_ID_TYPE = 0x0020000D, 0x00100020, 0x00100022
_THREATS, _ABORT_REASON, _ABORT_FLAG, _TDR_TYPE = 0x40101011, 0x40101021, 0x40101024, 0x40101027
_DECISION, _TIP_TYPE, _SCAN_TYPE = 0x40101031, 0x40101039, 0x40101048
_REPRESENTATIONS, _ASSESSMENTS = 0x40101037, 0x40101038
_CATEGORY, _DESCRIPTION, _FLAG, _PROBABILITY = 0x40101012, 0x40101013, 0x40101015, 0x40101016
_LOCATION, _LOCATORS, _LOCATOR = 0x40101078, 0x40101079, 0x4010107A

_CATEGORIES: Final = {category.value: category for category in Category} | {"PROHIBITED ITEM": Category.PI}
_SEVERITIES: Final = {
    Category.EXPLOSIVE: Severity.CRITICAL,
    Category.PI: Severity.HIGH,
    Category.CONTRABAND: Severity.HIGH,
}
_DECISIONS: Final = {"ALARM": "alarm", "CLEAR": "clear"}
_NO_THREAT = "NO_THREAT"


@dataclass(frozen=True, slots=True)
class _Object:
    """One potential threat object, as it was assessed and where it is."""

    category: Category
    description: str | None
    probability: float | None
    location: str | None
    locator: Point | None


def reading(found: DataSet, raw: bytes, at: Stamp, settings: DicosSettings) -> Reading:
    """Return a report as a reading: an alarm has a finding for each object that is a threat, at least one in all.

    A report that was aborted, or says neither alarm nor clear, is `unknown` and raises nothing. `raw` is kept where the
    report is not on a person and is at most 256 KiB.
    """
    person = (_word(found, OOI_TYPE) or "").upper() == PERSON
    decision, reason = _decision(found)
    objects = [] if decision != "alarm" else list(_objects(found))[:MAX_FINDINGS]
    findings = tuple(_finding(one, person, settings) for one in objects)
    if decision == "alarm" and not findings:
        findings = (_finding(_Object(Category.OTHER, None, None, None, None), person, settings),)
    values: dict[str, Any] = {"decision": decision}
    if reason:
        values["reason"] = reason
    if decision == "alarm":
        values["threats"] = len(findings)
    if person:
        values["zones"] = sorted({finding.zone for finding in findings if finding.zone})
    else:
        values |= {"scan_id": _word(found, _STUDY), "report": _word(found, _TDR_TYPE)}
    return Reading(
        at=at,
        values=values,
        findings=findings,
        raw=b"" if person or len(raw) > MAX_RAW_BYTES else raw,
        item=ItemHint(type=PERSON) if person else _hint(found),
        distinct=True,
        scan_type=_word(found, _SCAN_TYPE) or "OPERATIONAL",
        tip_type=_word(found, _TIP_TYPE),
    )


def _decision(found: DataSet) -> tuple[str, str | None]:
    said = (_word(found, _DECISION) or "").upper()
    if said != "ALARM" and (_word(found, _ABORT_FLAG) or "").upper() == "ABORT":
        return "unknown", _word(found, _ABORT_REASON) or "aborted"
    return _DECISIONS.get(said, "unknown"), None


def _objects(found: DataSet) -> Iterator[_Object]:
    """Yield the objects that are threats: those of which some assessment does not say that they are none."""
    for threat in found.items(_THREATS):
        assessments = threat.items(_ASSESSMENTS)
        feared = [one for one in assessments if (_word(one, _FLAG) or "").upper() != _NO_THREAT]
        if assessments and not feared:
            continue
        one = feared[0] if feared else None
        places = threat.items(_REPRESENTATIONS)
        yield _Object(
            category=_CATEGORIES.get((_word(one, _CATEGORY) or "").upper() if one else "", Category.OTHER),
            description=_word(one, _DESCRIPTION) if one else None,
            probability=_probability(one),
            location=next((text for place in places if (text := _word(place, _LOCATION))), None),
            locator=next((point for place in places if (point := _point(place))), None),
        )


def _finding(one: _Object, person: bool, settings: DicosSettings) -> Finding:
    label = one.category.value.lower() if person or not one.description else one.description
    known = one.probability is not None
    return Finding(
        label=label[:MAX_LABEL_CHARS],
        measurement=Measurement("probability", one.probability or 0.0) if known else Measurement("decision", "alarm"),
        category=one.category,
        severity=_SEVERITIES.get(one.category, Severity.MEDIUM),
        zone=zone_of(settings.zone_scheme, settings.zones, settings.zone_boxes, one.location, one.locator)
        if person
        else None,
    )


def _hint(found: DataSet) -> ItemHint:
    return ItemHint(_word(found, _OOI_ID), _word(found, _OOI_ID_TYPE), _word(found, OOI_TYPE))


def _probability(assessment: DataSet | None) -> float | None:
    (value,) = _floats(assessment, _PROBABILITY, 1) or (None,)
    return round(value, 4) if value is not None and 0 <= value <= 1 else None  # -1 says that there is none


def _point(place: DataSet) -> Point | None:
    for locator in place.items(_LOCATORS):
        if point := _floats(locator, _LOCATOR, 3):
            return point[0], point[1], point[2]
    return None


def _floats(found: DataSet | None, tag: int, count: int) -> tuple[float, ...] | None:
    value = found and found.value(tag)
    if not found or not value or len(value) != 4 * count:
        return None
    numbers: tuple[float, ...] = Struct(f"{'<' if found.little else '>'}{count}f").unpack(value)
    return numbers if all(map(math.isfinite, numbers)) else None


def _word(found: DataSet, tag: int) -> str | None:
    text = found.text(tag)
    return text[:128] if text else None
