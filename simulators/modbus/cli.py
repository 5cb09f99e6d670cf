"""`jaitf-sim modbus`: one simulated Modbus/TCP device."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import sys
import time
from typing import Annotated

import typer

from simulators.modbus.model import Device

app = typer.Typer(add_completion=False, rich_markup_mode=None)

_EPILOG = "Example: jaitf-sim modbus --listen 127.0.0.1:5020 --counter-hz 25"


@app.command(epilog=_EPILOG)
def modbus(
    listen: Annotated[str, typer.Option(help="HOST:PORT; port 0: a free one, which is printed")] = "127.0.0.1:5020",
    unit: Annotated[int, typer.Option(min=0, max=255, help="unit identifier; 0: answers to all")] = 1,
    counter_hz: Annotated[float, typer.Option(min=0, help="how often a second holding register 0 rises")] = 25.0,
    busy_every: Annotated[int, typer.Option(min=0, help="every so many requests: exception 6, busy")] = 0,
    hang_every: Annotated[int, typer.Option(min=0, help="every so many requests: a late answer")] = 0,
    hang_s: Annotated[float, typer.Option(min=0, help="how late, in seconds")] = 5.0,
    drop_every: Annotated[int, typer.Option(min=0, help="every so many requests: the connection is cut")] = 0,
    seconds: Annotated[float, typer.Option(min=0, help="stop after so long; 0: never")] = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="say where it listens as JSON on standard output")] = False,
) -> None:
    """Simulate a Modbus device: a rising counter at holding 0, contacts, a level and a temperature."""
    host, separator, port = listen.rpartition(":")
    if not separator or not port.isdigit() or int(port) > 65_535:
        raise typer.BadParameter(f"{listen!r} is not HOST:PORT")
    from simulators.modbus.wire import Faults, Server  # here, so that help and mistakes answer at once

    logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)

    async def serve() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        faults = Faults(busy_every, hang_every, hang_s, drop_every)
        server = Server(Device(counter_hz), unit, faults, time.monotonic)
        bound = await server.listen(host.strip("[]") or "127.0.0.1", int(port))
        url = f"tcp://{host or '127.0.0.1'}:{bound}"
        said = json.dumps({"listening": url, "unit": unit}) if as_json else f"listening on {url}, unit {unit}"
        sys.stdout.write(said + "\n")
        sys.stdout.flush()
        try:
            async with asyncio.timeout(seconds or None):
                await stop.wait()
        except TimeoutError:
            pass
        finally:
            await server.close()

    try:
        asyncio.run(serve())
    except OSError as error:
        sys.stderr.write(f"jaitf-sim modbus: {error}\n")
        raise typer.Exit(1) from error
