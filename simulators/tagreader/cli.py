"""`jaitf-sim tagreader`: one simulated tag reader, over LLRP or as a serial module."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from simulators.serving import Place, over, run, say, stopped
from simulators.tagreader.model import Gate

app = typer.Typer(add_completion=False, rich_markup_mode=None)

_EPILOG = "Example: jaitf-sim tagreader --listen 127.0.0.1:5084 --button-s 20"


class Protocol(StrEnum):
    """What the reader speaks."""

    LLRP = "llrp"
    M100 = "m100"
    READER18 = "reader18"


@app.command(epilog=_EPILOG)
def tagreader(
    listen: Annotated[str, typer.Option(help="HOST:PORT; port 0: a free one, which is printed")] = "127.0.0.1:5084",
    protocol: Annotated[Protocol, typer.Option(help="llrp over TCP; m100 or reader18 as a serial module")] = (
        Protocol.LLRP
    ),
    pty: Annotated[Path | None, typer.Option(help="serial modules: a pseudo-terminal linked here, not TCP")] = None,
    baud: Annotated[int, typer.Option(min=0, help="--pty: how fast the module's line is; 0: any speed will do")] = 0,
    bag_s: Annotated[float, typer.Option(min=0.1, help="a new bag passes every so many seconds")] = 4.0,
    missed: Annotated[float, typer.Option(min=0, max=1, help="share of reads that fail")] = 0.1,
    button_s: Annotated[float, typer.Option(min=0, help="the button is pressed every so many seconds; 0: never")] = 0,
    team: Annotated[bool, typer.Option(help="a dog's and a handler's tag stay in view")] = True,
    seed: Annotated[int, typer.Option(help="the same seed, the same bags")] = 1,
    seconds: Annotated[float, typer.Option(min=0, help="stop after so long; 0: never")] = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="say where it listens as JSON on standard output")] = False,
) -> None:
    """Simulate a tag reader: bags pass, a canine team stands beside, its handler presses the button (LLRP only)."""
    place = Place.of(listen, pty)
    if pty and protocol is Protocol.LLRP:
        raise typer.BadParameter("LLRP goes over TCP: --pty is for serial modules")
    gate = Gate(seed=seed, bag_s=bag_s, view_s=bag_s / 2, missed=missed, button_s=button_s, team=team)

    async def serve() -> None:
        stop = stopped()
        server = _server(protocol, gate, pty, baud)
        url = place.url(await server.listen(place.host, place.port))
        words = f"simulated reader ({protocol.value}) listening on {url}"
        say(words, as_json, listening=url, protocol=protocol.value, simulated=True)
        try:
            await over(stop, seconds)
        finally:
            await server.close()

    run("tagreader", serve())


def _server(protocol: Protocol, gate: Gate, pty: Path | None, baud: int):
    if protocol is Protocol.LLRP:
        from simulators.tagreader.llrp import Reader  # here, so that help and mistakes answer at once

        return Reader(gate)
    from simulators.tagreader.module import Module, m100, reader18

    return Module(m100 if protocol is Protocol.M100 else reader18, gate, pty, baud)
