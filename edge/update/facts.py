"""What this version says of itself and of the ledger here, for an update that asks whether it may take over."""

from __future__ import annotations

import re
import sqlite3
from importlib import resources
from pathlib import Path

from drivers.errors import StoreError
from edge import __version__
from edge.config.load import examine
from edge.ledger.store import FILE, connect_read_only, migrations
from edge.standing import read as read_standing
from edge.update.box import Facts, Standing

WORKING = ("up", "degraded")
_STEP = re.compile(r"(\d{4})\.sql")


def ways_back() -> dict[str, str]:
    """Return the SQL that undoes each of the ledger's steps that has a way back, by its number."""
    folder = resources.files("edge.ledger") / "schema" / "back"
    if not folder.is_dir():
        return {}
    found = ((_STEP.fullmatch(file.name), file) for file in folder.iterdir())
    return {str(int(match[1])): file.read_text() for match, file in found if match}


def facts(config: Path) -> Facts:
    """Return them. A configuration with errors, or none, has no data directory; an unreadable ledger is none."""
    read = examine(config).config
    data_dir = read.appliance.data_dir if read is not None else None
    return Facts(
        version=__version__,
        data_dir=str(data_dir) if data_dir is not None and data_dir.is_dir() else None,
        knows=migrations()[-1][0],
        found=_schema(data_dir / FILE) if data_dir is not None else None,
        back=ways_back(),
        standing=_standing(data_dir) if data_dir is not None else None,
    )


def _standing(data_dir: Path) -> Standing | None:
    said = read_standing(data_dir)
    try:
        health, devices = (said or {})["health"], (said or {})["devices"]
        working = tuple(name for name, each in devices.items() if each["state"] in WORKING)
        return Standing(str(health["at"]), float(health["uptime_s"]), working)
    except (KeyError, TypeError, ValueError, AttributeError):
        return None  # none was written yet, or by a version that wrote another


def _schema(path: Path) -> int | None:
    try:
        db = connect_read_only(path)
    except (StoreError, sqlite3.Error):
        return None
    try:
        (version,) = db.execute("PRAGMA user_version").fetchone()
    except sqlite3.Error:
        return None  # damaged: whichever version runs sets it aside
    finally:
        db.close()
    return int(version)
