"""Every setting of the `folder` driver."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from drivers.contract import Settings

#: What programs leave behind while they write, and what file servers and desktops leave beside pictures.
IGNORED = (
    "*.tmp",
    "*.temp",
    "*.part",
    "*.partial",
    "*.filepart",
    "*.crdownload",
    "~*",
    "*~",
    "Thumbs.db",
    "*.ini",
)

MIB = 1024 * 1024


class FolderSettings(Settings):
    """The `[settings]` of a `folder` device."""

    path: Path = Field(description="the export folder")
    settle_ms: int = Field(
        500, ge=50, le=60_000, description="a file counts once its size and time have not changed for so long"
    )
    poll_s: float = Field(
        0,
        ge=0,
        le=3600,
        description="look for files this often; 0: file events, and every second by itself where a share gives none",
    )
    max_file_bytes: int = Field(
        128 * MIB, ge=1024, le=256 * MIB, description="a larger file is rejected without being read"
    )
    ignore: tuple[Annotated[str, Field(min_length=1, max_length=100)], ...] = Field(
        IGNORED,
        max_length=100,
        description="names to leave alone, as shell patterns (replaces the default); hidden files always are",
    )
    recursive: bool = Field(True, description="look into folders in the folder too; hidden ones are left alone")
    mounted: bool = Field(
        False,
        description="the folder is the mount point of a network share: down while nothing is mounted there",
    )
