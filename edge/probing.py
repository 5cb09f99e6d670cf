"""One try at a device's hardware, in a process of its own: a driver that hangs or crashes costs the asker nothing."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import signal
import time
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection

from drivers import mends, registry
from drivers.contract import ProbeReport, Settings

GRACE_S = 10.0
"""How much longer than its deadline a probe's process may take to start and to say so before it is killed."""


@dataclass(frozen=True, slots=True)
class Probed:
    """A probe's report, the time it took, the layer that failed ("" where none did) and what to do about it."""

    report: ProbeReport
    took_s: float
    layer: str
    mend: str | None


def probe(driver: str, settings: Settings, deadline_s: float) -> Probed:
    """Return what one try at the hardware found; takes little more than `deadline_s`, whatever the driver does."""
    began = time.monotonic()
    context = multiprocessing.get_context("spawn")
    near, far = context.Pipe(duplex=False)
    child = context.Process(target=_child, args=(far, driver, settings, deadline_s), daemon=True)
    child.start()
    far.close()
    try:
        report = _heard(near, deadline_s + GRACE_S)
    finally:
        child.kill()
        child.join()
        near.close()
    return judged(report, settings, time.monotonic() - began)


def judged(report: ProbeReport, settings: Settings, took_s: float) -> Probed:
    """Return a report with the layer that failed, and what mends it."""
    if report.ok:
        return Probed(report, took_s, "", None)
    scheme = mends.scheme_of(settings)
    return Probed(report, took_s, mends.layer(report.code, scheme), report.mend or mends.mend(report.code, scheme))


def _heard(near: Connection, deadline_s: float) -> ProbeReport:
    if not near.poll(deadline_s):
        return ProbeReport(False, (f"the driver said nothing within {deadline_s:g} s",), code="hung")
    try:
        said = json.loads(near.recv_bytes(1024 * 1024))
        return ProbeReport(**said | {"steps": tuple(said["steps"])})
    except (EOFError, OSError, ValueError):
        return ProbeReport(False, ("the driver's process ended without a word",), code="crashed")


def _child(far: Connection, driver: str, settings: Settings, deadline_s: float) -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    made = registry.make(registry.available()[driver], settings)
    far.send_bytes(json.dumps(asdict(asyncio.run(made.probe(deadline_s)))).encode())
