"""`jaitf-edge diagnostics`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edge.cli import output

app = typer.Typer()


@app.command(epilog="Example: jaitf-edge diagnostics --out lane-3.zip")
def diagnostics(
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The archive (ZIP) to write; it must be new.")],
    log: Annotated[
        Path | None, typer.Option("--log", metavar="FILE", help="A file with the log; else this machine's journal.")
    ] = None,
    config: output.ConfigOption = None,
    json: output.JsonOption = False,
) -> None:
    """Write one archive for support: what the box is, how it fares, its configuration with secrets masked.

    Never in it: a picture, a key, a password, a person's tag, name or number. Works beside a running appliance and
    with a configuration that is broken, and sends nothing anywhere.
    """
    from edge.config.load import find
    from edge.diagnostics import LEFT_OUT, gather, write

    for member in write(gather(find(config), log), out):
        if json:
            said = {
                "file": member.name,
                "about": member.about,
                "bytes": len(member.text.encode()),
                "masked": member.masked,
            }
            output.json_line(said)
        else:
            masked = ", ".join(f"{count} {what}" for what, count in member.masked.items())
            output.line(f"{member.name:<36} {member.about}{f'; masked: {masked}' if masked else ''}")
    if json:
        output.json_line({"written": str(out), "bytes": out.stat().st_size, "left_out": LEFT_OUT})
        return
    output.line(f"{out}: {out.stat().st_size} bytes. Never in it: {'; '.join(LEFT_OUT)}.")
    output.line("Look into it before you send it: device names and addresses of this lane are in it.")
