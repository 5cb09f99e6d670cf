"""`jaitf-edge drivers`."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from drivers.contract import DriverInfo
from drivers.errors import ConfigError
from drivers.scaffold import Like
from edge.cli import output

if TYPE_CHECKING:
    from drivers.conformance.case import Case, Wire
    from drivers.conformance.grading import Result
    from drivers.conformance.trials import Grade

app = typer.Typer()


@app.command(
    epilog="Example: jaitf-edge drivers dicos\n\nExample: jaitf-edge drivers check scale\n\n"
    "Example: jaitf-edge drivers new hall-gate --like serial-lines"
)
def drivers(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME | check NAME | new NAME", help="Explain this one; hold it to its trials; begin a new one."
        ),
    ] = None,
    like: Annotated[
        Like | None, typer.Option("--like", help="new: what the device is like.", show_choices=True)
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="new: a new folder; else jaitf-driver-NAME here.")
    ] = None,
    json: output.JsonOption = False,
) -> None:
    """List the drivers; with NAME, show its settings, its wiring and an example.

    With check NAME the driver is run against its simulated peer while the wire between them is spoilt, and is graded
    by what it stands: bronze, silver, gold. It takes seconds or minutes. Exit status 1: it does not stand every trial.

    With new NAME a folder is written for a driver of your own, with tests that fail and say what to write next.
    """
    from drivers import registry

    available = registry.available()
    if (words or [])[:1] != ["new"] and (like or out):
        raise typer.BadParameter("--like and --out go with new NAME")
    match words or []:
        case []:
            _list(available, json)
        # A driver may be named so: then the one word is its name.
        case ["check"] if "check" not in available:
            raise typer.BadParameter("check which driver? jaitf-edge drivers check NAME")
        case ["new"] if "new" not in available:
            raise typer.BadParameter("new which driver? jaitf-edge drivers new NAME --like " + " | ".join(Like))
        case [name]:
            info = _named(name, available)
            output.json_line(_object(info)) if json else _explain(info)
        case ["check", name]:
            _check(_named(name, available), json)
        case ["new", name]:
            _new(name, like, out, available, json)
        case _:
            raise typer.BadParameter("one NAME, or check NAME, or new NAME")


def _new(name: str, like: Like | None, out: Path | None, available: Mapping[str, DriverInfo], json: bool) -> None:
    from drivers.scaffold.make import make

    if like is None:
        raise typer.BadParameter("what is the device like? --like " + " | ".join(Like))
    folder = out or Path(f"jaitf-driver-{name}")
    for path in make(name, like, folder, frozenset(available)):
        output.json_line({"file": str(path)}) if json else output.line(str(path))
    python, needs = shlex.quote(sys.executable), "pytest" if like is Like.MODBUS_PROFILE else "-e '.[test]'"
    output.note(f"now: cd {shlex.quote(str(folder))} && {python} -m pip install {needs}")
    output.note(f"then: {python} -m pytest -x     the tests say what to write, one step after the other")


def _list(available: Mapping[str, DriverInfo], json: bool) -> None:
    if json:
        for info in available.values():
            output.json_line(_object(info))
    else:
        output.table(["DRIVER", "GIVES", "READS"], [[d.name, gives(d), d.summary] for d in available.values()])
        output.note("jaitf-edge drivers NAME shows a driver's settings, wiring and an example.")


def _named(name: str, available: Mapping[str, DriverInfo]) -> DriverInfo:
    from edge.config.problems import nearest

    if name not in available:
        meant = nearest(name, available)
        raise ConfigError(f"no driver {name!r}" + (f" (did you mean {meant}?)" if meant else ""))
    return available[name]


def _check(info: DriverInfo, json: bool) -> None:
    from drivers.conformance import grading

    cases = grading.cases_of(info)
    total = len(grading.trials_of(cases))
    held: list[Result] = []

    def before(case: Case, wire: Wire, trial: str) -> None:
        output.note(f"{len(held) + 1}/{total} {case.title} over {grading.over(case, wire)}: {trial}")

    for result in grading.results(cases, before):
        held.append(result)
        if json:
            output.json_line(_trial(result))
        if result.reason.startswith(f"raised {NotImplementedError.__name__}"):
            output.note(
                f"{info.name} is not wholly written: its tests say what comes next; the other trials are not held"
            )
            break
    reached = grading.grade(held)
    if json:
        output.json_line({"driver": info.name, "grade": reached, "trials": total, "faults": _faults(held)})
    else:
        if held:
            output.table(["CASE", "WIRE", "TRIAL", "FOR", "TOOK", "RESULT"], map(_row, held))
        output.line(f"{info.name}: {_said(reached, held)}")
    if not held or _faults(held):
        raise typer.Exit(1)


def _trial(result: Result) -> dict[str, object]:
    return {
        "driver": result.case.driver,
        "case": result.case.title,
        "wire": result.over,
        "trial": result.trial,
        "for": result.counts_for,
        "ok": not result.reason,
        "reason": result.reason,
        "took_s": round(result.took_s, 2),
    }


def _row(result: Result) -> list[str]:
    said = f"fault: {output.one_line(result.reason)}" if result.reason else "stands"
    return [result.case.title, result.over, result.trial, result.counts_for, f"{result.took_s:.1f} s", said]


def _faults(held: list[Result]) -> int:
    return sum(bool(result.reason) for result in held)


def _said(reached: Grade | None, held: list[Result]) -> str:
    if not held:
        return "no grade: nobody has written a case to try it by (drivers/conformance/README.md says how)"
    return f"{reached or 'no grade'}, {len(held) - _faults(held)} of {len(held)} trials stood"


def gives(info: DriverInfo) -> str:
    """Return what kind of observation a driver emits, in a word."""
    return "pictures" if info.pictures else "readings"


def _object(info: DriverInfo) -> dict[str, object]:
    from drivers.registry import settings_class
    from edge.config.describe import keys

    settings = [asdict(key) | {"needed": key.default is None} for key in keys(settings_class(info))]
    return {
        "name": info.name,
        "summary": info.summary,
        "pictures": info.pictures,
        "settings": settings,
        "wiring": info.wiring,
        "example": info.example,
    }


def _explain(info: DriverInfo) -> None:
    from drivers.registry import settings_class
    from edge.config.describe import keys

    output.line(f"{info.name}: {info.summary}\n\nSettings")
    for key in keys(settings_class(info), told={}):
        default = "" if key.default is None else f" = {key.default}" if key.default else " (left out)"
        output.line(f"  {key.name}{default}  <{key.type}>{' needed' if key.default is None else ''}")
        output.line(f"      {key.description}")
    if info.wiring:
        output.line("\nWiring\n" + _indented(info.wiring))
    output.line("\nExample: devices/NAME.toml, where NAME is the device's name\n" + _indented(info.example))


def _indented(text: str) -> str:
    return "\n".join(f"  {row}".rstrip() for row in text.strip().splitlines())
