"""Where the configuration is written: each piece once it is right, and what was there before is kept."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from drivers import registry
from drivers.contract import Settings
from drivers.errors import ConfigError, StoreError
from edge.config import template
from edge.config.edit import with_values
from edge.config.load import device_of, examine
from edge.config.model import DeviceConfig
from edge.config.problems import ConfigProblems, Problem
from edge.setup import known

KEPT = "kept"

#: What a device is called unless somebody says otherwise, by driver, before its number.
_NAMES = {
    "codereader": "codes",
    "dicos": "xray",
    "folder": "export",
    "linescan": "line",
    "llrp": "k9",
    "modbus": "portal",
    "nmea": "collar",
    "rpm-ascii": "rpm",
    "uhf-serial": "tags",
}


class Desk:
    """One configuration's folder. Nothing is written that makes it worse than it was, and nothing without a copy."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.written: list[Path] = []
        self.kept: list[Path] = []

    def edge(self, values: Mapping[tuple[str, str], Any]) -> None:
        """Set values of `edge.toml`, which is made where there is none. Raises ConfigError, StoreError."""
        path = self.folder / "edge.toml"
        if path.exists():
            try:
                text = with_values(path.read_text(encoding="utf-8-sig"), values)
            except ValueError as error:
                raise ConfigError(f"{path}: {error}") from None
        else:
            given = {(table, key): value for (table, key), value in values.items() if value is not None}
            needed = {f"{table}.{key}": value for (table, key), value in given.items()}
            text = template.edge_toml(self.folder, needed)
        self.write(path, text)

    def device(
        self, name: str, driver: str, settings: Mapping[str, Any], notes: list[str], model: str | None = None
    ) -> Path:
        """Write a device's file, commented. Raises ConfigError where `check` would not take it, StoreError."""
        path = self.folder / "devices" / f"{name}.toml"
        self.write(path, _text(driver, settings, notes, model))
        return path

    def settings(self, driver: str, settings: Mapping[str, Any]) -> Settings:
        """Return a driver's settings as this configuration would have them, its own profiles included.

        Raises ConfigError that names each key and what is wrong with it.
        """
        path = self.folder / "devices" / "new.toml"
        try:
            return device_of(path, _text(driver, settings, [], None), self.folder).settings
        except ConfigProblems as error:
            hints = (f" (did you mean {one.hint}?)" if one.hint else "" for one in error.problems)
            said = (f"{one.key}: {one.message}{hint}" for one, hint in zip(error.problems, hints, strict=True))
            raise ConfigError(f"{driver}: {'; '.join(said)}") from None

    def write(self, path: Path, text: str) -> None:
        """Write one file whole, or not at all; what stood there is kept in `kept/`."""
        if path.exists() and path.read_text(encoding="utf-8-sig") == text:
            return
        if worse := self.problems({path: text}, path):
            raise ConfigError("; ".join(f"{problem.key}: {problem.message}" for problem in worse))
        try:
            if path.exists():
                self._keep(path)
            path.parent.mkdir(parents=True, exist_ok=True)
            draft = path.with_name(f".{path.name}.new")
            with draft.open("w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        except OSError as error:
            raise StoreError(f"{error.filename or path}: {error.strerror}") from error
        self.written.append(path)

    def secret(self, name: str, text: str) -> Path:
        """Write a secret to a file that only this user can read, and return its path. Raises StoreError.

        In a folder that root shares with the service's group, that group may read it too: it is the service's secret.
        """
        path = self.folder / name
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(text + "\n")
                owner = self.folder.stat()
                if os.geteuid() == owner.st_uid == 0 and owner.st_gid != 0:
                    os.fchown(file.fileno(), 0, owner.st_gid)
                    os.fchmod(file.fileno(), 0o640)
        except OSError as error:
            raise StoreError(f"{path}: {error.strerror}") from error
        self.written.append(path)
        return path

    def problems(self, changed: Mapping[Path, str], about: Path) -> list[Problem]:
        """Return the errors of one file that the configuration would have with these changes."""
        with tempfile.TemporaryDirectory(prefix="jaitf-edge-setup-") as scratch:
            copy = Path(scratch) / "configuration"
            for path in self._files():
                _put(copy / path.relative_to(self.folder), path.read_bytes())
            for path, text in changed.items():
                _put(copy / path.relative_to(self.folder), text.encode())
            for path in self.folder.glob("*"):
                target = copy / path.name
                if not target.exists() and path.name != KEPT:
                    target.symlink_to(path.absolute())
            return [
                problem for problem in examine(copy).errors if problem.file == copy / about.relative_to(self.folder)
            ]

    def _files(self) -> list[Path]:
        found = [path for path in (self.folder / "edge.toml", self.folder / "teams.toml") if path.exists()]
        return [*found, *(self.folder / "devices").glob("*.toml")]

    def _keep(self, path: Path) -> None:
        stamp = datetime.now().astimezone().strftime("%Y-%m-%dT%H-%M-%S.%f")
        copy = self.folder / KEPT / stamp / path.relative_to(self.folder)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, copy)
        self.kept.append(copy)

    def devices(self) -> dict[str, dict[str, Any]]:
        """Return the device files that are there, by name; one that is no TOML is empty."""
        return {path.stem: known.table(path) for path in sorted((self.folder / "devices").glob("*.toml"))}

    def configured(self, name: str) -> DeviceConfig | None:
        """Return a device that is there, None where `check` refuses its file."""
        path = self.folder / "devices" / f"{name}.toml"
        try:
            return device_of(path, path.read_text(encoding="utf-8-sig"), self.folder)
        except (ConfigProblems, OSError, ValueError):
            return None

    def otherwise(self, name: str, driver: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """Return those of these settings that a device's file has in another way; none where it has another driver."""
        table = self.devices()[name]
        there = table.get("settings", {})
        return {key: value for key, value in wanted.items() if there.get(key) != value and table["driver"] == driver}

    def change(self, name: str, settings: Mapping[str, Any]) -> Path:
        """Set single settings of a device that is there. Raises ConfigError where they cannot stand, StoreError."""
        path = self.folder / "devices" / f"{name}.toml"
        values = {("settings", key): value for key, value in settings.items()}
        try:
            text = with_values(path.read_text(encoding="utf-8-sig"), values)
        except ValueError as error:
            raise ConfigError(f"{path}: {error}") from None
        self.write(path, text)
        return path

    def holder(self, settings: Mapping[str, Any]) -> str | None:
        """Return which device has this address already, None where none has."""
        for name, table in self.devices().items():
            there = table.get("settings", {})
            same = any(k in settings and _place(there.get(k)) == _place(settings[k]) for k in template.ADDRESSES)
            if same and there.get("unit", 1) == settings.get("unit", 1):
                return name
        return None

    def free_name(self, driver: str) -> str:
        """Return a name for a new device that no other has."""
        stem = _NAMES.get(driver, driver)
        taken = self.devices()
        return next(name for number in range(1, 1000) if (name := f"{stem}-{number}") not in taken)


def _text(driver: str, settings: Mapping[str, Any], notes: list[str], model: str | None) -> str:
    info = registry.available()[driver]
    return template.device_toml(info, settings, model or ("baggage" if info.pictures else None), notes)


def _place(address: Any) -> str | None:
    """Return an address without how its line is set."""
    return str(address).partition("?")[0].rstrip("/") if address is not None else None


def _put(path: Path, raw: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(raw)
