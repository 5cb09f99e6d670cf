"""Validates a table of a configuration, and words what is wrong with it in the technician's terms."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from edge.config import positions
from edge.config.problems import Problem, TomlFile, nearest

_SHOWN_CHARACTERS = 40

M = TypeVar("M", bound=BaseModel)


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else str(value)


PATTERNS = {
    r"^[a-z0-9][a-z0-9-]*$": "lower-case letters, digits and '-', not beginning with '-'",
    r"^.+:\d{1,5}$": "HOST:PORT",
    r"^mqtts?://[^/\s]+$": "mqtts://HOST:PORT, or mqtt://HOST:PORT on loopback",
    r"^(https?|grpcs?)://[^\s]+$": "https://HOST:PORT or grpcs://HOST:PORT; on loopback http:// and grpc:// too",
}
"""What a pattern means, in words; a key whose pattern is not here is explained by its description."""

TYPES = {
    "string": 'text in quotes ("...")',
    "path": 'a path in quotes ("...")',
    "int": "a whole number",
    "float": "a number",
    "finite": "a finite number",
    "bool": "true or false",
    "list": "a list ([...])",
    "tuple": "a list ([...])",
    "set": "a list ([...])",
    "dict": "a table",
    "model": "a table",
}
"""What pydantic's error types that begin so would have wanted."""

LIMITS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "greater_than_equal": lambda limit: f"at least {_number(limit['ge'])}",
    "greater_than": lambda limit: f"more than {_number(limit['gt'])}",
    "less_than_equal": lambda limit: f"at most {_number(limit['le'])}",
    "less_than": lambda limit: f"less than {_number(limit['lt'])}",
    "multiple_of": lambda limit: f"a multiple of {limit['multiple_of']}",
    "string_too_short": lambda limit: f"at least {limit['min_length']} characters long",
    "string_too_long": lambda limit: f"at most {limit['max_length']} characters long",
    "too_short": lambda limit: f"at least {limit['min_length']} of them",
    "too_long": lambda limit: f"at most {limit['max_length']} of them",
    "finite_number": lambda _: "a finite number",
}
"""pydantic's errors of a value outside its limits, in words."""


def fields_at(model: type[BaseModel], at: positions.Path) -> dict[str, FieldInfo]:
    """Return the keys that the table at a path may have, whichever of several classes it may be."""
    models = [model]
    for part in at:
        if isinstance(part, str):
            below = [m.model_fields[part].annotation for m in models if part in m.model_fields]
            # A key that is no field is the free key of a dict, whose values' classes are already in `models`.
            models = [found for annotation in below for found in _classes(annotation)] if below else models
    return {name: info for m in models for name, info in m.model_fields.items()}


