"""`jaitf-edge check`."""

from __future__ import annotations

from typing import Annotated

import typer

from edge.cli import output

app = typer.Typer()


@app.command(epilog="Example: jaitf-edge check --config /etc/jaitf-edge")
def check(
    config: output.ConfigOption = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit status 2 for warnings, too.")] = False,
    json: output.JsonOption = False,
) -> None:
    """Check a configuration without touching hardware: each error and warning on a line of its own.

    A warning is of what is allowed and rarely meant: it keeps nothing from starting.
    """
    from edge.cli.app import WRONG_USE
    from edge.config.load import find
    from edge.config.problems import Problem
    from edge.config.suspicious import examine_closely

    def object_of(problem: Problem) -> dict[str, str | int | None]:
        return {
            "level": problem.level.value,
            "file": str(problem.file),
            "line": problem.line,
            "key": problem.key,
            "problem": problem.message,
            "did_you_mean": problem.hint,
        }

    folder = find(config)
    found = examine_closely(folder)
    for problem in found.problems:
        if json:
            output.json_line(object_of(problem))
        else:
            output.line(str(problem))
    if found.config is None or found.errors:
        output.note(f"{folder}: {counted(len(found.errors), 'error')}, {counted(len(found.warnings), 'warning')}")
        raise typer.Exit(WRONG_USE)
    devices = len(found.config.devices)
    if json:
        output.json_line({"level": "ok", "folder": str(folder), "devices": devices, "digest": found.config.digest})
    else:
        output.line(f"{folder}: ok, {counted(devices, 'device')}, {counted(len(found.warnings), 'warning')}")
    if strict and found.warnings:
        raise typer.Exit(WRONG_USE)


def counted(number: int, thing: str) -> str:
    """Return `1 device`, `2 devices`, `no devices`."""
    return f"{number or 'no'} {thing}{'' if number == 1 else 's'}"
