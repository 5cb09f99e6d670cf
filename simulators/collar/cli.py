"""`jaitf-sim collar`: one simulated collar on a line."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Annotated

import typer

from simulators.collar.model import Walk, sentences
from simulators.line import Line
from simulators.serving import Place, over, run, say, stopped

app = typer.Typer(add_completion=False, rich_markup_mode=None)

_EPILOG = "Example: jaitf-sim collar --pty /tmp/collar --dark-every-s 60"


class Collar:
    """Says where its dog is, unasked, every `every_s`."""

    def __init__(self, walk: Walk, every_s: float = 1.0, pty: Path | None = None, baud: int = 0) -> None:
        self.line = Line(pty, baud=baud)
        self.walk = walk
        self._every_s = every_s
        self._talking: asyncio.Task[None] | None = None

    async def listen(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Begin to serve and return the TCP port, or 0 for a pseudo-terminal. Raises OSError."""
        bound = await self.line.listen(host, port)
        self._talking = asyncio.create_task(self._talk())
        return bound

    async def close(self) -> None:
        """Hang up; safe to call twice."""
        if self._talking:
            self._talking.cancel()
        await self.line.close()

    async def _talk(self) -> None:
        start = time.monotonic()
        while True:
            self.line.send(sentences(self.walk.at(time.monotonic() - start), time.time()))
            await asyncio.sleep(self._every_s)


@app.command(epilog=_EPILOG)
def collar(
    listen: Annotated[str, typer.Option(help="HOST:PORT; port 0: a free one, which is printed")] = "127.0.0.1:10110",
    pty: Annotated[Path | None, typer.Option(help="a pseudo-terminal linked here, not TCP")] = None,
    baud: Annotated[int, typer.Option(min=0, help="--pty: how fast its line is; 0: any speed will do")] = 0,
    latitude: Annotated[float, typer.Option(min=-89, max=89, help="the middle of the walk")] = 6.16561,
    longitude: Annotated[float, typer.Option(min=-180, max=180, help="the middle of the walk")] = 1.25451,
    every_s: Annotated[float, typer.Option(min=0.05, help="how often it says where it is")] = 1.0,
    dark_every_s: Annotated[float, typer.Option(min=0, help="how often it goes under a roof for 10 s; 0: never")] = 0,
    seconds: Annotated[float, typer.Option(min=0, help="stop after so long; 0: never")] = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="say where it listens as JSON on standard output")] = False,
) -> None:
    """Simulate a dog's collar with a satellite receiver: NMEA 0183, RMC and GGA."""
    place = Place.of(listen, pty)
    walk = Walk(latitude, longitude, dark_every_s=dark_every_s)

    async def serve() -> None:
        stop = stopped()
        device = Collar(walk, every_s, pty, baud)
        url = place.url(await device.listen(place.host, place.port))
        say(f"simulated collar on {url}", as_json, listening=url, simulated=True)
        try:
            await over(stop, seconds)
        finally:
            await device.close()

    run("collar", serve())
