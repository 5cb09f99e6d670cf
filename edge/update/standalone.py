"""Copies what undoes an update, so that the system's own Python can run it with no version in force.

python -m edge.update.standalone DIR, and then PYTHONPATH=DIR python3 -P -m edge.update.recover
"""

from __future__ import annotations

import sys
from pathlib import Path

from drivers.fsync import write_whole

FILES = (
    "drivers/clock.py",
    "drivers/fsync.py",
    "edge/rebind.py",
    "edge/update/__init__.py",
    "edge/update/disk.py",
    "edge/update/hands.py",
    "edge/update/machine.py",
    "edge/update/places.py",
    "edge/update/recover.py",
    "edge/update/servant.py",
)
"""`edge` and `drivers` become namespaces there, without the packages' own __init__."""


def copy(folder: Path) -> None:
    """Write the copy; the same files give the same bytes. Raises OSError."""
    root = Path(__file__).resolve().parents[2]
    for name in FILES:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, (root / name).read_bytes(), mode=0o644)


if __name__ == "__main__":
    copy(Path(sys.argv[1]))
