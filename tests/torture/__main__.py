"""`python -m tests.torture`: as many trials as wanted, of the kinds wanted, and a table of what came of them.

    python -m tests.torture --trials 1000 --seed 7 --only kill-core,kill-broker

A trial is one fault put in. The seed is printed; with the same seed, trials and kinds the same faults come in the same
order (what the machine does between them is its own). Exit status 1 where a promise was broken.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console as Terminal
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from tests.mounts import keep_to_ourselves
from tests.torture.kinds import ALL
from tests.torture.trial import Bench, Broken, Figures, Kind

TERMINAL = Terminal(stderr=True)


def run_kind(kind: Kind, seed: int, trials: int, folder: Path, step: object = None) -> Figures:
    """Run a kind's trials in an empty folder and return its figures; raises Broken."""
    bench = Bench(folder, random.Random(f"{seed}:{kind.name}"), trials)
    if callable(step):
        bench.step = step
    kind.run(bench)
    return bench.figures


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__.split("\n\n")[0])
    parser.add_argument("--trials", type=int, default=100, help="kills of the core; other kinds in proportion [100]")
    parser.add_argument("--seed", type=int, default=None, help="the same faults again; else a new seed")
    parser.add_argument("--only", default="", help="kinds, by comma: " + ", ".join(ALL))
    parser.add_argument("--keep", action="store_true", help="keep every folder, not only those of broken promises")
    parser.add_argument("--json", action="store_true", help="print one line of JSON a kind on standard output")
    return parser.parse_args()


def _row(name: str, figures: Figures, seconds: float, came: str) -> list[str]:
    times = sorted(figures.recoveries_s)
    recovery = f"{statistics.median(times):.1f} / {times[-1]:.1f}" if times else ""
    numbers = (figures.committed, figures.delivered, figures.lost, figures.duplicates)
    return [name, str(figures.trials), *(f"{n:,}" for n in numbers), recovery, f"{seconds:.0f}", came]


def main() -> int:
    """Run what was asked for; return the exit status."""
    asked = _arguments()
    keep_to_ourselves()
    seed = asked.seed if asked.seed is not None else random.SystemRandom().randrange(1_000_000)
    kinds = [ALL[name] for name in asked.only.split(",")] if asked.only else list(ALL.values())
    TERMINAL.print(f"seed {seed}: python -m tests.torture --trials {asked.trials} --seed {seed}", highlight=False)
    table = Table(
        "kind", "trials", "committed", "delivered", "lost", "twice", "recovery s (median / worst)", "s", "came of it"
    )
    failed = False
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=TERMINAL, transient=True) as progress:
        for kind in kinds:
            trials = max(1, round(asked.trials / kind.weight))
            if reason := kind.unable():
                table.add_row(kind.name, *[""] * 7, f"skipped: {reason}")
                continue
            task = progress.add_task(kind.name, total=trials)
            folder, began, figures = Path(tempfile.mkdtemp(prefix=f"torture-{kind.name}-")), time.monotonic(), Figures()
            try:
                figures = run_kind(kind, seed, trials, folder, lambda task=task: progress.advance(task))
                came = ", ".join(f"{name}: {value}" for name, value in figures.notes.items()) or "kept"
            except Broken as broken:
                failed, came = True, f"BROKEN (see {folder})"
                TERMINAL.print(f"{kind.name}: {broken}", highlight=False, markup=False)
            progress.remove_task(task)
            seconds = time.monotonic() - began
            table.add_row(*_row(kind.name, figures, seconds, came))
            if asked.json:
                print(
                    json.dumps(
                        {"kind": kind.name, "seed": seed, "seconds": round(seconds, 1), "came": came, **figures.plain()}
                    ),
                    flush=True,
                )
            if not asked.keep and not came.startswith("BROKEN"):
                shutil.rmtree(folder, ignore_errors=True)
    TERMINAL.print(table)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
