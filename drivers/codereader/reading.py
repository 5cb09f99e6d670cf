"""What of a code leaves the driver: tags, flights and parcels; of a document only whether it holds together."""

from __future__ import annotations

from typing import Any

from drivers.clock import Stamp
from drivers.codereader.codec import BagTag, BoardingPass, Button, Found, Other
from drivers.codereader.mrz import Document
from drivers.codereader.parcel import Parcel
from drivers.codereader.settings import CodereaderSettings
from drivers.contract import Finding, Identity, IdKind, ItemHint, Measurement, Reading, Severity

#: The hit's label, which is also the commodity that a console offers for it.
TRAVEL_DOCUMENT = "travel_document"


def reading_of(found: Found, at: Stamp, settings: CodereaderSettings) -> Reading:
    """Return a code as a reading; an inconsistent or expired document is a finding, and its data is not in it."""
    match found:
        case Button(name):
            return _button(name, at, settings)
        case BagTag(number):
            hint = ItemHint(number, "BARCODE", "BAGGAGE")
            identity = Identity(IdKind.BAG_TAG, number)
            return Reading(
                at, _code(at, "bag_tag", value=number), raw=number.encode(), item=hint, identities=(identity,)
            )
        case BoardingPass(legs):
            flights = [
                {"flight": leg.flight, "date": leg.day.isoformat(), "from": leg.origin, "to": leg.destination}
                | {"sequence": leg.sequence}
                for leg in legs
            ]
            names = tuple(Identity(IdKind.FLIGHT, f"{leg.flight}/{leg.day.isoformat()}") for leg in legs)
            return Reading(at, _code(at, "boarding_pass", flights=flights), identities=names)
        case Parcel(number, declared_kg):
            values = _code(at, "parcel", value=number)
            if declared_kg is not None:
                values["declared_kg"] = round(declared_kg, 3)
            return Reading(at, values, raw=number.encode(), identities=(Identity(IdKind.PARCEL, number),))
        case Document():
            return _document(found, at, settings)
        case _:
            assert isinstance(found, Other), found
            return Reading(at, _code(at, "other"))


def _button(name: str, at: Stamp, settings: CodereaderSettings) -> Reading:
    button = next(button for button in settings.buttons if button.name == name)
    finding = Finding(name, Measurement("button", True), button.category, button.severity)
    return Reading(at, {"button": name}, (finding,) if button.alarm else ())


def _code(at: Stamp, kind: str, **more: Any) -> dict[str, Any]:
    return {"codes": [{"kind": kind, **more, "at": at.rfc3339()}]}


def _document(document: Document, at: Stamp, settings: CodereaderSettings) -> Reading:
    values = _code(at, TRAVEL_DOCUMENT, form=document.form, consistent=not document.wrong, expired=document.expired)
    findings: tuple[Finding, ...] = ()
    if document.wrong:
        told = Measurement("inconsistent", ", ".join(document.wrong))
        findings = (Finding(TRAVEL_DOCUMENT, told, settings.document_category, settings.document_severity),)
    elif document.expired and settings.expired_is_hit:
        told = Measurement("expired", True)
        findings = (Finding(TRAVEL_DOCUMENT, told, settings.document_category, Severity.LOW),)
    names = (Identity(IdKind.DOCUMENT, document.number),) if document.number else ()
    # Two people's documents within seconds are two hits.
    return Reading(at, values, findings, distinct=True, identities=names)
