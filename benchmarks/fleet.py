"""Two hundred simulated appliances on one broker and one console: how soon a hit is stored, and what a lane costs."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from benchmarks import box
from benchmarks.harness import Bar, Row, Say

FEW, MANY = 10, 200
EVERY_S = 5.0
SECONDS, SECONDS_SHORT = 24.0, 4.0
SETTLE_S = 15.0


def rows(folder: Path, short: bool, say: Say) -> list[Row]:
    """Return the row."""
    seconds = SECONDS_SHORT if short else SECONDS
    found = {edges: _played(folder / str(edges), edges, seconds, say) for edges in (FEW, MANY)}
    few, many = found[FEW], found[MANY]
    return [
        Row(
            "fleet",
            f"{MANY} appliances on one broker, one console",
            f"publish to stored p50 {many['receipt_p50_ms']:.0f} ms, p99 {many['receipt_p99_ms']:.0f} ms;"
            f" {many['lane_ms_per_s']:.2f} ms of processor time a second and lane",
            f"{FEW} appliances: p99 {few['receipt_p99_ms']:.0f} ms; {few['lane_ms_per_s']:.2f} ms a second and lane",
            "p99 under 1 s; cost a lane constant from 10 to 200",
            (
                Bar("publish to stored, p99, ms", many["receipt_p99_ms"], 1000),
                Bar("not stored", many["outstanding"], 0),
                Bar("cost a lane at 200, of that at 10", many["lane_ms_per_s"] / few["lane_ms_per_s"], 1.1),
            ),
            f"a hit every {EVERY_S:.0f} s of each lane, {many['hits']:,} in all; stored is the console's receipt, back"
            " at the lane; the cost is the broker's and the console's, less what they cost with no lane; the lanes are"
            " simulated",
            {str(edges): result for edges, result in found.items()},
        )
    ]


def _played(folder: Path, edges: int, seconds: float, say: Say) -> dict[str, Any]:
    say(f"{edges} appliances for {seconds:.0f} s")
    folder.mkdir()
    with box.mosquitto(folder) as (broker_port, broker):
        words = (
            "--broker",
            f"mqtt://127.0.0.1:{broker_port}",
            "--listen",
            "127.0.0.1:0",
            "--data",
            str(folder),
            "--json",
        )
        console = box.Process(box.program("jaitf-console"), *words)
        try:
            console.line('"listening"')
            console.line('"online"')
            time.sleep(1)
            rest_s = min(5.0, seconds)
            at_rest = _costs(broker, console)
            time.sleep(rest_s)
            before = _costs(broker, console)
            share_at_rest = (before - at_rest) / rest_s
            result = _fleet(broker_port, edges, seconds)
            took_s = result["took_s"]
            cpu_s = _costs(broker, console) - before - share_at_rest * took_s
        finally:
            console.stop()
    return {**result, "at_rest": share_at_rest, "lane_ms_per_s": 1e3 * max(cpu_s, 1e-6) / edges / seconds}


def _costs(*processes: box.Process) -> float:
    return sum(box.cost(process.pid).cpu_s for process in processes)


def _fleet(broker_port: int, edges: int, seconds: float) -> dict[str, Any]:
    words = ("--broker", f"mqtt://127.0.0.1:{broker_port}", "--edges", str(edges), "--every-s", str(EVERY_S))
    lengths = ("--seconds", str(seconds), "--settle-s", str(SETTLE_S), "--json")
    began_s = time.monotonic()
    fleet = box.Process(box.program("jaitf-sim"), "fleet", *words, *lengths)
    try:
        fleet.ended(seconds + SETTLE_S + 60)
    finally:
        fleet.stop()
    said = [line for _, line in fleet.lines if line.startswith("{")]
    if not said:
        raise box.NotUp(f"the fleet said nothing: {fleet.tail()}")
    return {**json.loads(said[-1]), "took_s": time.monotonic() - began_s}
