"""`jaitf-sim rpm`: one simulated radiation portal, on a serial line or over TCP."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from simulators.serving import Place, over, run, say, stopped

app = typer.Typer(add_completion=False, rich_markup_mode=None)

_EPILOG = "Example: jaitf-sim rpm --listen 127.0.0.1:1600 --every-s 10 --gamma 0.5"


@app.command(epilog=_EPILOG)
def rpm(
    listen: Annotated[str, typer.Option(help="HOST:PORT; port 0: a free one, which is printed")] = "127.0.0.1:1600",
    pty: Annotated[Path | None, typer.Option(help="a pseudo-terminal linked here, not TCP")] = None,
    every_s: Annotated[float, typer.Option(min=5, help="quiet time between two passages, on average")] = 20.0,
    gamma: Annotated[float, typer.Option(min=0, max=1, help="share of the passages with a gamma source")] = 0.2,
    neutron: Annotated[float, typer.Option(min=0, max=1, help="share with a neutron source")] = 0.05,
    tamper_every: Annotated[int, typer.Option(min=0, help="every so many passages the cabinet is opened")] = 0,
    fault_every: Annotated[int, typer.Option(min=0, help="every so many passages the background is too high")] = 0,
    noise: Annotated[float, typer.Option(min=0, max=1, help="share of lines damaged on their way")] = 0.0,
    speed: Annotated[float, typer.Option(min=0.1, max=1000, help="times faster than life")] = 1.0,
    seed: Annotated[int, typer.Option(min=0, help="the same seed, the same traffic")] = 1,
    seconds: Annotated[float, typer.Option(min=0, help="stop after so long; 0: never")] = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="where it listens, and each passage, as JSON lines")] = False,
) -> None:
    """Simulate a radiation portal of the VM-250 family: traffic passes, some of it radiates."""
    place = Place.of(listen, pty)
    from simulators.rpm.model import Portal, Traffic  # here, so that help and mistakes answer at once
    from simulators.rpm.wire import Wire

    portal = Portal(Traffic(every_s, gamma, neutron, tamper_every, fault_every), seed)
    wire = Wire(pty, speed, noise)

    async def serve() -> None:
        stop = stopped()
        url = place.url(await wire.listen(place.host, place.port))
        say(f"simulated radiation portal listening on {url}", as_json, listening=url, simulated=True)
        playing = asyncio.create_task(wire.play(_told(portal, as_json)))
        try:
            await over(stop, seconds)
        finally:
            playing.cancel()
            await wire.close()

    run("rpm", serve())


def _told(portal, as_json: bool):
    """Yield the portal's lines, and say what passed once it has."""
    told = 0
    for line in portal.lines():
        yield line
        for truth in portal.truths[told:]:
            told += 1
            alarms = [name for name in ("gamma", "neutron") if getattr(truth, f"{name}_alarm")]
            words = f"passage {truth.number}: {', '.join(alarms) or 'no alarm'}"
            say(words, as_json, passage=truth.number, alarms=alarms)
