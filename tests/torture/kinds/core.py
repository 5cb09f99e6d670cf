"""Kills of the core, of the broker and of both, at moments that chance chooses."""

from __future__ import annotations

import time

from tests.torture.box import wait_for
from tests.torture.rig import Rig
from tests.torture.scans import Scanner
from tests.torture.trial import Bench, Kind

DEVICES = {"counter-1": {"hz": 100}, "flap-1": {"hz": 20, "distinct": False}}
STARTING_S = 1.5
RUNNING_S = 1.0
JUDGED_EVERY = 100


def kill_core(bench: Bench) -> None:
    """SIGKILL to the core while it starts and while it works; every hundred kills the whole account is settled."""
    left = bench.trials
    while left:
        some = min(left, JUDGED_EVERY)
        left -= some
        with Rig(bench, DEVICES, lose=0.02) as rig:
            for _ in range(some):
                starting = bench.chance.random() < 0.3
                rig.box.start(ready=not starting)
                rig.pause(0.05, STARTING_S if starting else RUNNING_S)
                rig.box.kill()
                bench.tried("core killed while starting" if starting else "core killed")
            rig.box.start()
            rig.recovered()
            rig.judge()


def kill_both(bench: Bench) -> None:
    """Appliance and broker killed in turn, as fast as they come back, while a counter raises 25 hits a second."""
    with Rig(bench, {"counter-1": {"hz": 25}}) as rig:
        rig.box.start()
        rig.flowing()
        for _ in range(bench.trials):
            rig.pause(0.5, 3.5)
            if bench.chance.random() < 0.5:
                rig.box.kill()
                bench.tried("core killed")
                rig.pause(0.0, 0.5)
                rig.box.start(ready=False)
            else:
                rig.broker.kill()
                bench.tried("broker killed")
                rig.pause(0.0, 1.0)
                rig.broker.start()
        rig.box.wait_ready()
        rig.recovered()
        rig.judge()


def kill_scans(bench: Bench) -> None:
    """SIGKILL to the core while it judges pictures: every scan makes one hit, with its own bits as evidence."""
    scanner = Scanner(bench.folder / "export", every_s=0.4)
    with Rig(bench, {"export-1": scanner.device}, lose=0.05) as rig:
        rig.box.start()
        scanner.start()
        for _ in range(bench.trials):
            rig.pause(0.1, 3.0)
            rig.box.kill()
            bench.tried("core killed among scans")
            rig.box.start(ready=bench.chance.random() < 0.8)
        scanner.stop()
        rig.box.wait_ready()
        written = scanner.digests
        wait_for("every scan has a hit", lambda: rig.box.count("rev = 0") >= len(written), 60.0 + len(written), 0.2)
        rig.judge()
        scanner.judge(rig.console)
        bench.figures.acknowledged += len(written)


def stop_and_start(bench: Bench) -> None:
    """Orderly stops: `stopped` is said, the will is not, and the numbers go on."""
    with Rig(bench, DEVICES) as rig:
        for _ in range(bench.trials):
            rig.box.start()
            rig.flowing()
            begun = time.monotonic()
            rig.box.stop()
            rig.console.wait("the appliance says stopped", lambda: rig.console.states[-1] == "stopped", 5.0)
            bench.figures.notes["slowest stop, s"] = max(
                round(time.monotonic() - begun, 2), float(bench.figures.notes.get("slowest stop, s", 0))
            )
            bench.tried("core stopped")
        if "offline" in rig.console.states:
            bench.figures.notes["wills after orderly stops"] = rig.console.states.count("offline")
        rig.judge()


KINDS = (
    Kind("kill-core", "SIGKILL of the core at random moments", kill_core, weight=1, short=20),
    Kind("kill-scans", "SIGKILL of the core while it judges pictures", kill_scans, weight=4, short=4),
    Kind("kill-both", "SIGKILL of appliance and broker in turn, 25 hits a second", kill_both, weight=4, short=6),
    Kind("stop-core", "orderly stops and starts", stop_and_start, weight=20, short=2),
)
