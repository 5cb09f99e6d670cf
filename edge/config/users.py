"""Who may sign in at the technician's page: `users.toml`, with a hash in the place of each password."""

from __future__ import annotations

import fcntl
import os
import stat
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from drivers.errors import ConfigError, StoreError
from drivers.fsync import sync_folder

USERS_FILE = "users.toml"
USER_NAME = r"^[a-z0-9][a-z0-9._-]{0,31}$"
NOBODY_S_NAME = "local"
"""What whoever is at the machine goes by, where there is no list of users."""

MAX_FILE_BYTES = 256 * 1024
_OTHERS = stat.S_IRWXO | stat.S_IWGRP
_HEAD = """\
# Who may sign in at the technician's page, each with a hash of their password (argon2id). Written by `jaitf-edge web`.
"""


class Role(StrEnum):
    """A viewer looks; a technician also orders."""

    VIEWER = "viewer"
    TECHNICIAN = "technician"


class User(BaseModel):
    """One who may sign in; `password` is its argon2id hash, in the form of the PHC string format."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    role: Role
    password: str = Field(pattern=r"^\$argon2id\$[^\s\"\\]+$", max_length=512)
    since: datetime


class _UsersToml(BaseModel):
    model_config = ConfigDict(extra="forbid")

    users: dict[Annotated[str, Field(pattern=USER_NAME)], User] = {}


def read(path: Path) -> dict[str, User]:
    """Return who may sign in, by name.

    Raises ConfigError for a file that is missing, broken, or that others than its owner and group can read.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            raw = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path}: {(error.strerror or str(error)).lower()}") from error
    if mode & _OTHERS:
        raise ConfigError(f"{path}: others can read or change it; chmod 600 {path}")
    if len(raw) > MAX_FILE_BYTES:
        raise ConfigError(f"{path}: larger than {MAX_FILE_BYTES} bytes: no list of users")
    try:
        return _UsersToml.model_validate(tomllib.loads(raw.decode())).users
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from None


def put(path: Path, name: str, user: User) -> None:
    """Write a user, in the place of whoever had the name. Raises ConfigError and StoreError."""
    with _changing(path) as users:
        users[name] = user


def remove(path: Path, name: str) -> None:
    """Take a user out. Raises ConfigError where there is none of that name, and StoreError."""
    with _changing(path) as users:
        if users.pop(name, None) is None:
            raise ConfigError(f"{path}: there is no user {name}")


@contextmanager
def _changing(path: Path) -> Iterator[dict[str, User]]:
    """Give the users to change, and write them whole; two commands at once come one after the other."""
    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise ConfigError(f"{path.parent}: {(error.strerror or str(error)).lower()}") from error
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        users = read(path) if path.exists() else {}
        yield users
        _write(path, users)
    finally:
        os.close(folder)


def _write(path: Path, users: Mapping[str, User]) -> None:
    """Write the file whole or not at all, for its owner alone: mode 600.

    Where root owns the configuration's folder, the service gets at it by the folder's group: then the group may read,
    mode 640. A list that the service itself cannot change is the safer one.
    """
    part: str | None = None
    try:
        handle, part = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 600
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(_text(users))
            file.flush()
            if os.geteuid() == 0:
                folder = path.parent.stat()
                os.fchown(file.fileno(), folder.st_uid, folder.st_gid)
                if folder.st_uid == 0 and folder.st_gid != 0:
                    os.fchmod(file.fileno(), 0o640)
            os.fsync(file.fileno())
        Path(part).replace(path)
        part = None
        sync_folder(path.parent)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        if part:
            Path(part).unlink(missing_ok=True)


def _text(users: Mapping[str, User]) -> str:
    tables = [
        f'\n[users."{name}"]\nrole = "{user.role}"\npassword = "{user.password}"\nsince = {_stamp(user.since)}\n'
        for name, user in sorted(users.items())
    ]
    return _HEAD + "".join(tables)


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")
