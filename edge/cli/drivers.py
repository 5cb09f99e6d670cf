"""`jaitf-edge drivers`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from drivers.contract import DriverInfo
from drivers.errors import ConfigError
from edge.cli import output

app = typer.Typer()


@app.command(epilog="Example: jaitf-edge drivers dicos")
def drivers(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Explain this one.")] = None,
    json: output.JsonOption = False,
) -> None:
    """List the drivers; with NAME, show its settings, its wiring and an example."""
    from drivers import registry
    from edge.config.problems import nearest

    available = registry.available()
    if name is None:
        if json:
            for info in available.values():
                output.json_line(_object(info))
        else:
            output.table(["DRIVER", "GIVES", "READS"], [[d.name, gives(d), d.summary] for d in available.values()])
            output.note("jaitf-edge drivers NAME shows a driver's settings, wiring and an example.")
    elif name in available:
        output.json_line(_object(available[name])) if json else _explain(available[name])
    else:
        meant = nearest(name, available)
        raise ConfigError(f"no driver {name!r}" + (f" (did you mean {meant}?)" if meant else ""))


def gives(info: DriverInfo) -> str:
    """Return what kind of observation a driver emits, in a word."""
    return "pictures" if info.pictures else "readings"


def _object(info: DriverInfo) -> dict[str, object]:
    from drivers.registry import settings_class
    from edge.config.describe import keys

    settings = [asdict(key) | {"needed": key.default is None} for key in keys(settings_class(info))]
    return {
        "name": info.name,
        "summary": info.summary,
        "pictures": info.pictures,
        "settings": settings,
        "wiring": info.wiring,
        "example": info.example,
    }


def _explain(info: DriverInfo) -> None:
    from drivers.registry import settings_class
    from edge.config.describe import keys

    output.line(f"{info.name}: {info.summary}\n\nSettings")
    for key in keys(settings_class(info)):
        default = "" if key.default is None else f" = {key.default}" if key.default else " (left out)"
        output.line(f"  {key.name}{default}  <{key.type}>{' needed' if key.default is None else ''}")
        output.line(f"      {key.description}")
    if info.wiring:
        output.line("\nWiring\n" + _indented(info.wiring))
    output.line("\nExample: devices/NAME.toml, where NAME is the device's name\n" + _indented(info.example))


def _indented(text: str) -> str:
    return "\n".join(f"  {row}".rstrip() for row in text.strip().splitlines())
