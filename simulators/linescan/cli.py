"""`jaitf-sim linescan`: one simulated line detector over a belt with bags, over TCP or UDP."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Annotated

import typer

from simulators.serving import run, say, stopped

app = typer.Typer(add_completion=False, rich_markup_mode=None)

_EPILOG = "Example: jaitf-sim linescan --to 127.0.0.1:5600 --loss 0.01 --reorder 0.01 --json"


@app.command(epilog=_EPILOG)
def linescan(
    to: Annotated[str | None, typer.Option(help="HOST:PORT of the appliance: datagrams are sent there")] = None,
    listen: Annotated[str | None, typer.Option(help="HOST:PORT to serve TCP on; port 0: a free one, printed")] = None,
    lines_per_s: Annotated[float, typer.Option(min=1, max=5000, help="lines a second")] = 400.0,
    pixels: Annotated[int, typer.Option(min=64, max=2048, help="pixels of a line")] = 640,
    rows: Annotated[int, typer.Option(min=64, max=2000, help="lines of a bag")] = 832,
    gap: Annotated[int, typer.Option(min=30, help="lines between bags; X-rays are off for a third of them")] = 300,
    threat_rate: Annotated[float, typer.Option(min=0, max=1, help="part of the bags with a threat")] = 0.3,
    stop_every: Annotated[int, typer.Option(min=0, help="every so many bags the belt stops within one")] = 0,
    back_every: Annotated[int, typer.Option(min=0, help="every so many bags the belt runs back within one")] = 0,
    dead: Annotated[int, typer.Option(min=0, max=20, help="dead pixels of each energy")] = 3,
    loss: Annotated[float, typer.Option(min=0, max=1, help="share of datagrams lost")] = 0.0,
    reorder: Annotated[float, typer.Option(min=0, max=1, help="share of datagrams that come later than sent")] = 0.0,
    twice: Annotated[float, typer.Option(min=0, max=1, help="share of datagrams that come twice")] = 0.0,
    count: Annotated[int, typer.Option(min=0, help="stop after so many bags; 0: never")] = 0,
    seed: Annotated[int, typer.Option(min=0, help="the same seed, the same bags")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="where it listens, and each bag, as JSON lines")] = False,
) -> None:
    """Simulate a dual-energy line detector: dark level, uneven gain, dead pixels, and a belt with bags."""
    if (to is None) == (listen is None):
        raise typer.BadParameter("give either --to HOST:PORT (UDP) or --listen HOST:PORT (TCP)")
    host, port = _address(to or listen or "", needs_port=to is not None)
    from simulators.linescan.model import Detector, Traffic  # here, so that help and mistakes answer at once
    from simulators.linescan.wire import Sender, Server, Trouble, play

    traffic = Traffic(pixels, rows, gap, gap, threat_rate, stop_every, 60, back_every)
    detector = Detector(traffic, seed, dead)
    trouble = Trouble(loss, twice, reorder, seed=seed)

    async def serve() -> None:
        stop = stopped()
        wire: Sender | Server = Sender(host, port, trouble) if to else Server()
        said = {"sending_to": f"udp://{host}:{port}", "simulated": True}
        if isinstance(wire, Server):
            said = {"listening": f"tcp://{host}:{await wire.listen(host, port)}", "simulated": True}
        say(f"simulated line detector: {json.dumps(said)}", as_json, **said)
        playing = asyncio.create_task(play(_told(detector, count, as_json), wire, lines_per_s))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({playing, stopping}, return_when=asyncio.FIRST_COMPLETED)
        for task in (playing, stopping):
            task.cancel()
        await wire.close()
        if to:
            sys.stderr.write(f"jaitf-sim linescan: {trouble.lost} datagrams lost on purpose\n")

    run("linescan", serve())


def _address(text: str, needs_port: bool) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or not int(needs_port) <= int(port) < 65_536:
        raise typer.BadParameter(f"{text!r} is not HOST:PORT")
    return host.strip("[]") or "127.0.0.1", int(port)


def _told(detector, count: int, as_json: bool):
    """Yield the detector's lines, say what passed once it has, and end some clear air after the last bag."""
    told, left = 0, detector.traffic.gap
    for line in detector.lines():
        if count and told >= count:
            left -= 1
            if left < 0:
                return
        yield line
        for truth in detector.truths[told:]:
            told += 1
            words = f"bag {truth.number}: {', '.join(truth.threats) or 'no threat'}"
            lines = truth.last - truth.first + 1
            say(words, as_json, bag=truth.number, lines=lines, threats=list(truth.threats))
