"""From cards and boards to HTML. Everything that came over the wire is escaped by the templates."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from simulators.console.intake import time_ms
from simulators.console.texts import Texts, languages
from simulators.console.view import stamp


def _utc(at: str) -> str:
    return at.replace("T", " ").removesuffix("Z") + " UTC"


def _utc_clock(at: str) -> str:
    return f"{at[11:19]} UTC"


def _score(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _percent(value: float) -> float:
    return round(min(1.0, max(0.0, value)) * 100, 1)


def _pixels(value: float) -> str:
    return f"{value:.0f}" if abs(value) < 1e6 else f"{value:.3g}"


def _grouped(value: int) -> str:
    return f"{value:,}".replace(",", "\u202f")


class Renderer:
    """The templates, once a language. Not bound to a request or a store."""

    def __init__(self) -> None:
        self._environment = Environment(
            loader=PackageLoader("simulators.console", "page"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters |= {
            "utc": _utc,
            "utc_clock": _utc_clock,
            "score": _score,
            "percent": _percent,
            "pixels": _pixels,
            "grouped": _grouped,
            "stamp": stamp,
        }
        self._environment.tests["time"] = lambda value: time_ms(value) is not None
        self._texts = {language: Texts(language) for language in languages()}

    def texts(self, language: str) -> Texts:
        """Return the words of a language."""
        return self._texts[language]

    def page(self, name: str, language: str, **values: Any) -> str:
        """Return a template filled in."""
        return self._environment.get_template(name).render(t=self._texts[language], **values)

    def cards(self, cards: list[Any], language: str) -> list[str]:
        """Return each hit as an item of the list."""
        macro: Any = self._environment.get_template("parts.html").module
        return [str(macro.card(card, self._texts[language])) for card in cards]
