"""Machine readable zones of travel documents, and whether one holds together.

ICAO Doc 9303, parts 4 to 7, and the French identity card of 1988 to 2021, which is older than they are. Names, numbers
and dates are looked at and forgotten. What leaves this module is which checks failed, whether the document has expired,
and, for lists of targets alone, which document it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

_FILLER = "<"
_VALUES = {_FILLER: 0} | {str(n): n for n in range(10)} | {chr(ord("A") + n): 10 + n for n in range(26)}
_WEIGHTS = (7, 3, 1)

Span = tuple[int, int, int]
"""A line, and from where to where on it: from 0, the end left out."""


@dataclass(frozen=True, kw_only=True)
class Form:
    """Where things stand on one form of document."""

    name: str
    lines: int
    width: int
    begins: re.Pattern[str]
    """What its first line looks like; `dates` what the line behind it does, which tells it from another's first."""
    dates: re.Pattern[str]
    number: Span
    birth: Span
    checks: Mapping[str, tuple[Span, ...]]
    """Each check by the name of what it protects; its digit stands right behind the last span."""
    expiry: Span | None = None
    optional: Span | None = None
    """Where a document number longer than nine characters goes on, with its check digit (Doc 9303-5 and -6, 4.2.4)."""
    blank: frozenset[str] = frozenset()
    """Checks whose digit may be a filler where all that they protect is fillers."""


_BOOK_DATES = re.compile(r".{9}[0-9<][A-Z<]{3}[0-9<]{6}[0-9][A-Z<][0-9<]{6}[0-9]")
_BOOK = {"document number": ((1, 0, 9),), "date of birth": ((1, 13, 19),), "date of expiry": ((1, 21, 27),)}

FORMS = (
    Form(
        name="TD3",
        lines=2,
        width=44,
        begins=re.compile(r"P[A-Z<][A-Z<]{3}[A-Z]"),
        dates=_BOOK_DATES,
        number=(1, 0, 9),
        birth=(1, 13, 19),
        expiry=(1, 21, 27),
        checks={
            **_BOOK,
            "personal number": ((1, 28, 42),),
            "composite": ((1, 0, 10), (1, 13, 20), (1, 21, 43)),
        },
        blank=frozenset({"personal number"}),
    ),
    Form(
        name="MRV-A",
        lines=2,
        width=44,
        begins=re.compile(r"V[A-Z<][A-Z<]{3}[A-Z]"),
        dates=_BOOK_DATES,
        number=(1, 0, 9),
        birth=(1, 13, 19),
        expiry=(1, 21, 27),
        checks=_BOOK,
    ),
    Form(
        name="FR-ID",
        lines=2,
        width=36,
        begins=re.compile(r"IDFRA[A-Z<]{25}[A-Z0-9<]{6}"),
        dates=re.compile(r".{12}[0-9][A-Z<]{14}[0-9<]{6}[0-9][MF<]"),
        number=(1, 0, 12),
        birth=(1, 27, 33),
        checks={
            "document number": ((1, 0, 12),),
            "date of birth": ((1, 27, 33),),
            "composite": ((0, 0, 36), (1, 0, 35)),
        },
    ),
    Form(
        name="TD2",
        lines=2,
        width=36,
        begins=re.compile(r"[ACIP][A-Z0-9<][A-Z<]{3}[A-Z]"),
        dates=_BOOK_DATES,
        number=(1, 0, 9),
        birth=(1, 13, 19),
        expiry=(1, 21, 27),
        optional=(1, 28, 35),
        checks={**_BOOK, "composite": ((1, 0, 10), (1, 13, 20), (1, 21, 35))},
    ),
    Form(
        name="MRV-B",
        lines=2,
        width=36,
        begins=re.compile(r"V[A-Z<][A-Z<]{3}[A-Z]"),
        dates=_BOOK_DATES,
        number=(1, 0, 9),
        birth=(1, 13, 19),
        expiry=(1, 21, 27),
        checks=_BOOK,
    ),
    Form(
        name="TD1",
        lines=3,
        width=30,
        begins=re.compile(r"[ACIP][A-Z0-9<][A-Z<]{3}[A-Z0-9]"),
        dates=re.compile(r"[0-9<]{6}[0-9][A-Z<][0-9<]{6}[0-9][A-Z<]{3}"),
        number=(0, 5, 14),
        birth=(1, 0, 6),
        expiry=(1, 8, 14),
        optional=(0, 15, 30),
        checks={
            "document number": ((0, 5, 14),),
            "date of birth": ((1, 0, 6),),
            "date of expiry": ((1, 8, 14),),
            "composite": ((0, 5, 30), (1, 0, 7), (1, 8, 15), (1, 18, 29)),
        },
    ),
)
WIDTHS = frozenset(form.width for form in FORMS)


