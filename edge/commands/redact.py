"""Keeps secrets out of what is told: a configuration, a log line."""

from __future__ import annotations

import re
from typing import Any

MASK = "(not told)"
_SECRET = re.compile(r"pass(word|wd|phrase)?|secret|token|credential|community|private|api_?key|pin$", re.IGNORECASE)
_USERINFO = re.compile(r"(?<=://)[^/@\s]+(?=@)")


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
    """Return a line of a log without users and passwords in addresses, and without what follows a secret's name."""
    text = _USERINFO.sub("***", text)
    return re.sub(rf"(?i)\b({_SECRET.pattern})(\s*[=:]\s*)\S+", rf"\1\g<3>{MASK}", text)
