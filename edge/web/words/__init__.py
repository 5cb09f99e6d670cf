"""The page's words: one catalogue a language, a JSON file each, with the same keys."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files


@cache
def words(language: str) -> dict[str, str]:
    """Return a language's words. Raises FileNotFoundError."""
    found = json.loads(files("edge.web.words").joinpath(f"{language}.json").read_text("utf-8"))
    assert isinstance(found, dict)
    return found


@cache
def languages() -> tuple[str, ...]:
    """Return the languages there are, by their two letters."""
    return tuple(sorted(path.name[:2] for path in files("edge.web.words").iterdir() if path.name.endswith(".json")))
