"""Commands as bytes, and their answers among what came: pure."""

from __future__ import annotations

from enum import StrEnum


class Form(StrEnum):
    """How a command is written in a configuration."""

    HEX = "hex"
    TEXT = "text"


def encode(text: str, form: Form) -> bytes:
    """Return a command's bytes; raises ValueError, in words for who wrote it, where it has none."""
    if form is Form.TEXT:
        return text.encode()
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise ValueError(f'must be bytes in hexadecimal ("A0 01 01 A2"), not {text!r}; or say form = "text"') from None


def answered(came: bytes, expected: bytes) -> bool:
    """Say whether the expected answer is among what came."""
    return expected in came
