"""`jaitf-edge model calibrate`: thresholds for a wanted rate of false alarms, and who set which of them when."""

from __future__ import annotations

import getpass
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from drivers.errors import EdgeError, ModelError
from edge.cli import output
from edge.cli.bags import files_in, say_left_out

if TYPE_CHECKING:
    from edge.calibration import Calibration, Calibrations
    from inference.calibrate import Fit, Point
    from inference.package import Package

EPILOG = """\b
Without --apply it only shows what would come of it. --apply takes the thresholds into use on this appliance, at once;
the package stays as it is. Every change is kept, with who made it, when and why: --history.

\b
Example: jaitf-edge model calibrate --benign /srv/scanner-export --device xray-1 --false-alarms 0.05 --apply \\
         --by "A. Diallo" --reason "new tube"
"""
_ELEVATED = 3.0


def calibrate(
    benign: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Ordinary bags of this scanner, as inspect reads them.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(metavar="PKG", help="A built-in name, a folder or a zip; else the device's, or baggage."),
    ] = None,
    false_alarms: Annotated[
        float, typer.Option(min=0, max=0.9, help="The part of ordinary bags that may alarm.")
    ] = 0.1,
    elevated: Annotated[
        float | None, typer.Option(min=0, max=1, help="The same at the stricter point; else three times as many.")
    ] = None,
    bags_per_hour: Annotated[float, typer.Option(min=0, help="Bags an hour, for the alarms to expect.")] = 300.0,
    device: Annotated[str | None, typer.Option(help="For this device alone; else for all with this model.")] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Take the thresholds into use.")] = False,
    package_points: Annotated[
        bool, typer.Option("--package-points", help="Go back to the package's own thresholds; with --apply.")
    ] = False,
    by: Annotated[str | None, typer.Option(metavar="NAME", help="Who sets them; else who is logged in.")] = None,
    reason: Annotated[str | None, typer.Option(metavar="TEXT", help="Why; else the wanted false-alarm rate.")] = None,
    history: Annotated[bool, typer.Option("--history", help="Show who set which thresholds when.")] = False,
    threads: Annotated[int, typer.Option(min=0, max=256, help="Threads a judgement; 0: as many as cores.")] = 0,
    config: output.ConfigOption = None,
    json: output.JsonOption = False,
) -> None:
    """Fit the operating points to a wanted false-alarm rate, and show what comes of it before anything changes."""
    if history:
        _show_history(_site(config, None).kept, json)
        return
    site = _site(config, device) if apply or device is not None else None
    package = model or (site.model if site else None) or "baggage"
    place = Path(package) if "/" in package else package
    setter = _Setter(device, (by or _logged_in()).strip(), (reason or "").strip())
    if package_points:
        if site is None or not apply:
            raise typer.BadParameter("changes what is in use: it needs --apply", param_hint="--package-points")
        _go_back(place, site.kept, setter, json)
        return
    if benign is None:
        raise typer.BadParameter("ordinary bags of this scanner are needed: --benign FOLDER", param_hint="--benign")
    wanted = (false_alarms, min(1.0, false_alarms * _ELEVATED) if elevated is None else elevated)
    found = _fitted(place, threads, benign, wanted)
    if site is not None and apply:
        site.kept.append(_line(found, setter))
    if json:
        output.json_line(_facts(found, bags_per_hour, apply))
    else:
        _say(found, bags_per_hour, apply)


@dataclass(frozen=True, slots=True)
class _Setter:
    """Who sets thresholds, for which device (None: all with the model), and why."""

    device: str | None
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class _Fitted:
    """Operating points fitted to ordinary bags, beside what the package's own point does on them."""

    package: Package
    fit: Fit
    own: Point
    wanted: tuple[float, float]
    files_sha256: str
    left_out: int


@dataclass(frozen=True, slots=True)
class _Site:
    """The appliance's record of thresholds, and the model of the device that was named."""

    kept: Calibrations
    model: str | None


def _fitted(place: str | Path, threads: int, folder: Path, wanted: tuple[float, float]) -> _Fitted:
    from edge.cli.inspect import _progress, read_scan
    from inference import load
    from inference.calibrate import at, fit

    judge = load(place, threads)
    files = files_in(folder)
    scores: dict[str, float] = {}
    problems = []
    with _progress(len(files), False) as done:
        for file in files:
            try:
                scan = read_scan(file)
                if not scan.pictures:
                    raise ModelError(scan.problem or "there is no picture in the file")
                scores[hashlib.sha256(file.read_bytes()).hexdigest()] = judge.judge(scan.pictures).score
            except OSError as error:
                problems.append(f"{file}: {error.strerror or error}")
            except EdgeError as error:
                problems.append(f"{file}: {error}")
            done()
    say_left_out(problems)
    ranked = list(scores.values())
    return _Fitted(
        judge.package,
        fit(ranked, *wanted),
        at(ranked, judge.manifest.operating_points.normal),
        wanted,
        hashlib.sha256("\n".join(sorted(scores)).encode()).hexdigest(),
        len(problems),
    )


