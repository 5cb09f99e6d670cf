"""Knows an appliance's own secrets and people by heart, so that no text that leaves it has them."""

from __future__ import annotations

import contextlib
import re
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drivers.errors import ConfigError
from edge.commands.redact import MASK, PERSON, is_personal, is_secret, redacted_line
from edge.config.load import MAX_FILE_BYTES
from edge.config.page import users_file
from edge.config.rules import resolved
from edge.config.users import read

MAX_SECRET_BYTES = 64 * 1024
_LEAST = 4
"""Shorter ones would mask half of every text; they are masked where their key is."""


@dataclass(frozen=True, slots=True)
class Discretion:
    """The words to keep back: secrets wherever they stand, and people's names and numbers where they stand alone."""

    secrets: tuple[str, ...]
    persons: re.Pattern[str] | None

    @classmethod
    def of(cls, folder: Path) -> Discretion:
        """Return what must be kept back of the configuration in `folder`, as far as it can be read."""
        files = [folder / "edge.toml", *folder.glob("*.toml"), *folder.rglob("devices/*"), *folder.rglob("profiles/*")]
        tables = [table for path in files if path.is_file() and (table := _table(path)) is not None]
        secrets = {each for table in tables for each in _secrets(table, folder) if len(each) >= _LEAST}
        persons = {each for table in tables for each in _texts(table, is_personal)}
        with contextlib.suppress(ConfigError):  # there is none, or it is broken
            persons |= set(read(users_file(folder)))
        pattern = "|".join(re.escape(each) for each in sorted(persons, key=len, reverse=True) if each)
        longest_first = sorted(secrets, key=len, reverse=True)
        return cls(tuple(longest_first), re.compile(rf"(?<!\w)(?:{pattern})(?!\w)", re.I) if pattern else None)

    def kept(self, text: str) -> str:
        """Return a text without them, and without what looks like a secret of somebody else's."""
        for secret in self.secrets:
            text = text.replace(secret, MASK)
        text = redacted_line(text)
        return self.persons.sub(PERSON, text) if self.persons else text

    def of_value(self, value: Any) -> Any:
        """Return a value as JSON has it, each of its texts without them: before it is written, for JSON escapes."""
        if isinstance(value, dict):
            return {self.kept(str(key)): self.of_value(child) for key, child in value.items()}
        if isinstance(value, list | tuple):
            return [self.of_value(child) for child in value]
        return self.kept(value) if isinstance(value, str) else value


def _table(path: Path) -> dict[str, Any] | None:
    try:
        with path.open("rb") as file:
            return tomllib.loads(file.read(MAX_FILE_BYTES).decode("utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return None


def _secrets(table: dict[str, Any], folder: Path) -> Iterator[str]:
    yield from _texts(table, is_secret)
    for text in _texts(table, _names_secret_file):
        yield from _lines(resolved(folder, text))
    for text in _texts(table, lambda key: True):
        if userinfo := re.search(r"://([^\s\"'<>]+)@", text):
            yield from userinfo[1].split(":", 1)
            yield from re.split(r"[:/@?#]", userinfo[1])  # what is said of an address that is none has parts of it


def _names_secret_file(key: str) -> bool:
    return key.endswith("_file") and (is_secret(key.removesuffix("_file")) or "key" in key)


def _lines(path: Path) -> Iterator[str]:
    """Yield each line of a file that a `*_file` key names: a password, or a key's rows."""
    try:
        with path.open("rb") as file:
            text = file.read(MAX_SECRET_BYTES).decode("ascii", "ignore")
    except OSError:
        return
    yield from (line.strip() for line in text.splitlines() if not line.startswith("-----"))


def _texts(value: Any, wanted: Callable[[str], bool], name: str = "") -> Iterator[str]:
    """Yield every text and number whose key is wanted; an element of a list has the list's key."""
    if isinstance(value, dict):
        for key, child in value.items():
            yield from _texts(child, wanted, str(key))
    elif isinstance(value, list):
        for child in value:
            yield from _texts(child, wanted, name)
    elif wanted(name) and not isinstance(value, bool):
        yield str(value)
