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
from edge.update.box import LedgerFacts

_STEP = re.compile(r"(\d{4})\.sql")


def ways_back() -> dict[str, str]:
    """Return the SQL that undoes each of the ledger's steps that has a way back, by its number."""
    folder = resources.files("edge.ledger") / "schema" / "back"
    if not folder.is_dir():
        return {}
    found = ((_STEP.fullmatch(file.name), file) for file in folder.iterdir())
    return {str(int(match[1])): file.read_text() for match, file in found if match}


def facts(config: Path) -> LedgerFacts:
    """Return them. A configuration with errors, or none, has no data directory; an unreadable ledger is none."""
    read = examine(config).config
    data_dir = read.appliance.data_dir if read is not None else None
    return LedgerFacts(
        version=__version__,
        data_dir=str(data_dir) if data_dir is not None and data_dir.is_dir() else None,
        knows=migrations()[-1][0],
        found=_schema(data_dir / FILE) if data_dir is not None else None,
        back=ways_back(),
    )


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
