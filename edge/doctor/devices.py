"""What the devices need of this machine: serial ports, folders, and the right to use them. No device is spoken to."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from edge.config.model import Config, DeviceConfig
from edge.doctor.finding import Finding, fail, ok


def devices(config: Config) -> Iterator[Finding]:
    """Say for each device that reads a folder or a serial port whether it is there and may be used."""
    for device in config.devices:
        if not device.enabled:
            yield ok(f"{device.name}: switched off")
        for key, path, rights in _paths(device):
            yield _usable(device, key, path, rights)


def _paths(device: DeviceConfig) -> Iterator[tuple[str, Path, int]]:
    if not device.enabled:
        return
    path = getattr(device.settings, "path", None)
    if isinstance(path, Path):
        yield "path", path, os.R_OK | os.X_OK
    url = urlsplit(str(getattr(device.settings, "url", "")))
    if url.scheme == "serial":
        yield "url", Path(url.path), os.R_OK | os.W_OK


def _usable(device: DeviceConfig, key: str, path: Path, rights: int) -> Finding:
    if not path.exists():
        mend = "mount the share or make the folder" if key == "path" else "plug it in; ls -l /dev/serial/by-id/"
        return fail(f"{device.name}: {path} is not there", f"{mend}, or change settings.{key} in {device.file}")
    if not os.access(path, rights):
        mend = "add the service's user to the group that owns it" if key == "path" else "add the user to group dialout"
        return fail(f"{device.name}: no permission for {path}", mend)
    return ok(f"{device.name}: {path} can be used")
