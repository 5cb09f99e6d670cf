"""Reads a configuration's folder: all of it that is wrong in one go, or the whole of it, validated."""

from __future__ import annotations

import hashlib
import os
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from drivers import registry
from edge.config import positions, signals
from edge.config.included import with_profiles
from edge.config.lane import TeamsToml
from edge.config.lane_rules import LANE_RULES
from edge.config.model import Config, DeviceConfig, DeviceToml, EdgeToml
from edge.config.page import page
from edge.config.problems import ConfigProblems, Level, Problem, TomlFile
from edge.config.rules import RULES, Draft, driver_of, is_path, resolved
from edge.config.wording import validate

DEFAULT = Path("/etc/jaitf-edge")
ENVIRONMENT = "JAITF_EDGE_CONFIG"
MAX_FILE_BYTES = 1024 * 1024
EXAMPLE_SUFFIX = ".example"
TEAMS = "teams.toml"

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class Examination:
    """What a folder holds: every error and warning in order, the files, and the configuration.

    `config` is None where an error keeps the appliance from starting. Where errors are the page's alone it has no page.
    """

    config: Config | None
    problems: tuple[Problem, ...]
    draft: Draft

    @property
    def errors(self) -> list[Problem]:
        """What has to be mended: it keeps the appliance from starting, or its page from being served."""
        return [problem for problem in self.problems if problem.level is Level.ERROR]

    @property
    def warnings(self) -> list[Problem]:
        """What is only suspicious."""
        return [problem for problem in self.problems if problem.level is Level.WARNING]


def find(option: Path | None) -> Path:
    """Return the configuration's folder: `--config`, else $JAITF_EDGE_CONFIG, else /etc/jaitf-edge."""
    return option or Path(os.environ.get(ENVIRONMENT) or DEFAULT)


def load(folder: Path) -> Config:
    """Return the configuration in `folder`. Raises ConfigProblems with everything that is wrong with it."""
    examination = examine(folder)
    if examination.config is None:
        raise ConfigProblems(examination.errors)
    return examination.config


def data_dir_of(folder: Path) -> Path:
    """Return where a configuration keeps its ledger, though another part of it is wrong: evidence is there still.

    Raises ConfigProblems where that cannot be said.
    """
    examination = examine(folder)
    if examination.config is not None:
        return examination.config.appliance.data_dir
    edge = examination.draft.edge
    named = edge.value("appliance", "data_dir") if edge else None
    if edge is None or not isinstance(named, str) or not (path := resolved(folder.absolute(), named)).is_dir():
        raise ConfigProblems(examination.errors)
    return path


def examine(folder: Path) -> Examination:
    """Return the configuration in `folder` together with what is wrong or suspicious. Touches no hardware."""
    digest = hashlib.sha256()
    problems: list[Problem] = []
    edge = _read(folder / "edge.toml", digest, problems)
    device_files, strays = _device_files(folder)
    devices = {path.stem: file for path in device_files if (file := _read(path, digest, problems))}
    teams = _read(folder / TEAMS, digest, problems) if (folder / TEAMS).exists() else None
    draft = Draft(folder, edge, devices, teams)
    problems += strays
    top = _checked(EdgeToml, edge, problems)
    worn = _checked(TeamsToml, teams, problems) or TeamsToml()
    configured = [_device(file, folder, digest, problems) for file in devices.values()]
    if top and edge:
        problems += signals.problems(edge, top.signals, [device for device in configured if device])
    for rule in (*RULES, page, *LANE_RULES):
        problems += rule(draft)
    problems.sort(key=lambda problem: (problem.file != folder / "edge.toml", str(problem.file), problem.line))
    config = None
    errors = [problem for problem in problems if problem.level is Level.ERROR]
    if top and not any(error.stops for error in errors):
        top = _resolved(top, folder)
        if errors:
            top = top.model_copy(update={"web": top.web.model_copy(update={"listen": ""})})
        config = Config(
            folder=folder.absolute(),
            digest=digest.hexdigest(),
            **{name: getattr(top, name) for name in EdgeToml.model_fields},
            page_off=str(errors[0]) if errors else "",
            teams=worn,
            devices=tuple(device for device in configured if device),
        )
    return Examination(config, tuple(problems), draft)


def device_of(path: Path, text: str, folder: Path) -> DeviceConfig:
    """Return the device that a file of this text would be in a configuration. Raises ConfigProblems."""
    problems: list[Problem] = []
    file = TomlFile(path, tomllib.loads(text), positions.lines(text))
    device = _device(file, folder, hashlib.sha256(), problems)
    if device is None:
        raise ConfigProblems(problems)
    return device


