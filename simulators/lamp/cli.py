"""`jaitf-sim lamp`: a simulated relay board; each lamp that is switched is a line on standard output."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from simulators.lamp.board import Board
from simulators.line import Line
from simulators.serving import Place, over, run, say, stopped

app = typer.Typer(add_completion=False, rich_markup_mode=None)

_EPILOG = "Example: jaitf-sim lamp --pty /tmp/lamp"


@app.command(epilog=_EPILOG)
def lamp(
    listen: Annotated[str, typer.Option(help="HOST:PORT; port 0: a free one, which is printed")] = "127.0.0.1:5030",
    pty: Annotated[Path | None, typer.Option(help="a pseudo-terminal linked here, not TCP")] = None,
    seconds: Annotated[float, typer.Option(min=0, help="stop after so long; 0: never")] = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object a line")] = False,
) -> None:
    """Simulate a relay board that takes SET n 1 and SET n 0 and answers OK; says what it shows."""
    place = Place.of(listen, pty)

    async def serve() -> None:
        stop = stopped()
        board = Board(lambda relay, on: say(f"relay {relay}: {'on' if on else 'off'}", as_json, relay=relay, on=on))
        line = Line(pty, board.took)
        url = place.url(await line.listen(place.host, place.port))
        say(f"simulated relay board on {url}", as_json, listening=url, simulated=True)
        try:
            await over(stop, seconds)
        finally:
            await line.close()

    run("lamp", serve())
