"""What parcels and freight carry as bar codes: postal items, air waybills, GS1 units; all with check digits."""

from __future__ import annotations

import re
from dataclasses import dataclass

_POSTAL = re.compile(r"[A-Z]{2}(\d{8})(\d)[A-Z]{2}")
_POSTAL_WEIGHTS = (8, 6, 4, 2, 3, 5, 9, 7)
_AIR = re.compile(r"(\d{3})(\d{7})(\d)\d{5}")
_POUND_KG = 0.45359237
_END = "\x1d"
#: GS1 application identifiers of fixed length: how many digits follow the two that begin them (GS1 General
#: Specifications, 7.8.5-2); all others go on to a separator.
_FIXED = {"00": 18, "01": 14, "02": 14, "03": 14, "04": 16, "11": 6, "12": 6, "13": 6, "15": 6, "16": 6, "17": 6}
_FIXED |= {"18": 6, "19": 6, "20": 2} | {str(n): 8 for n in (31, 32, 33, 34, 35, 36)} | {"41": 14}
#: Gross weight in kilograms, in pounds, then net: what a scale will show first.
_UNITS = {"330": 1.0, "340": _POUND_KG, "310": 1.0, "320": _POUND_KG}


@dataclass(frozen=True, slots=True)
class Parcel:
    """A parcel's number, and the weight that its label declares in kilograms, where it does."""

    number: str
    declared_kg: float | None = None


def postal(text: str) -> Parcel | None:
    """Return the item of a postal identifier (UPU S10: two letters, eight digits, check digit, country)."""
    found = _POSTAL.fullmatch(text)
    if found is None:
        return None
    check = 11 - sum(int(digit) * weight for digit, weight in zip(found[1], _POSTAL_WEIGHTS, strict=True)) % 11
    check = {10: 0, 11: 5}.get(check, check)
    return Parcel(text) if int(found[2]) == check else None


def air_waybill(text: str) -> Parcel | None:
    """Return the consignment of a cargo label (IATA Resolution 606: air waybill and piece, sixteen digits)."""
    found = _AIR.fullmatch(text)
    if found is None or int(found[2]) % 7 != int(found[3]):
        return None
    return Parcel(f"{found[1]}-{found[2]}{found[3]}")


def logistic_unit(text: str) -> Parcel | None:
    """Return the unit of a GS1-128 label: its SSCC, and its gross or net weight where the label has one."""
    number, weights = None, {}
    at = 0
    while at < len(text):
        if text[at] == _END:
            at += 1
            continue
        identifier = text[at : at + 2]
        if identifier in _FIXED:
            end = at + 2 + _FIXED[identifier]
            value = text[at + 2 : end]
            if len(value) != _FIXED[identifier] or not (value.isascii() and value.isdigit()):
                return None
            if identifier == "00" and _gs1_check(value):
                number = value
            elif identifier in ("31", "32", "33", "34"):
                weights[identifier + value[0]] = int(value[2:]) / 10 ** int(value[1])
            at = end
        else:
            at = text.find(_END, at) + 1 or len(text)
    if number is None:
        return None
    kilograms = (weights[name] * unit for name, unit in _UNITS.items() if name in weights)
    return Parcel(number, next(kilograms, None))


def _gs1_check(digits: str) -> bool:
    """Return whether the last digit is the check digit of the others (GS1 General Specifications, 7.9)."""
    return sum(int(digit) * (3 if i % 2 else 1) for i, digit in enumerate(reversed(digits))) % 10 == 0
