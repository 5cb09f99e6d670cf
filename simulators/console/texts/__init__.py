"""The page's words: one catalogue a language, a JSON file each. Another language joins by another file."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

DEFAULT = "en"
_MS = ((1000, "ms", 1), (120_000, "s", 1000), (7_200_000, "min", 60_000), (172_800_000, "h", 3_600_000))


@cache
def _catalogue(language: str) -> dict[str, str]:
    loaded = json.loads(files(__name__).joinpath(f"{language}.json").read_text("utf-8"))
    assert isinstance(loaded, dict)
    return loaded


@cache
def languages() -> tuple[str, ...]:
    """Return the languages there are, by their two letters."""
    return tuple(sorted(each.name[:2] for each in files(__name__).iterdir() if each.name.endswith(".json")))


def chosen(accepted: str) -> str:
    """Return the language that an Accept-Language header likes best among ours."""
    best, weight = DEFAULT, 0.0
    for part in accepted[:500].split(","):
        tag, _, parameter = part.strip().partition(";")
        try:
            wanted = float(parameter.strip().removeprefix("q=") or 1) if parameter else 1.0
        except ValueError:
            continue
        language = tag.strip().lower().partition("-")[0]
        if language in languages() and wanted > weight:
            best, weight = language, wanted
    return best


class Texts:
    """The words of one language."""

    def __init__(self, language: str) -> None:
        self.language = language if language in languages() else DEFAULT
        self._texts = _catalogue(self.language)

    def __call__(self, key: str, **values: object) -> str:
        """Return the text under `key` with `{names}` filled in; values are plain text, to be escaped with the rest."""
        return self._texts[key].format_map(values) if values else self._texts[key]

    def duration(self, ms: float) -> str:
        """Return a duration in the unit that reads best: 340 ms, 1.3 s, 48 s, 5 min, 3 h, 12 d."""
        size = abs(ms)
        for limit, unit, divisor in _MS:
            if size < limit:
                value = size / divisor
                digits = 1 if unit == "s" and value < 10 else 0
                return f"{value:.{digits}f} {self(f'unit.{unit}')}"
        return f"{size / 86_400_000:.0f} {self('unit.d')}"
