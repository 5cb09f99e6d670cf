"""`jaitf-sim modbus`: one simulated Modbus device, over TCP, TLS or a serial line."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from simulators.modbus.model import PROFILES, Device, Panel
from simulators.serving import Place, over, run, say, stopped

app = typer.Typer(add_completion=False, rich_markup_mode=None)

_EPILOG = "Example: jaitf-sim modbus --listen 127.0.0.1:5020 --profile aspect-rpm"

Profile = StrEnum("Profile", {name: name for name in ("counter", "panel", *PROFILES)})


@app.command(epilog=_EPILOG)
def modbus(
    listen: Annotated[str, typer.Option(help="HOST:PORT; port 0: a free one, which is printed")] = "127.0.0.1:5020",
    pty: Annotated[Path | None, typer.Option(help="RTU on a pseudo-terminal linked here, not TCP")] = None,
    profile: Annotated[
        Profile,
        typer.Option(help="which device; its profile reads it. panel has none: SIGUSR1 trips its alarm"),
    ] = (Profile.counter),
    unit: Annotated[int, typer.Option(min=0, max=255, help="unit identifier; 0: answers to all")] = 1,
    counter_hz: Annotated[float, typer.Option(min=0, help="counter: how often a second holding 0 rises")] = 25.0,
    every_s: Annotated[
        float, typer.Option(min=0, help="profiles: a vehicle, pulse or person every so often; 0: as they are")
    ] = 0.0,
    tls_cert: Annotated[Path | None, typer.Option(help="serve TLS with this certificate (PEM)")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="its key (PEM)")] = None,
    tls_ca: Annotated[Path | None, typer.Option(help="clients must bring a certificate of these (PEM)")] = None,
    busy_every: Annotated[int, typer.Option(min=0, help="every so many requests: exception 6, busy")] = 0,
    hang_every: Annotated[int, typer.Option(min=0, help="every so many requests: a late answer")] = 0,
    hang_s: Annotated[float, typer.Option(min=0, help="how late, in seconds")] = 5.0,
    drop_every: Annotated[int, typer.Option(min=0, help="every so many requests: the connection is cut")] = 0,
    seconds: Annotated[float, typer.Option(min=0, help="stop after so long; 0: never")] = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="say where it listens as JSON on standard output")] = False,
) -> None:
    """Simulate a Modbus device: a counter, a radiation portal, a contact module, a body scanner's contacts, a panel."""
    place = Place.of(listen)
    if (tls_cert is None) != (tls_key is None) or (tls_ca and not tls_cert) or (tls_cert and pty):
        raise typer.BadParameter("TLS is --tls-cert with --tls-key, and over TCP")
    from simulators.modbus.wire import Faults, Server, server_tls  # here, so that help and mistakes answer at once

    logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)

    async def serve() -> None:
        model, start = _model(profile, counter_hz, every_s), time.monotonic()
        if isinstance(model, Panel):
            asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, lambda: model.trip(time.monotonic() - start))
        stop = stopped()
        faults = Faults(busy_every, hang_every, hang_s, drop_every)
        server = Server(model, unit, faults, time.monotonic)
        if pty:
            await server.listen_on(pty)
            url = f"serial://{pty}?baud=115200"
        else:
            tls = server_tls(tls_cert, tls_key, tls_ca) if tls_cert and tls_key else None
            url = place.url(await server.listen(place.host, place.port, tls), "tls" if tls else "tcp")
        words = f"simulated device ({profile.value}) on {url}, unit {unit}"
        say(words, as_json, listening=url, unit=unit, profile=profile.value, simulated=True)
        try:
            await over(stop, seconds)
        finally:
            await server.close()

    run("modbus", serve())


def _model(profile: Profile, counter_hz: float, every_s: float):
    if profile is Profile.counter:
        return Device(counter_hz)
    if profile is Profile.panel:
        return Panel(**({"held_s": every_s} if every_s else {}))
    return PROFILES[profile.value](**({"every_s": every_s} if every_s else {}))
