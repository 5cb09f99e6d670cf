"""A site's ordinary bags: which files there are, and who of them fits, chooses and judges."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from drivers.contract import Scan
from drivers.errors import EdgeError, ModelError
from inference.insertion import Shot, shot_of
from inference.look import views

Reader = Callable[[Path], Scan]

LEAST = 80
_JUDGE, _CHOOSE = 0.25, 0.15


@dataclass(frozen=True, slots=True)
class Bag:
    """A file of an ordinary bag, by its content and the day it was written."""

    path: Path
    sha256: str
    day: date


@dataclass(frozen=True, slots=True)
class Split:
    """Bags that fit the head, that choose between fits, and that judge the outcome; none is in two of them."""

    fit: tuple[Bag, ...]
    choose: tuple[Bag, ...]
    judge: tuple[Bag, ...]

    @property
    def all(self) -> tuple[Bag, ...]:
        """Every bag."""
        return self.fit + self.choose + self.judge


def collect(files: Sequence[Path], read: Reader, tell: Callable[[], None]) -> tuple[list[Bag], list[str]]:
    """Return the bags among files, each content once, and one line for each file that holds none."""
    bags: dict[str, Bag] = {}
    problems = []
    for path in files:
        try:
            scan = read(path)
            shots(scan)
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            day = datetime.fromtimestamp(path.stat().st_mtime, UTC).date()
            bags.setdefault(digest, Bag(path, digest, day))
        except OSError as error:
            problems.append(f"{path}: {error.strerror or error}")
        except EdgeError as error:
            problems.append(f"{path}: {error}")
        tell()
    return list(bags.values()), problems


def shots(scan: Scan) -> list[Shot]:
    """Return the views of a scan. Raises ModelError where there is none, or one that cannot be judged."""
    if not scan.pictures:
        raise ModelError(scan.problem or "there is no picture in the file")
    return [shot_of(group) for group in views(scan.pictures)]


def split(bags: Sequence[Bag], seed: int) -> Split:
    """Return the bags dealt out, the same for the same bags and seed. Raises ModelError for fewer than LEAST."""
    if len(bags) < LEAST:
        raise ModelError(f"{len(bags)} bags that can be judged: at least {LEAST} are needed, 300 do well")
    ordered = sorted(bags, key=lambda bag: hashlib.sha256(f"{seed} {bag.sha256}".encode()).digest())
    judge, choose = round(_JUDGE * len(bags)), round(_CHOOSE * len(bags))
    return Split(tuple(ordered[judge + choose :]), tuple(ordered[judge : judge + choose]), tuple(ordered[:judge]))


def list_digest(bags: Sequence[Bag]) -> str:
    """Return the SHA-256 of the sorted list of the bags' own: it names the set and shows nothing of it."""
    return hashlib.sha256("\n".join(sorted(bag.sha256 for bag in bags)).encode()).hexdigest()
