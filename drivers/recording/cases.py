"""A fault as a test case, a folder without code: `wire` (a recording), `device.toml`, `expected.json`."""

from __future__ import annotations

import json
import shutil
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from drivers import registry
from drivers.contract import DriverInfo, Settings
from drivers.errors import ConfigError
from drivers.recording import tape
from drivers.recording.heard import Said
from drivers.recording.sessions import Replay, replay

WIRE, DEVICE, EXPECTED = "wire", "device.toml", "expected.json"
#: What the device remembers (a calibration), where it does.
STATE = "state"


@dataclass(frozen=True, slots=True)
class Case:
    """One case, read."""

    recording: tape.Recording
    info: DriverInfo
    settings: Settings
    expected: list[Said]
    state: Path | None

    def play(self) -> Replay:
        """Replay it as fast as can be."""
        return replay(self.recording, self.info, self.settings, state=self.state)


def load(folder: Path) -> Case:
    """Return the case in a folder; raises ConfigError where a part of it is missing or is not what it must be."""
    try:
        device = tomllib.loads((folder / DEVICE).read_text(encoding="utf-8"))
        expected = json.loads((folder / EXPECTED).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{folder}: {error}") from None
    info = driver_of(str(device.get("driver")))
    state = folder / STATE if (folder / STATE).is_dir() else None
    return Case(tape.read(folder / WIRE), info, settings_of(info, device.get("settings", {})), expected, state)


def driver_of(name: str) -> DriverInfo:
    """Return a driver by name; raises ConfigError."""
    try:
        return registry.available()[name]
    except KeyError:
        raise ConfigError(f"no driver {name!r}; there are: {', '.join(registry.available())}") from None


def settings_of(info: DriverInfo, values: Mapping[str, Any]) -> Settings:
    """Return a driver's settings; raises ConfigError with everything that is wrong with them."""
    try:
        return registry.settings_class(info).model_validate(values)
    except ValidationError as error:
        said = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise ConfigError(f"not settings of {info.name}: {said}") from None


def write(
    folder: Path,
    source: Path,
    driver: str,
    settings: Mapping[str, Any],
    said: Replay,
    state: Path | None = None,
) -> None:
    """Make a new folder that is a case; raises ConfigError where there is one of this name, or it cannot be made."""
    try:
        folder.mkdir(parents=True)
        shutil.copyfile(source, folder / WIRE)
        (folder / DEVICE).write_text(device_toml(driver, settings), encoding="utf-8")
        if state is not None:
            shutil.copytree(state, folder / STATE)
        (folder / EXPECTED).write_text(expected_json(said), encoding="utf-8")
    except FileExistsError:
        raise ConfigError(f"{folder}: is there already; a case takes a new name") from None
    except OSError as error:
        raise ConfigError(f"{folder}: {error.strerror}") from None


def compared(done: Replay) -> list[Said]:
    """Return what two replays are compared by.

    That is all but reasons, which are words for people and may be bettered; and times, where they are not the replay's.
    """
    left_out = ("reason",) if done.timed else ("reason", "at_s")
    return [{key: value for key, value in word.items() if key not in left_out} for word in done.said]


def expected_json(done: Replay) -> str:
    """Return the text of `expected.json`: a word of the driver's a line."""
    rows = [json.dumps(word, ensure_ascii=False, sort_keys=True) for word in compared(done)]
    return "[\n" + ",\n".join(rows) + "\n]\n" if rows else "[]\n"


def device_toml(name: str, settings: Mapping[str, Any]) -> str:
    """Return the text of a device's file."""
    given = [f"{key} = {_toml(value)}" for key, value in settings.items() if value is not None]
    rows = [f"driver = {_toml(name)}", "[settings]", *given]
    return "\n".join(rows) + "\n"


def _toml(value: Any) -> str:
    match value:
        case bool() | int() | float() | str():
            return json.dumps(value, ensure_ascii=True)
        case list() | tuple():
            return "[" + ", ".join(_toml(each) for each in value if each is not None) + "]"
        case dict():
            return "{" + ", ".join(f"{json.dumps(k)} = {_toml(v)}" for k, v in value.items() if v is not None) + "}"
    raise ConfigError(f"{type(value).__name__} has no place in a device's file")
