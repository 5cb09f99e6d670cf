"""The table on the terminal, and the page in the docs."""

from __future__ import annotations

import textwrap
from datetime import UTC, datetime
from typing import Any

from benchmarks.harness import ROOT, Row

_WIDTHS = (26, 34, 40, 26, 6)
_HEADS = ("what", "the appliance", "beside it", "asked", "held")
_HELD = {True: "yes", False: "no", None: "-"}

_PAGE = """\
# Benchmarks

Written by `make bench`; [how each figure is taken](../benchmarks/README.md). Machines differ: a figure means something
beside its floor, or beside a peer, of the same run, and little beside a figure of another machine.

{machine}

{verdict}

{table}
{notes}{profile}"""

_FLAME = ROOT / "docs" / "scan-flame.svg"
_PROFILE = """
## Where the time of a scan goes

![Flame graph of the core while scans come in](scan-flame.svg)

The core's time while scans come in one after the other, by py-spy; wide is much, and what only waits is left out. Red
is the model's side, orange the daemon's. `python -m benchmarks.flame` draws it again.

What was found by it and mended: half of a picture's preparation was sorting pixels to say how noisy it is; the
thumbnail read the picture a second time; a hit's signature took less time than writing what is signed; of a drain, a
quarter was paho building tables of properties that no receipt has. Of the slowest scans some waited 40 ms for a
scanner's kernel, which held back the end until all before it was acknowledged, and some for Python's collector, which
looked through all that was ever loaded. What is left is the graph itself, the disk, and many small things of which none
takes more than a millisecond.
"""


def machine_lines(where: dict[str, Any]) -> str:
    """Return what machine it was, a line for people."""
    return (
        f"{where['processor']}, {where['cores']} cores, {where['memory_gib']} GiB, {where['system']}; Python"
        f" {where['python']}, ONNX Runtime {where['onnxruntime']}; load at the start {where['load']}; a sync of 4 KiB"
        f" p50 {where['sync_p50_ms']} ms, p99 {where['sync_p99_ms']} ms; commit {where['commit']}"
    )


def table(rows: list[Row]) -> str:
    """Return the rows as a table for a terminal."""
    lines = [_line(_HEADS), _line(tuple("-" * width for width in _WIDTHS))]
    for row in rows:
        cells = (row.what, row.ours, row.beside, row.bar, _HELD[row.held])
        wrapped = [textwrap.wrap(cell, width) or [""] for cell, width in zip(cells, _WIDTHS, strict=True)]
        for number in range(max(map(len, wrapped))):
            lines.append(_line(tuple(cell[number] if number < len(cell) else "" for cell in wrapped)))
        lines.append("")
    return "\n".join(lines)


def _line(cells: tuple[str, ...]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, _WIDTHS, strict=True)).rstrip()


def page(where: dict[str, Any], rows: list[Row], failed: list[str], took_s: float) -> str:
    """Return docs/benchmarks.md."""
    cells = "\n".join(f"| {row.what} | {row.ours} | {row.beside} | {row.bar} | {_HELD[row.held]} |" for row in rows)
    notes = "\n".join(f"- {row.what}: {row.notes}." for row in rows if row.notes)
    missing = "\n".join(f"- Not measured: {text}." for text in failed)
    return _PAGE.format(
        machine=f"{machine_lines(where)}. {datetime.now(UTC):%Y-%m-%d}, {took_s:.0f} s in all.",
        verdict=_verdict(rows, failed),
        table="| what | the appliance | beside it, in the same run | asked | held |\n|---|---|---|---|---|\n" + cells,
        notes="\n" + "\n".join(filter(None, (notes, missing))) + "\n",
        profile=_PROFILE if _FLAME.exists() else "",
    )


def _verdict(rows: list[Row], failed: list[str]) -> str:
    missed = [
        f"{row.what} ({bar.name}: {_number(bar.value)}, asked {'at most' if bar.at_most else 'at least'}"
        f" {_number(bar.limit)})"
        for row in rows
        for bar in row.bars
        if not bar.held
    ]
    if not missed and not failed:
        return "All that is asked is held."
    return "Missed: " + "; ".join(missed + failed) + "."


def _number(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
