"""A new, commented configuration, written from the model's descriptions so that it cannot drift from what is read."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from drivers import registry
from drivers.contract import DriverInfo
from edge.config.load import EXAMPLE_SUFFIX
from edge.config.model import EdgeToml

FIRST_DEVICE = "xray-1"
FIRST_DRIVER = "dicos"
_WIDTH = 100
#: The settings that say where a device is; they come first.
ADDRESSES = ("url", "path", "listen")

_HEAD = """\
# The appliance's configuration. After a change: jaitf-edge check --config {folder}
# A key behind a '#' stands with its default, or where there is none with an example.
"""


def files(folder: Path, given: Mapping[str, Any]) -> dict[Path, str]:
    """Return a new configuration's files by path: `edge.toml`, one device, and an example of every driver's.

    `given` has values by dotted key (`appliance.site`) in place of the examples.
    """
    drivers = registry.available()
    made = {folder / "edge.toml": edge_toml(folder, given)}
    if FIRST_DRIVER in drivers:
        made[folder / "devices" / f"{FIRST_DEVICE}.toml"] = drivers[FIRST_DRIVER].example
    for name, info in drivers.items():
        made[folder / "devices" / f"{name}.toml{EXAMPLE_SUFFIX}"] = (
            f"# {info.summary}\n# Copy this to a file that ends in .toml; the file's name is the device's name.\n"
            + info.example
        )
    return made


def edge_toml(folder: Path, given: Mapping[str, Any]) -> str:
    """Return `edge.toml` with every key there is: the needed ones as given or as examples, the others commented out."""
    parts = [_HEAD.format(folder=folder)]
    for section, info in EdgeToml.model_fields.items():
        model = info.annotation
        if get_origin(model) is tuple:
            parts.append(_commented_table(get_args(model)[0], section))
            continue
        assert isinstance(model, type) and issubclass(model, BaseModel)
        parts.append("\n".join(["", *_comment(model.__doc__ or ""), f"[{section}]", *_keys(model, section, given), ""]))
    return "".join(parts)


def device_toml(info: DriverInfo, settings: Mapping[str, Any], model: str | None, notes: Sequence[str] = ()) -> str:
    """Return a device file: the settings given, each with what it means, the driver's others commented out.

    `settings` are as TOML has them: numbers, text, lists, and lists of tables (`points`), which come last.
    """
    parts = [*(line for note in (info.summary, *notes) for line in _comment(note)), f"driver = {literal(info.name)}"]
    parts += [f"model = {literal(model)}"] if model else []
    tables = {name: value for name, value in settings.items() if _is_tables(value)}
    parts += ["", "[settings]"]
    fields = registry.settings_class(info).model_fields
    for name in sorted(fields, key=lambda name: name not in ADDRESSES):
        if name in tables:
            continue
        if name in settings:
            parts += [*_comment(_about(fields[name])), f"{name} = {literal(settings[name])}"]
        elif not fields[name].is_required():
            parts += [*_comment(_about(fields[name])), f"# {name} = {_default(fields[name])}".rstrip()]
    for name, value in tables.items():
        for one in value:
            parts += ["", f"[[settings.{name}]]", *(f"{key} = {literal(each)}" for key, each in one.items())]
    return "\n".join([*parts, ""])


def _is_tables(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(one, Mapping) for one in value)


def _default(field: FieldInfo) -> str:
    """Return a default as TOML writes it, "" where leaving the key out means nothing."""
    value = field.get_default(call_default_factory=True)
    return "" if value is None or value == () or value == {} else literal(getattr(value, "value", value))


def _commented_table(model: type[BaseModel], name: str) -> str:
    """Return one table of a list that may be empty, whole behind '#'."""
    keys = []
    for key, info in model.model_fields.items():
        keys += [*_comment(_about(info)), f"# {key} = {literal(_example(info))}"]
    return "\n".join(["", *_comment(model.__doc__ or ""), f"# [[{name}]]", *keys, ""])


def _keys(model: type[BaseModel], section: str, given: Mapping[str, Any]) -> Iterator[str]:
    for name, info in model.model_fields.items():
        yield from _comment(_about(info))
        full = f"{section}.{name}"
        if full in given:
            yield f"{name} = {literal(given[full])}"
        elif info.is_required():
            yield f"{name} = {literal(_example(info))}"
        else:
            yield f"# {name} = {literal(_example(info))}"


def _about(info: FieldInfo) -> str:
    words = get_args(info.annotation) if get_origin(info.annotation) is Literal else ()
    return (info.description or "") + (f" ({' | '.join(map(str, words))})" if words else "")


def _example(info: FieldInfo) -> Any:
    if info.default is None or info.default is PydanticUndefined:
        return (info.examples or [""])[0]
    return info.default


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(" ".join(text.split()), _WIDTH)]


def literal(value: object) -> str:
    """Return a value as TOML writes it; long whole numbers in groups of three."""
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return f"{value:_}" if abs(value) >= 10_000 else str(value)
        case float():
            return repr(value)
        case dict():
            return "{ " + ", ".join(f"{name} = {literal(each)}" for name, each in value.items()) + " }"
        case list() | tuple():
            return f"[{', '.join(literal(element) for element in value)}]"
        case _:
            # TOML's basic strings are JSON's, but for the delete character.
            return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007F")
