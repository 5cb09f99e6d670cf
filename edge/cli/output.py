"""What commands print: results on standard output, the rest on standard error; with `--json` one object a line."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", metavar="DIR", help="The configuration; else $JAITF_EDGE_CONFIG, else /etc/jaitf-edge."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")]


def line(text: str) -> None:
    """Print one line of the result, at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def note(text: str) -> None:
    """Print one line that is no result (progress, a hint), at once."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def json_line(value: Mapping[str, Any]) -> None:
    """Print one object of the result as one line of JSON, at once."""
    line(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def one_line(text: str) -> str:
    """Return `text` with line ends and control characters escaped, so that it stays on one line of any terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows in columns that are as wide as their longest cell; the last column is never padded."""
    cells = [list(header), *(list(row) for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header) - 1)]
    for row in cells:
        padded = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        line("  ".join([*padded, row[-1]]).rstrip())
