"""`jaitf-sim lane`: several of the simulated devices in one process, each on its own port."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import date
from typing import Annotated, Any, Protocol

import typer

from simulators.serving import Place, over, run, say, stopped

app = typer.Typer(add_completion=False, rich_markup_mode=None)

_EPILOG = 'Example: jaitf-sim lane --serve "tagreader 127.0.0.1:5084 button_s=11" --serve "rpm 127.0.0.1:1600"'
Options = dict[str, float]


class Served(Protocol):
    """A simulated device that can be served."""

    async def listen(self, host: str, port: int) -> int:
        """Begin to serve and return the port. Raises OSError."""

    async def close(self) -> None:
        """Stop serving."""


def _tagreader(seed: int, said: Options) -> Served:
    from simulators.tagreader.llrp import Reader
    from simulators.tagreader.model import Gate

    bag_s = said.get("bag_s", 4.0)
    view_s = bag_s / 2 if bag_s else 0.0
    gate = Gate(
        seed, bag_s or 1.0, view_s, said.get("missed", 0.1), said.get("button_s", 0.0), bool(said.get("team", 1))
    )
    return Reader(gate)


def _modbus(model: str) -> Callable[[int, Options], Served]:
    def make(seed: int, said: Options) -> Served:
        from simulators.modbus.model import PROFILES, Device
        from simulators.modbus.wire import Faults, Server

        logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)
        made = Device(said.get("counter_hz", 0.15)) if model == "counter" else PROFILES[model](**said)
        return Server(made, 1, Faults(0, 0, 0.0, 0), time.monotonic)

    return make


def _scale(seed: int, said: Options) -> Served:
    from simulators.scale.cli import Protocol as Spoken
    from simulators.scale.cli import Scale
    from simulators.scale.model import Platform

    parcel_s = said.get("parcel_s", 6.0)
    platform = Platform(seed, parcel_s, parcel_s / 10, said.get("around_kg", 12.0), int(said.get("heavy_every", 0)))
    return Scale(Spoken.SICS, platform)


class _CodeReader:
    def __init__(self, kinds: tuple[str, ...], seed: int, said: Options) -> None:
        from simulators.codereader.model import Desk
        from simulators.line import Line

        around_kg = said.get("around_kg", 12.0)
        self._desk = Desk(seed, kinds, int(said.get("forged_every", 0)), date.today(), around_kg)
        self._every_s = said.get("every_s", 3.0)
        self._line = Line()
        self._task: asyncio.Task[None] | None = None

    async def listen(self, host: str, port: int) -> int:
        from simulators.codereader.cli import _read_codes

        bound = await self._line.listen(host, port)
        self._task = asyncio.create_task(_read_codes(self._desk, self._every_s, True, self._line, None))
        return bound

    async def close(self) -> None:
        if self._task:
            self._task.cancel()
        await self._line.close()


class _Rpm:
    def __init__(self, seed: int, said: Options) -> None:
        from simulators.rpm.model import Portal, Traffic
        from simulators.rpm.wire import Wire

        traffic = Traffic(said.get("every_s", 20.0), said.get("gamma", 0.2), said.get("neutron", 0.05))
        self._portal = Portal(traffic, seed)
        self._wire = Wire(None, said.get("speed", 1.0), 0.0)
        self._task: asyncio.Task[None] | None = None

    async def listen(self, host: str, port: int) -> int:
        bound = await self._wire.listen(host, port)
        self._task = asyncio.create_task(self._wire.play(self._portal.lines()))
        return bound

    async def close(self) -> None:
        if self._task:
            self._task.cancel()
        await self._wire.close()


KINDS: dict[str, Callable[[int, Options], Any]] = {
    "tagreader": _tagreader,
    "counter": _modbus("counter"),
    "contacts": _modbus("iologik-e1200"),
    "bodyscanner": _modbus("bodyscanner-contacts"),
    "portal": _modbus("aspect-rpm"),
    "scale": _scale,
    "tags": lambda seed, said: _CodeReader(("tag",), seed, said),
    "passes": lambda seed, said: _CodeReader(("pass",), seed, said),
    "parcels": lambda seed, said: _CodeReader(("parcel",), seed, said),
    "labels": lambda seed, said: _CodeReader(("label",), seed, said),
    "documents": lambda seed, said: _CodeReader(("document",), seed, said),
    "rpm": _Rpm,
}


def _parsed(text: str, seed: int) -> tuple[str, str, int, Served]:
    kind, *rest = text.split() or [""]
    address, options = (rest or [""])[0], rest[1:]
    if kind not in KINDS:
        raise typer.BadParameter(f"there is no device {kind!r}; there are {', '.join(KINDS)}")
    place = Place.of(address)
    try:
        said = {name: float(value) for name, value in (option.split("=", 1) for option in options)}
        return kind, place.host, place.port, KINDS[kind](seed, said)
    except (ValueError, TypeError) as error:
        raise typer.BadParameter(f"{text!r}: {error}") from error


@app.command(epilog=_EPILOG)
def lane(
    serve: Annotated[list[str], typer.Option(help="KIND HOST:PORT [KEY=NUMBER ...]; no KIND: they are listed")],
    seed: Annotated[int, typer.Option(min=0, help="the same seed, the same lane")] = 1,
    seconds: Annotated[float, typer.Option(min=0, help="stop after so long; 0: never")] = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="say where each listens as JSON on standard output")] = False,
) -> None:
    """Simulate several devices of a lane in one process; the scanner is a program of its own."""

    async def all_of_them() -> None:
        stop = stopped()
        served: list[Served] = []
        try:
            for text in serve:
                kind, host, port, device = _parsed(text, seed)
                bound = await device.listen(host, port)
                served.append(device)
                url = f"tcp://{host}:{bound}"
                say(f"simulated {kind} on {url}", as_json, device=kind, listening=url, simulated=True)
            await over(stop, seconds)
        finally:
            for device in reversed(served):
                await device.close()

    run("lane", all_of_them())
