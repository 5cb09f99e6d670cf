"""What devices need of this machine, and how a running appliance finds them; no device is asked."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from drivers.contract import DeviceState
from drivers.mends import mend, scheme_of
from edge import standing
from edge.config.model import Config, DeviceConfig
from edge.doctor.box import running, started_ns
from edge.doctor.finding import Finding, fail, ok, warn

#: By kind of path: the key that names it, what mends that it is not there, and what mends that it may not be used.
_MENDS = {
    "path": ("path", "mount the share or make the folder", "add the service's user to the group that owns it"),
    "serial": ("url", "plug it in; ls -l /dev/serial/by-id/", "add the user to group dialout"),
    "hid": ("url", "plug it in; ls -l /dev/input/by-id/", "add the user to group input"),
}


#: States that need nobody; `starting` is not one of the words of `up/device`.
_WELL = {DeviceState.UP, DeviceState.DISABLED, "starting"}


def devices(config: Config) -> Iterator[Finding]:
    """Say for each device that reads a folder, a serial port or an input device whether it is there and may be used."""
    for device in config.devices:
        if not device.enabled:
            yield ok(f"{device.name}: switched off")
        for kind, path, rights in _paths(device):
            yield _usable(device, kind, path, rights)


def answers(config: Config) -> Iterator[Finding]:
    """Say how the appliance finds its devices, where one runs."""
    states = _states(config)
    for device in config.devices:
        if device.enabled and device.name in states:
            yield _standing(device, states[device.name])


def _states(config: Config) -> Mapping[str, Any]:
    """Return the devices' states as the appliance that runs wrote them last, none where none runs, or none yet."""
    file = config.appliance.data_dir / standing.FILE
    if running(config) is None or not file.exists() or file.stat().st_mtime_ns < started_ns(config):
        return {}
    said = standing.read(config.appliance.data_dir) or {}
    found = said.get("devices")
    return found if isinstance(found, dict) else {}


def _standing(device: DeviceConfig, said: Mapping[str, Any]) -> Finding:
    state, code = str(said.get("state")), str(said.get("code") or "")
    text = f"{device.name}: {state}{f': {why}' if (why := said.get('reason')) else ''}{f' [{code}]' if code else ''}"
    if state in _WELL:
        return ok(text)
    how = mend(code, scheme_of(device.settings)) or "its code stands in the driver's page"
    return (fail if state == DeviceState.DOWN else warn)(text, how)


def _paths(device: DeviceConfig) -> Iterator[tuple[str, Path, int]]:
    if not device.enabled:
        return
    path = getattr(device.settings, "path", None)
    if isinstance(path, Path):
        yield "path", path, os.R_OK | os.X_OK
    url = urlsplit(str(getattr(device.settings, "url", "")))
    if url.scheme == "serial":
        yield "serial", Path(url.path), os.R_OK | os.W_OK
    if url.scheme == "hid":
        yield "hid", Path(url.path), os.R_OK


def _usable(device: DeviceConfig, kind: str, path: Path, rights: int) -> Finding:
    key, not_there, not_allowed = _MENDS[kind]
    if not path.exists():
        return fail(f"{device.name}: {path} is not there", f"{not_there}, or change settings.{key} in {device.file}")
    if not os.access(path, rights):
        return fail(f"{device.name}: no permission for {path}", not_allowed)
    return ok(f"{device.name}: {path} can be used")
