"""One try at a device's hardware, in a process of its own: a driver that hangs or crashes costs the asker nothing."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import signal
import time
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from urllib.parse import urlsplit

from drivers import registry
from drivers.contract import ProbeReport, Settings

GRACE_S = 10.0
"""How much longer than its deadline a probe's process may take to start and to say so before it is killed."""

LAYERS = {
    "config": "configuration",
    "link": "connection",
    "link-timeout": "no answer",
    "link-lost": "connection",
    "link-busy": "port in use",
    "link-denied": "permission",
    "protocol": "answer not understood",
    "refused": "device refuses",
    "hung": "driver",
    "crashed": "driver",
}
"""What a technician calls the layer at which a probe ended, by error code."""

_MENDS = {
    (
        "link-timeout",
        "serial",
    ): "is it powered? other baud rate or parity? TX and RX crossed? another address on the bus?",
    ("link-timeout", ""): "is it powered? the right unit or address? a firewall between?",
    ("link-lost", "serial"): "is it plugged in? `ls -l /dev/serial/by-id` shows the ports there are",
    ("link-lost", ""): "check cable, address and port; `ping` the address from here",
    ("link-busy", ""): "stop the program that holds it; a running appliance holds its devices: `device.disable` first",
    ("link-denied", "serial"): "add the service's user to the group that owns the port (dialout)",
    ("link-denied", ""): "give the service's user the right to use it",
    ("protocol", "serial"): "garbage on a serial line is most often a wrong baud rate or parity",
    ("protocol", ""): "another kind of device than the driver's? `jaitf-edge drivers NAME` says what it speaks",
    ("refused", ""): "the device is there and says no: look at its own settings (who may connect, unit, AE title)",
    ("hung", ""): "the driver did not keep its deadline; run `jaitf-edge diagnostics` and report it",
    ("crashed", ""): "the driver's process ended; run `jaitf-edge diagnostics` and report it",
}


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
    took_s = time.monotonic() - began
    if report.ok:
        return Probed(report, took_s, "", None)
    return Probed(report, took_s, LAYERS.get(report.code, "device"), report.mend or _mend(report.code, settings))


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


def _mend(code: str, settings: Settings) -> str | None:
    scheme = urlsplit(str(getattr(settings, "url", ""))).scheme
    return _MENDS.get((code, scheme)) or _MENDS.get((code, ""))
