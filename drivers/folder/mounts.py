"""What lies under a path: which file system, mounted where, and whether it tells of changes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

#: File systems on which another machine (or the host of a virtual one) writes without this kernel hearing of it.
_SILENT = frozenset((
    "nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "afs", "coda", "ceph", "glusterfs", "lustre", "beegfs",
    "9p", "virtiofs", "vboxsf", "vmhgfs", "prl_fs", "autofs",
))  # fmt: skip
_OCTAL = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Mount:
    """A mounted file system: where, and of which type."""

    point: str
    type: str

    @property
    def gives_events(self) -> bool:
        """False where files may change without an event: network file systems, and those of other processes (FUSE)."""
        return self.type not in _SILENT and self.type != "fuse" and not self.type.startswith("fuse.")


def mount_of(path: Path, mountinfo: str | None = None) -> Mount:
    """Return the file system that a path without symbolic links lies on; `mountinfo` as in proc(5), else our own.

    Where the kernel says nothing, an unknown file system at "/".
    """
    if mountinfo is None:
        mountinfo = Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape")
    best = Mount("/", "unknown")
    for line in mountinfo.splitlines():
        fields, _, rest = line.partition(" - ")
        words = fields.split(" ")
        if len(words) < 5 or not rest:
            continue
        point = _OCTAL.sub(lambda match: chr(int(match[1], 8)), words[4])
        # Later lines lie over earlier ones, so that equal length means: take this one.
        if len(point) >= len(best.point) and PurePosixPath(path).is_relative_to(point):
            best = Mount(point, rest.split(" ")[0])
    return best
