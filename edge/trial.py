"""A configuration on trial: staged beside the one in force, put in its place, and taken back where it does not do.

Everything lies in the configuration's own folder, under `.trial`, for what is recovered there must be found before the
configuration can be read. Files are replaced one by one; a crash in between is found at the next start, and undone.
"""

from __future__ import annotations

import logging
import shutil
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from drivers.errors import ConfigError
from drivers.fsync import sync_folder, write_whole
from edge.config import Config
from edge.config.load import examine
from edge.config.problems import Level, Problem

log = logging.getLogger("jaitf.core")

FOLDER = ".trial"
STATE = "trial.json"
MAX_STARTS = 3
OPTIONAL = ("teams.toml",)
"""Files beside `edge.toml` that a configuration may have."""

KEPT = (("appliance", "data_dir"), ("appliance", "site"), ("appliance", "id"))
"""What no command may change: another data directory, or another name, is another appliance."""


class Told(BaseModel):
    """An answer that is owed once the appliance has started again."""

    model_config = ConfigDict(frozen=True)

    transaction: str
    by: str
    name: str
    status: Literal["done", "failed"] = "failed"
    code: str = "interrupted"
    detail: str = ""


class State(BaseModel):
    """How a trial is: `back` are the devices that must come back within `trial_s`."""

    model_config = ConfigDict(frozen=True)

    phase: Literal["installing", "running", "ended"]
    told: Told
    sha256: str
    trial_s: float
    back: tuple[str, ...] = ()
    starts: int = 0
    also: tuple[Told, ...] = ()


@dataclass(frozen=True, slots=True)
class Staged:
    """A staged configuration, None where it has errors; and every error and warning in it, a line each."""

    config: Config | None
    problems: tuple[str, ...]


def toml_files(folder: Path) -> dict[str, bytes]:
    """Return a configuration's files by their path in its folder. Raises ConfigError."""
    others = [folder / name for name in OPTIONAL if (folder / name).exists()]
    paths = [folder / "edge.toml", *others, *sorted((folder / "devices").glob("*.toml"))]
    try:
        return {str(path.relative_to(folder)): path.read_bytes() for path in paths if not path.name.startswith(".")}
    except OSError as error:
        raise ConfigError(f"{error.filename}: {error.strerror}") from None


def stage(config: Config, changes: Mapping[str, str | None]) -> Staged:
    """Lay a changed configuration beside the one in force and say what is wrong with it. Raises ConfigError."""
    files = toml_files(config.folder) | {name: text.encode() for name, text in changes.items() if text is not None}
    for name, text in changes.items():
        if text is None and name != "edge.toml":
            files.pop(name, None)
    staged = config.folder / FOLDER / "staged"
    try:
        shutil.rmtree(staged, ignore_errors=True)
        _write(staged, files)
        for other in config.folder.iterdir():
            # What a relative path of the configuration names lies in its folder.
            if other.name not in (FOLDER, "edge.toml", "devices", *OPTIONAL):
                (staged / other.name).symlink_to(other)
    except OSError as error:
        raise ConfigError(f"{config.folder} cannot be written: {error.strerror}") from None
    found = examine(staged)
    problems = [_said(problem, staged) for problem in found.problems]
    if found.config is not None:
        problems += _forbidden(config, found.config)
    refused = found.config is None or bool(found.errors) or bool(list(_forbidden(config, found.config)))
    return Staged(None if refused else found.config, tuple(problems))


def staged(config: Config) -> Config | None:
    """Return the configuration that is staged, None where there is none, or it will not do any more."""
    folder = config.folder / FOLDER / "staged"
    found = examine(folder) if folder.exists() else None
    if found is None or found.config is None or found.errors:
        return None
    return found.config if not list(_forbidden(config, found.config)) else None


def begin(config: Config, state: State) -> None:
    """Put the staged configuration in force, the one before aside. Raises ConfigError, and then nothing has changed."""
    folder = config.folder
    try:
        new = toml_files(folder / FOLDER / "staged")
        previous = folder / FOLDER / "previous"
        shutil.rmtree(previous, ignore_errors=True)
        _write(previous, toml_files(folder))
        _keep(folder, state.model_copy(update={"phase": "installing"}))
        _write(folder, new)
        _keep(folder, state.model_copy(update={"phase": "running"}))
    except OSError as error:
        raise ConfigError(f"{folder} cannot be written: {error.strerror}") from None


