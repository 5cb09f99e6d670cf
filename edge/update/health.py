"""Whether a freshly started operating system may be kept: what RAUC and Mender ask before they settle on an image."""

from __future__ import annotations

import time
from collections.abc import Callable

from drivers.errors import UpdateError
from edge.update.apply import POLL_S, SETTLE_S
from edge.update.box import Versions
from edge.update.hands import Service

ELSEWHERE = frozenset({"answers", "broker", "certificates", "clock"})
"""Checks that the network, the console or a device can fail: no image is thrown away because one of them is away."""


def problems(versions: Versions, service: Service, version: str, sleep: Callable[[float], None]) -> list[str]:
    """Return what keeps the lane from working: the doctor's failures (models' self-test among them), a dead service."""
    try:
        first = service.running()
        found = versions.doctor(version)
        sleep(SETTLE_S)
        if not first or service.running() != first:
            return ["the appliance does not stay up"]
    except (UpdateError, OSError) as error:
        return [str(error)]
    failed = (line for line in found if line["grade"] == "fail" and line["check"] not in ELSEWHERE)
    return [f"{line['check']}: {line['text']}" for line in failed]


def wait(
    versions: Versions,
    service: Service,
    version: str,
    wait_s: float,
    sleep: Callable[[float], None] = time.sleep,
    monotonic: Callable[[], float] = time.monotonic,
) -> list[str]:
    """Return the problems that are left after `wait_s`, none as soon as there are none."""
    deadline = monotonic() + wait_s
    while True:
        left = problems(versions, service, version, sleep)
        if not left or monotonic() >= deadline:
            return left
        sleep(POLL_S)
