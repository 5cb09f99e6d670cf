"""Which drivers there are: the folders beside this file, and the entry points of the group `jaitf_edge.drivers`."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable
from functools import cache
from importlib.metadata import entry_points
from typing import Any, cast

import drivers
from drivers.contract import Driver, DriverInfo, Settings
from drivers.errors import ConfigError

GROUP = "jaitf_edge.drivers"


@cache
def built_in() -> dict[str, DriverInfo]:
    """Return the drivers of the folders beside this file, by name."""
    found: dict[str, DriverInfo] = {}
    for module in pkgutil.iter_modules(drivers.__path__):
        if module.ispkg:
            info = getattr(importlib.import_module(f"drivers.{module.name}"), "DRIVER", None)
            if isinstance(info, DriverInfo):
                found[info.name] = info
    return found


@cache
def available() -> dict[str, DriverInfo]:
    """Return every driver by name; a third party's driver may not take a built-in name.

    Raises ConfigError where an entry point does not lead to a DriverInfo or its name is taken.
    """
    found = dict(built_in())
    for point in entry_points(group=GROUP):
        info = point.load()
        if not isinstance(info, DriverInfo):
            raise ConfigError(f"entry point {point.name!r} of {GROUP} is no DriverInfo")
        if info.name in found:
            raise ConfigError(f"entry point {point.name!r} of {GROUP} takes the name of another driver: {info.name}")
        found[info.name] = info
    return dict(sorted(found.items()))


def named(name: str) -> DriverInfo:
    """Return one driver; third parties' are looked for only where it is none of ours, for that takes time and memory.

    Raises KeyError where there is none of this name, ConfigError as `available` does.
    """
    return built_in().get(name) or available()[name]


def _load(path: str) -> object:
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)


def settings_class(info: DriverInfo) -> type[Settings]:
    """Return the class of a driver's `[settings]`, without importing the driver's libraries."""
    loaded = _load(info.settings)
    assert isinstance(loaded, type) and issubclass(loaded, Settings), info.settings
    return loaded


def profile_class(info: DriverInfo) -> type[Settings] | None:
    """Return the class of a driver's profile files, None where it takes none."""
    if not info.profiles:
        return None
    loaded = _load(info.profiles)
    assert isinstance(loaded, type) and issubclass(loaded, Settings), info.profiles
    return loaded


def finder(info: DriverInfo) -> Callable[[Any], Iterable[Any]] | None:
    """Return what lists a driver's attempts at a place (`drivers.finding.Finder`), None where it has none."""
    return cast("Callable[[Any], Iterable[Any]]", _load(info.finder)) if info.finder else None


def source_of(driver: str) -> str | None:
    """Return what the verdicts on a driver's scans say they rest on; None where that is the scanner's own data."""
    info = available().get(driver)
    return info.source if info else None


def driver_class(info: DriverInfo) -> type[Driver]:
    """Return a driver's class; imports the driver's libraries."""
    loaded = _load(info.driver)
    assert isinstance(loaded, type) and issubclass(loaded, Driver), info.driver
    return loaded


def make(info: DriverInfo, settings: Settings) -> Driver:
    """Return a driver with these settings; imports the driver's libraries, does no I/O."""
    return cast("Callable[[Settings], Driver]", driver_class(info))(settings)
