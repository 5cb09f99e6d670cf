"""Two hundred simulated appliances on one broker and one console: how soon a hit is stored, and what a lane costs.

What a lane costs is how much steeper it gets: the fleet grows step by step, and at each step the processor time of
broker and console is set beside the hits that they stored in just that time. Of a constant cost the line through the
upper half of the steps is no steeper than that through the lower half. To divide what ten lanes cost by ten says
little: it is no more than what broker and console cost with none, and came out four times as high once as another time.
"""

from __future__ import annotations

import contextlib
import json
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import box
from benchmarks.ears import Ears, Heard
from benchmarks.harness import Bar, Row, Say, slope

STEPS = (10, 55, 100, 150, 200)
HALF = 100
MANY = STEPS[-1]
EVERY_S = 2.0
LOOKS, LOOKS_SHORT = 5, 2
LOOK_S, LOOK_SHORT_S = 2.5, 1.0
SETTLE_S = 15.0
STEEPER = 1.1


@dataclass(frozen=True)
class Look:
    """One look: with so many lanes broker and console took so much of a core, and stored so many hits a second."""

    lanes: int
    share: float
    per_s: float


def rows(folder: Path, short: bool, say: Say) -> list[Row]:
    """Return the row."""
    looks, told = _grown(folder, short, say)
    low = _ms_a_hit([look for look in looks if look.lanes <= HALF])
    high = _ms_a_hit([look for look in looks if look.lanes >= HALF])
    steeper, error = ratio(high, low)
    last = told[-1]
    return [
        Row(
            "fleet",
            f"{MANY} appliances on one broker, one console",
            f"publish to stored p50 {last['receipt_p50_ms']:.0f} ms, p99 {last['receipt_p99_ms']:.0f} ms; from {HALF}"
            f" to {MANY} lanes each more costs {high[0] / EVERY_S:.2f} ms of processor time a second",
            f"from {STEPS[0]} to {HALF} lanes {low[0] / EVERY_S:.2f} ms; so {steeper:.2f} times as much (standard error"
            f" {error:.2f})",
            "p99 under 1 s; cost a lane constant from 10 to 200",
            (
                Bar("publish to stored, p99, ms", last["receipt_p99_ms"], 1000),
                Bar("not stored", sum(each["outstanding"] for each in told), 0),
                Bar(f"cost of a lane above {HALF}, of one below", steeper, STEEPER),
                Bar("standard error of that", error, STEEPER - 1),
            ),
            f"a hit every {EVERY_S:.0f} s of each lane, {sum(each['hits'] for each in told):,} in all; stored is the"
            f" console's receipt, back at the lane, of the last {STEPS[-1] - STEPS[-2]} lanes; the cost is the broker's"
            f" and the console's, by least squares through {len(looks)} looks of {LOOK_S} s with"
            f" {', '.join(map(str, STEPS))} lanes; the lanes are simulated",
            {"looks": [vars(look) for look in looks], "fleets": told},
        )
    ]


def _ms_a_hit(looks: list[Look]) -> tuple[float, float]:
    """Return what a hit more costs, in ms of processor time, and its standard error."""
    line, error = slope([(look.per_s, look.share) for look in looks])
    return 1e3 * line, 1e3 * error


def ratio(over: tuple[float, float], under: tuple[float, float]) -> tuple[float, float]:
    """Return how many times `under` is in `over`, each with its standard error, and that of the quotient."""
    if over[0] <= 0 or under[0] <= 0:
        return math.inf, math.inf
    whole = over[0] / under[0]
    return whole, whole * math.hypot(over[1] / over[0], under[1] / under[0])


def _grown(folder: Path, short: bool, say: Say) -> tuple[list[Look], list[dict[str, Any]]]:
    """Let a fleet grow; return all looks, and what each of its parts said at its end."""
    looks, parts = [], []
    look_s, times = (LOOK_SHORT_S, LOOKS_SHORT) if short else (LOOK_S, LOOKS)
    with contextlib.ExitStack() as stack:
        port, broker = stack.enter_context(box.mosquitto(folder))
        words = ("--broker", f"mqtt://127.0.0.1:{port}", "--listen", "127.0.0.1:0", "--data", str(folder), "--json")
        console = box.Process(box.program("jaitf-console"), *words)
        stack.callback(console.stop)
        console.line('"listening"')
        console.line('"online"')
        count = _Count()
        stack.enter_context(Ears(port, "jaitf/v1/+/+/up/birth", "jaitf/v1/+/+/down/receipt", on_message=count.hear))
        for lanes, before in zip(STEPS, (0, *STEPS), strict=False):
            say(f"{lanes} appliances")
            part = _fleet(port, before, lanes)
            stack.callback(part.stop)
            parts.append(part)
            count.until_born(lanes)
            looks += [count.look(lanes, look_s, broker, console) for _ in range(times)]
        for part in parts:
            part.ask_to_end()
        told = [_said(part) for part in parts]
    return looks, told


class _Count:
    """Counts births and receipts."""

    def __init__(self) -> None:
        self.births: set[str] = set()
        self.receipts = 0

    def hear(self, _ears: Ears, heard: Heard) -> None:
        if heard.topic.endswith("/up/birth"):
            self.births.add(heard.topic)
        else:
            self.receipts += 1

    def until_born(self, lanes: int) -> None:
        """Wait until so many lanes have said that they are there, and their hits come."""
        ends = time.monotonic() + box.START_S
        while len(self.births) < lanes:
            if time.monotonic() > ends:
                raise box.NotUp(f"{len(self.births)} of {lanes} lanes have come")
            time.sleep(0.05)
        time.sleep(EVERY_S)

    def look(self, lanes: int, seconds: float, *processes: box.Process) -> Look:
        """Look for so long at what processes take, and how many hits are stored."""
        began_s, ran_s, receipts = time.monotonic(), _ran_s(*processes), self.receipts
        time.sleep(seconds)
        took_s = time.monotonic() - began_s
        return Look(lanes, (_ran_s(*processes) - ran_s) / took_s, (self.receipts - receipts) / took_s)


def _ran_s(*processes: box.Process) -> float:
    """Return the processor seconds of processes, to the nanosecond: by the clock's ticks ten lanes cost too little."""
    ran_ns = 0
    for process in processes:
        for task in Path(f"/proc/{process.pid}/task").glob("*/schedstat"):
            ran_ns += int(task.read_text().split()[0])
    return ran_ns / 1e9


def _fleet(port: int, before: int, lanes: int) -> box.Process:
    words = ("--broker", f"mqtt://127.0.0.1:{port}", "--edges", str(lanes - before), "--every-s", str(EVERY_S))
    part = ("--site", f"from-{before}", "--seed", str(before + 1), "--settle-s", str(SETTLE_S), "--json")
    return box.Process(box.program("jaitf-sim"), "fleet", *words, *part)


def _said(fleet: box.Process) -> dict[str, Any]:
    fleet.ended(SETTLE_S + 60)
    said = [line for _, line in fleet.lines if line.startswith("{")]
    if not said:
        raise box.NotUp(f"the fleet said nothing: {fleet.tail()}")
    result: dict[str, Any] = json.loads(said[-1])
    if not result["received"]:
        raise box.NotUp(f"of {result['hits']} hits none was stored")
    return result
