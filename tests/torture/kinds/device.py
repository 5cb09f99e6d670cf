"""Devices' processes that are killed, stopped, or misbehave; the device beside them must not notice."""

from __future__ import annotations

import os
import signal
import time

import psutil

from tests.torture.box import wait_for
from tests.torture.rig import Rig
from tests.torture.trial import Bench, Broken, Kind

BACK_S = 20.0
GAP_S = 1.0
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


def _undisturbed(rig: Rig, begin_s: float, what: str) -> None:
    """Raise Broken where the counter beside the fault fell silent for longer than a second."""
    gap_s = rig.console.longest_gap_s("counter-1", begin_s, time.monotonic())
    notes = rig.bench.figures.notes
    notes["the other device's longest gap, s"] = max(
        round(gap_s, 2), float(notes.get("the other device's longest gap, s", 0))
    )
    if gap_s > GAP_S:
        raise Broken(f"{what}: the other device's hits paused for {gap_s:.2f} s")


def hurt_devices(bench: Bench) -> None:
    """SIGKILL and SIGSTOP of one of two devices' processes, and of the process that starts them."""
    left = bench.trials
    while left:
        some, left = min(left, FAULTS_PER_RIG), left - min(left, FAULTS_PER_RIG)
        with Rig(bench, {"counter-1": {"hz": 25}, "counter-2": {"hz": 25}}) as rig:
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
                _undisturbed(rig, begun, how)
                bench.tried(f"{how} of a device")
            rig.judge()


def kill_nursery(bench: Bench) -> None:
    """SIGKILL and SIGSTOP of the process that all devices descend from: they all come back."""
    with Rig(bench, {"counter-1": {"hz": 25}, "counter-2": {"hz": 25}}) as rig:
        rig.box.start()
        for _ in range(bench.trials):
            rig.console.next_hit_s(60.0, "counter-1")
            nursery = next(
                p
                for p in rig.box.family()
                if p.name().startswith("jaitf-edge-nurs") or "nursery" in " ".join(p.cmdline())
            )
            begun = time.monotonic()
            nursery.kill()
            psutil.wait_procs([nursery], 5)
            for device in ("counter-1", "counter-2"):
                rig.console.next_hit_s(BACK_S, device)
            bench.figures.recoveries_s.append(time.monotonic() - begun)
            bench.tried("SIGKILL of the devices' parent")
        rig.judge()


def _codes(rig: Rig) -> set[str]:
    """Return every finding that the console was told of the misbehaving device."""
    return {said["code"] for _, said in rig.console.devices["bad-1"]}


def misbehave(bench: Bench) -> None:
    """Drivers that crash, exit, hang, fall silent, leak, flood and send garbage, each beside one that works."""
    names = list(FINDINGS)
    for number in range(bench.trials):
        fault = names[number % len(names)] if bench.trials >= len(names) else bench.chance.choice(names)
        with Rig(bench, {"counter-1": {"hz": 25}, "bad-1": {"hz": 50, "fault": fault}}) as rig:
            rig.box.start()
            rig.console.next_hit_s(60.0, "counter-1")
            rig.console.next_hit_s(60.0, "bad-1")
            begun, wanted = time.monotonic(), FINDINGS[fault]
            rig.console.wait(f"bad-1 is {wanted}", lambda rig=rig, wanted=wanted: wanted in _codes(rig), 30.0)
            rig.pause(1.0, 4.0)
            _undisturbed(rig, begun, fault)
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
