"""The documentation's reference pages, made from the code: commands, configuration, drivers' settings, error codes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import typer.main

from drivers import errors, mends, registry
from drivers.conformance.grading import claimed
from edge.cli import app as cli
from edge.config import describe
from edge.config.lane import TeamsToml
from edge.config.lane_rules import LANE_RULES
from edge.config.model import DeviceToml, EdgeToml
from edge.config.page import PAGE_RULES
from edge.config.rules import RULES
from edge.config.suspicious import SUSPICIONS
from edge.doctor.doctor import CHECKS


def pages() -> dict[str, str]:
    """Return each page's Markdown by its file's name."""
    made: dict[str, Callable[[], Iterable[str]]] = {
        "commands.md": commands,
        "configuration.md": configuration,
        "drivers.md": drivers,
        "errors.md": error_codes,
        "checks.md": checks,
    }
    return {name: "\n".join(page()) + "\n" for name, page in made.items()}


def commands() -> Iterator[str]:
    """Yield each command's own help."""
    yield "# Commands\n\nAs each command's `--help` says it.\n"
    top = typer.main.get_command(cli.app)
    context: Any = typer.Context(top, info_name="jaitf-edge", max_content_width=110, terminal_width=110)
    for name in top.list_commands(context):  # type: ignore[attr-defined]  # the top is a group
        yield from _help(top.get_command(context, name), context, name)  # type: ignore[attr-defined]  # as above


def _help(command: Any, above: Any, name: str) -> Iterator[str]:
    context: Any = typer.Context(command, parent=above, info_name=name, max_content_width=110, terminal_width=110)
    yield f"## `{context.command_path}`\n\n```text\n{command.get_help(context).rstrip()}\n```\n"
    for below in getattr(command, "commands", {}):
        yield from _help(command.commands[below], context, below)


def configuration() -> Iterator[str]:
    """Yield every key of the files that stand in the configuration's folder."""
    yield (
        "# Configuration\n\nA folder: `edge.toml`, a file a device under `devices/`, and where there are dogs "
        "`teams.toml`. `jaitf-edge init DIR` writes one, `jaitf-edge check` finds every mistake in it.\n"
    )
    for title, model in (("edge.toml", EdgeToml), ("devices/NAME.toml", DeviceToml), ("teams.toml", TeamsToml)):
        yield f"## `{title}`\n"
        yield from _keys(describe.keys(model))
    yield "What stands under `[settings]` of a device is its driver's: [drivers](drivers.md).\n"


def _keys(keys: Iterable[describe.Key]) -> Iterator[str]:
    yield "| key | is | default | means |\n|---|---|---|---|"
    for key in keys:
        default = "needed" if key.default is None else f"`{key.default}`" if key.default else ""
        yield f"| `{key.name}` | {_cell(key.type)} | {_cell(default)} | {_cell(key.description)} |"
    yield ""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def drivers() -> Iterator[str]:
    """Yield each driver's settings, wiring and example."""
    yield "# Drivers' settings\n"
    grades = claimed()
    for name, info in registry.available().items():
        grade = f" Grade: {grades[name]}." if name in grades else ""
        page = f"../drivers/{name.replace('-', '_')}/README.md"
        yield f"## `{name}`\n\n{info.summary[0].upper()}{info.summary[1:]}.{grade} [More about it]({page}).\n"
        yield from _keys(describe.keys(registry.settings_class(info)))
        if info.wiring:
            yield f"Wiring:\n\n```text\n{info.wiring.strip()}\n```\n"
        yield f"```toml\n{info.example.strip()}\n```\n"


def error_codes() -> Iterator[str]:
    """Yield each error code: what it means, whether trying again can help, and what to do about it."""
    yield (
        "# Error codes\n\nA code never changes once it is published; it stands in square brackets behind an error, in "
        "`up/device/...`, in `probe` and in the page. What is particular to a driver stands in its page's chapter "
        "*Troubleshooting*.\n"
    )
    yield "| code | what it means | tried again | on a serial line | else |\n|---|---|---|---|---|"
    known = {each.code: each for each in reversed([*_tree(errors.EdgeError)][1:])}  # of two with one code the upper one
    for code in [*reversed(known), *(code for code in mends.LAYERS if code not in known)]:
        error = known.get(code)
        what = (inspect.getdoc(error) or "").split("\n")[0] if error else f"A probe's: {mends.LAYERS[code]}."
        again = "by itself" if error and error.retriable else "no"
        serial, other = (_cell(mends.mend(code, scheme) or "") for scheme in ("serial", "tcp"))
        yield f"| `{code}` | {_cell(what)} | {again} | {'' if serial == other else serial} | {other} |"


def checks() -> Iterator[str]:
    """Yield what `check` and `doctor` look at."""
    yield (
        "# What is checked\n\n`jaitf-edge check` reads a configuration and touches no hardware. Each line is "
        "`FILE:LINE: KEY: problem`. An error keeps the appliance from starting, or where it is in `[web]` its page "
        "from being served; a warning is of what is allowed and rarely meant, and keeps nothing. The exit status is 2 "
        "where there are errors, with `--strict` also for warnings.\n"
    )
    yield "## Beyond each key's own type and limits\n"
    yield from (f"- {_first(rule)}" for rule in (*RULES, *PAGE_RULES, *LANE_RULES))
    yield "\n## What is only suspicious, once there are no errors\n"
    yield from (f"- {_first(look)}" for look in SUSPICIONS)
    yield "\n## What `jaitf-edge doctor` adds\n\n| check | what it looks at |\n|---|---|"
    yield from (f"| `{name}` | {_cell(_first(check))} |" for name, check in CHECKS.items())


def _first(what: object) -> str:
    return (inspect.getdoc(what) or "").split("\n")[0]


def _tree(kind: type[errors.EdgeError]) -> Iterator[type[errors.EdgeError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _tree(below)
