"""Folders of ordinary bags, as `model adapt` and `model calibrate` take them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from drivers.errors import ModelError
from edge.cli import output
from inference.evaluate.labels import LABELS, THREAT, read_folder

_SHOWN = 5


def files_in(folder: Path) -> list[Path]:
    """Return the files under a folder, in order, hidden ones left out; of a labelled folder, those without a threat.

    Says how many that leaves out. Raises ModelError where there is no folder, or one whose labels cannot be read.
    """
    if not folder.is_dir():
        raise ModelError(f"{folder}: no such folder")
    found = {path for path in folder.rglob("*") if path.is_file()}
    if (folder / LABELS).is_file() or (folder / THREAT).is_dir():
        threats = {path for scan in read_folder(folder) if scan.threat for path in scan.files}
        if threats:
            output.note(f"left out: {len(threats)} pictures that hold a threat, by the folder's labels")
        found -= {*threats, folder / LABELS}
    return sorted(p for p in found if not any(part.startswith(".") for part in p.relative_to(folder).parts))


def say_left_out(problems: Sequence[str]) -> None:
    """Say which files held no bag, the first few by name."""
    for problem in problems[:_SHOWN]:
        output.note(f"left out: {output.one_line(problem)}")
    if len(problems) > _SHOWN:
        output.note(f"left out: {len(problems) - _SHOWN} more files")
