"""Keeps secrets out of what is told: a configuration, a log line."""

from __future__ import annotations

import re
from typing import Any

MASK = "(not told)"
PERSON = "(person)"
NUMBER = "(number)"
USERINFO = "***"
MARKS = {"secrets": MASK, "persons": PERSON, "numbers": NUMBER, "users in addresses": USERINFO}
"""What stands in the place of what is left out, by what it was."""

_NAMES = r"pass(?:word|wd|phrase|code)?|secret|token|credential|community|private|psk|api_?key"
_SECRET = re.compile(rf"{_NAMES}|pin$|^key$", re.IGNORECASE)
#: Keys whose values are somebody's: a handler's service number, the tags that somebody wears.
_PERSONAL = frozenset({"handler", "epcs"})
# Greedy to the last @: what people choose as a password has slashes and at signs of its own.
_USERINFO = re.compile(r"(?<=://)[^\s\"'<>]+(?=@)")
_SAID = re.compile(rf"(?i)([\w-]*(?:{_NAMES}|\bpin)s?[\"']?\s*[=:]\s*|\b(?:bearer|basic)\s+)(\"[^\"]*\"|'[^']*'|\S+)")
_KEY_BLOCK = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)
_UUID = r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"
_NUMBERED = re.compile(rf"({_UUID})|[A-Za-z0-9<]{{6,}}|\b\d{{1,4}}(?:[. -]\d{{3,4}}){{2,}}\b")
_DIGITS = 5


def redacted(value: Any, name: str = "") -> Any:
    """Return a value of a configuration without secrets: keys that name one, and users and passwords in addresses.

    A key `*_file` names a file, which is no secret; what is in the file never gets here.
    """
    if isinstance(value, dict):
        return {key: redacted(child, str(key)) for key, child in value.items()}
    if isinstance(value, list | tuple):
        return [redacted(child, name) for child in value]
    if is_secret(name):
        return MASK
    return _USERINFO.sub(USERINFO, value) if isinstance(value, str) else value


def without_persons(value: Any) -> Any:
    """Return a value of a configuration without what is somebody's: by which numbers and tags they go."""
    if isinstance(value, dict):
        return {key: PERSON if key in _PERSONAL else without_persons(child) for key, child in value.items()}
    return [without_persons(child) for child in value] if isinstance(value, list | tuple) else value


def is_secret(key: str) -> bool:
    """Say whether a configuration's key names a secret, and not a file with one."""
    return bool(_SECRET.search(key)) and not key.endswith("_file")


def is_personal(key: str) -> bool:
    """Say whether a configuration's key names what is somebody's."""
    return key in _PERSONAL


def redacted_line(text: str) -> str:
    """Return text of a log without users and passwords in addresses, what follows a secret's name, and private keys."""
    return _SAID.sub(rf"\g<1>{MASK}", _USERINFO.sub(USERINFO, _KEY_BLOCK.sub(MASK, text)))


def without_numbers(text: str) -> str:
    """Return text without what may be the number of a bag, a tag, a document or a parcel, or a document's own line.

    That is every word of six letters and digits or more with five digits or more among them, groups of three or four
    digits, and every word with a document line's filler (<<). A hit's id stays: support asks for it, and it names
    nothing outside the appliance.
    """
    return _NUMBERED.sub(lambda m: m[0] if m[1] or not _telling(m[0]) else NUMBER, text)


def _telling(word: str) -> bool:
    return "<<" in word or sum(c.isdigit() for c in word) >= _DIGITS
