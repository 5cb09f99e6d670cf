"""What every benchmark shares: percentiles, the row of a table, and what machine this is."""

from __future__ import annotations

import math
import os
import platform
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parent.parent
SYNCS = 100

Say = Callable[[str], None]


@dataclass(frozen=True)
class Spread:
    """Percentiles of what was measured many times."""

    n: int
    p50: float
    p90: float
    p99: float
    max: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Return the percentiles by nearest rank; raises ValueError where nothing was measured."""
        if not values:
            raise ValueError("nothing was measured")
        ordered = sorted(values)

        def at(share: float) -> float:
            return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

        return cls(len(ordered), at(0.5), at(0.9), at(0.99), ordered[-1])

    def ms(self) -> str:
        """Say p50 and p99 of seconds in milliseconds."""
        return f"p50 {self.p50 * 1e3:.1f} ms, p99 {self.p99 * 1e3:.1f} ms"


@dataclass(frozen=True)
class Bar:
    """One thing that is asked of a row: `value` at most, or at least, `limit`."""

    name: str
    value: float
    limit: float
    at_most: bool = True

    @property
    def reach(self) -> float:
        """How far it holds: 1 just so, 2 twice as well as asked, 0.5 half as well."""
        if self.value <= 0 or self.limit <= 0:
            return 1.0 if (self.value <= self.limit) == self.at_most else 0.0
        return self.limit / self.value if self.at_most else self.value / self.limit

    @property
    def held(self) -> bool:
        """Whether it is as asked."""
        return self.value <= self.limit if self.at_most else self.value >= self.limit


@dataclass(frozen=True)
class Row:
    """One row of the table: what was measured, our figure, what stands beside it, and what was asked.

    `guards` are what is usual, in processor time beside a floor's: a busy machine does not change them, a fall by half
    does.
    """

    group: str
    what: str
    ours: str
    beside: str
    bar: str
    bars: tuple[Bar, ...] = ()
    notes: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    guards: tuple[Bar, ...] = ()

    @property
    def held(self) -> bool | None:
        """Whether all that is asked holds; None where nothing is."""
        return all(bar.held for bar in self.bars) if self.bars else None

    def plain(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {**asdict(self), "held": self.held}

    @classmethod
    def of(cls, plain: dict[str, Any]) -> Row:
        """Return the row that `plain` was made of."""
        given = {name: value for name, value in plain.items() if name != "held"}
        bars = {name: tuple(Bar(**bar) for bar in given[name]) for name in ("bars", "guards")}
        return cls(**{**given, **bars})


def machine() -> dict[str, Any]:
    """Return what the figures depend on: processor, memory, kernel, versions, what a sync costs, how busy it is."""
    import numpy
    import onnxruntime

    synced = syncs(Path(tempfile.gettempdir()))
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "onnxruntime": onnxruntime.__version__,
        "numpy": numpy.__version__,
        "commit": _commit(),
        "load": round(os.getloadavg()[0], 2),
        "sync_p50_ms": round(synced.p50 * 1e3, 2),
        "sync_p99_ms": round(synced.p99 * 1e3, 2),
    }


def syncs(folder: Path, count: int = SYNCS) -> Spread:
    """Return what it takes to write 4 KiB and have them on the disk (fdatasync), seconds."""
    taken = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for number in range(count):
            began = time.perf_counter()
            os.pwrite(file.fileno(), b"x" * 4096, number * 4096)
            os.fdatasync(file.fileno())
            taken.append(time.perf_counter() - began)
    return Spread.of(taken)


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def _commit() -> str:
    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()

    try:
        return git("rev-parse", "--short", "HEAD") + ("+changes" if git("status", "--porcelain", "-uno") else "")
    except OSError:
        return "unknown"


def timed(work: Callable[[], object], seconds: float, at_least: int = 10) -> list[float]:
    """Return how long each call of `work` took, for about so many seconds."""
    taken: list[float] = []
    ends = time.perf_counter() + seconds
    while time.perf_counter() < ends or len(taken) < at_least:
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return taken


def slope(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Return the slope of the straight line through three points or more, by least squares, and its standard error."""
    xs, ys = zip(*points, strict=True)
    line = statistics.linear_regression(xs, ys)
    off = sum((y - line.intercept - line.slope * x) ** 2 for x, y in points) / (len(points) - 2)
    middle = statistics.fmean(xs)
    return line.slope, math.sqrt(off / sum((x - middle) ** 2 for x in xs))
