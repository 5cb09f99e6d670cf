"""`jaitf-edge dicos`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from edge.cli import output

MAX_FILE_BYTES = 512 * 1024 * 1024

app = typer.Typer(
    no_args_is_help=True,
    help="Check DICOS files.",
    epilog="Example: jaitf-edge dicos validate scan.dcs",
)


@app.callback()
def _dicos() -> None:
    """Check DICOS files."""


@app.command(epilog="Example: jaitf-edge dicos validate scan.dcs tdr.dcs --json")
def validate(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="DICOS files: DX images, reports, others.")],
    json: output.JsonOption = False,
) -> None:
    """Say what keeps a file from being DICOS: tag, attribute, problem. Exit status 1 where there is anything."""
    from drivers.dicos.validator import Problem
    from drivers.dicos.validator import validate as problems_of

    wrong = 0
    for file in files:
        try:
            if file.stat().st_size > MAX_FILE_BYTES:
                problems = [Problem("", "File", f"over {MAX_FILE_BYTES} bytes")]
            else:
                problems = problems_of(file.read_bytes())
        except OSError as error:
            problems = [Problem("", "File", error.strerror or str(error))]
        wrong += bool(problems)
        if json:
            output.json_line({"file": str(file), "ok": not problems, "problems": [asdict(one) for one in problems]})
        else:
            many = "" if len(problems) == 1 else "s"
            output.line(f"{file}: {f'{len(problems)} problem{many}' if problems else 'ok'}")
            for one in problems:
                output.line(f"  {one.tag} {one.name}: {one.problem}".replace("   ", "  "))
    if wrong:
        raise typer.Exit(1)
