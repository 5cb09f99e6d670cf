"""The configuration as JSON Schema (2020-12), made of the classes that check it, for editors to complete and underline.

What only the whole folder can tell (a device that is named but not there, two on one port) is `jaitf-edge check`'s.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel

from drivers import registry
from edge.config.lane import PlaceToml, TeamsToml
from edge.config.model import DeviceToml, EdgeToml

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_NUMBER = {"type": "number"}


def documents() -> dict[Path, dict[str, Any]]:
    """Return each schema by its file's name: `edge.toml`, a device file, `teams.toml`, and each kind of profile."""
    made = {Path("edge.json"): edge(), Path("device.json"): device(), Path("teams.json"): _whole(TeamsToml)}
    for name, info in registry.available().items():
        if profile := registry.profile_class(info):
            made[Path(f"profile-{name}.json")] = _whole(profile)
    return made


def edge() -> dict[str, Any]:
    """Return the schema of `edge.toml`."""
    made = _whole(EdgeToml)
    # A place may be its millimetres alone; the class takes that before it checks, so its own schema does not know it.
    places = made["$defs"]["LaneToml"]["properties"]["places"]
    limits = {k: v for k, v in PlaceToml.model_json_schema()["properties"]["at_mm"].items() if k in _LIMITS}
    places["additionalProperties"] = {"anyOf": [_NUMBER | limits, places["additionalProperties"]]}
    return made


_LIMITS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")


def device() -> dict[str, Any]:
    """Return the schema of a device file: its driver's name says which settings it must have."""
    made = _whole(DeviceToml)
    defs: dict[str, Any] = {}
    rules = []
    for name, info in registry.available().items():
        settings, below = _prefixed(registry.settings_class(info), name)
        defs |= {name: settings} | below
        rules.append(
            {
                "if": {"properties": {"driver": {"const": name}}, "required": ["driver"]},
                "then": {
                    "properties": {"settings": {"$ref": f"#/$defs/{name}"}},
                    "required": ["settings"] if settings.get("required") else [],
                },
            }
        )
    # Checked by `if` and `then`, so that a mistake is underlined where it is and not as "none of twelve". Editors that
    # complete do not look there, but into this choice, which anything passes.
    choice: list[dict[str, Any]] = [{"$ref": f"#/$defs/{name}"} for name in registry.available()]
    made["properties"]["settings"]["anyOf"] = [*choice, {"type": "object"}]
    made["properties"]["driver"]["enum"] = list(registry.available())
    return made | {"allOf": rules, "$defs": defs}


def _whole(model: type[BaseModel]) -> dict[str, Any]:
    return {"$schema": DIALECT} | model.model_json_schema()


def _prefixed(model: type[BaseModel], name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a class's schema and what it refers to, under names that no other driver's have."""
    made = model.model_json_schema(ref_template=f"#/$defs/{name}.{{model}}")
    below = {f"{name}.{key}": value for key, value in made.pop("$defs", {}).items()}
    return made, below
