"""`jaitf-edge calibrate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from drivers.errors import ConfigError, StoreError
from drivers.linescan.calibrating import What
from edge.cli import output

app = typer.Typer()

_HOW = {
    What.DARK: "switch the X-rays off",
    What.GAIN: "switch the X-rays on and let the belt run empty",
    What.BOTH: "switch the X-rays off for a few seconds, then on, and let the belt run empty",
}


@app.command(epilog="Example: jaitf-edge calibrate belt-1 --what gain --config /etc/jaitf-edge")
def calibrate(
    device: Annotated[str, typer.Argument(help="A line detector (driver linescan).")],
    config: output.ConfigOption = None,
    what: Annotated[What, typer.Option(help="dark: X-rays off; gain: X-rays on, belt empty; or both")] = What.BOTH,
    deadline_s: Annotated[float, typer.Option("--deadline", metavar="SECONDS", min=1, max=3600)] = 60.0,
    json: output.JsonOption = False,
) -> None:
    """Calibrate a line detector while the appliance runs: dark and gain of each pixel, and which pixels are dead.

    What is measured must be so for 256 lines. The old calibration stays where the new one is refused.
    """
    from drivers.linescan.calibrating import ask

    folder = _folder(device, config)
    output.note(f"{device}: {_HOW[what]}; waiting {deadline_s:g} s at most")
    try:
        answer = ask(folder, what, deadline_s)
    except OSError as error:
        why = error.strerror or error
        raise StoreError(f"{folder}: {why}; was the device ever started, may you write there?") from None
    if json:
        output.json_line({"device": device, **answer.model_dump(exclude={"id"})})
    else:
        output.line(_told(device, answer.detail, answer.dark_at, answer.gain_at, answer.dead_pixels))
    if not answer.ok:
        raise typer.Exit(1)


def _told(device: str, detail: str, dark_at: str | None, gain_at: str | None, dead: tuple[int, int] | None) -> str:
    parts = [f"{device}: {detail}", f"dark of {dark_at or 'never'}", f"gain of {gain_at or 'never'}"]
    return "; ".join(parts + ([f"dead pixels: {dead[0]} low, {dead[1]} high"] if dead else []))


def _folder(name: str, config: Path | None) -> Path:
    from edge.config.load import find, load
    from edge.config.problems import nearest

    loaded = load(find(config))
    known = {device.name: device for device in loaded.devices if device.driver == "linescan"}
    if name not in known:
        meant = nearest(name, known)
        hint = f" (did you mean {meant}?)" if meant else f"; there are: {', '.join(known) or 'none'}"
        raise ConfigError(f"no line detector {name!r}{hint}")
    return loaded.appliance.data_dir / "devices" / name
