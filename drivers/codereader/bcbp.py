"""Bar coded boarding passes (IATA Resolution 792, "BCBP"): which flights, and when.

The name, the booking and every later field are stepped over and never leave this module.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta

_HEAD_CHARS, _LEG_CHARS = 23, 37
_HEAD = re.compile(r"M([1-4]).{20}[A-Z0-9 ]")
#: Booking, from, to, carrier, flight, day of the year, compartment, seat, sequence, status, size of what follows.
_LEG = re.compile(
    r".{7}([A-Z]{3})([A-Z]{3})([A-Z0-9]{2}[A-Z0-9 ])(\d{4}[A-Z ]|\d{1,3}[A-Z]? {1,4}|[ ]{5})(\d{3}|[ ]{3})"
    r".{5}([A-Z0-9 ]{5}).([0-9A-F]{2})"
)


@dataclass(frozen=True, slots=True)
class Leg:
    """One flight of a boarding pass; `day` is its local date of departure."""

    origin: str
    destination: str
    carrier: str
    number: str
    day: date
    sequence: str

    @property
    def flight(self) -> str:
        """The flight as lists of targets write it: airline, four digits, a suffix where there is one."""
        return f"{self.carrier}{self.number}"


def parse(text: str, today: date) -> tuple[Leg, ...] | None:
    """Return the flights of a boarding pass, None where the text is not a whole one.

    A leg without flight or date (an open ticket) is left out. The code has only the day of the year: the year is the
    one that brings it nearest to `today`.
    """
    head = _HEAD.match(text)
    if head is None:
        return None
    legs, at = [], _HEAD_CHARS
    for _ in range(int(head[1])):
        found = _LEG.fullmatch(text[at : at + _LEG_CHARS])
        if found is None:
            return None
        at += _LEG_CHARS + int(found[7], 16)
        if at > len(text):
            return None
        day = _nearest(found[5], today)
        number = re.fullmatch(r"(\d{1,4})([A-Z]?)", found[4].strip())
        if day and number:
            flight = number[1].zfill(4) + number[2]
            legs.append(Leg(found[1], found[2], found[3].strip(), flight, day, found[6].strip().lstrip("0")))
    rest = text[at:].strip()
    return tuple(legs) if not rest or rest.startswith("^") else None


def _nearest(day_of_year: str, today: date) -> date | None:
    if not day_of_year.strip() or not 1 <= int(day_of_year) <= 366:
        return None
    days = []
    for year in range(max(today.year - 1, date.min.year), min(today.year + 1, date.max.year) + 1):
        day = date(year, 1, 1) + timedelta(days=int(day_of_year) - 1) if year < date.max.year else None
        if day and day.year == year:  # only leap years have a day 366
            days.append(day)
    return min(days, key=lambda day: abs(day - today), default=None)
