"""`jaitf-edge model evaluate`: how good is a package on a labelled folder, and how good is no model at all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from drivers.errors import ModelError
from edge.cli import output

if TYPE_CHECKING:
    from rich.table import Table

    from drivers.contract import Picture
    from inference import Model
    from inference.evaluate.labels import Labelled
    from inference.evaluate.metrics import Estimate
    from inference.evaluate.report import Report
    from inference.evaluate.run import Outcome

# A paragraph after \b keeps its line ends.
EPILOG = """\b
FOLDER holds pictures (PNG, JPEG, TIFF, DICOS) and labels.jsonl, one JSON object a line:
  {"file": "0001.png", "bag": "a",
   "threats": [{"label": "pistol", "category": "PI", "box": [212, 96, 140, 88]}]}
file     relative to FOLDER, or a list of files that are one scan
bag      pictures of the same bag; the bootstrap draws them together
threats  none for an ordinary bag
box      x, y, width, height in the file's own pixels, of the "view" beside it; left out if unknown
Or it holds folders benign and threat, without boxes.

\b
Example: jaitf-edge model evaluate baggage labelled --html report.html
Simulated bags to try it on:
  jaitf-sim xray --folder labelled --labels --paired --count 50 --every-s 0
"""
_NARROWEST = 100


def evaluate(
    package: Annotated[str, typer.Argument(metavar="PKG", help="A built-in name, a folder or a zip.")],
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Pictures whose truth is known; see below.")],
    labels: Annotated[Path | None, typer.Option(metavar="FILE", help="Labels that lie elsewhere.")] = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a report, one self-contained page.")] = None,
    baselines: Annotated[bool, typer.Option("--baselines", help="Print the baselines' intervals too.")] = False,
    threads: Annotated[int, typer.Option(min=0, max=256, help="Threads a judgement; 0: as many as cores.")] = 0,
    resamples: Annotated[int, typer.Option(min=1, max=100_000, help="Of the bootstrap behind the intervals.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Of the bootstrap.")] = 0,
    json: output.JsonOption = False,
) -> None:
    """Measure a package on pictures whose truth is known, beside trivial baselines, with 95 % intervals."""
    from inference import load
    from inference.evaluate import labels as labelled
    from inference.evaluate import report as figures
    from inference.runtime import cores

    if html is not None and not html.resolve().parent.is_dir():
        raise typer.BadParameter(f"{html.parent}: no such folder", param_hint="--html")
    model = load(Path(package) if "/" in package else package, threads)
    scans = labelled.read_folder(folder, labels)
    if left := labelled.unlabelled(folder, scans):
        output.note(f"{len(left)} pictures in {folder} have no label and are left out, {left[0].name} first")
    outcomes = list(_judged(model, scans))
    unjudged = [outcome for outcome in outcomes if outcome.judged is None]
    if len(unjudged) == len(outcomes):
        raise ModelError(f"not one of {len(outcomes)} scans could be judged: {unjudged[0].reason}")
    result = figures.report(model, outcomes, threads or cores(), resamples, seed)
    if html is not None:
        _write(html, result, folder)
    if json:
        output.json_line({"folder": str(folder)} | figures.to_json(result))
    else:
        _show(result, folder, baselines)


def _judged(model: Model, scans: Sequence[Labelled]) -> Iterator[Outcome]:
    """Yield the outcome of each scan; a terminal shows on standard error how far it is."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    from inference.evaluate.run import judge

    outcomes = judge(model, scans, _pictures)
    console = Console(stderr=True)
    if not console.is_terminal:
        yield from outcomes
        return
    with Progress(BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console, transient=True) as bar:
        yield from bar.track(outcomes, total=len(scans))


def _pictures(file: Path) -> Sequence[Picture]:
    from edge.cli.inspect import read_scan

    scan = read_scan(file)
    if not scan.pictures:
        raise ModelError(scan.problem or "there is no picture in the file")
    return scan.pictures


def _write(html: Path, result: Report, folder: Path) -> None:
    from inference.evaluate.page import page

    try:
        html.write_text(page(result, str(folder), _pictures), encoding="utf-8")
    except OSError as error:
        raise ModelError(f"{html}: {error.strerror or error}") from error


def _show(result: Report, folder: Path, intervals: bool) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=max(console.width, _NARROWEST))
    counts = result.counts
    console.print(
        Text(
            f"{result.name} {result.version} on {folder}: {counts.scans} scans of {counts.bags} bags, "
            f"{counts.threats} with a threat ({counts.boxed} with boxes), {counts.ordinary} ordinary"
        )
    )
    for reason, count in counts.reasons.items():
        console.print(Text(f"{count} could not be judged: {output.one_line(reason)}", style="yellow"))
    console.print(_figures(result, intervals))
    if result.labels:
        console.print(_labels(result))
    alone = (
        "" if result.chance is None else f"A random place in the item lies in a true box {_rate(result.chance)} times. "
    )
    console.print(
        Text(
            f"{alone}95 % intervals: {result.resamples} resamples by bag. "
            f"Speed: {result.median_ms:.0f} ms (median), {result.p95_ms:.0f} ms (95 %), {result.threads} threads.",
            style="dim",
        )
    )


def _figures(result: Report, intervals: bool) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("")
    for name in (result.name, *result.baselines):
        table.add_column(name, justify="left", no_wrap=True)
    rankings = [result.ranking, *result.baselines.values()]

    def row(what: str, figures: Sequence[Estimate | None]) -> None:
        own, *others = figures
        table.add_row(what, _with_interval(own), *(_with_interval(o) if intervals else _alone(o) for o in others))

    row("AUROC", [r.auroc for r in rankings])
    for most in result.ranking.pd_at_pfa:
        row(f"PD at PFA {float(most):.0%}", [r.pd_at_pfa[most] for r in rankings])
    for least in result.ranking.pfa_at_pd:
        row(f"PFA at PD {float(least):.0%}", [r.pfa_at_pd[least] for r in rankings])
    row("peak in a true box", [r.pointing for r in rankings])
    for name, point in result.points.items():
        row(f"PD at {point.threshold:g} ({name})", [point.pd])
        row(f"PFA at {point.threshold:g} ({name})", [point.pfa])
    row("AP50", [result.ap50])
    for rate, found in result.found_at.items():
        row(f"found at {rate} false boxes a scan", [found])
    row("calibration error", [result.calibration])
    return table


def _labels(result: Report) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("scans with", "number", "PD (normal)", "peak in a true box"):
        table.add_column(name, justify="left" if name == "scans with" else "right")
    for label in result.labels:
        pointing = "-" if label.pointing is None else _rate(label.pointing)
        table.add_row(output.one_line(label.label), str(label.scans), _rate(label.pd), pointing)
    return table


def _rate(value: float) -> str:
    return f"{value:.2f}"


def _alone(value: Estimate | None) -> str:
    return "-" if value is None else f"{value.value:.3f}"


def _with_interval(value: Estimate | None) -> str:
    return "-" if value is None else rf"{value.value:.3f} \[{value.low:.3f}, {value.high:.3f}]"
