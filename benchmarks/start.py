"""`jaitf-edge run` until it says that it is ready, beside bare Python importing the two libraries that weigh most."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from benchmarks import box
from benchmarks.harness import Bar, Row, Say, Spread
from benchmarks.modbus import DEVICE as MODBUS
from benchmarks.modbus import POLL_MS
from benchmarks.scan import DEVICE as DICOS
from drivers.ports import free_port

STARTS, STARTS_SHORT = 9, 2
BARE_S = 60.0


def rows(folder: Path, short: bool, say: Say) -> list[Row]:
    """Return the row."""
    count = STARTS_SHORT if short else STARTS
    say(f"{count} starts, and as many of bare Python, in turn")
    ours: list[float] = []
    bare: list[float] = []
    cpu_s: list[float] = []
    with box.broker(folder) as broker_port:
        devices = {
            "xray-1": DICOS.format(port=free_port()),
            "portal-1": MODBUS.format(port=free_port(), poll_ms=POLL_MS),
        }
        config = box.configure(folder / "edge", broker_port, devices)
        for number in range(count + 1):
            with box.appliance(config) as process:
                ready_s, _ = process.line("ready:")
                spent = box.cost(process.pid)
            began_s = time.monotonic()
            subprocess.run([sys.executable, "-c", "import onnxruntime, cv2"], check=True, timeout=BARE_S)
            if number:  # the first of each warms the disk's cache
                ours.append(ready_s - process.began_s)
                cpu_s.append(spent.cpu_s)
                bare.append(time.monotonic() - began_s)
    mine, floor = Spread.of(ours), Spread.of(bare)
    return [
        Row(
            "start",
            "`run` until READY",
            f"p50 {mine.p50:.2f} s, {Spread.of(cpu_s).p50:.2f} s of processor time",
            f"bare `import onnxruntime, cv2`: p50 {floor.p50:.2f} s",
            "at most that + 1.5 s",
            (Bar("over bare at p50, s", mine.p50 - floor.p50, 1.5),),
            "with a scanner, its model opened and proven on its golden pictures, a Modbus device, and a ledger",
            {"ours": mine, "cpu": Spread.of(cpu_s), "bare": floor},
        )
    ]
