"""`jaitf-sim codereader`: one simulated code reader, on a line or as a keyboard."""

from __future__ import annotations

import asyncio
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from simulators.codereader.model import Desk
from simulators.codereader.wire import Keyboard, said, stroke, typed
from simulators.line import Line
from simulators.serving import Place, over, run, say, stopped

app = typer.Typer(add_completion=False, rich_markup_mode=None)

_EPILOG = "Example: jaitf-sim codereader --pty /tmp/codes --kinds tag,pass,document --forged-every 3"
_KINDS = ("tag", "pass", "parcel", "label", "document")
_KEY_F1 = 59


@app.command(epilog=_EPILOG)
def codereader(
    listen: Annotated[str, typer.Option(help="HOST:PORT; port 0: a free one, which is printed")] = "127.0.0.1:2112",
    pty: Annotated[Path | None, typer.Option(help="a pseudo-terminal linked here, not TCP")] = None,
    hid: Annotated[Path | None, typer.Option(help="a named pipe here that carries a US keyboard's records")] = None,
    kinds: Annotated[str, typer.Option(help=f"what is read, in turn: {', '.join(_KINDS)}")] = "tag",
    every_s: Annotated[float, typer.Option(min=0.05, help="something new is read every so many seconds")] = 3.0,
    aim: Annotated[bool, typer.Option(help="the symbology stands before each code")] = True,
    forged_every: Annotated[int, typer.Option(min=0, help="every so many documents one is inconsistent")] = 0,
    button_s: Annotated[float, typer.Option(min=0, help="HID: F1 is pressed every so many seconds; 0: never")] = 0,
    seed: Annotated[int, typer.Option(help="the same seed, the same codes")] = 1,
    seconds: Annotated[float, typer.Option(min=0, help="stop after so long; 0: never")] = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="say where it listens as JSON on standard output")] = False,
) -> None:
    """Simulate a code reader: tags, boarding passes, parcels and documents of nobody who exists."""
    wanted = tuple(kinds.split(","))
    if not set(wanted) <= set(_KINDS):
        raise typer.BadParameter(f"--kinds: {kinds!r}; there are {', '.join(_KINDS)}")
    place = Place.of(listen, pty)
    desk = Desk(seed, wanted, forged_every, date.today())

    async def serve() -> None:
        stop = stopped()
        line, keyboard = Line(pty), Keyboard(hid) if hid else None
        if keyboard:
            keyboard.plug_in()
            url = f"hid://{hid}"
        else:
            url = place.url(await line.listen(place.host, place.port))
        say(f"simulated code reader on {url}", as_json, listening=url, simulated=True)
        tasks = [asyncio.create_task(_read_codes(desk, every_s, aim, line, keyboard))]
        if keyboard and button_s:
            tasks.append(asyncio.create_task(_press(button_s, keyboard)))
        try:
            await over(stop, seconds)
        finally:
            for task in tasks:
                task.cancel()
            await line.close()
            if keyboard:
                keyboard.pull_out()

    run("codereader", serve())


async def _read_codes(desk: Desk, every_s: float, aim: bool, line: Line, keyboard: Keyboard | None) -> None:
    number = 0
    while True:
        text = said(desk.codes(number), aim=aim)
        if keyboard:
            keyboard.send(typed(text))
        else:
            line.send(text.encode())
        number += 1
        await asyncio.sleep(every_s)


async def _press(button_s: float, keyboard: Keyboard) -> None:
    while True:
        await asyncio.sleep(button_s)
        keyboard.send(stroke(_KEY_F1))
