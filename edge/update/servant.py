"""What an update does in the service's own folders, in a process that has become the service's user.

python -P -m edge.update.servant note|back DATA_DIR, with JSON on standard input. Root itself never writes there:
whoever has taken the service over could else have it write elsewhere, by a link.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from drivers.fsync import sync_folder, write_whole

LOCK_DEADLINE_S = 20.0
_NOTE = re.compile(r"[A-Za-z0-9-]{1,80}\.json")


def note(data_dir: Path, asked: dict[str, Any]) -> None:
    """Leave a note for the ledger; see edge.ledger.inbox. Raises OSError, ValueError for a name that is none."""
    if not _NOTE.fullmatch(asked["name"]):
        raise ValueError(f"not a note's name: {asked['name']!r}")
    folder = data_dir / "inbox"
    folder.mkdir(mode=0o770, exist_ok=True)
    write_whole(folder / asked["name"], json.dumps(asked["note"]).encode(), mode=0o660)
    sync_folder(folder)


def back(data_dir: Path, asked: dict[str, Any]) -> None:
    """Undo the ledger's steps above `floor`, newest first, each in one transaction with the number it leaves.

    Raises OSError, also where an appliance still holds the ledger; KeyError where a step has no way back.
    """
    path = data_dir / "ledger.db"
    if not path.exists():
        return
    lock = _locked(data_dir / "lock")
    try:
        db = sqlite3.connect(path, isolation_level=None, timeout=5)
        try:
            (version,) = db.execute("PRAGMA user_version").fetchone()
            for number in range(version, asked["floor"], -1):
                sql = asked["back"][str(number)]
                db.executescript(f"BEGIN IMMEDIATE;\n{sql}\nPRAGMA user_version={number - 1};\nCOMMIT;")
        except sqlite3.Error as error:
            raise OSError(f"{path}: {error}") from error
        finally:
            db.close()
    finally:
        os.close(lock)


def _locked(path: Path) -> int:
    """Return the data directory's lock, held: no appliance runs on it then."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    deadline = time.monotonic() + LOCK_DEADLINE_S
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return lock
        except BlockingIOError:
            if time.monotonic() > deadline:
                os.close(lock)
                raise
            time.sleep(0.1)


DUTIES: dict[str, Callable[[Path, dict[str, Any]], None]] = {"note": note, "back": back}


def main() -> int:
    """Do what the first argument says; return the exit status, 1 with the reason on standard error."""
    try:
        DUTIES[sys.argv[1]](Path(sys.argv[2]), json.load(sys.stdin))
    except (OSError, KeyError, ValueError) as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
