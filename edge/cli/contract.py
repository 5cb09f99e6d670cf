"""`jaitf-edge contract`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edge.cli import output

app = typer.Typer()


@app.command(epilog="Example: jaitf-edge contract --out contract/")
def contract(
    out: Annotated[Path, typer.Option(metavar="DIR", help="The folder to write to; files of the same names go.")],
    json: output.JsonOption = False,
) -> None:
    """Write the AsyncAPI 3 document, and a JSON Schema and an example of every message, as the code has them."""
    from drivers.errors import StoreError
    from edge.contract import documents

    for name, text in documents().items():
        path = out / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise StoreError(f"{path}: {error.strerror}") from error
        if json:
            output.json_line({"file": str(path), "bytes": len(text.encode())})
        else:
            output.line(str(path))
