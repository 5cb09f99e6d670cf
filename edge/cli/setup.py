"""`jaitf-edge setup`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from drivers.errors import ConfigError
from edge.cli import output

app = typer.Typer()

_EPILOG = (
    "Example: jaitf-edge setup /etc/jaitf-edge\n\n"
    "Example: jaitf-edge setup --site lfw --lane t1-l3 --id edge-01 --broker mqtt://127.0.0.1"
    " --find /dev/ttyUSB0 --device 'modbus=tcp://10.0.0.5?unit=1&profile=aspect-rpm' --yes"
)
NO_TERMINAL = (
    "there is no terminal to ask on: say what is wanted by flags, and --yes:"
    " --site, --lane, --id, --broker, --find PLACE, --device DRIVER=WHERE (jaitf-edge setup --help)"
)


@app.command(epilog=_EPILOG)
def setup(
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="[DIR]", help="The configuration; else $JAITF_EDGE_CONFIG, else /etc/jaitf-edge."),
    ] = None,
    site: Annotated[str | None, typer.Option(help="The airport or post office.")] = None,
    lane: Annotated[str | None, typer.Option(help="The screening lane.")] = None,
    id: Annotated[str | None, typer.Option(help="This appliance, unique in the site.")] = None,
    stream: Annotated[str | None, typer.Option(help="What the lane screens: passenger, cargo or post.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Where the ledger and the evidence shall lie.")] = None,
    broker: Annotated[
        str | None, typer.Option(metavar="URL", help="mqtts://HOST:PORT of the console's broker.")
    ] = None,
    ca_file: Annotated[Path | None, typer.Option(help="Certificates that may vouch for the broker (PEM).")] = None,
    cert_file: Annotated[Path | None, typer.Option(help="This appliance's certificate (PEM).")] = None,
    key_file: Annotated[Path | None, typer.Option(help="Its key (PEM).")] = None,
    username: Annotated[str | None, typer.Option(help="For a broker that asks for one.")] = None,
    password_file: Annotated[Path | None, typer.Option(help="File with the password, for the broker.")] = None,
    insecure: Annotated[bool, typer.Option("--insecure", help="Allow mqtt:// beyond this machine.")] = False,
    find: Annotated[
        list[str] | None,
        typer.Option(metavar="PLACE", help="Find what is there: a port's path, HOST[:PORT], a folder, or: serial."),
    ] = None,
    device: Annotated[
        list[str] | None,
        typer.Option(metavar="[NAME:]DRIVER=WHERE", help="Add this device; settings follow as ?KEY=VALUE&KEY=VALUE."),
    ] = None,
    survey: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Only say what a Modbus unit holds: tcp://HOST:PORT?unit=1, or serial:///..."),
    ] = None,
    watch_s: Annotated[
        float, typer.Option("--watch", metavar="SECONDS", min=0, help="--survey: how long its alarm may be tripped.")
    ] = 20.0,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing: flags, and what can be found out.")] = False,
    untested: Annotated[bool, typer.Option("--untested", help="Write devices that do not answer, too.")] = False,
    json: output.JsonOption = False,
) -> None:
    """Set up a lane step by step: names it, finds the console and the devices, tests each, and writes it down.

    A configuration that is there is added to; what is changed in it is kept in its folder `kept`. Everything can be
    said by flags too, and then with --yes nothing is asked. Exit status 1: something was found that does not answer.
    """
    from edge.config.load import find as find_folder

    where = find_folder(folder)
    _usable(where)
    values: dict[tuple[str, str], Any] = {
        ("appliance", "site"): site,
        ("appliance", "lane"): lane,
        ("appliance", "id"): id,
        ("appliance", "stream"): stream,
        ("appliance", "data_dir"): data_dir and str(data_dir.absolute()),
        ("console", "url"): broker and _with_port(broker),
        ("console", "ca_file"): ca_file and str(ca_file.absolute()),
        ("console", "cert_file"): cert_file and str(cert_file.absolute()),
        ("console", "key_file"): key_file and str(key_file.absolute()),
        ("console", "username"): username,
        ("console", "password_file"): password_file and str(password_file.absolute()),
        ("console", "insecure"): insecure or None,
    }
    given = {key: value for key, value in values.items() if value is not None}
    if survey:
        _survey(survey, watch_s, json)
        return
    if yes or json:
        _by_flags(where, given, tuple(device or ()), tuple(find or ()), untested, json)
        return
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise ConfigError(NO_TERMINAL)
    from edge.setup.dialogue import run

    if not run(where, given, tuple(device or ()), tuple(find or ())):
        raise typer.Exit(1)


def _usable(folder: Path) -> None:
    """Raise what would else be found out after the last question: no right to write, a file that cannot be used."""
    import os

    from edge.config.load import examine
    from edge.config.problems import ConfigProblems

    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise ConfigError(f"{folder}: no permission to write in {there}: run it with sudo, or give another DIR")
    if (folder / "edge.toml").exists():
        wrong = [problem for problem in examine(folder).errors if problem.file == folder / "edge.toml"]
        if wrong:
            raise ConfigProblems(wrong)


def _with_port(url: str) -> str:
    scheme, _, rest = url.partition("://")
    if not rest or rest.rpartition("]")[2].count(":"):
        return url
    return f"{url}:{8883 if scheme == 'mqtts' else 1883}"


def _progress() -> Callable[[str, float, str], None]:
    """Return what says how far something is: twenty times from its beginning to its end, and not at every step."""
    told: dict[str, int] = {}

    def say(where: str, done: float, says: str) -> None:
        twentieth = int(done * 20)
        if not done or told.get(where) != twentieth:
            output.note(output.one_line(f"{where}{done:.0%}: {says}" if done or where else says))
        told[where] = twentieth

    return say


def _survey(url: str, watch_s: float, json: bool) -> None:
    from edge.setup.survey import by_flags

    progress = _progress()

    def tell(event: str, said: dict[str, Any]) -> None:
        if json:
            output.json_line({"event": event, **said})
        elif event == "step":
            progress("", said["done"], said["says"])
        else:
            for line in said["lines"]:
                output.line(output.one_line(line))

    by_flags(url, watch_s, tell)


def _by_flags(
    folder: Path,
    values: dict[tuple[str, str], Any],
    devices: tuple[str, ...],
    places: tuple[str, ...],
    untested: bool,
    json: bool,
) -> None:
    import shlex

    from edge.cli.app import FAILED
    from edge.config.load import examine
    from edge.setup.flags import Given, lines_of, set_up

    progress = _progress()

    def tell(event: str, said: dict[str, Any]) -> None:
        if json:
            output.json_line({"event": event, **said})
            return
        if event == "step":
            progress(f"{said['place']}: ", said["done"], said["says"])
        for line in lines_of(event, said):
            output.line(output.one_line(line))

    outcome = set_up(folder, Given(values, devices, places, untested), tell)
    if outcome.failed:
        output.note(f"{len(outcome.failed)} of it did not answer as it should: mend that, and run this again")
        raise typer.Exit(FAILED)
    where = shlex.quote(str(folder))
    if found := examine(folder).errors:
        output.note(f"mistakes stand in it still, {len(found)} of them: jaitf-edge check --config {where}")
        raise typer.Exit(FAILED)
    output.note(f"Next: jaitf-edge doctor --config {where}, then: jaitf-edge run --config {where}")
