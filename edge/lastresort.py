"""Asks for a wedged USB serial adapter to be bound anew, where starting its device's process again did not help.

The appliance itself cannot and must not do that: it leaves an empty file under the port's name in a folder, and
`jaitf-edge-rebind.path` has a program of a few lines do it (edge/rebind.py), which keeps limits of its own.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from drivers.clock import Clock
from drivers.contract import DeviceState
from edge.config import DeviceConfig
from edge.rebind import FOLDERS, NAME, SPOOL
from edge.supervisor.device import Status

log = logging.getLogger("jaitf.device")

LOOK_S = 15.0
AFTER_S = 300.0
"""How long a device must be down: by then its process was started again some thirty times."""
AGAIN_S = 3600.0
MOST_AN_OUTAGE = 3
WEDGED = frozenset({"link-timeout", "link-lost", "hanging", "silent"})
"""Why a device is down when its adapter may hang: no answer, a port that cannot be opened, a process that is stuck."""


def port(device: DeviceConfig) -> Path | None:
    """Return the port of a device where it has a name of udev's, which follows the adapter and not its number."""
    url = urlsplit(str(getattr(device.settings, "url", "")))
    path = Path(url.path)
    known = url.scheme == "serial" and path.parent in {Path("/dev") / folder for folder in FOLDERS}
    return path if known and NAME.fullmatch(path.name) else None


@dataclass(slots=True)
class _Outage:
    since_ns: int
    asked_ns: list[int] = field(default_factory=list)


class LastResort:
    """Watches the devices on serial adapters. `tell` is called with a device's name and why each time it asks."""

    def __init__(
        self,
        devices: tuple[DeviceConfig, ...],
        status: Mapping[str, Status],
        clock: Clock,
        tell: Callable[[str, str], None],
        spool: Path = SPOOL,
    ) -> None:
        self._ports = {device.name: path for device in devices if (path := port(device))}
        self._status = status
        self._clock = clock
        self._tell = tell
        self._spool = spool
        self._outages: dict[str, _Outage] = {}

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            self.look()

    def look(self) -> None:
        """Ask for what is due."""
        for name, path in self._ports.items():
            status = self._status[name]
            if status.state is not DeviceState.DOWN:
                self._outages.pop(name, None)
                continue
            outage = self._outages.get(name)
            if outage is None or outage.since_ns != status.since.monotonic_ns:
                outage = self._outages[name] = _Outage(status.since.monotonic_ns)
            if status.code in WEDGED and self._is_due(outage) and path.exists():
                self._ask(name, path, outage, status.reason)

    def _is_due(self, outage: _Outage) -> bool:
        now = self._clock.now().monotonic_ns
        if len(outage.asked_ns) >= MOST_AN_OUTAGE:
            return False
        since, wait_s = (outage.asked_ns[-1], AGAIN_S) if outage.asked_ns else (outage.since_ns, AFTER_S)
        return now - since >= wait_s * 1e9

    def _ask(self, name: str, path: Path, outage: _Outage, reason: str) -> None:
        try:
            os.close(os.open(self._spool / path.name, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
        except FileNotFoundError:
            return  # not installed as a service: nobody would do it
        except OSError as error:
            log.warning("%s: its adapter cannot be asked for: %s", name, error.strerror)
            return
        outage.asked_ns.append(self._clock.now().monotonic_ns)
        turn = f"{len(outage.asked_ns)} of {MOST_AN_OUTAGE}"
        log.warning("%s: its adapter is to be bound anew (%s): %s", name, turn, reason)
        self._tell(name, f"{path.name}, {turn}: {reason}")
