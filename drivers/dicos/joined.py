"""One scan that came in several objects: its evidence is a ZIP of them, each bit for bit as it came. Pure.

The ZIP is stored, not compressed, and made the same way each time: the same objects give the same bytes.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO

from drivers.clock import Stamp
from drivers.contract import Scan
from drivers.dicos import codec
from drivers.errors import ProtocolError

MEDIA_TYPE = "application/zip"
MAX_OBJECTS = 32


class NotJoined(ProtocolError):
    """The bytes are no ZIP of a scan's objects."""

    code = "not-joined"


def join(objects: Sequence[tuple[str, bytes]]) -> bytes:
    """Return a ZIP of the objects, each a name and its bytes, in this order."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in objects:
            archive.writestr(zipfile.ZipInfo(name), data)
    return buffer.getvalue()


def parted(data: bytes | memoryview) -> list[tuple[str, bytes]]:
    """Return the objects in a ZIP of `join`'s. Raises NotJoined for anything else, a compressed one included."""
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            entries = archive.infolist()
            stored = all(entry.compress_type == zipfile.ZIP_STORED for entry in entries)
            if not 0 < len(entries) <= MAX_OBJECTS or not stored or sum(e.file_size for e in entries) > len(data):
                raise NotJoined("not a ZIP of a scan's objects as they came")
            return [(entry.filename, archive.read(entry)) for entry in entries]
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError, OSError) as error:
        raise NotJoined(f"not a ZIP, or a damaged one: {error}") from error


def read(data: bytes, name: str, at: Stamp) -> Scan:
    """Return the one scan that a ZIP of `join`'s holds, its views as they were joined.

    Raises NotJoined for any other ZIP, and what `codec.read_file` does for one of its objects.
    """
    views: dict[str, int] = {}
    scans: list[tuple[int, Scan]] = []
    for part, content in parted(data):
        view = views.setdefault(part.partition("-")[0], len(views))
        scans.append((view, codec.read_file(content, part, at)))
    first = scans[0][1]
    return replace(
        first,
        key=hashlib.sha256(data).hexdigest(),
        original=data,
        media_type=MEDIA_TYPE,
        name=name[:512],
        pictures=tuple(replace(picture, view=view) for view, scan in scans for picture in scan.pictures),
    )


def images(original: bytes, media_type: str | None) -> tuple[tuple[str, str], ...]:
    """Return SOP class and instance UID of a scan's images, one a view in order; none for what is no DICOM.

    Where a view came in two energies it is the second that is named, the high one.
    """
    try:
        if media_type == codec.MEDIA_TYPE:
            return (codec.identity(original),)
        if media_type == MEDIA_TYPE:
            views = {name.partition("-")[0]: codec.identity(data) for name, data in parted(original)}
            return tuple(views.values())
    except ProtocolError:
        pass  # evidence is kept as it came, however odd; a report is written all the same
    return ()
