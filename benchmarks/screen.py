"""What following a screen costs: CPU time of the driver's process a picture, decoding included, on a real RTSP stream.

.venv/bin/python benchmarks/screen.py [--seconds 20]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from drivers.conformance.port import TrialPort, running
from drivers.screen.driver import ScreenDriver
from drivers.screen.settings import ScreenSettings

SCREENS = ((1.0, 10), (1.0, 15), (1.5, 10), (1.5, 15))


async def follow(url: str, settings: dict[str, object], fps: int, seconds: float) -> tuple[float, float, int]:
    """Return CPU seconds a picture, pictures a second and bags."""
    with tempfile.TemporaryDirectory() as folder:
        port = TrialPort(Path(folder))
        driver = ScreenDriver(ScreenSettings.model_validate({"url": url, "fps": fps, **settings}))
        async with running(driver, port):
            await port.until(lambda: port.rounds > fps, 60)
            cpu_s, at_s, rounds = time.process_time(), time.monotonic(), port.rounds
            await asyncio.sleep(seconds)
            took = port.rounds - rounds
            return (time.process_time() - cpu_s) / took, took / (time.monotonic() - at_s), len(port.observations)


def measure(scale: float, fps: int, seconds: float) -> None:
    options = ("--scale", str(scale), "--fps", str(fps), "--px-s", str(200 * scale), "--seed", "4", "--json")
    command = [sys.executable, "-m", "simulators.cli", "screen", "--listen", "127.0.0.1:0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as screen:
        said = json.loads(screen.stdout.readline())
        try:
            each_s, rate, bags = asyncio.run(follow(said["listening"], said["settings"], fps, seconds))
        finally:
            screen.terminate()
    width, height = said["settings"]["size"]
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{width} x {height}: {each_s * 1e3:.1f} ms of CPU a picture, {each_s * fps:.0%} of a core at {fps} a second "
        f"({rate:.1f} came), {bags} bags, peak memory so far {peak_mib:.0f} MiB"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=20)
    given = parser.parse_args()
    for screen in SCREENS:
        measure(*screen, given.seconds)
