"""`jaitf-sim scale`: one simulated scale on a line."""

from __future__ import annotations

import asyncio
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from simulators.line import Line
from simulators.scale.model import Platform
from simulators.scale.wire import nci, sics, toledo
from simulators.serving import Place, over, run, say, stopped

app = typer.Typer(add_completion=False, rich_markup_mode=None)

_EPILOG = "Example: jaitf-sim scale --pty /tmp/scale --protocol toledo --heavy-every 5"
TOLEDO_EVERY_S = 0.07


class Protocol(StrEnum):
    """What the scale speaks."""

    SICS = "sics"
    TOLEDO = "toledo"
    NCI = "nci"


class Scale:
    """One scale: answers where its protocol is asked, talks where it is not."""

    def __init__(self, protocol: Protocol, platform: Platform, pty: Path | None = None) -> None:
        self.line = Line(pty, self._took)
        self._answer = {Protocol.SICS: sics, Protocol.NCI: nci}.get(protocol)
        self._platform = platform
        self._start = time.monotonic()
        self._buffer = b""
        self._talking: asyncio.Task[None] | None = None

    async def listen(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Begin to serve and return the TCP port, or 0 for a pseudo-terminal. Raises OSError."""
        bound = await self.line.listen(host, port)
        if self._answer is None:
            self._talking = asyncio.create_task(self._talk())
        return bound

    async def close(self) -> None:
        """Hang up; safe to call twice."""
        if self._talking:
            self._talking.cancel()
        await self.line.close()

    def _load(self):
        return self._platform.at(time.monotonic() - self._start)

    def _took(self, data: bytes) -> bytes:
        if self._answer is None:
            return b""
        self._buffer += data
        sent = b""
        while True:
            used, answer = self._answer(self._buffer, self._load())
            if not used:
                return sent
            self._buffer = self._buffer[used:]
            sent += answer

    async def _talk(self) -> None:
        while True:
            self.line.send(toledo(self._load()))
            await asyncio.sleep(TOLEDO_EVERY_S)


@app.command(epilog=_EPILOG)
def scale(
    listen: Annotated[str, typer.Option(help="HOST:PORT; port 0: a free one, which is printed")] = "127.0.0.1:4305",
    pty: Annotated[Path | None, typer.Option(help="a pseudo-terminal linked here, not TCP")] = None,
    protocol: Annotated[Protocol, typer.Option(help="sics and nci are asked, toledo talks unasked")] = Protocol.SICS,
    parcel_s: Annotated[float, typer.Option(min=0.2, help="a new parcel every so many seconds")] = 6.0,
    around_kg: Annotated[float, typer.Option(min=0.1, max=50, help="what a parcel weighs, give or take 3 %")] = 12.0,
    heavy_every: Annotated[int, typer.Option(min=0, help="every so many parcels one is twice as heavy; 0: none")] = 0,
    seed: Annotated[int, typer.Option(help="the same seed, the same parcels")] = 1,
    seconds: Annotated[float, typer.Option(min=0, help="stop after so long; 0: never")] = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="say where it listens as JSON on standard output")] = False,
) -> None:
    """Simulate a scale: parcels come, rest and go."""
    place = Place.of(listen, pty)
    platform = Platform(seed, parcel_s, parcel_s / 10, around_kg, heavy_every)

    async def serve() -> None:
        stop = stopped()
        device = Scale(protocol, platform, pty)
        url = place.url(await device.listen(place.host, place.port))
        words = f"simulated scale ({protocol.value}) on {url}"
        say(words, as_json, listening=url, protocol=protocol.value, simulated=True)
        try:
            await over(stop, seconds)
        finally:
            await device.close()

    run("scale", serve())
