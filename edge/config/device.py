"""One device of a configuration, by its name."""

from __future__ import annotations

from drivers.errors import ConfigError
from edge.config.model import Config, DeviceConfig
from edge.config.problems import nearest


def one_device(config: Config, name: str) -> DeviceConfig:
    """Return a device by name; raises ConfigError with the nearest name, or all there are."""
    known = {device.name: device for device in config.devices}
    if name not in known:
        meant = nearest(name, known)
        hint = f" (did you mean {meant}?)" if meant else f"; there are: {', '.join(known) or 'none'}"
        raise ConfigError(f"no device {name!r}{hint}")
    return known[name]