def _site(config: Path | None, device: str | None) -> _Site:
    """Return the appliance's record. Raises ConfigProblems, and BadParameter for a device that is not configured."""
    from edge.calibration import Calibrations
    from edge.config.load import find, load

    found = load(find(config))
    models = {known.name: known.model for known in found.devices}
    if device is not None and device not in models:
        raise typer.BadParameter(f"no device {device!r}; there are: {', '.join(models)}", param_hint="--device")
    kept = Calibrations(found.appliance.data_dir)
    kept.refresh()
    if kept.problem:
        output.note(kept.problem)
    return _Site(kept, models[device] if device is not None else None)


def _logged_in() -> str:
    """Return who gave the command, also where it was given through sudo."""
    if name := os.environ.get("SUDO_USER"):
        return name
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # an account without a name
        return f"uid {os.getuid()}"


def _line(found: _Fitted, setter: _Setter) -> Calibration:
    from edge.calibration import Measured

    measured = Measured(
        bags=found.fit.normal.bags,
        alarms=found.fit.normal.alarms,
        alarms_elevated=found.fit.elevated.alarms,
        wanted=found.wanted,
        edges=found.fit.edges,
        files_sha256=found.files_sha256,
    )
    reason = setter.reason or f"false alarms at most {_percent(found.wanted[0])}"
    points = (found.fit.normal.threshold, found.fit.elevated.threshold)
    line = _set(found.package, replace(setter, reason=reason), points)
    return line.model_copy(update={"measured": measured})


def _go_back(place: str | Path, kept: Calibrations, setter: _Setter, json: bool) -> None:
    from inference.package import find, read

    package = read(find(place))
    kept.append(_set(package, replace(setter, reason=setter.reason or "the package's own thresholds"), None))
    points = package.manifest.operating_points
    if json:
        output.json_line({"applied": True, "normal": points.normal, "elevated": points.elevated})
    else:
        output.line(f"in use: the package's own thresholds, {points.normal:g} and {points.elevated:g}")


def _set(package: Package, setter: _Setter, points: tuple[float, float] | None) -> Calibration:
    from drivers.clock import SystemClock
    from edge.calibration import Calibration

    normal, elevated = points or (None, None)
    return Calibration(
        at=SystemClock().now().rfc3339(),
        by=setter.by,
        reason=setter.reason,
        model=package.manifest.name,
        version=package.manifest.version,
        sha256=package.sha256,
        device=setter.device,
        normal=normal,
        elevated=elevated,
    )


def _say(found: _Fitted, bags_per_hour: float, applied: bool) -> None:
    manifest = found.package.manifest
    output.line(f"{manifest.name} {manifest.version} on {found.own.bags} ordinary bags")
    rows = [
        (name, f"{point.threshold:g}", f"{point.alarms}", _percent(point.pfa), *_ranges(point, bags_per_hour))
        for name, point in (
            ("package's own", found.own),
            ("normal", found.fit.normal),
            ("elevated", found.fit.elevated),
        )
    ]
    output.table(
        ("point", "threshold", "alarms", "false alarms", "95 % interval", f"an hour of {bags_per_hour:g} bags"), rows
    )
    output.line("in use from now on" if applied else "nothing changed: --apply takes them into use")


def _ranges(point: Point, bags_per_hour: float) -> tuple[str, str]:
    low, high = point.interval
    hourly = [rate * bags_per_hour for rate in (point.pfa, low, high)]
    return f"{_percent(low)} to {_percent(high)}", f"{hourly[0]:.1f} ({hourly[1]:.1f} to {hourly[2]:.1f})"


def _percent(rate: float) -> str:
    return f"{100 * rate:.1f} %"


def _facts(found: _Fitted, bags_per_hour: float, applied: bool) -> dict[str, Any]:
    manifest = found.package.manifest
    return {
        "model": {"name": manifest.name, "version": manifest.version, "sha256": found.package.sha256},
        "bags": found.own.bags,
        "left_out": found.left_out,
        "package": _point(found.own, bags_per_hour),
        "normal": _point(found.fit.normal, bags_per_hour),
        "elevated": _point(found.fit.elevated, bags_per_hour),
        "bags_per_hour": bags_per_hour,
        "files_sha256": found.files_sha256,
        "applied": applied,
    }


def _point(point: Point, bags_per_hour: float) -> dict[str, Any]:
    low, high = point.interval
    return {
        "threshold": point.threshold,
        "alarms": point.alarms,
        "pfa": round(point.pfa, 4),
        "pfa_low": round(low, 4),
        "pfa_high": round(high, 4),
        "alarms_per_hour": round(point.pfa * bags_per_hour, 2),
        "alarms_per_hour_low": round(low * bags_per_hour, 2),
        "alarms_per_hour_high": round(high * bags_per_hour, 2),
    }


def _show_history(kept: Calibrations, json: bool) -> None:
    lines: Sequence[Calibration] = kept.history
    if json:
        for line in lines:
            output.json_line(line.model_dump(mode="json"))
        return
    if not lines:
        output.line("no thresholds were ever set here: the packages' own are in use")
        return
    output.table(
        ("at", "by", "model", "device", "normal", "elevated", "reason"),
        [
            (
                line.at,
                output.one_line(line.by),
                f"{line.model} {line.version}",
                line.device or "all",
                f"{line.normal:g}" if line.normal else "package's",
                f"{line.elevated:g}" if line.elevated else "package's",
                output.one_line(line.reason),
            )
            for line in lines
        ],
    )
