"""What cannot be read is set aside, beside a text that says why; pictures of people are removed."""

from __future__ import annotations

import contextlib
import logging
import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from drivers.clock import Stamp
from drivers.folder.share import REJECTED

log = logging.getLogger("jaitf.device.folder")

#: Most bytes that copies of files from read-only shares may take under the device's own folder.
MAX_COPIES_BYTES = 256 * 1024 * 1024
_NAME_BYTES = 200


@dataclass(frozen=True, slots=True)
class Bad:
    """A file that could not be read: its path within the folder, why, and what may be done."""

    path: str
    size: int
    why: str
    at: Stamp
    advice: str = "Open it in the scanner's software and export it again as PNG, TIFF or DICOS."


@dataclass(frozen=True, slots=True)
class Aside:
    """Where a bad file's text lies, and whether the file itself left the export folder."""

    text: Path
    moved: bool


class Rejected:
    """The folder of rejected files: `rejected/` in the export folder, else, where that cannot be written, our own."""

    def __init__(self, share: Path, own: Path) -> None:
        self._share = share
        self._own = own / REJECTED

    def put(self, bad: Bad, data: bytes | None) -> Aside:
        """Move a bad file aside and write why; where the share is read-only, copy `data` (None: only the text).

        The text is there before the file is. Raises OSError where neither place can be written.
        """
        try:
            place = _free(self._folder(), bad.path)
            text = _write_text(place, bad, "It was moved here, unchanged.")
            try:
                (self._share / bad.path).rename(place)
            except OSError:
                text.unlink()
                raise
            return Aside(text, moved=True)
        except OSError as error:
            log.debug("%s cannot be moved aside (%s); keeping a copy instead", bad.path, error)
        self._own.mkdir(parents=True, exist_ok=True)
        place = _free(self._own, bad.path)
        room = MAX_COPIES_BYTES - sum(entry.stat().st_size for entry in self._own.iterdir())
        if data is None or len(data) > room:
            return Aside(
                _write_text(place, bad, "The folder is read-only: the file is still there, not here."), moved=False
            )
        text = _write_text(place, bad, "The folder is read-only: this is a copy, the file is still there.")
        try:
            place.write_bytes(data)
        except OSError:
            with contextlib.suppress(OSError):
                place.unlink()
        return Aside(text, moved=False)

    def remove(self, path: str, why: str, at: Stamp) -> Path:
        """Delete a picture of a person and note that it was there; its name, which may be a person's, is not kept.

        Raises OSError where the share does not allow it.
        """
        (self._share / path).unlink()
        place = f"person-picture-{at.rfc3339().replace(':', '')}"
        bad = Bad("(name not kept)", 0, why, at, "Exclude body scanners from this export.")
        try:
            return _write_text(
                _free(self._folder(), place), bad, "The file was deleted: no picture of a person is kept."
            )
        except OSError:
            self._own.mkdir(parents=True, exist_ok=True)
            return _write_text(_free(self._own, place), bad, "The file was deleted: no picture of a person is kept.")

    def _folder(self) -> Path:
        """Return `rejected/` in the export folder, made where it is missing; raises OSError where that is no folder."""
        folder = self._share / REJECTED
        with contextlib.suppress(FileExistsError):
            folder.mkdir()
        if folder.is_symlink() or not folder.is_dir():
            raise NotADirectoryError(f"{folder} is no folder")
        if not os.access(folder, os.W_OK):
            raise PermissionError(f"{folder} cannot be written")
        return folder


def _free(folder: Path, path: str) -> Path:
    """Return a path in `folder` named after the file, which neither a file nor a text has yet."""
    name = PurePosixPath(path)
    stem, suffix = name.stem, name.suffix
    while len(os.fsencode(stem + suffix)) > _NAME_BYTES:
        stem, suffix = stem[:-1] or "file", suffix[:20]
    number, place = 1, folder / f"{stem}{suffix}"
    while os.path.lexists(place) or os.path.lexists(f"{place}.txt"):
        number += 1
        place = folder / f"{stem}-{number}{suffix}"
    return place


def _write_text(place: Path, bad: Bad, fate: str) -> Path:
    text = Path(f"{place}.txt")
    shown = bad.path.encode("utf-8", "replace").decode()
    with text.open("x", encoding="utf-8") as out:
        out.write(
            f"File:   {shown}\nSize:   {bad.size} bytes\nWhen:   {bad.at.rfc3339()}\nWhy:    {bad.why}\n\n"
            f"{fate} Nothing was judged.\n{bad.advice}\n"
        )
    return text
