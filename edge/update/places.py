"""Where versions, the link between them, and an update's own files are."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

SERVICE = "jaitf-edge.service"
USER = "jaitf-edge"
NAME = re.compile(r"[0-9][A-Za-z0-9.+~-]{0,63}")
"""What a version may be called: a folder's name that can be nothing else."""


@dataclass(frozen=True, slots=True)
class Places:
    """The folders of one box; `user` is whom the service runs as, None for whoever runs this."""

    home: Path
    state_dir: Path
    keys: Path
    user: str | None = USER

    @classmethod
    def under(cls, root: Path, user: str | None = USER) -> Places:
        """Return the places below a root: `/` on a box, another folder for an image or a test."""
        return cls(
            root / "opt/jaitf-edge",
            root / "var/lib/jaitf-edge-update",
            root / "etc/jaitf-edge-update/keys.pem",
            user,
        )

    @property
    def versions(self) -> Path:
        """The folder of versions."""
        return self.home / "versions"

    @property
    def current(self) -> Path:
        """The link to the version in force."""
        return self.home / "current"

    @property
    def previous(self) -> Path:
        """The link to the version before, which is kept."""
        return self.home / "previous"

    @property
    def partial(self) -> Path:
        """Where a package is unpacked."""
        return self.versions / ".partial"

    @property
    def state(self) -> Path:
        """What an update under way is about to do; absent where none is."""
        return self.state_dir / "state.json"

    @property
    def package(self) -> Path:
        """The package that is to be installed, with its signature in it."""
        return self.state_dir / "incoming.deb"

    @property
    def request(self) -> Path:
        """Who asked for the update, and how."""
        return self.state_dir / "request.json"

    @property
    def last(self) -> Path:
        """What came of the last update."""
        return self.state_dir / "last.json"

    @property
    def lock(self) -> Path:
        """One update, or one recovery, at a time."""
        return self.state_dir / "lock"

    def version(self, link: Path) -> str | None:
        """Return the version that a link leads to, None where it leads to none that could run."""
        try:
            name = link.readlink().name
        except OSError:
            return None
        return name if self.whole(name) else None

    def whole(self, name: str) -> bool:
        """Return whether a version is there: a folder gets a version's name only once it is whole."""
        return bool(NAME.fullmatch(name)) and (self.versions / name / "bin" / "jaitf-edge").exists()

    def there(self) -> list[str]:
        """Return the versions there are."""
        return sorted(path.name for path in self.versions.glob("*") if self.whole(path.name))
