"""`jaitf-edge doctor`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edge.cli import output

app = typer.Typer()


@app.command(epilog="Example: jaitf-edge doctor --config /etc/jaitf-edge")
def doctor(
    config: output.ConfigOption = None,
    json: output.JsonOption = False,
    tell: Annotated[bool, typer.Option("--tell", help="Have the console told what fails, by its audit.")] = False,
) -> None:
    """Check the whole box: each line ok, warn or fail, with the mend. Exit status 1: something fails.

    Works beside a running appliance, and changes nothing.
    """
    from edge.cli.app import FAILED, WRONG_USE
    from edge.config.load import find
    from edge.doctor import Grade, examine_box

    folder = find(config)
    failed: dict[str, str] = {}
    for check, finding in examine_box(folder):
        if finding.grade is Grade.FAIL:
            failed.setdefault(check, finding.text)
        if json:
            said = {"grade": finding.grade.value, "check": check, "text": finding.text, "mend": finding.mend or None}
            output.json_line(said)
        else:
            mend = f" | mend: {finding.mend}" if finding.mend else ""
            output.line(output.one_line(f"{finding.grade:<5} {check:<13} {finding.text}{mend}"))
    if tell and failed and "configuration" not in failed:
        _tell(folder, failed)
    if failed:
        raise typer.Exit(WRONG_USE if "configuration" in failed else FAILED)


def _tell(folder: Path, failed: dict[str, str]) -> None:
    """Leave word for the ledger, which tells the console; a broker that is away hears of it later. Raises EdgeError."""
    from drivers.clock import SystemClock
    from edge.config.load import load
    from edge.ledger.inbox import Work, leave
    from edge.signing import whoami

    detail = "; ".join(f"{check}: {text}" for check, text in failed.items())[:2000]
    at = SystemClock().now().rfc3339()
    note = Work(kind="doctor", at=at, by=whoami(), outcome="failed", detail=detail)
    leave(load(folder).appliance.data_dir, note)
