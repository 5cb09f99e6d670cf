"""What can be wrong with a configuration, said so that a technician can mend it: file, line, key, problem, hint."""

from __future__ import annotations

import difflib
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from drivers.errors import ConfigError
from edge.config import positions

_BARE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")


class Level(StrEnum):
    """An error stops the appliance from starting; a warning is only suspicious."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong at one place; `hint` is what was probably meant. As text it is one line.

    An error that does not stop the appliance keeps only the technician's page from being served.
    """

    file: Path
    line: int
    key: str
    message: str
    hint: str | None = None
    level: Level = Level.ERROR
    stops: bool = True

    def __str__(self) -> str:
        hint = f" (did you mean {self.hint}?)" if self.hint else ""
        level = "warning: " if self.level is Level.WARNING else ""
        return _one_line(f"{self.file}:{self.line}: {self.key}: {level}{self.message}{hint}")


class ConfigProblems(ConfigError):
    """Everything that is wrong with a configuration, found in one run."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def _one_line(text: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


@dataclass(frozen=True)
class TomlFile:
    """A file of the configuration that the parser accepts, with the line of each key."""

    path: Path
    data: dict[str, Any]
    lines: Mapping[positions.Path, int]

    def problem(self, at: positions.Path, message: str, hint: str | None = None) -> Problem:
        """Return a problem at a key, or at the nearest table above it where there is no such key."""
        return Problem(self.path, self._line(at), dotted(at), message, hint)

    def warning(self, at: positions.Path, message: str) -> Problem:
        """Return a warning at a key."""
        return Problem(self.path, self._line(at), dotted(at), message, level=Level.WARNING)

    def value(self, *at: str | int) -> Any:
        """Return the value at a path, None where there is none."""
        value: Any = self.data
        for part in at:
            match value:
                case dict() if part in value:
                    value = value[part]
                case list() if isinstance(part, int) and part < len(value):
                    value = value[part]
                case _:
                    return None
        return value

    def _line(self, at: positions.Path) -> int:
        while at not in self.lines:
            at = at[:-1]
        return self.lines[at]


def dotted(at: positions.Path) -> str:
    """Return a path as a TOML key, with the index of an array's element in brackets, from 0."""
    text = ""
    for part in at:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            bare = part and set(part) <= _BARE
            text += ("." if text else "") + (part if bare else json.dumps(part, ensure_ascii=False))
    return text or "-"


def plain_name(text: str) -> str:
    """Return a name of lower-case letters, digits, '-' and '_' nearest to a text, "" where nothing is left."""
    letters = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9_-]+", "-", letters).strip("-_")


def nearest(word: object, known: Iterable[str]) -> str | None:
    """Return the known word that `word` was probably meant to be, or None."""
    by_fold = {name.casefold().replace("-", "_"): name for name in known}
    close = difflib.get_close_matches(str(word).casefold().replace("-", "_"), by_fold, n=1, cutoff=0.6)
    return by_fold[close[0]] if close else None