def _classes(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    else:
        for argument in get_args(annotation):
            yield from _classes(argument)


def validate(model: type[M], file: TomlFile, top: positions.Path = ()) -> M | list[Problem]:
    """Return the table at `top` as an instance of `model`, or everything that is wrong with it.

    Strict, in the sense of JSON: no text is taken for a number, no number for true or false; text may be a path.
    """
    table = file.value(*top) or {}
    try:
        return model.model_validate_json(json.dumps(table, default=_dated), strict=True)
    except ValidationError as error:
        return list(_worded(model, file, top, error.errors(include_url=False)))


def _dated(value: object) -> dict[str, str]:
    # As an object, a date is the wrong type wherever text is wanted; a key that wants a day takes it apart.
    return {"date": str(value)}


def _worded(
    model: type[BaseModel], file: TomlFile, top: positions.Path, errors: Iterable[ErrorDetails]
) -> Iterator[Problem]:
    """Word pydantic's errors; the several errors of one key that may have one of several types become one."""
    by_place: dict[positions.Path, list[ErrorDetails]] = {}
    for error in errors:
        by_place.setdefault(_place(file, top, error), []).append(error)
    for at, at_place in by_place.items():
        if at_place[0]["type"] == "missing":
            yield from _missing(model, file, top, at)
            continue
        wanted = [words for error in at_place if (words := _wanted(error["type"]))]
        if len(wanted) == len(at_place):
            yield file.problem(at, f"must be {' or '.join(dict.fromkeys(wanted))}, not {shown(file.value(*at))}")
            continue
        said = [_message(model, file, top, at, error) for error in at_place]
        yield file.problem(at, ", or ".join(dict.fromkeys(message for message, _ in said)), said[-1][1])


def _wanted(kind: str) -> str | None:
    """Return which type of value an error of this kind would have wanted, None where it is not about the type."""
    if kind in LIMITS or kind == "string_pattern_mismatch":
        return None
    return next((words for prefix, words in TYPES.items() if kind.startswith(prefix)), None)


def _place(file: TomlFile, top: positions.Path, error: ErrorDetails) -> positions.Path:
    """Return where in the file an error is: pydantic's path without the parts that name a type and no key."""
    at = top
    for part in error["loc"]:
        if (*at, part) in file.lines:
            at = (*at, part)
    return (*at, error["loc"][-1]) if error["type"] == "missing" else at


def _missing(model: type[BaseModel], file: TomlFile, top: positions.Path, at: positions.Path) -> Iterator[Problem]:
    """Say what is missing; where it is a whole section, name each of its needed keys."""
    name = at[-1]
    info = fields_at(model, at[len(top) : -1]).get(str(name))
    needed = [
        (*at, key)
        for section in _classes(info.annotation if info else None)
        for key, below in section.model_fields.items()
        if below.is_required()
    ]
    for key in needed or [at]:
        described = fields_at(model, key[len(top) : -1]).get(str(key[-1]))
        about = f": {described.description}" if described and described.description else ""
        yield file.problem(key, f"is missing{about}")


def _message(
    model: type[BaseModel], file: TomlFile, top: positions.Path, at: positions.Path, error: ErrorDetails
) -> tuple[str, str | None]:
    """Return an error in our own words, and what was probably meant."""
    value = file.value(*at)
    context: dict[str, Any] = error.get("ctx") or {}
    kind = error["type"]
    if kind == "extra_forbidden":
        return _unknown(model, file, top, at)
    if kind in ("literal_error", "enum"):
        allowed = [str(choice) for choice in _choices(fields_at(model, at[len(top) : -1]).get(str(at[-1])), context)]
        return f"must be one of {', '.join(allowed)}, not {shown(value)}", nearest(value, allowed)
    if kind in ("value_error", "assertion_error"):
        return str(context.get("error", error["msg"])), None
    if kind == "string_pattern_mismatch":
        info = fields_at(model, at[len(top) : -1]).get(str(at[-1]))
        wanted = PATTERNS.get(context["pattern"]) or (info and info.description) or f"text like {context['pattern']}"
        return f"must be {wanted}; it is {shown(value)}", None
    if kind in LIMITS:
        return f"must be {LIMITS[kind](context)}, not {shown(value)}", None
    if wanted_type := _wanted(kind):
        return f"must be {wanted_type}, not {shown(value)}", None
    return error["msg"][:1].lower() + error["msg"][1:], None


def _unknown(model: type[BaseModel], file: TomlFile, top: positions.Path, at: positions.Path) -> tuple[str, str | None]:
    """Say that a key is unknown, with the nearest in its table, or the same name in another table of the file."""
    name = str(at[-1])
    siblings = fields_at(model, at[len(top) : -1])
    hint = nearest(name, siblings)
    if hint is None:
        elsewhere = {
            f"{section}.{key}": key
            for section, info in model.model_fields.items()
            for sub in _classes(info.annotation)
            for key in sub.model_fields
        }
        hint = next((full for full, key in elsewhere.items() if key == name), None)
    what = "section" if isinstance(file.value(*at), dict) else "key"
    return f"unknown {what}", hint


def _choices(info: FieldInfo | None, context: Mapping[str, Any]) -> list[Any]:
    """Return the allowed words of a field, from its type or from pydantic's own list of them."""
    for annotation in (info.annotation, *get_args(info.annotation)) if info else ():
        words = [getattr(choice, "value", choice) for choice in get_args(annotation) if not isinstance(choice, type)]
        if isinstance(annotation, type) and issubclass(annotation, StrEnum):
            words = [member.value for member in annotation]
        if words and all(isinstance(word, str | int) for word in words):
            return words
    return [word.strip("' ") for word in str(context.get("expected", "")).replace(" or ", ",").split(",")]


def shown(value: object) -> str:
    """Return a value as a message shows it: short, as written in TOML."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            cut = value if len(value) <= _SHOWN_CHARACTERS else value[: _SHOWN_CHARACTERS - 1] + "…"
            return json.dumps(cut, ensure_ascii=False)
        case dict():
            return "a table"
        case list():
            return "a list"
        case datetime.date() | datetime.time():
            return f"the date or time {value}"
        case _:
            return str(value)[:_SHOWN_CHARACTERS]
