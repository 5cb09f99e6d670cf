"""Profiles: devices described in a file and not in code. A driver that takes them names the class of the file."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

import config
from drivers.errors import ConfigError

#: Where the shipped ones are; a site's own are in `profiles/` of its configuration's folder, and come first.
SHIPPED = Path(config.__file__).parent / "profiles"
FOLDER = "profiles"

P = TypeVar("P", bound=BaseModel)


def find(name: str, folder: Path | None = None) -> Path | None:
    """Return a profile's file, the site's before the shipped one, None where there is none of that name."""
    if not name or "/" in name or name.startswith("."):
        return None
    places = [folder / FOLDER, SHIPPED] if folder else [SHIPPED]
    return next((path for place in places if (path := place / f"{name}.toml").is_file()), None)


def shipped() -> list[str]:
    """Return the names of the shipped profiles."""
    return sorted(path.stem for path in SHIPPED.glob("*.toml"))


def load(name: str, model: type[P]) -> P:
    """Return a shipped profile; raises ConfigError where there is none of that name, or it is not as it must be."""
    path = find(name)
    if path is None:
        known = ", ".join(shipped())
        own = f"{FOLDER}/{name}.toml beside edge.toml"
        raise ConfigError(f"no profile is called {name!r}: {known} are shipped; one of your own is {own}")
    try:
        return model.model_validate(tomllib.loads(path.read_text()))
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise ConfigError(f"{path}: {error}") from None
