"""`jaitf-edge update`: another version in this one's place, on trial; what is sent to a box is signed first."""

from __future__ import annotations

import contextlib
import json as jsonlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import typer.core

from drivers.errors import UpdateError
from edge.cli import output

if TYPE_CHECKING:
    from edge.update.apply import Outcome, Request
    from edge.update.places import Places

UNIT = "jaitf-edge-update.service"
INSTALL = "install"


class _FileOrCommand(typer.core.TyperGroup):
    """`update FILE.deb` is `update install FILE.deb`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the command in where a file stands in its place."""
        first = next((arg for arg in args if not arg.startswith("-")), None)
        if first is not None and first not in self.commands:
            args = [INSTALL, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_FileOrCommand, no_args_is_help=True, epilog="Example: jaitf-edge update jaitf-edge_0.2.0_amd64.deb (as root)"
)

RootOption = Annotated[Path, typer.Option(metavar="DIR", help="Another root than /, for an image.", hidden=True)]
UserOption = Annotated[str, typer.Option(help="Whom the service runs as; empty for this user.", hidden=True)]
TrialOption = Annotated[
    float,
    typer.Option(metavar="S", min=1, max=3600, help="How long the new version has until all that worked must work."),
]
OlderOption = Annotated[bool, typer.Option("--older", help="Also a version older than the one in force.")]


@app.callback()
def top() -> None:
    """Put another version in force, on trial: `update FILE.deb`; it goes back by itself where that does not do."""


@app.command(INSTALL, epilog="Example: jaitf-edge update install jaitf-edge_0.2.0_amd64.deb (as root)")
def install(
    package: Annotated[Path, typer.Argument(metavar="FILE", help="A signed package.", exists=True, dir_okay=False)],
    older: OlderOption = False,
    trial_s: TrialOption = 300.0,
    config: output.ConfigOption = None,
    root: RootOption = Path("/"),
    user: UserOption = "jaitf-edge",
    json: output.JsonOption = False,
) -> None:
    """Install a signed package beside the version in force, switch to it, and go back unless all that worked works.

    Exit status 1: the version before is in force, and the output says why.
    """
    from edge.signing import whoami
    from edge.update import package as packages
    from edge.update.apply import Request

    places = _places(root, user)
    with _only_root():
        places.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        packages.take(package, places.package)
    _run(places, Request(by=whoami(), older=older, trial_s=trial_s), config, json)


@app.command(epilog="Example: jaitf-edge update back (as root)")
def back(
    trial_s: TrialOption = 300.0,
    config: output.ConfigOption = None,
    root: RootOption = Path("/"),
    user: UserOption = "jaitf-edge",
    json: output.JsonOption = False,
) -> None:
    """Put the version before in force again, on trial like any other; refused where it cannot read the ledger."""
    from edge.signing import whoami
    from edge.update.apply import Request

    _run(_places(root, user), Request(by=whoami(), back=True, older=True, trial_s=trial_s), config, json)


@app.command(epilog="Example: jaitf-edge update sign dist/jaitf-edge_0.2.0_amd64.deb --key maker.pem")
def sign(
    package: Annotated[Path, typer.Argument(metavar="FILE", help="A package (.deb).")],
    key: Annotated[Path, typer.Option(metavar="FILE", help="An Ed25519 private key (PEM), without a password.")],
    inside: Annotated[bool, typer.Option("--inside", help="Put the signature into the package, as one file.")] = False,
) -> None:
    """Sign a package, for its maker: FILE.sig beside it, or one file. Boxes list whose packages they take."""
    from edge.update.package import sign as sign_package

    try:
        written, kid = sign_package(package, key.read_bytes(), inside=inside)
    except OSError as error:
        raise UpdateError(f"{error.filename}: {error.strerror}") from error
    output.line(f"signed: {written}, by {kid}")


@app.command(epilog="Example: jaitf-edge update status --json")
def status(root: RootOption = Path("/"), json: output.JsonOption = False) -> None:
    """Say which versions are there, which is in force, and what came of the last update."""
    places = _places(root, "")
    last = _last(places)
    told = {
        "current": places.version(places.current),
        "previous": places.version(places.previous),
        "versions": places.there(),
        "last": last,
    }
    if json:
        output.json_line(told)
        return
    output.line(f"in force  {told['current'] or 'none'}")
    output.line(f"kept      {told['previous'] or 'none'}")
    if last:
        output.line(output.one_line(f"last      {last['outcome']}: {last['old']} to {last['new']}: {last['detail']}"))


