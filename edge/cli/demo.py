"""`jaitf-edge demo`."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge.cli import output

if TYPE_CHECKING:
    from edge.demo.watch import Heard

app = typer.Typer()


class LaneName(StrEnum):
    """The lanes that there are examples of."""

    passenger = "passenger"
    cargo = "cargo"
    post = "post"


@app.command(epilog="Example: jaitf-edge demo --seconds 25 --seed 7 --json")
def demo(
    seconds: Annotated[float | None, typer.Option(min=0, help="For how long; without it, until Ctrl-C.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="The bags' seed; without it, other bags each time.")] = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="The console page's port; else a free one.")
    ] = None,
    lane: Annotated[LaneName, typer.Option(help="Which lane, of those in config/examples.")] = LaneName.passenger,
    json: output.JsonOption = False,
) -> None:
    """Run a whole simulated lane on this machine: broker, devices, appliance and console page.

    Prints each hit; with --json as it was published. Ends after so many seconds, by Ctrl-C or by SIGTERM, and leaves
    nothing behind.
    """
    import asyncio

    from edge.demo import DemoFailed, Options, Tell, run

    def progress(words: str) -> None:
        sys.stderr.write(words)
        sys.stderr.flush()

    def address(console: str, page: str) -> None:
        say = output.note if json else output.line
        say(f"Console: {console}   (Ctrl-C ends the demo)")
        say(f"Technician's page: {page}")

    def hit(heard: Heard) -> None:
        output.line(heard.payload.decode() if json else _hit_line(heard))

    try:
        hits = asyncio.run(run(Options(seconds, seed, port, lane.value), Tell(progress, address, hit)))
    except DemoFailed as error:
        output.note("")
        for line in error.lines:
            output.note(f"    {line}")
        raise
    output.note(f"{hits} hit{'' if hits == 1 else 's'}; every process has ended, nothing is left behind.")


def _hit_line(heard: Heard) -> str:
    data = heard.body["data"]
    threats = ", ".join(_threat(threat) for threat in data["threats"])
    item = data["item"]
    tag = f"bag {item['bag_tag']}" if item.get("bag_tag") else f"scan {item['scan_id']}"
    return f"{data['observed_at'][11:19]}  {data['severity']:<8}  {data['device']:<8}  {threats}  {tag}"


def _threat(threat: dict[str, Any]) -> str:
    if measurement := threat.get("measurement"):
        return f"{threat['label']} {measurement['value']} {measurement['unit']}".rstrip()
    return f"{threat['label']} {threat['score']:.2f}" if threat.get("score") is not None else str(threat["label"])
