"""Keeps secrets out of what is told: a configuration, a log line."""

from __future__ import annotations

import re
from typing import Any

MASK = "(not told)"
_NAMES = r"pass(?:word|wd|phrase|code)?|secret|token|credential|community|private|psk|api_?key"
_SECRET = re.compile(rf"{_NAMES}|pin$", re.IGNORECASE)
# Greedy to the last @: what people choose as a password has slashes and at signs of its own.
_USERINFO = re.compile(r"(?<=://)[^\s\"'<>]+(?=@)")
_SAID = re.compile(rf"(?i)([\w-]*(?:{_NAMES}|\bpin)s?[\"']?\s*[=:]\s*|\b(?:bearer|basic)\s+)(\"[^\"]*\"|'[^']*'|\S+)")
_KEY_BLOCK = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)


def redacted(value: Any, name: str = "") -> Any:
    """Return a value of a configuration without secrets: keys that name one, and users and passwords in addresses.

    A key `*_file` names a file, which is no secret; what is in the file never gets here.
    """
    if isinstance(value, dict):
        return {key: redacted(child, str(key)) for key, child in value.items()}
    if isinstance(value, list | tuple):
        return [redacted(child, name) for child in value]
    if _SECRET.search(name) and not name.endswith("_file"):
        return MASK
    return _USERINFO.sub("***", value) if isinstance(value, str) else value


def redacted_line(text: str) -> str:
    """Return text of a log without users and passwords in addresses, what follows a secret's name, and private keys."""
    return _SAID.sub(rf"\g<1>{MASK}", _USERINFO.sub("***", _KEY_BLOCK.sub(MASK, text)))