def _device_files(folder: Path) -> tuple[list[Path], list[Problem]]:
    """Return the device files by name, and warnings about what else lies among them and is not read."""
    files, strays = [], []
    try:
        found = sorted((folder / "devices").iterdir())
    except FileNotFoundError:
        found = []
    except OSError as error:
        if folder.is_file():
            return [], []  # said of edge.toml
        return [], [Problem(folder / "devices", 1, "-", f"cannot be read: {error.strerror}")]
    for path in found:
        if path.name.startswith("."):
            continue
        if path.suffix == ".toml":
            files.append(path)
        elif path.suffix != EXAMPLE_SUFFIX:
            message = "not read: a device's file ends in .toml"
            strays.append(Problem(path, 1, "-", message, level=Level.WARNING))
    return files, strays


def _read(path: Path, digest: Any, problems: list[Problem]) -> TomlFile | None:
    """Return a file's contents with their lines, or None with what is wrong said in `problems`."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        message = f"not readable: {error.strerror}"
        if isinstance(error, FileNotFoundError) and path.name == "edge.toml":
            message = f"no such file; `jaitf-edge setup {path.parent}` asks and writes it"
        elif path.parent.is_file():
            message = f"{path.parent} is a file: a configuration is a folder, with an edge.toml in it"
        problems.append(Problem(path, 1, "-", message))
        return None
    if len(raw) > MAX_FILE_BYTES:
        problems.append(Problem(path, 1, "-", f"larger than {MAX_FILE_BYTES} bytes: not a configuration"))
        return None
    digest.update(raw)
    try:
        # Editors on Windows put a byte order mark before UTF-8; it means nothing.
        text = raw.decode("utf-8-sig").replace("\r\n", "\n")
        return TomlFile(path, tomllib.loads(text), positions.lines(text))
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        encoding = "it looks like UTF-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else f"byte 0x{raw[error.start]:02x}"
        problems.append(Problem(path, line, "-", f"not UTF-8 text ({encoding}): save it as UTF-8"))
    except tomllib.TOMLDecodeError as error:
        problems.append(_broken(path, text, str(error)))
    except RecursionError:
        problems.append(Problem(path, 1, "-", "nested too deeply to be a configuration"))
    return None


def _broken(path: Path, text: str, message: str) -> Problem:
    """Return the parser's complaint at its line, with the key that stands there."""
    place = re.search(r" \(at (?:line (\d+), column (\d+)|end of document)\)$", message)
    rows = text.split("\n")
    row = int(place[1]) if place and place[1] else max(len(text.rstrip("\n").split("\n")), 1)
    column = f", column {place[2]}" if place and place[2] else ""
    said = message[: place.start()] if place else message
    if re.match(r"Illegal character '\\[nr]'", said):
        said, column = "the line ends within quotes: is a closing one missing?", ""
    elif re.match(r"Cannot (declare .* twice|overwrite a value)$", said):
        said, column = "this stands in the file already: a key and a [section] may be there once", ""
    key = re.match(r"\s*([A-Za-z0-9_.-]+)\s*=", rows[row - 1])
    section = next((h[1] for r in reversed(rows[:row]) if (h := re.match(r"\s*\[+\s*([^\[\]]+?)\s*\]", r))), None)
    name = ".".join(part for part in (section, key[1]) if part) if key else "-"
    return Problem(path, row, name, f"not TOML: {said[:1].lower()}{said[1:]}{column}")


def _checked(model: type[M], file: TomlFile | None, problems: list[Problem], *top: str) -> M | None:
    """Return a table as its class, or None with what is wrong said in `problems`."""
    if file is None:
        return None
    result = validate(model, file, top)
    if isinstance(result, list):
        problems += result
        return None
    return result


def _device(file: TomlFile, folder: Path, digest: Any, problems: list[Problem]) -> DeviceConfig | None:
    """Return a device, or None with what is wrong said in `problems`; its settings are judged by its driver's class."""
    top = _checked(DeviceToml, file, problems)
    info = driver_of(file)
    if info is None or not isinstance(file.value("settings"), dict | None):
        return None
    whole, found = with_profiles(file, info, folder, lambda path: _read(path, digest, problems))
    problems += found
    settings = _checked(registry.settings_class(info), whole, problems, "settings")
    if top is None or settings is None:
        return None
    model = str(resolved(folder, top.model)) if top.model and is_path(top.model) else top.model
    return DeviceConfig(
        name=file.path.stem,
        file=file.path,
        driver=top.driver,
        model=model,
        enabled=top.enabled,
        memory_bytes=top.memory_bytes,
        settings=_resolved(settings, folder),
    )


def _resolved(value: M, folder: Path) -> M:
    """Return a copy in which every relative path is taken from the configuration's folder."""
    given = {name: getattr(value, name) for name in type(value).model_fields}
    changed = {name: _resolve(old, folder) for name, old in given.items()}
    return value.model_copy(update={name: new for name, new in changed.items() if new != given[name]})


def _resolve(value: Any, folder: Path) -> Any:
    match value:
        case Path():
            return resolved(folder, value)
        case BaseModel():
            return _resolved(value, folder)
        case tuple():
            return tuple(_resolve(element, folder) for element in value)
        case list():
            return [_resolve(element, folder) for element in value]
        case _:
            return value
