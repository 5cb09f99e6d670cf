"""`jaitf-edge init`."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from drivers.errors import ConfigError, StoreError
from edge.cli import output

app = typer.Typer()


@app.command(epilog="Example: jaitf-edge init /etc/jaitf-edge --site lfw --lane t1-l3")
def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where the configuration shall lie.")],
    site: Annotated[str | None, typer.Option(help="The airport or post office.")] = None,
    lane: Annotated[str | None, typer.Option(help="The screening lane.")] = None,
    id: Annotated[str | None, typer.Option(help="This appliance, unique in the site.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Where the ledger and the evidence shall lie.")] = None,
    console_url: Annotated[str | None, typer.Option(help="mqtts://HOST:PORT of the console's broker.")] = None,
    json: output.JsonOption = False,
) -> None:
    """Write a commented, valid configuration, with one device and an example for every driver.

    No file that is there already is changed.
    """
    from edge.config import template

    given: dict[str, Any] = {
        "appliance.site": site,
        "appliance.lane": lane,
        "appliance.id": id,
        "appliance.data_dir": data_dir and data_dir.absolute(),
        "console.url": console_url,
    }
    made = template.files(folder, {key: value for key, value in given.items() if value is not None})
    _refuse_bad(made, folder)
    if there := [path for path in made if path.exists()]:
        raise ConfigError(f"{there[0]} is there already: nothing was written")
    try:
        for path, text in made.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
    except OSError as error:
        raise StoreError(f"{error.filename}: {error.strerror}") from error
    for path in made:
        output.json_line({"written": str(path)}) if json else output.line(str(path))
    output.note(f"Next: look into these files, then: jaitf-edge check --config {folder}")


def _refuse_bad(made: dict[Path, str], folder: Path) -> None:
    """Raise ConfigError where what is to be written would not pass `check`: a bad value came with an option."""
    from edge.config.load import examine

    with tempfile.TemporaryDirectory(prefix="jaitf-edge-init-") as scratch:
        for path, text in made.items():
            copy = Path(scratch) / path.relative_to(folder)
            copy.parent.mkdir(exist_ok=True)
            copy.write_text(text, encoding="utf-8")
        errors = examine(Path(scratch)).errors
    if errors:
        raise ConfigError("; ".join(f"{problem.key}: {problem.message}" for problem in errors))
