"""`jaitf-edge doctor`."""

from __future__ import annotations

import typer

from edge.cli import output

app = typer.Typer()


@app.command(epilog="Example: jaitf-edge doctor --config /etc/jaitf-edge")
def doctor(config: output.ConfigOption = None, json: output.JsonOption = False) -> None:
    """Check the whole box: each line ok, warn or fail, with the mend. Exit status 1: something fails.

    Works beside a running appliance, and changes nothing.
    """
    from edge.cli.app import FAILED, WRONG_USE
    from edge.config.load import find
    from edge.doctor import Grade, examine_box

    failed: set[str] = set()
    for check, finding in examine_box(find(config)):
        if finding.grade is Grade.FAIL:
            failed.add(check)
        if json:
            said = {"grade": finding.grade.value, "check": check, "text": finding.text, "mend": finding.mend or None}
            output.json_line(said)
        else:
            mend = f" | mend: {finding.mend}" if finding.mend else ""
            output.line(output.one_line(f"{finding.grade:<5} {check:<13} {finding.text}{mend}"))
    if failed:
        raise typer.Exit(WRONG_USE if "configuration" in failed else FAILED)
