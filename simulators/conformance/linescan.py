"""A line detector over TCP and UDP: whatever happens to its lines, a scan is the whole item or says that it is not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import cache, partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.conformance.case import Case, Line, Wire
from drivers.conformance.tap import Tap
from drivers.contract import Observation, Scan
from drivers.linescan.calibrating import KEPT
from drivers.linescan.calibration import LINES, Calibration, Measuring, save
from drivers.linescan.codec import Flags
from drivers.linescan.lines import Line as Joined
from simulators.linescan.model import Detector, Taken, Traffic
from simulators.linescan.wire import Sender, Server, play

TRAFFIC = Traffic(pixels=64, rows=60, gap=45, prelude=LINES, threat_rate=0)
#: What a pixel of a scan shows where nothing lies in the beam.
AIR = 60_000
MARGIN, LINES_PER_S, BAGS = 6, 400, 2


@cache
def recorded() -> tuple[tuple[Taken, ...], tuple[Taken, ...]]:
    """Return the empty belt that the detector is calibrated on, and two bags with their gaps."""
    detector = Detector(TRAFFIC, seed=3)
    lines = tuple(islice(detector.lines(), 2 * LINES + BAGS * (TRAFFIC.rows + TRAFFIC.gap)))
    return lines[: 2 * LINES], lines[2 * LINES :]


@cache
def calibration() -> Calibration:
    dark, gain = Measuring(False), Measuring(True)
    for line in recorded()[0]:
        joined = Joined(
            line.number, line.position, Flags(line.flags), 16, line.counts, np.ones((2, 64), bool), [], True
        )
        dark.add(joined) or gain.add(joined)
    return gain.gain(time.time_ns(), dark.dark(time.time_ns(), None))


@cache
def rows() -> tuple[int, ...]:
    """Return how many lines of each bag are covered."""
    found = []
    light = np.stack([line.counts[0] for line in recorded()[1]]) - calibration().dark[0]
    air = calibration().air
    assert air is not None
    alive = ~calibration().dead()[0]
    covered = ((light / (air[0] - calibration().dark[0]) < 0.95) & alive).sum(axis=1) >= 2
    for number in range(BAGS):
        start = number * (TRAFFIC.rows + TRAFFIC.gap)
        found.append(_length(covered[start : start + TRAFFIC.rows]))
    return tuple(found)


def _length(covered: NDArray[np.bool_]) -> int:
    at = np.flatnonzero(covered)
    return int(at[-1] - at[0] + 1) if len(at) else 0


def shown(scan: Scan) -> int:
    """Return how many lines of the item a scan shows, its margins left away."""
    picture = scan.pictures[0]
    light = np.frombuffer(picture.data, "<u2").reshape(picture.rows, picture.columns)
    return _length((light < 0.95 * AIR).sum(axis=1) >= 2)


def passing() -> Iterator[Taken]:
    """Yield the two bags for ever: numbers and positions go on."""
    number = 0
    while True:
        for line in recorded()[1]:
            number += 1
            yield Taken(number, number, line.flags, line.counts)


@asynccontextmanager
async def playing(to: Sender | Server) -> AsyncIterator[None]:
    task = asyncio.create_task(play(passing(), to, LINES_PER_S))
    try:
        yield
    finally:
        task.cancel()
        await to.close()


@asynccontextmanager
async def line(wire: Wire, folder: Path) -> AsyncIterator[Line]:
    save(folder / "state" / KEPT, calibration())
    server = Server()
    tap = Tap(wire, folder, serve=await server.listen()) if wire is Wire.TCP else Tap(wire, folder)
    await tap.plug()
    try:
        async with playing(server if wire is Wire.TCP else Sender("127.0.0.1", tap.port)):
            yield tap
    finally:
        await tap.unplug()
        tap.close()
        await asyncio.sleep(0)  # a datagram transport that is aborted lets go of its socket in the loop's next turn


def settings(url: str) -> dict[str, Any]:
    lengths = {"gap_lines": 10, "margin_lines": MARGIN, "min_lines": 8, "covered_pixels": 2, "rewind_lines": 20}
    return {"url": url, "silence_s": 1, "max_calibration_h": 8760, **lengths}


def good(observation: Observation) -> bool:
    """Say whether it is a whole item: one of the two bags, and no more about it than the margins.

    A margin is shorter where the appliance connected just before the bag came.
    """
    if not isinstance(observation, Scan) or observation.incomplete:
        return False
    length, rows_shown = shown(observation), observation.pictures[0].rows
    return rows_shown <= length + 2 * MARGIN and any(abs(length - count) <= 2 for count in rows())


def possible(observation: Observation) -> bool:
    if not isinstance(observation, Scan):
        return not observation.findings
    return good(observation) or observation.incomplete is not None


def case(wire: Wire) -> Case:
    made: Callable[[Path], AbstractAsyncContextManager[Line]] = partial(line, wire)
    return Case(
        driver="linescan",
        settings=settings,
        line=made,
        good=good,
        possible=possible,
        wires=(wire,),
        late_s=1.5,
        patient={"silence_s": 5},
    )


CASES = (case(Wire.TCP), case(Wire.UDP))
