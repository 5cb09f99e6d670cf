"""`jaitf-sim fleet`: many simulated appliances on one broker, from one process."""

from __future__ import annotations

import json
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from simulators.console.mqtt import BrokerAddress, BrokerUrlError
from simulators.fleet.model import fleet as made
from simulators.fleet.play import play

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(epilog="Example: jaitf-sim fleet --broker mqtt://127.0.0.1:1883 --edges 200 --seconds 60")
def fleet(
    broker: Annotated[str, typer.Option(metavar="URL", help="mqtt://HOST:PORT or mqtts://HOST:PORT")],
    edges: Annotated[int, typer.Option(min=1, max=900, help="so many appliances")] = 200,
    every_s: Annotated[float, typer.Option(min=0.01, help="each makes a hit every so many seconds, on average")] = 10.0,
    seconds: Annotated[float, typer.Option(min=0, help="stop after so long; 0: never")] = 0.0,
    settle_s: Annotated[float, typer.Option(min=0, help="then wait at most so long for the last receipts")] = 30.0,
    site: Annotated[str, typer.Option(help="the site they say they stand at")] = "fleet",
    root: Annotated[str, typer.Option(help="first part of every topic")] = "jaitf",
    seed: Annotated[int, typer.Option(help="the same seed, the same finds")] = 1,
    ca_file: Annotated[Path | None, typer.Option(help="certificates that may vouch for the broker (PEM)")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="the result as JSON alone on standard output")] = False,
) -> None:
    """Play many appliances: each has its connection, its birth, its hits, and sends again what has no receipt.

    At the end it tells how many hits were received, and the time from publish to receipt. Exit status 1: some hit has
    no receipt.
    """
    try:
        address = BrokerAddress.parse(broker)
    except BrokerUrlError as error:
        raise typer.BadParameter(str(error), param_hint="--broker") from error
    if ca_file is not None:
        from dataclasses import replace

        address = replace(address, ca_file=ca_file)
    wake, waker = socket.socketpair()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: waker.send(b"x"))
    lanes = made(edges, site, root, every_s, seed, time.monotonic())
    result = play(lanes, address, seconds, settle_s, wake, lambda text: sys.stderr.write(text + "\n"))
    sys.stdout.write(json.dumps(result) + "\n" if as_json else _lines(result))
    raise typer.Exit(1 if result["outstanding"] else 0)


def _lines(result: dict[str, object]) -> str:
    return "".join(f"{name.replace('_', ' ')}: {value}\n" for name, value in result.items())
