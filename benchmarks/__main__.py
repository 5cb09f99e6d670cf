"""Runs the benchmarks one group at a time, each in processes of its own with a deadline, and prints one table.

A whole run writes docs/benchmarks.md; --only and --short print only.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.harness import ROOT, Row, machine

#: Each group: its module, what it measures, and how long it may take, in seconds; a long run takes as long as it takes.
GROUPS: dict[str, tuple[str, float]] = {
    "modbus": ("a register's change until the hit, beside the ThingsBoard gateway", 420),
    "scan": ("a scan stored until its hit is at a subscriber, beside bare ONNX Runtime", 150),
    "start": ("`run` until READY, beside bare imports", 120),
    "lane": ("a six-device lane: memory, processor at rest, scans a second", 520),
    "ledger": ("hits committed beside bare SQLite, a backlog drained beside bare paho", 300),
    "fleet": ("200 appliances on one broker, one console", 150),
    "dicos": ("DICOS files read and written, beside bare pydicom", 60),
}
LONG_FACTOR = 12
CAUGHT_BELOW = 0.5


def main() -> int:
    """Run what is asked for; 0: it ran, 1: a group failed, or with --guard a figure has fallen by half."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--only", default="", help=f"some of: {', '.join(GROUPS)}; separated by commas")
    parser.add_argument("--short", action="store_true", help="a few of each: whether it works, not how fast it is")
    parser.add_argument("--long", action="store_true", help="10,000 scans through the lane however long that takes")
    parser.add_argument("--guard", action="store_true", help="fail where a figure is half of what is usual, or less")
    parser.add_argument("--json", type=Path, help="write machine and rows there, too")
    parser.add_argument("--group", help=argparse.SUPPRESS)
    parser.add_argument("--into", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.group:
        return _one(asked.group, asked.short, asked.long, asked.into)
    names = [name for name in asked.only.split(",") if name] or list(GROUPS)
    if unknown := sorted(set(names) - set(GROUPS)):
        parser.error(f"no group {', '.join(unknown)}; there are: {', '.join(GROUPS)}")
    return _all(names, asked)


def _one(name: str, short: bool, long: bool, into: Path) -> int:
    """Run one group in this process and write its rows."""
    os.environ["JAITF_BENCH_LONG"] = "1" if long else ""
    module = importlib.import_module(f"benchmarks.{name}")
    with tempfile.TemporaryDirectory(prefix="jaitf-bench-") as folder:
        rows: list[Row] = module.rows(Path(folder), short, lambda text: print(f"    {text}", flush=True))
    into.write_text(json.dumps([row.plain() for row in rows]))
    return 0


def _all(names: list[str], asked: argparse.Namespace) -> int:
    print("the machine ...", flush=True)
    where, began = machine(), time.monotonic()
    print(report.machine_lines(where), flush=True)
    rows: list[Row] = []
    failed: list[str] = []
    for name in names:
        print(f"==> {name}: {GROUPS[name][0]}", flush=True)
        found = _in_its_own_process(name, asked)
        if isinstance(found, str):
            print(f"    failed: {found}", flush=True)
            failed.append(f"{name}: {found}")
            continue
        rows += found
        print(report.table(found), flush=True)
    took_s = time.monotonic() - began
    print(f"\n{report.table(rows)}\n{took_s:.0f} s in all")
    if asked.json:
        asked.json.write_text(json.dumps({"machine": where, "rows": [row.plain() for row in rows]}, indent=1))
    whole = not asked.only and not asked.short
    if whole:
        target = ROOT / "docs" / "benchmarks.md"
        target.write_text(report.page(where, rows, failed, took_s))
        print(f"written: {target.relative_to(ROOT)}")
    low = [row.what for row in rows if any(bar.reach < CAUGHT_BELOW for bar in row.guards)]
    if asked.guard and low:
        print("fallen by half: " + "; ".join(low))
    return 1 if failed or (asked.guard and low) else 0


def _in_its_own_process(name: str, asked: argparse.Namespace) -> list[Row] | str:
    """Return a group's rows, or why there are none; whatever it started is gone when this returns."""
    deadline_s = GROUPS[name][1] * (LONG_FACTOR if asked.long else 1)
    with tempfile.TemporaryDirectory(prefix="jaitf-bench-") as folder:
        into = Path(folder) / "rows.json"
        command = [sys.executable, "-m", "benchmarks", "--group", name, "--into", str(into)]
        command += ["--short"] * asked.short + ["--long"] * asked.long
        with subprocess.Popen(command, cwd=ROOT, start_new_session=True, env={**os.environ, "TMPDIR": folder}) as child:
            try:
                status = child.wait(deadline_s)
            except subprocess.TimeoutExpired:
                return f"not done after {deadline_s:.0f} s"
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)
        if status != 0 or not into.exists():
            return f"ended with status {status}"
        plain: list[dict[str, Any]] = json.loads(into.read_text())
        return [Row.of(each) for each in plain]


if __name__ == "__main__":
    sys.exit(main())
