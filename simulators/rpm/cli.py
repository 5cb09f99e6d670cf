"""`jaitf-sim rpm`: one simulated radiation portal, on a serial line or over TCP."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

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
    host, separator, port = listen.rpartition(":")
    if not separator or not port.isdigit() or int(port) > 65_535:
        raise typer.BadParameter(f"{listen!r} is not HOST:PORT")
    from simulators.rpm.model import Portal, Traffic  # here, so that help and mistakes answer at once
    from simulators.rpm.wire import Wire

    portal = Portal(Traffic(every_s, gamma, neutron, tamper_every, fault_every), seed)
    wire = Wire(pty, speed, noise)

    async def serve() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        bound = await wire.listen(host.strip("[]") or "127.0.0.1", int(port))
        url = f"serial://{pty}" if pty else f"tcp://{host or '127.0.0.1'}:{bound}"
        _say({"listening": url, "simulated": True} if as_json else f"simulated radiation portal listening on {url}")
        playing = asyncio.create_task(wire.play(_told(portal, as_json)))
        try:
            async with asyncio.timeout(seconds or None):
                await stop.wait()
        except TimeoutError:
            pass
        finally:
            playing.cancel()
            await wire.close()

    try:
        asyncio.run(serve())
    except OSError as error:
        sys.stderr.write(f"jaitf-sim rpm: {error}\n")
        raise typer.Exit(1) from error


def _told(portal, as_json: bool):
    """Yield the portal's lines, and say what passed once it has."""
    told = 0
    for line in portal.lines():
        yield line
        for truth in portal.truths[told:]:
            told += 1
            alarms = [name for name in ("gamma", "neutron") if getattr(truth, f"{name}_alarm")]
            said = {"passage": truth.number, "alarms": alarms}
            _say(said if as_json else f"passage {truth.number}: {', '.join(alarms) or 'no alarm'}")


def _say(what: dict[str, object] | str) -> None:
    sys.stdout.write((what if isinstance(what, str) else json.dumps(what)) + "\n")
    sys.stdout.flush()
