"""An LLRP reader with a bag and a canine team in view."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from drivers.conformance.case import Case
from drivers.contract import Observation, Reading
from simulators.tagreader.llrp import Reader
from simulators.tagreader.model import TEAM, Gate

GATE = Gate(missed=0, bag_s=1e9, view_s=1e9)
EVERYONE = {epc.hex().upper() for epc in (GATE.bag(0), *TEAM)}


@asynccontextmanager
async def serve() -> AsyncIterator[int]:
    reader = Reader(GATE, every_s=0.02)
    try:
        yield await reader.listen("127.0.0.1", 0)
    finally:
        await reader.close()


def settings(url: str) -> dict[str, Any]:
    return {"url": url, "keepalive_s": 1, "report_ms": 50, "timeout_ms": 400}


def good(observation: Observation) -> bool:
    """Nothing but the tags that are there, each as strong as it can be."""
    if not isinstance(observation, Reading) or observation.findings:
        return False
    tags = observation.values["tags"]
    return bool(tags) and all(tag["epc"] in EVERYONE and -75 <= tag["rssi_dbm"] <= -40 for tag in tags)


PATIENT = {"timeout_ms": 5000, "keepalive_s": 5}
CASES = (Case(driver="llrp", settings=settings, serve=serve, good=good, late_s=0.6, patient=PATIENT),)
