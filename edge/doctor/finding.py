"""What a check found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Grade(StrEnum):
    """Well; doubtful; broken."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor: what was looked at, how it is, and what mends it where it is not well."""

    grade: Grade
    text: str
    mend: str = ""


def ok(text: str) -> Finding:
    """Return that something is well."""
    return Finding(Grade.OK, text)


def warn(text: str, mend: str) -> Finding:
    """Return that something is doubtful."""
    return Finding(Grade.WARN, text, mend)


def fail(text: str, mend: str) -> Finding:
    """Return that something is broken."""
    return Finding(Grade.FAIL, text, mend)
