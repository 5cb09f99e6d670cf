"""`jaitf-edge inspect`: judge image and DICOS files, away from any lane and with no configuration."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from drivers.errors import EdgeError, ModelError
from edge.cli import output

if TYPE_CHECKING:
    from drivers.contract import Scan
    from inference import Judgement, Model

app = typer.Typer()

MAX_FILE_BYTES = 512 * 1024 * 1024
OVERLAY_SIDE = 1600
SHOW_PROGRESS_FROM = 4


@dataclass(frozen=True, slots=True)
class Inspected:
    """What came of one file: a judgement of its scan, or the reason why there is none."""

    file: Path
    ms: float
    scan: Scan | None = None
    judgement: Judgement | None = None
    reason: str | None = None

    @property
    def decision(self) -> str:
        """The contract's word for it."""
        if self.judgement is None:
            return "unknown"
        return "alarm" if self.judgement.alarm else "clear"


@app.command(epilog="Example: jaitf-edge inspect scans/*.dcs --overlay drawn --json")
def inspect(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="PNG, JPEG, TIFF or DICOS files.")],
    model: Annotated[str, typer.Option(metavar="PKG", help="A model package: a built-in name, a folder or a zip.")] = (
        "baggage"
    ),
    overlay: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write each picture here, its findings drawn in.")
    ] = None,
    elevated: Annotated[bool, typer.Option("--elevated", help="Judge at the stricter operating point.")] = False,
    threads: Annotated[int, typer.Option(min=0, max=256, help="Threads a judgement; 0: as many as cores.")] = 0,
    json: output.JsonOption = False,
) -> None:
    """Judge image or DICOS files, each on its own; a file that cannot be judged is unknown, and the exit status 1."""
    from inference import load

    judge = load(Path(model) if "/" in model else model, threads)
    if overlay is not None:
        _make(overlay)
    counts: Counter[str] = Counter()
    undrawn = 0
    rows: list[tuple[str, ...]] = []
    with _progress(len(files), json) as done:
        for file, drawn in zip(files, _names(files), strict=True):
            result = _inspect(file, judge, elevated)
            counts[result.decision] += 1
            if json:
                output.json_line(_line(result, judge))
            else:
                rows.append(_row(result))
            if overlay is not None and result.judgement is not None:
                undrawn += not _draw(result, overlay / drawn)
            done()
    if not json:
        _table(rows, counts, judge)
    if counts["unknown"] or undrawn:
        raise typer.Exit(1)


def _inspect(file: Path, model: Model, elevated: bool) -> Inspected:
    started = time.perf_counter()

    def ms() -> float:
        return round((time.perf_counter() - started) * 1000, 1)

    try:
        scan = read_scan(file)
        if not scan.pictures:
            return Inspected(file, ms(), scan, reason=scan.problem or "there is no picture in the file")
        judgement = model.judge(scan.pictures, elevated)
    except OSError as error:
        return Inspected(file, ms(), reason=error.strerror or str(error))
    except EdgeError as error:
        return Inspected(file, ms(), reason=str(error))
    return Inspected(file, ms(), scan, judgement)


def read_scan(file: Path) -> Scan:
    """Return the scan in a file. Raises ModelError, ProtocolError or OSError where there is none to read."""
    from drivers.clock import SystemClock
    from drivers.folder import codec

    # A pipe or a device has no end to wait for.
    if not file.is_file():
        raise ModelError("this is no file" if file.exists() else "there is no such file")
    if file.stat().st_size > MAX_FILE_BYTES:
        raise ModelError(f"the file has more than {MAX_FILE_BYTES} bytes")
    return codec.read(file.read_bytes(), file.name, SystemClock().now())


def _line(result: Inspected, model: Model) -> dict[str, Any]:
    """Return the contract's line for one file; `score` and `peak` are null only where there is no judgement."""
    judged = result.judgement
    line: dict[str, Any] = {"file": str(result.file), "decision": result.decision}
    if judged is None:
        points = model.manifest.operating_points
        line |= {"reason": result.reason, "score": None, "threshold": points.normal, "peak": None, "threats": []}
    else:
        several = len({picture.view for picture in result.scan.pictures}) > 1 if result.scan else False
        line |= {
            "score": round(judged.score, 6),
            "threshold": judged.threshold,
            "peak": [round(v, 1) for v in judged.peak],
            "threats": [
                {
                    "label": found.label,
                    "category": found.category.value,
                    "score": round(found.score, 6),
                    "box": [round(v, 1) for v in found.box],
                    **({"view": found.view} if several else {}),
                }
                for found in judged.findings
            ],
            **({"view": judged.view} if several else {}),
        }
    return line | {"model": {"name": model.name, "version": model.version}, "ms": result.ms}


def _row(result: Inspected) -> tuple[str, ...]:
    judged = result.judgement
    if judged is None:
        return (
            output.one_line(str(result.file)),
            "unknown",
            "",
            output.one_line(result.reason or ""),
            f"{result.ms:.0f}",
        )
    found = ", ".join(f"{f.label} {f.score:.2f}" for f in judged.findings)
    return output.one_line(str(result.file)), result.decision, f"{judged.score:.3f}", found, f"{result.ms:.0f}"


def _table(rows: Sequence[tuple[str, ...]], counts: Counter[str], model: Model) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    colours = {"alarm": "bold red", "clear": "green", "unknown": "yellow"}
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name, right in (("file", False), ("decision", False), ("score", True), ("threats", False), ("ms", True)):
        table.add_column(name, justify="right" if right else "left", overflow="fold")
    for file, decision, score, what, ms in rows:
        table.add_row(Text(file), Text(decision, style=colours[decision]), score, Text(what), ms)
    console = Console(highlight=False)
    console.print(table)
    said = ", ".join(f"{counts[d]} {d}" for d in colours if counts[d])
    console.print(
        Text(
            f"{len(rows)} file{'' if len(rows) == 1 else 's'}: {said}; model {model.name} {model.version}", style="dim"
        )
    )


@contextmanager
def _progress(files: int, quiet: bool) -> Iterator[Any]:
    """Give a function to call after each file; on a terminal, many files show a bar on standard error."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    console = Console(stderr=True)
    if quiet or files < SHOW_PROGRESS_FROM or not console.is_terminal:
        yield lambda: None
        return
    with Progress(BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console, transient=True) as bar:
        task = bar.add_task("", total=files)
        yield lambda: bar.advance(task)


def _names(files: Sequence[Path]) -> list[str]:
    """Return a name for each file's drawing; two files of one name in different folders get different ones."""
    taken: Counter[str] = Counter()
    names = []
    for file in files:
        number = taken[file.name]
        taken[file.name] += 1
        names.append(f"{file.name}.jpg" if not number else f"{file.name}.{number}.jpg")
    return names


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise typer.BadParameter(f"{folder}: {error.strerror}", param_hint="--overlay") from error


def _draw(result: Inspected, path: Path) -> bool:
    """Write a file's picture with its findings; say so and return False where it cannot be written."""
    from inference.draw import jpeg, overlay

    assert result.scan is not None and result.judgement is not None
    try:
        path.write_bytes(jpeg(overlay(result.scan.pictures, result.judgement, OVERLAY_SIDE), 90))
    except OSError as error:
        output.note(f"{path}: {error.strerror}")
        return False
    return True