def read(folder: Path) -> State | None:
    """Return the trial that a configuration's folder knows of."""
    try:
        return State.model_validate_json((folder / FOLDER / STATE).read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        log.warning("%s: %s", folder / FOLDER / STATE, error)
        return None


def roll_back(folder: Path, state: State, told: Told, *also: Told) -> None:
    """Put the configuration before in force again, and note what is to be answered. Raises ConfigError."""
    previous = folder / FOLDER / "previous"
    if not (previous / "edge.toml").exists():
        raise ConfigError("there is no configuration before this one")
    try:
        _write(folder, toml_files(previous))
        _keep(folder, state.model_copy(update={"phase": "ended", "told": told, "also": also}))
    except OSError as error:
        raise ConfigError(f"{folder} cannot be written: {error.strerror}") from None


def end(folder: Path) -> None:
    """Forget the trial; the configuration before stays for `config.rollback`."""
    (folder / FOLDER / STATE).unlink(missing_ok=True)
    shutil.rmtree(folder / FOLDER / "staged", ignore_errors=True)


def recover(folder: Path) -> None:
    """Undo a trial that a crash cut off, that cannot be read, or that does not stay up; before anything is read."""
    state = read(folder)
    if state is None or state.phase == "ended":
        return
    reason = ""
    if state.phase == "installing":
        reason = "it was cut off while the files were replaced"
    elif state.starts >= MAX_STARTS:
        reason = f"the appliance did not stay up with it: started {state.starts} times"
    elif examine(folder).config is None:
        reason = "it cannot be read"
    try:
        if reason:
            log.warning("the configuration before is put in force again: %s", reason)
            told = state.told.model_copy(update={"code": "rolled-back", "detail": reason})
            roll_back(folder, state, told)
        else:
            _keep(folder, state.model_copy(update={"starts": state.starts + 1}))
    except (OSError, ConfigError) as error:
        log.warning("the trial cannot be written: %s", error)


def _keep(folder: Path, state: State) -> None:
    write_whole(folder / FOLDER / STATE, state.model_dump_json().encode())
    sync_folder(folder / FOLDER)


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    """Make a folder's configuration these files and no others. Raises OSError."""
    (folder / "devices").mkdir(mode=0o750, parents=True, exist_ok=True)
    for name, text in files.items():
        path = folder / name
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o640
        if not path.exists() or path.read_bytes() != text:
            write_whole(path, text, mode)
    for path in (*(folder / "devices").glob("*.toml"), *(folder / name for name in OPTIONAL)):
        if str(path.relative_to(folder)) not in files:
            path.unlink(missing_ok=True)
    sync_folder(folder / "devices")
    sync_folder(folder)


def _said(problem: Problem, staged: Path) -> str:
    where = problem.file.relative_to(staged) if problem.file.is_relative_to(staged) else problem.file.name
    level = "warning: " if problem.level is Level.WARNING else ""
    hint = f" (did you mean {problem.hint}?)" if problem.hint else ""
    return f"{where}:{problem.line}: {problem.key}: {level}{problem.message}{hint}"


def _forbidden(now: Config, new: Config) -> Iterator[str]:
    """Yield what a configuration from afar may not change."""
    for section, key in KEPT:
        was = getattr(getattr(now, section), key)
        if (_moved(was, new) if isinstance(was, Path) else was) != getattr(getattr(new, section), key):
            yield f"edge.toml: {section}.{key}: cannot be changed by command"
    if now.console.command_keys_file and new.console.command_keys_file != _moved(now.console.command_keys_file, new):
        yield "edge.toml: console.command_keys_file: cannot be changed by command"
    if now.inference.model_keys_file and new.inference.model_keys_file != _moved(now.inference.model_keys_file, new):
        yield "edge.toml: inference.model_keys_file: cannot be changed by command"
    if new.console.insecure and not now.console.insecure:
        yield "edge.toml: console.insecure: cannot be switched on by command"
    if new.inference.server is not None and _server(new) != _server(now, new):
        # Whoever judges the pictures could clear them all; and the server is sent them, and the token.
        yield "edge.toml: inference.server: cannot be changed by command, only switched off"
    for path in sorted(_files_named(new.folder) - _files_named(now.folder)):
        # Else whoever commands could have any file of this machine sent as a password to a broker of his own.
        yield f"{path}: a file that the configuration in force does not name"


def _server(config: Config, seen_from: Config | None = None) -> dict[str, Any]:
    """Return what a configuration says of the inference server but for its patience, paths as another one sees them."""
    given = config.inference.model_dump()
    found = {key: value for key, value in given.items() if key.startswith("server") and key != "server_timeout_ms"}
    if seen_from is not None:
        found = {key: _moved(each, seen_from) if isinstance(each, Path) else each for key, each in found.items()}
    return found


def _moved(path: Path, new: Config) -> Path:
    """Return a path of the configuration in force as it is seen from the staged one's folder."""
    live = new.folder.parent.parent
    return new.folder / path.relative_to(live) if path.is_relative_to(live) else path


def _files_named(folder: Path) -> set[str]:
    tables = [tomllib.loads(text.decode("utf-8-sig")) for text in toml_files(folder).values()]
    return {path for table in tables for path in _named(table)}


def _named(value: Any, key: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for name, child in value.items():
            yield from _named(child, str(name))
    elif isinstance(value, list | tuple):
        for child in value:
            yield from _named(child, key)
    elif key.endswith("_file") and isinstance(value, str):
        yield value
