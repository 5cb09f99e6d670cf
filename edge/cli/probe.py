"""`jaitf-edge probe`."""

from __future__ import annotations

import tomllib
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from drivers.errors import ConfigError
from edge.cli import output

if TYPE_CHECKING:
    from drivers.contract import Settings
    from edge.probing import Probed

app = typer.Typer()

Asked = tuple[str, str, "Settings"]


@app.command(epilog="Example: jaitf-edge probe portal-1 --config /etc/jaitf-edge")
def probe(
    devices: Annotated[
        list[str] | None, typer.Argument(metavar="[DEVICE]...", help="These; else all there are.")
    ] = None,
    config: output.ConfigOption = None,
    driver: Annotated[
        str | None, typer.Option(metavar="NAME", help="A device without a file: this driver, with what --set says.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A setting for --driver; again for each.")
    ] = None,
    deadline_s: Annotated[float, typer.Option("--deadline", metavar="SECONDS", min=0.1, max=600)] = 10.0,
    json: output.JsonOption = False,
) -> None:
    """Talk to the hardware once: what was done, who answered, a sample; or which layer failed, and what to try.

    Nothing is changed, neither here nor in the device. Exit status 1: a device did not answer as it should.
    """
    from edge.probing import probe as probe_one

    if driver is not None and devices:
        raise typer.BadParameter("names devices of the configuration; --driver is for one without a file")
    asked = [_named(driver, settings or [])] if driver is not None else _configured(devices or [], config)
    failed = False
    for name, driver_name, values in asked:
        probed = probe_one(driver_name, values, deadline_s)
        failed |= not probed.report.ok
        output.json_line(_object(name, driver_name, probed)) if json else _show(name, driver_name, probed)
    if not asked:
        output.note("No device is configured: `jaitf-edge drivers` shows what there can be.")
    if failed:
        raise typer.Exit(1)


def _configured(names: list[str], config: Path | None) -> list[Asked]:
    from edge.config.device import one_device
    from edge.config.load import find, load

    loaded = load(find(config))
    chosen = [one_device(loaded, name) for name in names] if names else [d for d in loaded.devices if d.enabled]
    return [(device.name, device.driver, device.settings) for device in chosen]


def _named(driver: str, pairs: list[str]) -> Asked:
    from drivers import registry
    from edge.config.positions import lines
    from edge.config.problems import ConfigProblems, TomlFile, nearest
    from edge.config.wording import validate

    available = registry.available()
    if driver not in available:
        meant = nearest(driver, available)
        raise ConfigError(f"no driver {driver!r}" + (f" (did you mean {meant}?)" if meant else ""))
    text = "".join(_assignment(pair) for pair in pairs)
    file = TomlFile(Path("--set"), tomllib.loads(text), lines(text))
    valid = validate(registry.settings_class(available[driver]), file, ())
    if isinstance(valid, list):
        raise ConfigProblems(valid)
    return driver, driver, valid


def _assignment(pair: str) -> str:
    """Return KEY=VALUE as a line of TOML; a value that is no TOML is taken for text."""
    key, equals, value = pair.partition("=")
    if not equals:
        raise ConfigError(f"--set {pair}: write it as KEY=VALUE")
    for line in (f"{key} = {value}\n", f"{key} = {_quoted(value)}\n"):
        try:
            tomllib.loads(line)
        except tomllib.TOMLDecodeError:
            continue
        return line
    raise ConfigError(f"--set {pair}: {key!r} is no key")


def _quoted(value: str) -> str:
    from json import dumps

    return dumps(value)


def _show(name: str, driver: str, probed: Probed) -> None:
    report = probed.report
    grade = "ok" if report.ok else f"fail: {probed.layer}" + (f" [{report.code}]" if report.code else "")
    output.line(output.one_line(f"{name} ({driver}): {grade}, {probed.took_s:.1f} s"))
    said = [*report.steps, *(f"{key}: {value}" for key, value in report.identity.items())]
    said += [f"sample: {report.sample}"] if report.sample else []
    said += [f"try: {probed.mend}"] if probed.mend else []
    for text in said:
        output.line(output.one_line(f"  {text}"))


def _object(name: str, driver: str, probed: Probed) -> dict[str, object]:
    said = asdict(probed.report) | {"mend": probed.mend, "layer": probed.layer or None}
    return {"device": name, "driver": driver, "took_s": round(probed.took_s, 3), **said}
