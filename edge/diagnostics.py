"""What support needs of an appliance in one archive, and nothing that it must not have.

Works with a configuration that is broken, and with no appliance: what cannot be had is said in its place. Left out are
secrets, keys, pictures, hits, who may sign in, and what may be the number of a bag, a tag, a parcel or a document.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import tomllib
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from drivers.clock import SystemClock
from drivers.errors import ConfigError, EdgeError, StoreError
from edge import __version__, support
from edge.commands.redact import MARKS, redacted, without_numbers, without_persons
from edge.config import load
from edge.config.model import Config
from edge.config.suspicious import examine_closely
from edge.discretion import Discretion
from edge.doctor import examine_box

MANIFEST = "manifest.json"
LEFT_OUT = {
    "pictures, thumbnails and evidence": "they are evidence, and may show what is somebody's",
    "hits, verdicts, readings, dispositions and acts": "they name bags, and what was found in them; counted alone",
    "files that *_file keys name": "keys, certificates and passwords",
    "users.toml": "who may sign in; counted by role alone",
    "handlers' service numbers, and the tags that dogs and handlers wear": "they are somebody's",
    "the target list": "whose bags are looked for",
    "comments in the configuration": "nobody knows what people write there",
}
"""What is never in the archive, and why."""


@dataclass(frozen=True, slots=True)
class Member:
    """One file of the archive: its name, what is in it in a few words, and its text."""

    name: str
    about: str
    text: str

    @property
    def masked(self) -> dict[str, int]:
        """How much is left out of it, by what it was; the manifest only says what the marks are."""
        if self.name == MANIFEST:
            return {}
        return {what: count for what, mark in MARKS.items() if (count := self.text.count(mark))}


@dataclass(slots=True)
class Written:
    """What came into an archive: each file as the manifest says it, and how much was masked in all."""

    files: list[dict[str, Any]] = field(default_factory=list)
    masked: Counter[str] = field(default_factory=Counter)

    def add(self, member: Member) -> None:
        """Take a file that is in."""
        data = member.text.encode()
        digest = hashlib.sha256(data).hexdigest()
        self.files.append(
            {"name": member.name, "about": member.about, "bytes": len(data), "sha256": digest, "masked": member.masked}
        )
        self.masked.update(member.masked)

    def manifest(self) -> Member:
        """Return the archive's own account of itself."""
        said = {
            "made_at": SystemClock().now().rfc3339(),
            "software": __version__,
            "files": self.files,
            "masked": dict(self.masked),
            "marks": MARKS,
            "left_out": LEFT_OUT,
        }
        return Member(MANIFEST, "what is here, and what is left out", json.dumps(said, indent=2) + "\n")


def gather(folder: Path, log: Path | None = None) -> Iterator[Member]:
    """Yield the archive's files, each as soon as it is known; `log` is a file with the appliance's log."""
    found = examine_closely(folder)
    discretion = Discretion.of(folder)

    def table(name: str, about: str, ask: Callable[[], Any]) -> Member:
        said = discretion.of_value(_asked(ask))
        return Member(name, about, json.dumps(said, indent=2, ensure_ascii=False, default=str) + "\n")

    def lines(name: str, about: str, text: str) -> Member:
        return Member(name, about, without_numbers(discretion.kept(text)))

    yield table("versions.json", "the software, its packages, Python, the system, the machine", support.versions)
    yield lines("check.txt", "what `jaitf-edge check` says", "".join(f"{each}\n" for each in found.problems))
    yield lines("doctor.txt", "what `jaitf-edge doctor` says", _doctor(folder))
    for path in _files(folder):
        name = path.relative_to(folder)
        yield table(f"configuration/{name}.json", f"{name}, masked", partial(_configuration, path))
    if found.config is not None:
        yield from _of_the_appliance(found.config, table)
    yield lines("log.txt", "the log's last lines", support.log_lines(log))


def _of_the_appliance(config: Config, table: Callable[[str, str, Callable[[], Any]], Member]) -> Iterator[Member]:
    data_dir = config.appliance.data_dir
    yield table("standing.json", "health and device states as they last were", partial(support.standing, config))
    yield table(
        "processes.json", "the appliance's processes, and how much is where", partial(support.processes, config)
    )
    yield table("ledger.json", "counts of what is in the ledger", partial(support.ledger, data_dir))
    yield table("models.json", "the manifests of the model packages", partial(support.models, config))
    yield table("users.json", "how many may sign in, by role", partial(support.users, config))


def write(members: Iterator[Member], out: Path) -> Iterator[Member]:
    """Write the archive, for its owner alone, and yield each file as it is in; `out` appears when it is whole.

    Raises ConfigError where `out` is there already, and StoreError where it cannot be written.
    """
    if out.exists():
        raise ConfigError(f"{out} is there already: name another file")
    part: Path | None = None
    written = Written()
    try:
        handle, name = tempfile.mkstemp(prefix=f".{out.name}.", dir=out.parent)  # mode 600
        part = Path(name)
        with os.fdopen(handle, "wb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for member in members:
                archive.writestr(member.name, member.text)
                written.add(member)
                yield member
            manifest = written.manifest()
            archive.writestr(manifest.name, manifest.text)
            yield manifest
        part.replace(out)
    except OSError as error:
        raise StoreError(f"{out} cannot be written: {error.strerror or error}") from error
    finally:
        if part is not None:
            part.unlink(missing_ok=True)


def _doctor(folder: Path) -> str:
    rows = (f"{finding.grade:<5} {check:<13} {finding.text} | {finding.mend}" for check, finding in examine_box(folder))
    return "".join(f"{row.removesuffix(' | ')}\n" for row in rows)


def _files(folder: Path) -> list[Path]:
    """Return the configuration's files that are there; the site's own profiles and tables among them."""
    found = [folder / "edge.toml", folder / load.TEAMS]
    for below in ("devices", "profiles"):
        found += sorted((folder / below).rglob("*.toml")) if (folder / below).is_dir() else []
    return [path for path in found if path.is_file()]


def _configuration(path: Path) -> Any:
    try:
        with path.open("rb") as file:
            text = file.read(load.MAX_FILE_BYTES).decode("utf-8-sig")
        return without_persons(redacted(tomllib.loads(text)))
    except (ValueError, RecursionError):
        return {"not TOML": "left out, for nothing in it can be told apart; check.txt says where it is wrong"}


def _asked(ask: Callable[[], Any]) -> Any:
    """Return the answer, or in its place why there is none: support has to do with boxes that are broken."""
    try:
        return ask()
    except (EdgeError, OSError, ValueError) as error:
        return {"not to be had": f"{type(error).__name__}: {error}"}
