"""`jaitf-edge report`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from edge.cli import output

app = typer.Typer()

_DAY = ["%Y-%m-%d"]


@app.command(epilog="Example: jaitf-edge report --since 2026-11-01 --until 2026-11-30")
def report(
    since: Annotated[datetime | None, typer.Option(formats=_DAY, help="The first day (UTC); else all.")] = None,
    until: Annotated[datetime | None, typer.Option(formats=_DAY, help="The last day (UTC); else today.")] = None,
    config: output.ConfigOption = None,
    json: output.JsonOption = False,
) -> None:
    """Say what came of a period's hits: figures by device, model and dog team, seizures by commodity; no persons.

    ppv is the part of the searched in which something was found, with its 95 % interval. Works beside a running
    appliance.
    """
    from edge import figures
    from edge.config.load import data_dir_of, find

    start = since.replace(tzinfo=UTC) if since else datetime(1970, 1, 1, tzinfo=UTC)
    end = until.replace(tzinfo=UTC) + timedelta(days=1) if until else datetime.now(UTC) + timedelta(seconds=1)
    data_dir = data_dir_of(find(config))
    first, last = (int(at.timestamp()) * 1_000_000_000 for at in (start, end))
    found = figures.report(figures.outcomes(data_dir, first, last), first, last)
    if json:
        output.json_line(found)
    else:
        _print(found)


_COLUMNS = ("alarms", "found", "nothing_found", "not_searched", "pending", "open")


def _print(found: dict[str, Any]) -> None:
    output.line(f"from {found['since']} to {found['until']}; exercises and projected threats: {found['exercises']}")
    rows = [("all", "", found["figures"])]
    rows += [(kind, name, each) for kind, table in found["by"].items() for name, each in table.items()]
    cells = [
        (kind.replace("_", " "), output.one_line(name), *(str(each[column]) for column in _COLUMNS), _ppv(each))
        for kind, name, each in rows
    ]
    output.line("")
    output.table(("by", "", *(column.replace("_", " ") for column in _COLUMNS), "ppv"), cells)
    if found["seizures"]:
        output.line("")
        seized = [
            (name, str(each["count"]), ", ".join(f"{value:g} {unit}" for unit, value in each["quantity"].items()))
            for name, each in found["seizures"].items()
        ]
        output.table(("seized", "count", "quantity"), seized)


def _ppv(each: dict[str, Any]) -> str:
    if each["ppv"] is None:
        return "-"
    return f"{each['ppv']:.0%} ({each['ppv_low']:.0%} to {each['ppv_high']:.0%})"