@app.command(epilog="Example: jaitf-edge update health --wait-s 300 && rauc status mark-good")
def health(
    wait_s: Annotated[float, typer.Option(metavar="S", min=0, max=3600, help="How long the lane has to work.")] = 300.0,
    config: output.ConfigOption = None,
    root: RootOption = Path("/"),
    user: UserOption = "jaitf-edge",
) -> None:
    """Say whether the lane works, self-test included: for whoever decides whether an operating system's image is kept.

    What the network or the console can break does not count. Exit status 1: it does not work, and the output says why.
    """
    from edge.config.load import find
    from edge.update.box import Versions
    from edge.update.hands import Service
    from edge.update.health import wait

    places, folder = _places(root, user), find(config).absolute()
    version = places.version(places.current)
    if version is None:
        raise UpdateError(f"{places.current}: no version is in force here")
    if not (folder / "edge.toml").exists():
        output.line("well: not configured yet, so there is no lane to look at")
        return
    if left := wait(Versions(places, folder), Service(), version, wait_s):
        raise UpdateError("; ".join(left))
    output.line(f"well: {version} works")


@app.command(hidden=True, epilog="Example: jaitf-edge update facts")
def facts(config: output.ConfigOption = None) -> None:
    """Say what this version knows of the ledger here, for an update that asks."""
    from edge.config.load import find
    from edge.update.facts import facts as gathered

    output.json_line(asdict(gathered(find(config))))


@app.command(hidden=True, epilog="Example: jaitf-edge update apply")
def apply(root: RootOption = Path("/"), user: UserOption = "jaitf-edge") -> None:
    """Make the update that was asked for: what the update's unit runs."""
    from edge.update.apply import Request

    places = _places(root, user)
    with _only_root():
        asked = jsonlib.loads(places.request.read_bytes())
    config = asked.pop("config")
    outcome = _apply(places, Request(**asked), Path(config))
    output.note(output.one_line(f"{outcome.outcome}: {outcome.detail}"))


def _run(places: Places, request: Request, config: Path | None, json: bool) -> None:
    """Have the update made, by the unit that can do it where there is one, and say what came of it."""
    from edge.config.load import find
    from edge.update.disk import Disk
    from edge.update.hands import Service

    folder = find(config).absolute()
    with _only_root():
        places.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        if places.home == Path("/opt/jaitf-edge") and Service().there():
            Disk().write(places.request, jsonlib.dumps(asdict(request) | {"config": str(folder)}).encode())
            Disk().forget(places.last)
            output.note(f"on trial for up to {request.trial_s:g} s; journalctl -fu {UNIT} shows it")
            subprocess.run(["systemctl", "start", UNIT], check=False)
            told = _last(places)
        else:
            told = asdict(_apply(places, request, folder))
    if told is None:
        raise UpdateError(f"nothing came of it: journalctl -u {UNIT} says why")
    if json:
        output.json_line(told)
    else:
        output.line(output.one_line(f"{told['outcome']}: {told['detail']}"))
    if told["outcome"] != "done":
        raise typer.Exit(1)


def _apply(places: Places, request: Request, config: Path) -> Outcome:
    from edge.update.apply import Update
    from edge.update.box import Versions
    from edge.update.disk import Disk
    from edge.update.hands import ServantHands, Service
    from edge.update.recover import locked

    lock = locked(places)
    try:
        update = Update(places, Disk(), ServantHands(places.user), Versions(places, config), Service())
        return update.apply(request)
    except OSError as error:
        raise UpdateError(f"the update was cut off, and is undone at the next start: {error}") from error
    finally:
        os.close(lock)


def _places(root: Path, user: str) -> Places:
    from edge.update.places import Places

    return Places.under(root, user or None)


def _last(places: Places) -> dict[str, Any] | None:
    try:
        told: dict[str, Any] = jsonlib.loads(places.last.read_bytes())
    except (OSError, ValueError):
        return None
    return told


@contextlib.contextmanager
def _only_root() -> Iterator[None]:
    """Say in plain words that only root may do it."""
    try:
        yield
    except PermissionError as error:
        raise UpdateError(f"{error.filename}: only root may do this: sudo {' '.join(sys.argv)}") from None
