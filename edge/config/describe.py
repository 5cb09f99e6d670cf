"""A settings class as a table of keys for people: name, type with its limits, default, what it means."""

from __future__ import annotations

import enum
import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from edge.config.template import literal

_NAMES: dict[object, str] = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "true | false",
    Path: "path",
    dict: "table",
    Any: "anything",
}


@dataclass(frozen=True, slots=True)
class Key:
    """One key: `default` is as TOML writes it, None where the key is needed, "" where leaving it out means nothing."""

    name: str
    type: str
    default: str | None
    description: str


def keys(model: type[BaseModel], above: str = "", told: dict[type[BaseModel], str] | None = None) -> Iterator[Key]:
    """Return every key of a class in its order; the keys of a list of tables as `points[].name`.

    With `told`, each kind of table is gone through once, and after that it is said where; it fills with those.
    """
    for name, info in model.model_fields.items():
        default = None if info.is_required() else _default(info.get_default(call_default_factory=True))
        below = [(table, f"{above}{name}{'[]' if many else ''}") for table, many in _tables(info.annotation)]
        again = [told[table] for table, _ in below if told and table in told]
        description = "; ".join([info.description or "", *(f"its keys are those of {where}" for where in again)])
        yield Key(above + name, _type(info), default, description)
        for table, where in below:
            if told is None:
                yield from keys(table, f"{where}.")
            elif table not in told:
                told[table] = where
                yield from keys(table, f"{where}.", told)


def _default(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, enum.Enum):
        value = value.value
    return "{}" if isinstance(value, dict | BaseModel) else literal(value)


def _tables(annotation: Any, many: bool = False) -> Iterator[tuple[type[BaseModel], bool]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation, many
        return
    several = many or get_origin(annotation) in (list, tuple)
    for argument in get_args(annotation):
        yield from _tables(argument, several)


def _type(info: FieldInfo) -> str:
    limits = {name: getattr(m, name) for m in info.metadata for name in ("ge", "gt", "le", "lt") if hasattr(m, name)}
    low = limits.get("ge", limits.get("gt"))
    high = limits.get("le", limits.get("lt"))
    words = _type_name(info.annotation)
    if low is not None and high is not None:
        return f"{words}, {low} to {high}"
    if low is not None:
        return f"{words}, {'at least' if 'ge' in limits else 'more than'} {low}"
    return words if high is None else f"{words}, at most {high}"


def _type_name(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation in _NAMES or origin in _NAMES:
        return _NAMES.get(annotation) or _NAMES[origin]
    if origin is Literal:
        return " | ".join(str(word) for word in arguments)
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return " | ".join(str(member.value) for member in annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "table"
    if origin in (list, tuple):
        inner = dict.fromkeys(_type_name(argument) for argument in arguments if argument is not Ellipsis)
        return f"list of {' and '.join(inner)}"
    if origin in (typing.Union, types.UnionType):
        return " or ".join(dict.fromkeys(_type_name(a) for a in arguments if a is not type(None)))
    if origin is typing.Annotated:
        return _type_name(arguments[0])
    return getattr(annotation, "__name__", str(annotation))