@dataclass(frozen=True, slots=True)
class Document:
    """One whole zone, judged. `wrong` names the checks that failed; `number` is for lists of targets alone."""

    form: str
    wrong: tuple[str, ...]
    expired: bool
    number: str


def check_digit(text: str) -> str:
    """Return the check digit of a field (Doc 9303-3, 4.9): weights 7, 3, 1, modulo 10; A is 10, a filler 0."""
    return str(sum(_VALUES[char] * _WEIGHTS[i % 3] for i, char in enumerate(text)) % 10)


def is_zone(text: str) -> bool:
    """Return whether a line has the length and the characters of a machine readable line."""
    return len(text) in WIDTHS and all(char in _VALUES for char in text)


def begins(line: str) -> Form | None:
    """Return the form of which this may be the first line, None where it is of none."""
    if not is_zone(line):
        return None
    return next((form for form in FORMS if form.width == len(line) and form.begins.match(line)), None)


def split(text: str) -> tuple[str, ...] | None:
    """Return the lines of a zone that came in one piece, None where it is none."""
    for form in FORMS:
        if len(text) == form.lines * form.width and all(char in _VALUES for char in text):
            lines = tuple(text[i : i + form.width] for i in range(0, len(text), form.width))
            if form.begins.match(lines[0]) and form.dates.match(lines[1]):
                return lines
    return None


def judge(form: Form, lines: tuple[str, ...], today: date) -> Document:
    """Return what the checks of a whole zone say; `lines` are as many and as long as the form has."""

    def text(span: Span) -> str:
        return lines[span[0]][span[1] : span[2]]

    wrong = []
    number = text(form.number)
    for name, spans in form.checks.items():
        line, _, end = spans[-1]
        told, protected = lines[line][end], "".join(map(text, spans))
        if name == "document number" and told == _FILLER and form.optional:
            longer, told = _longer(text(form.optional))
            protected = number = number + longer
        blank = told == _FILLER and name in form.blank and not protected.strip(_FILLER)
        if told != check_digit(protected) and not blank:
            wrong.append(name)
    if not _is_birth(text(form.birth)):
        wrong.append("impossible date of birth")
    last_day = _last_day(text(form.expiry), today) if form.expiry else None
    if form.expiry and last_day is None and text(form.expiry).strip(_FILLER):
        wrong.append("impossible date of expiry")
    # A document is valid through its last day where it is shown, which may be a day behind ours.
    expired = last_day is not None and last_day + timedelta(days=1) < today
    return Document(form.name, tuple(wrong), expired, number.replace(_FILLER, ""))


def _longer(optional: str) -> tuple[str, str]:
    """Return the rest of a long number and its check digit, which stand first in the optional data."""
    rest = optional.partition(_FILLER)[0]
    return rest[:-1], rest[-1:]


def _is_birth(text: str) -> bool:
    """Return whether a date of birth may be one; parts that are not known are fillers (Doc 9303-3, 4.8)."""
    month, day = text[2:4], text[4:6]
    return (not month.isdigit() or 1 <= int(month) <= 12) and (not day.isdigit() or 1 <= int(day) <= 31)


def _last_day(text: str, today: date) -> date | None:
    """Return a date of expiry, in the century that brings it nearest to today; None where there is no such day."""
    if not text.isdigit():
        return None
    year = min((century + int(text[:2]) for century in (1900, 2000, 2100)), key=lambda year: abs(year - today.year))
    try:
        return date(year, int(text[2:4]), int(text[4:6]))
    except ValueError:
        return None


class Zones:
    """Gathers the lines of zones, which readers send one by one; a zone that is not whole is none."""

    def __init__(self, gap_s: float = 2.0) -> None:
        self._gap_s = gap_s
        self._form: Form | None = None
        self._lines: list[str] = []
        self._last_s = 0.0
        self.partial = 0

    def take(self, text: str, now_s: float, today: date) -> Document | bool:
        """Take a code: the document that it completes, whether it is a part of one, or False: it is something else."""
        whole = split(text)
        if whole:
            self._drop()
            form = begins(whole[0])
            return judge(form, whole, today) if form else False
        if self._lines and now_s - self._last_s > self._gap_s:
            self._drop()
        if self._form and self._goes_on(text):
            self._lines.append(text)
        elif (form := begins(text)) is not None:
            self._drop()
            self._form, self._lines = form, [text]
        else:
            self._drop()
            return False
        self._last_s = now_s
        if len(self._lines) < self._form.lines:
            return True
        form, lines = self._form, tuple(self._lines)
        self._form, self._lines = None, []
        return judge(form, lines, today)

    def _goes_on(self, text: str) -> bool:
        assert self._form is not None
        if len(text) != self._form.width or not is_zone(text):
            return False
        return len(self._lines) > 1 or bool(self._form.dates.match(text))

    def _drop(self) -> None:
        self.partial += bool(self._lines)
        self._form, self._lines = None, []
