"""Device profiles: the points of a known device under one name. There is none yet; this is where they are found."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

#: Profile name to its file.
PROFILES: Mapping[str, Path] = {}


def find(name: str) -> Path:
    """Return a profile's file; raises ValueError, with the names there are, where there is none of that name."""
    try:
        return PROFILES[name]
    except KeyError:
        known = ", ".join(sorted(PROFILES)) or "there is none yet; list [[settings.points]] instead"
        raise ValueError(f"no profile is called {name!r}: {known}") from None
