"""On which line of a TOML file each key and each array element stands.

The standard library's parser gives values without positions, and the libraries that keep a file's layout (tomlkit) do
not tell lines either. So the values come from `tomllib`, and this second, much smaller reader of a text that `tomllib`
has found valid only has to know where keys and values begin and end (TOML 1.0.0, https://toml.io/en/v1.0.0).
"""

from __future__ import annotations

import tomllib
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field

Path = tuple[str | int, ...]
"""Keys and array indices from the top of the file, as they index what `tomllib.loads` returns."""

_BARE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")
_BLANK = " \t"
_SPACE = " \t\r\n"
_QUOTES = ('"""', "'''", '"', "'")


def lines(text: str) -> Mapping[Path, int]:
    """Return the line (1 first) of every table, key and array element; `()` is line 1.

    `text` must be what `tomllib.loads` accepts; a table that is only implied by a longer name has the line of the first
    name that implies it. Raises RecursionError for arrays nested deeper than Python's stack.
    """
    reader = _Reader(text)
    reader.document()
    return reader.found


@dataclass
class _Reader:
    text: str
    at: int = 0
    found: dict[Path, int] = field(default_factory=lambda: {(): 1})
    _elements: dict[Path, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._starts = [0, *(i + 1 for i, c in enumerate(self.text) if c == "\n")]

    def document(self) -> None:
        table: Path = ()
        while self._skip(_SPACE):
            if self.text[self.at] == "[":
                table = self._header()
            else:
                self._pair(table)

    def _skip(self, blanks: str) -> bool:
        """Pass over blanks and comments; say whether anything is left."""
        while self.at < len(self.text):
            if self.text[self.at] == "#":
                end = self.text.find("\n", self.at)
                self.at = len(self.text) if end < 0 else end
            elif self.text[self.at] in blanks:
                self.at += 1
            else:
                return True
        return False

    def _note(self, path: Path, at: int) -> None:
        self.found.setdefault(path, bisect_right(self._starts, at))

    def _header(self) -> Path:
        """Read `[a.b]` or `[[a.b]]` and return the path of the table it opens."""
        start = self.at
        many = self.text.startswith("[[", self.at)
        self.at += 2 if many else 1
        path: Path = ()
        names = self._name()
        for position, part in enumerate(names):
            path = (*path, part)
            self._note(path, start)
            if many and position == len(names) - 1:
                self._elements[path] = self._elements.get(path, -1) + 1
            if path in self._elements:
                path = (*path, self._elements[path])
                self._note(path, start)
        self.at += 2 if many else 1
        return path

    def _pair(self, table: Path) -> None:
        """Read `a.b = value`."""
        start = self.at
        path = table
        for part in self._name():
            path = (*path, part)
            self._note(path, start)
        self.at += 1
        self._skip(_BLANK)
        self._value(path)

    def _name(self) -> list[str]:
        """Read a key, dotted or not, up to the `=` or `]` that ends it."""
        parts = []
        while True:
            self._skip(_BLANK)
            start = self.at
            if self.text[start] in "\"'":
                self._string()
                # The parser itself unescapes a quoted key: there is nothing to gain in doing so twice.
                parts.append(tomllib.loads(f"k = {self.text[start : self.at]}")["k"])
            else:
                while self.text[self.at] in _BARE:
                    self.at += 1
                parts.append(self.text[start : self.at])
            self._skip(_BLANK)
            if self.text[self.at] != ".":
                return parts
            self.at += 1

    def _value(self, path: Path) -> None:
        match self.text[self.at]:
            case '"' | "'":
                self._string()
            case "[":
                self._array(path)
            case "{":
                self._inline_table(path)
            case _:
                while self.at < len(self.text) and self.text[self.at] not in ",]}#\n":
                    self.at += 1

    def _string(self) -> None:
        quote = next(q for q in _QUOTES if self.text.startswith(q, self.at))
        self.at += len(quote)
        while not self.text.startswith(quote, self.at):
            escaped = self.text[self.at] == "\\" and quote[0] == '"'
            self.at += 2 if escaped else 1
        self.at += len(quote)
        # A multi-line string may end in one or two quotes of its own, before the three that close it.
        while len(quote) == 3 and self.text.startswith(quote[0], self.at):
            self.at += 1

    def _array(self, path: Path) -> None:
        self.at += 1
        index = 0
        while self._skip(_SPACE) and self.text[self.at] != "]":
            if self.text[self.at] == ",":
                self.at += 1
                continue
            self._note((*path, index), self.at)
            self._value((*path, index))
            index += 1
        self.at += 1

    def _inline_table(self, path: Path) -> None:
        self.at += 1
        while self._skip(_SPACE) and self.text[self.at] != "}":
            if self.text[self.at] == ",":
                self.at += 1
                continue
            self._pair(path)
        self.at += 1
