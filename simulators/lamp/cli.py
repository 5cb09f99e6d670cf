"""`jaitf-sim lamp`: a simulated relay board; each lamp that is switched is a line on standard output."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from simulators.lamp.board import Board
from simulators.line import Line

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
    host, separator, port = listen.rpartition(":")
    if not separator or not port.isdigit() or int(port) > 65_535:
        raise typer.BadParameter(f"{listen!r} is not HOST:PORT")

    def say(plain: str, **facts: object) -> None:
        sys.stdout.write((json.dumps(facts) if as_json else plain) + "\n")
        sys.stdout.flush()

    async def serve() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        board = Board(lambda relay, on: say(f"relay {relay}: {'on' if on else 'off'}", relay=relay, on=on))
        line = Line(pty, board.took)
        bound = await line.listen(host.strip("[]") or "127.0.0.1", int(port))
        url = f"serial://{pty}" if pty else f"tcp://{host or '127.0.0.1'}:{bound}"
        say(f"simulated relay board on {url}", listening=url, simulated=True)
        try:
            async with asyncio.timeout(seconds or None):
                await stop.wait()
        except TimeoutError:
            pass
        finally:
            await line.close()

    try:
        asyncio.run(serve())
    except OSError as error:
        sys.stderr.write(f"jaitf-sim lamp: {error}\n")
        raise typer.Exit(1) from error
