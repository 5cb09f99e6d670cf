"""A device as somebody names it on the command line: `[NAME:]DRIVER=WHERE?KEY=VALUE&...`. Pure."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

from drivers import registry
from drivers.contract import DriverInfo
from drivers.errors import ConfigError
from edge.config.problems import nearest
from edge.config.template import ADDRESSES


@dataclass(frozen=True, slots=True)
class Wanted:
    """One device: its driver, its settings as TOML has them, and its name, None where any will do."""

    driver: str
    settings: dict[str, Any]
    name: str | None = None


def info_of(driver: str) -> DriverInfo:
    """Return a driver by name. Raises ConfigError with the nearest name where there is none."""
    available = registry.available()
    if driver not in available:
        meant = nearest(driver, available)
        hint = f" (did you mean {meant}?)" if meant else f"; there are {', '.join(available)}"
        raise ConfigError(f"no driver {driver!r}{hint}")
    return available[driver]


def address_key(info: DriverInfo) -> str:
    """Return the setting that says where such a device is: url, path or listen."""
    fields = registry.settings_class(info).model_fields
    return next((key for key in ADDRESSES if key in fields), "url")


def parse(text: str) -> Wanted:
    """Return the device that `[NAME:]DRIVER=WHERE?KEY=VALUE&...` names. Raises ConfigError.

    A key that is one of the driver's settings becomes one; the others (baud, parity) stay in the address.
    """
    left, equals, where = text.partition("=")
    name, _, driver = left.rpartition(":")
    if not equals or not where:
        raise ConfigError(f"--device {text}: write it as [NAME:]DRIVER=WHERE, such as llrp=tcp://10.0.0.7:5084")
    info = info_of(driver)
    key, fields = address_key(info), registry.settings_class(info).model_fields
    place, _, query = where.partition("?")
    pairs = parse_qsl(query, keep_blank_values=True)
    line = [(k, v) for k, v in pairs if k not in fields]
    if line and re.match(r"(tcp|tls)://", address(place, key)):
        meant = nearest(line[0][0], fields)
        raise ConfigError(
            f"--device {text}: {driver} has no setting {line[0][0]!r}{f' (did you mean {meant}?)' if meant else ''}"
        )
    settings = {k: _value(v) for k, v in pairs if k in fields}
    settings[key] = address(place, key) + (f"?{urlencode(line, safe='/')}" if line else "")
    return Wanted(driver, settings, name or None)


def address(place: str, key: str) -> str:
    """Return an address as the configuration has it: a path alone is a serial port, a host alone a TCP address."""
    if key != "url" or "://" in place:
        return place
    return f"serial://{place}" if place.startswith("/") else f"tcp://{place}"


def _value(text: str) -> Any:
    """Return a value as TOML reads it; what is no TOML is text."""
    try:
        return tomllib.loads(f"v = {text}")["v"]
    except tomllib.TOMLDecodeError:
        return text
