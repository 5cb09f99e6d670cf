"""The two forms as HTML, in the visitor's language."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request

LANGUAGES = {"en": "English", "fr": "Français", "es": "Español", "pt": "Português"}
COOKIE = "lang"


def language(request: Request) -> str:
    """Return the language asked for: by `?lang=`, by the page's cookie, or by the browser; else English."""
    asked = [request.query_params.get("lang", ""), request.cookies.get(COOKIE, "")]
    accepted = request.headers.get("accept-language", "")[:200].split(",")
    ranked = sorted((_weighted(each) for each in accepted), key=lambda pair: -pair[1])
    for code in (*asked, *(code for code, weight in ranked if weight > 0)):
        if (short := code.strip().lower().partition("-")[0]) in LANGUAGES:
            return short
    return "en"


def _weighted(part: str) -> tuple[str, float]:
    code, _, parameter = part.partition(";")
    try:
        return code, float(parameter.partition("=")[2] or 1)
    except ValueError:
        return code, 0.0


@cache
def texts(code: str) -> dict[str, str]:
    """Return a language's words."""
    found = json.loads(files("edge.web.guard").joinpath("texts.json").read_text("utf-8"))[code]
    assert isinstance(found, dict)
    return found


@cache
def style() -> str:
    """Return the forms' style sheet."""
    return files("edge.web.guard").joinpath("sign-in.css").read_text("utf-8")


def page(template: str, code: str, **values: Any) -> str:
    """Return a page as HTML."""
    return _environment().get_template(template).render(t=texts(code), lang=code, languages=LANGUAGES, **values)


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("edge.web.guard", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
