"""What a code says: a bag's tag, a boarding pass, a parcel, a travel document, a button, or nothing that is looked for.

By ISO/IEC 15424 a reader may put the symbology before each code (`]I0`: Interleaved 2 of 5, `]C0`: Code 128); then only
a code of the right symbology counts. Nothing here keeps a name or a document.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date

from drivers.codereader import bcbp, mrz, parcel
from drivers.codereader.bcbp import Leg
from drivers.codereader.mrz import Document
from drivers.codereader.parcel import Parcel

_AIM = re.compile(r"\](.)(.)")
_TAG = re.compile(r"[0-9]{10}")
#: What sorting systems write for a tag that they could not read (ACI).
_NO_READ = "0" * 10
#: Interleaved 2 of 5 without a check digit, Code 128; None: the reader does not say.
_TAG_SYMBOLOGIES = frozenset({"I0", "C0", None})
#: Code 128, and as GS1-128.
_LINEAR = frozenset({"C0", None})
_GS1 = frozenset({"C1", "e0", None})
#: PDF417, Aztec, QR, Data Matrix, whatever their options.
_SQUARE = frozenset("LzQd")


@dataclass(frozen=True, slots=True)
class BagTag:
    """A bag's licence plate (IATA Resolution 740): ten digits."""

    number: str


@dataclass(frozen=True, slots=True)
class BoardingPass:
    """The flights of a boarding pass; nothing of whose it is."""

    legs: tuple[Leg, ...]


@dataclass(frozen=True, slots=True)
class Button:
    """A code that was configured to mean a button."""

    name: str


@dataclass(frozen=True, slots=True)
class Part:
    """A line of a travel document whose other lines are still to come."""


@dataclass(frozen=True, slots=True)
class Other:
    """A whole code that is none of those that are looked for; it is not kept."""


Found = BagTag | BoardingPass | Parcel | Document | Button | Part | Other


class Interpreter:
    """Says what codes mean, one after another; pure. `aim_required`: a code without its symbology is no code."""

    def __init__(self, *, aim_required: bool = False, buttons: Mapping[str, str] | None = None) -> None:
        self._aim_required = aim_required
        self._buttons = buttons or {}
        self._zones = mrz.Zones()

    @property
    def partial(self) -> int:
        """How many travel documents broke off."""
        return self._zones.partial

    def take(self, code: str, now_s: float, today: date) -> Found:
        """Return what a code says; `now_s` is monotonic, `today` serves dates without a year."""
        aim = _AIM.match(code)
        symbology = aim[1] + aim[2] if aim else None
        text = code[aim.end() :] if aim else code
        if name := self._buttons.get(text):
            return Button(name)
        document = self._zones.take(text, now_s, today)
        if document:
            return Part() if document is True else document
        if symbology is None and self._aim_required:
            return Other()
        return _said(text, symbology, today)


def _said(text: str, symbology: str | None, today: date) -> Found:
    if symbology in _TAG_SYMBOLOGIES and _TAG.fullmatch(text):
        return BagTag(text) if text != _NO_READ else Other()
    if (symbology is None or symbology[0] in _SQUARE) and (legs := bcbp.parse(text, today)):
        return BoardingPass(legs)
    for symbologies, parse in _PARCELS:
        if symbology in symbologies and (found := parse(text)):
            return found
    return Other()


_PARCELS: tuple[tuple[frozenset[str | None], Callable[[str], Parcel | None]], ...] = (
    (_LINEAR, parcel.postal),
    (_LINEAR, parcel.air_waybill),
    (_GS1, parcel.logistic_unit),
)
