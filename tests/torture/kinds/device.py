"""Devices' processes that are killed, stopped, or misbehave; the device beside them must not notice."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import threading
import time
from pathlib import Path

import psutil

from tests.torture.box import wait_for
from tests.torture.rig import Rig
from tests.torture.trial import Bench, Broken, Kind

BACK_S = 20.0
GAP_S = 1.0
WITNESS_S = 0.05
FAULTS_PER_RIG = 6
FINDINGS = {
    "crash": "crashing",
    "exit": "crashing",
    "hang": "hanging",
    "silent": "silent",
    "leak": "leaking",
    "flood": "flooding",
    "garbage": "wire",
    "lost": "link-lost",
    "fatal": "crashing",
}


class Witness:
    """Writes a line to the same disk again and again, and notes how long it was kept from that, by whatever.

    A machine that stands still, or whose disk does, pauses every hit, and no device is to blame for that.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "witness"
        self._looks: list[float] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="witness", daemon=True)

    def __enter__(self) -> Witness:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(60)

    def _run(self) -> None:
        with self._path.open("wb", buffering=0) as out:
            while not self._over.wait(WITNESS_S):
                out.write(b"here\n")
                os.fsync(out.fileno())
                self._looks.append(time.monotonic())

    def longest_s(self, begin_s: float, end_s: float) -> float:
        """Return for how long it was kept waiting at a time, within a span of the monotonic clock."""
        times = [begin_s, *(at_s for at_s in self._looks.copy() if begin_s < at_s < end_s), end_s]
        return max(0.0, max(b - a for a, b in itertools.pairwise(times)) - WITNESS_S)


def _undisturbed(rig: Rig, witness: Witness, begin_s: float, what: str) -> None:
    """Raise Broken where the counter beside the fault fell silent for longer than a second, and the machine did not."""
    end_s = time.monotonic()
    gap_s = rig.console.longest_gap_s("counter-1", begin_s, end_s)
    notes = rig.bench.figures.notes
    notes["the other device's longest gap, s"] = max(
        round(gap_s, 2), float(notes.get("the other device's longest gap, s", 0))
    )
    stood_s = witness.longest_s(begin_s, end_s)
    if gap_s - stood_s > GAP_S:
        raise Broken(f"{what}: the other device's hits paused for {gap_s:.2f} s, the machine for {stood_s:.2f} s")


def hurt_devices(bench: Bench) -> None:
    """SIGKILL and SIGSTOP of one of two devices' processes, and of the process that starts them."""
    left = bench.trials
    while left:
        some, left = min(left, FAULTS_PER_RIG), left - min(left, FAULTS_PER_RIG)
        with Rig(bench, {"counter-1": {"hz": 25}, "counter-2": {"hz": 25}}) as rig, Witness(rig.folder) as witness:
            rig.box.start()
            for device in ("counter-1", "counter-2"):
                rig.console.next_hit_s(60.0, device)
            for _ in range(some):
                rig.pause(0.2, 1.5)
                how = bench.chance.choice(("SIGKILL", "SIGSTOP", "SIGSTOP"))
                pid = wait_for("counter-2 has a process", lambda: rig.box.device_pid("counter-2"), 60.0)
                begun = time.monotonic()
                os.kill(pid, signal.Signals[how])
                wait_for(
                    "the process is replaced",
                    lambda pid=pid: rig.box.device_pid("counter-2") not in (None, pid),
                    BACK_S,
                )
                rig.console.next_hit_s(BACK_S, "counter-2")
                back_s = time.monotonic() - begun
                bench.figures.recoveries_s.append(back_s)
                if back_s > BACK_S:
                    raise Broken(f"{how}: the device came back after {back_s:.1f} s")
                _undisturbed(rig, witness, begun, how)
                bench.tried(f"{how} of a device")
            rig.judge()


def kill_nursery(bench: Bench) -> None:
    """SIGKILL and SIGSTOP of the process that all devices descend from: they all come back."""
    with Rig(bench, {"counter-1": {"hz": 25}, "counter-2": {"hz": 25}}) as rig:
        rig.box.start()
        for _ in range(bench.trials):
            rig.console.next_hit_s(60.0, "counter-1")
            nursery = wait_for("the nursery is there", lambda: _nursery(rig), 60.0)
            begun = time.monotonic()
            nursery.kill()
            psutil.wait_procs([nursery], 5)
            for device in ("counter-1", "counter-2"):
                rig.console.next_hit_s(BACK_S, device)
            bench.figures.recoveries_s.append(time.monotonic() - begun)
            bench.tried("SIGKILL of the devices' parent")
        rig.judge()


def _nursery(rig: Rig) -> psutil.Process | None:
    for process in rig.box.family():
        with contextlib.suppress(psutil.Error):  # it has ended meanwhile
            if process.name().startswith("jaitf-edge-nurs") or "nursery" in " ".join(process.cmdline()):
                return process
    return None


def _codes(rig: Rig) -> set[str]:
    """Return every finding that the console was told of the misbehaving device."""
    return {said["code"] for _, said in rig.console.devices["bad-1"]}


def misbehave(bench: Bench) -> None:
    """Drivers that crash, exit, hang, fall silent, leak, flood and send garbage, each beside one that works."""
    names = list(FINDINGS)
    for number in range(bench.trials):
        fault = names[number % len(names)] if bench.trials >= len(names) else bench.chance.choice(names)
        devices = {"counter-1": {"hz": 25}, "bad-1": {"hz": 50, "fault": fault}}
        with Rig(bench, devices) as rig, Witness(rig.folder) as witness:
            rig.box.start()
            rig.console.next_hit_s(60.0, "counter-1")
            rig.console.next_hit_s(60.0, "bad-1")
            begun, wanted = time.monotonic(), FINDINGS[fault]
            rig.console.wait(f"bad-1 is {wanted}", lambda rig=rig, wanted=wanted: wanted in _codes(rig), 30.0)
            rig.pause(1.0, 4.0)
            _undisturbed(rig, witness, begun, fault)
            others = _codes(rig) & set(FINDINGS.values()) - {wanted}
            if others:
                raise Broken(f"{fault} was found to be {others} too")
            core_mib = rig.box.rss_bytes() / 2**20
            bench.figures.notes["core's largest memory, MiB"] = max(
                round(core_mib), int(bench.figures.notes.get("core's largest memory, MiB", 0))
            )
            bench.tried(f"driver: {fault}")
            rig.judge()


KINDS = (
    Kind(
        "hurt-devices",
        "SIGKILL and SIGSTOP of a device's process; the other must not notice",
        hurt_devices,
        weight=12,
        short=2,
    ),
    Kind("kill-nursery", "SIGKILL of the process that starts the devices'", kill_nursery, weight=20, short=1),
    Kind(
        "misbehave", "drivers that crash, hang, fall silent, leak, flood, send garbage", misbehave, weight=12, short=2
    ),
)
