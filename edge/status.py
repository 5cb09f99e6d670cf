"""The one line that a technician reads in `systemctl status`."""

from __future__ import annotations

from collections.abc import Mapping

from drivers.contract import DeviceState
from edge.ledger import Ledger
from edge.ledger.entries import StoreState
from edge.supervisor.device import Status

MAX_CHARS = 400


def status_line(devices: Mapping[str, Status], ledger: Ledger, blind_reason: str, connected: bool) -> str:
    """Return how the appliance is, what is wrong first: store, judge, devices, then hits that wait and the console."""
    said = []
    if ledger.state is not StoreState.OK:
        said.append(f"storage {ledger.state}: {ledger.reason}")
    if blind_reason:
        said.append(f"blind: {blind_reason}")
    said.append(_devices(devices))
    hits = ledger.accounts.queued()["hit"]
    said.append(f"{hits} hit{'' if hits == 1 else 's'} queued")
    said.append("console connected" if connected else "console away")
    return "; ".join(said)[:MAX_CHARS]


def _devices(devices: Mapping[str, Status]) -> str:
    wanted = {name: status for name, status in devices.items() if status.state is not DeviceState.DISABLED}
    well = sum(status.state is DeviceState.UP for status in wanted.values())
    bad = [
        f"{name} {status.state}: {status.reason}"
        for name, status in wanted.items()
        if status.state is not DeviceState.UP
    ]
    return f"{well} of {len(wanted)} devices up" + (f" ({'; '.join(bad)})" if bad else "")
