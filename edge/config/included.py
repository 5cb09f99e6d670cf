"""Profiles that a device file names: read beside it, judged by the driver's class, and put in the place of the name."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from drivers import profiles, registry
from drivers.contract import DriverInfo
from edge.config.problems import Problem, TomlFile
from edge.config.wording import validate

KEY = "profile"


def with_profiles(
    file: TomlFile, info: DriverInfo, folder: Path, read: Callable[[Path], TomlFile | None]
) -> tuple[TomlFile, list[Problem]]:
    """Return a device file in which each profile stands whole where it was named, and what is wrong with the profiles.

    `read` reads a file and says itself what cannot be read of it. A name that leads nowhere stays, for the driver's
    class to complain of; a profile with errors is taken for one with a single point, so that the rest is still judged.
    """
    model = registry.profile_class(info)
    named = list(_named(file.value("settings"))) if model else []
    if model is None or not named:
        return file, []
    data, problems = copy.deepcopy(file.data), list[Problem]()
    for table in _named(data["settings"]):
        path = profiles.find(table[KEY], folder)
        if path is None:
            continue
        table[KEY] = _STAND_IN | {"driver": info.name}
        if found := read(path):
            judged = validate(model, found)
            if isinstance(judged, list):
                problems += [problem for problem in judged if problem not in problems]
            else:
                table[KEY] = found.data
    return TomlFile(file.path, data, file.lines), problems


_STAND_IN: dict[str, Any] = {
    "title": "-",
    "source": "-",
    "points": [{"name": "-", "table": "holding", "address": 0}],
}


def _named(settings: Any) -> Iterator[dict[str, Any]]:
    """Return every table below `settings` whose `profile` is a name."""
    if isinstance(settings, dict):
        if isinstance(settings.get(KEY), str):
            yield settings
        settings = list(settings.values())
    for below in settings if isinstance(settings, list) else ():
        yield from _named(below)
