"""`jaitf-edge model adapt`: a package for this scanner, fitted on the spot to its ordinary bags."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge.cli import output
from edge.cli.bags import files_in, say_left_out

if TYPE_CHECKING:
    from inference.adaptation import Adapted
    from inference.adaptation.trial import Figures

EPILOG = """\b
FOLDER holds pictures of ordinary bags of this scanner: 300 do well, 80 are the least. They stay where they are,
and nothing of them goes into the package. 300 bags take some ten minutes on two cores, more while the lane works.
Exit status: 0 a better package was written; 1 it would be no better, or it failed; nothing is written then.

\b
Example: jaitf-edge model adapt --benign /srv/scanner-export --out ./baggage-here
"""


def adapt(
    benign: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Ordinary bags of this scanner, as inspect reads them.")
    ],
    model: Annotated[str, typer.Option(metavar="PKG", help="A built-in name, a folder or a zip.")] = "baggage",
    out: Annotated[Path, typer.Option(metavar="NEW", help="The new package: a folder, or a zip by its name.")] = Path(
        "adapted"
    ),
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Of every choice that is made by chance.")] = 0,
    threads: Annotated[int, typer.Option(min=0, max=256, help="Threads of the network; 0: as many as cores.")] = 0,
    json: output.JsonOption = False,
) -> None:
    """Fit a package to this scanner; written only if it ranks bags better, else the exit status is 1."""
    from edge.cli.inspect import read_scan
    from inference.adaptation import adapt as run

    with _told(json) as tell:
        done = run(Path(model) if "/" in model else model, files_in(benign), out, seed, read_scan, threads, tell)
    say_left_out(done.problems)
    if json:
        output.json_line(_facts(done))
    else:
        _say(done)
    if done.out is None:
        raise typer.Exit(1)


def _say(done: Adapted) -> None:
    found = done.outcome
    output.line(f"{found.bags} bags, {found.fitted} to fit, {found.pairs[0]} to judge; {done.seconds / 60:.1f} minutes")
    rows = [
        (where, name, f"{figures.auroc:.3f}", f"{figures.pfa_at_pd90:.2f}", f"{figures.pointing:.2f}")
        for where, both in (("this site's bags", found.site), ("simulated bags", found.simulated))
        for name, figures in zip(("shipped", "adapted"), both, strict=True)
    ]
    output.table(("on", "package", "AUROC", "PFA at PD .90", "peak at the threat"), rows)
    gain, low, high = found.gain
    output.line(f"AUROC on this site's bags {gain:+.3f} (95 % interval {low:+.3f} to {high:+.3f})")
    if done.out is None:
        for reason in done.why_not:
            output.line(f"not written: {reason}")
        return
    points = found.points
    output.line(f"better: {done.out}")
    output.line(
        f"alarms from {points.normal.threshold:g} on: on {points.normal.alarms} of {points.normal.bags} bags, where the"
        f" shipped package alarmed on {found.pfa_before.alarms}"
    )
    output.line(f"thresholds: jaitf-edge model calibrate --model {done.out.absolute()} --benign FOLDER")
    output.line(f'to use it: model = "{done.out.absolute()}" in the device\'s file')


def _facts(done: Adapted) -> dict[str, Any]:
    found = done.outcome
    return {
        "out": str(done.out) if done.out else None,
        "better": done.out is not None,
        "why_not": list(done.why_not),
        "bags": found.bags,
        "fitted": found.fitted,
        "judged": found.pairs[0],
        "left_out": len(done.problems),
        "site": _both(found.site),
        "simulated": _both(found.simulated),
        "auroc_gain": {
            "value": round(found.gain[0], 4),
            "low": round(found.gain[1], 4),
            "high": round(found.gain[2], 4),
        },
        "operating_points": {"normal": found.points.normal.threshold, "elevated": found.points.elevated.threshold},
        "files_sha256": found.files_sha256,
        "seed": found.seed,
        "seconds": round(done.seconds, 1),
    }


def _both(figures: tuple[Figures, Figures]) -> dict[str, dict[str, float]]:
    return {
        name: {
            "auroc": round(each.auroc, 4),
            "pfa_at_pd90": round(each.pfa_at_pd90, 4),
            "pointing": round(each.pointing, 4),
        }
        for name, each in zip(("shipped", "adapted"), figures, strict=True)
    }


@contextmanager
def _told(quiet: bool) -> Iterator[Callable[[str, int, int], None]]:
    """Give what tells of progress: a bar for each part on a terminal's standard error, else a line for each part."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        said: set[str] = set()

        def tell(what: str, done: int, total: int) -> None:
            if what not in said and not quiet:
                said.add(what)
                output.note(what)

        yield tell
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        tasks: dict[str, Any] = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total)
            bar.update(tasks[what], completed=done)

        yield show
