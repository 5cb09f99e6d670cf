"""What the devices need of this machine: ports, folders, input devices, and the right to use them; none is asked."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from edge.config.model import Config, DeviceConfig
from edge.doctor.finding import Finding, fail, ok

#: By kind of path: the key that names it, what mends that it is not there, and what mends that it may not be used.
_MENDS = {
    "path": ("path", "mount the share or make the folder", "add the service's user to the group that owns it"),
    "serial": ("url", "plug it in; ls -l /dev/serial/by-id/", "add the user to group dialout"),
    "hid": ("url", "plug it in; ls -l /dev/input/by-id/", "add the user to group input"),
}


def devices(config: Config) -> Iterator[Finding]:
    """Say for each device that reads a folder, a serial port or an input device whether it is there and may be used."""
    for device in config.devices:
        if not device.enabled:
            yield ok(f"{device.name}: switched off")
        for kind, path, rights in _paths(device):
            yield _usable(device, kind, path, rights)


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
