"""`jaitf-edge replay`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from drivers.errors import ConfigError
from edge.cli import output

if TYPE_CHECKING:
    from drivers.contract import DriverInfo, Settings
    from drivers.recording.tape import Header

app = typer.Typer()


@app.command(epilog="Example: jaitf-edge replay portal-1.wire\n\nExample: jaitf-edge replay portal-1.wire --case DIR")
def replay(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `jaitf-edge record` has kept.")],
    speed: Annotated[
        str, typer.Option("--speed", metavar="N|max", help="So many times as fast as it was; max: without waiting.")
    ] = "max",
    driver: Annotated[
        str | None, typer.Option("--driver", metavar="NAME", help="This driver, in place of the recorded one.")
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="DIR", help="The device as it is set there, in place of as it was."),
    ] = None,
    case: Annotated[
        Path | None, typer.Option("--case", metavar="DIR", help="Write a test case: a new folder, no code.")
    ] = None,
    json: output.JsonOption = False,
) -> None:
    """Play a recording to its driver, and print what it says: one JSON object a line, times from the start.

    Nothing outside this process is touched, and two replays say the same. At max speed waiting takes no time: a
    deadline of an hour passes at once. Exit status 1: the driver failed in a way that no driver may.
    """
    from drivers.recording import cases, sessions, tape

    pace = _speed(speed)
    recording = tape.read(file)
    info, settings = _device(recording.header, driver, config)
    state = _state(recording.header, config)
    done = sessions.replay(recording, info, settings, pace, output.json_line, state)
    if recording.torn:
        output.note(f"{file}: its last line is cut off; the rest was played")
    for difference in done.differences:
        output.note(f"not as it was recorded: {difference}")
    output.note(f"{recording.took_s:.1f} s of {info.name} in {done.took_s:.1f} s")
    if case is not None:
        from drivers.recording.wires import kept

        cases.write(case, file, info.name, kept(settings), done, state)
        output.note(f"{case}: a case; tests/cases/{info.name}/ is where the test suite finds it")
    if any("failed" in word for word in done.said):
        raise typer.Exit(1)


def _state(header: Header, config: Path | None) -> Path | None:
    """Return the folder of what a configured device remembers, None where it remembers nothing."""
    if config is None:
        return None
    from edge.config.load import load

    folder = load(config).appliance.data_dir / "devices" / header.device
    return folder if folder.is_dir() else None


def _speed(text: str) -> float | None:
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0.01 <= speed <= 10_000:
        raise typer.BadParameter("--speed is a number from 0.01 to 10000, or max")
    return speed


def _device(header: Header, driver: str | None, config: Path | None) -> tuple[DriverInfo, Settings]:
    """Return the driver and how it is set: as recorded, as it is set in a configuration, or another by its defaults."""
    from drivers.recording import cases

    if driver is not None and config is not None:
        raise typer.BadParameter("--driver or --config, one of them")
    if config is not None:
        from edge.config.device import one_device
        from edge.config.load import load

        chosen = one_device(load(config), header.device)
        return cases.driver_of(chosen.driver), chosen.settings
    if not (driver or header.driver):
        raise ConfigError("it was recorded without a driver: --driver NAME says which is to read it")
    info = cases.driver_of(driver or header.driver)
    if driver is None or driver == header.driver:
        return info, cases.settings_of(info, header.settings)
    return info, cases.settings_of(info, _shared(header.settings, info))


def _shared(settings: dict[str, Any], info: DriverInfo) -> dict[str, Any]:
    """Return those of a recorded driver's settings that another has, too."""
    from drivers.registry import settings_class

    known = settings_class(info).model_fields
    shared = {key: value for key, value in settings.items() if key in known}
    if not shared:
        raise ConfigError(f"{info.name} has no setting of the recorded ones: {', '.join(settings)}")
    return shared
