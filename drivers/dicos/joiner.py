"""Joins the objects of one scan: its views, and the low and the high energy of each.

An object that waits for its companions is on the disk, in the device's own folder, before the scanner is answered: it
survives a power cut, and is joined from there. It leaves the disk once the core has committed the scan.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import shutil
import threading
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from pathlib import Path

from drivers.clock import Clock, Stamp
from drivers.contract import Energy, Picture, Scan
from drivers.dicos import codec, joined
from drivers.errors import ProtocolError, StoreFull
from drivers.fsync import sync_folder, write_whole

log = logging.getLogger("jaitf.dicos")

#: What one scan may have, and what may wait in all: beyond it a scanner is told to send again later.
MAX_PARTS = 16
MAX_WAITING_BYTES = 512 * 1024 * 1024
RETRY_S = 5.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What a scan is made of, and how long its first object waits for the others."""

    views: int
    dual_energy: bool
    join_s: float

    @property
    def joins(self) -> bool:
        """Whether anything has to wait."""
        return self.expected > 1

    @property
    def expected(self) -> int:
        """How many objects a scan has."""
        return self.views * (2 if self.dual_energy else 1)

    def is_whole(self, energies: list[Energy]) -> bool:
        """Return whether objects of these energies are all; one that is of no pair counts as a view."""
        if not self.dual_energy:
            return len(energies) >= self.views
        low, high = energies.count(Energy.LOW), energies.count(Energy.HIGH)
        return min(low, high) + len(energies) - low - high >= self.views


@dataclass(frozen=True, slots=True)
class Part:
    """One object that waits."""

    key: str
    energy: Energy
    number: int
    path: Path
    size: int


@dataclass(slots=True)
class Group:
    """The objects of one scan that have come."""

    folder: Path
    at: Stamp
    due_ns: int
    parts: list[Part] = field(default_factory=list)
    busy: bool = False

    @property
    def energies(self) -> list[Energy]:
        """The energies of its objects."""
        return [part.energy for part in self.parts]


class Joiner:
    """Keeps what waits. For any thread."""

    def __init__(self, folder: Path, plan: Plan, clock: Clock) -> None:
        self._folder = folder
        self._plan = plan
        self._clock = clock
        self._groups: dict[Path, Group] = {}
        self._lock = threading.Lock()

    def load(self) -> None:
        """Take up what waited when the process ended; its time begins again. Raises OSError."""
        if not self._folder.exists():
            return
        for folder in sorted(path for path in self._folder.iterdir() if path.is_dir()):
            group = self._group(folder)
            for path in sorted(folder.iterdir()):
                if path.suffix != ".dcs":
                    path.unlink()  # half a file: its scanner was not answered
                    continue
                with contextlib.suppress(ProtocolError):
                    scan, number = codec.read_kept(path.read_bytes(), group.at)
                    group.parts.append(_part(scan, number, path))
            if not group.parts:
                self.done(group)

    def put(self, scan: Scan) -> Group | None:
        """Keep an object on the disk, and return its group where that is whole now, to be emitted.

        One that waits already is kept once. Raises StoreFull where too much waits, or the rest of the scan is with the
        core just now; OSError.
        """
        assert scan.scan_id is not None
        folder = self._folder / hashlib.sha256(scan.scan_id.encode()).hexdigest()[:32]
        original = bytes(scan.original)
        with self._lock:
            if sum(part.size for group in self._groups.values() for part in group.parts) > MAX_WAITING_BYTES:
                raise StoreFull("too many objects wait for the rest of their scans")
            group = self._groups.get(folder) or self._group(folder)
            if all(part.key != scan.key for part in group.parts):
                if group.busy:
                    raise StoreFull("the rest of its scan is being judged")
                self._keep(group, original)
            whole = self._plan.is_whole(group.energies) or len(group.parts) >= MAX_PARTS
            if not whole or group.busy:
                return None
            group.busy = True
            return group

    def due(self) -> list[Group]:
        """Return the groups whose time is over, to be emitted as they are."""
        now_ns = self._clock.now().monotonic_ns
        with self._lock:
            late = [group for group in self._groups.values() if group.due_ns <= now_ns and not group.busy]
            for group in late:
                group.busy = True
        return late

    def scan(self, group: Group) -> Scan:
        """Return the one scan that a group's objects make. Raises OSError."""
        with self._lock:
            parts = list(group.parts)
        found = {part.key: codec.read_kept(part.path.read_bytes(), group.at)[0] for part in parts}
        views = arranged(parts, self._plan.dual_energy)
        missing = None
        if not self._plan.is_whole([part.energy for part in parts]):
            missing = f"{len(parts)} of {self._plan.expected} pictures came within {self._plan.join_s:g} s"
        if len(parts) == 1:
            return replace(found[parts[0].key], incomplete=missing)
        named = [
            (f"{view:02d}-{part.energy.value}.dcs", view, found[part.key])
            for view, of_view in enumerate(views)
            for part in of_view
        ]
        return _joined(named, group.at, missing)

    def done(self, group: Group) -> list[str]:
        """Forget a group that is committed, and return the keys of its objects."""
        with self._lock:
            self._groups.pop(group.folder, None)
            shutil.rmtree(group.folder, ignore_errors=True)
            return [part.key for part in group.parts]

    def again(self, group: Group) -> None:
        """Keep a group that the core did not take, to be emitted later."""
        with self._lock:
            group.due_ns = self._clock.now().monotonic_ns + int(RETRY_S * 1e9)
            group.busy = False

    def _group(self, folder: Path) -> Group:
        at = self._clock.now()
        group = self._groups[folder] = Group(folder, at, at.monotonic_ns + int(self._plan.join_s * 1e9))
        return group

    def _keep(self, group: Group, original: bytes) -> None:
        scan, number = codec.read_kept(original, group.at)
        path = group.folder / f"{len(group.parts):02d}-{hashlib.sha256(scan.key.encode()).hexdigest()[:16]}.dcs"
        try:
            fresh = not group.folder.exists()
            group.folder.mkdir(mode=0o750, parents=True, exist_ok=True)
            write_whole(path, original)
            sync_folder(group.folder)
            if fresh:
                sync_folder(self._folder)
                sync_folder(self._folder.parent)
        except OSError:
            if not group.parts:
                self._groups.pop(group.folder, None)
            raise
        group.parts.append(_part(scan, number, path))


def arranged(parts: list[Part], dual_energy: bool) -> list[list[Part]]:
    """Return the objects by view, in order of Instance Number, then of arrival.

    With `dual_energy` the n-th low and the n-th high image are view n, and what is of no pair comes behind them.
    """
    ordered = sorted(parts, key=lambda part: part.number)
    if not dual_energy:
        return [[part] for part in ordered]
    low, high = ([part for part in ordered if part.energy is energy] for energy in (Energy.LOW, Energy.HIGH))
    pairs = [[part for part in pair if part] for pair in zip_longest(low, high)]
    return pairs + [[part] for part in ordered if part.energy not in (Energy.LOW, Energy.HIGH)]


def _part(scan: Scan, number: int, path: Path) -> Part:
    energy = scan.pictures[0].energy if scan.pictures else Energy.SINGLE
    return Part(scan.key, energy, number, path, len(scan.original))


def _joined(named: list[tuple[str, int, Scan]], at: Stamp, missing: str | None) -> Scan:
    scans = [scan for _, _, scan in named]
    keys = "\n".join(sorted(scan.key for scan in scans))
    pictures: tuple[Picture, ...] = tuple(
        replace(picture, view=view) for _, view, scan in named for picture in scan.pictures
    )
    first = scans[0]
    return Scan(
        at=at,
        key=f"{first.scan_id}:{hashlib.sha256(keys.encode()).hexdigest()}",
        original=joined.join([(name, bytes(scan.original)) for name, _, scan in named]),
        media_type=joined.MEDIA_TYPE,
        name=first.scan_id or first.name,
        pictures=pictures,
        scan_id=first.scan_id,
        item=next((scan.item for scan in scans if scan.item.id), first.item),
        problem=None if pictures else next((scan.problem for scan in scans if scan.problem), "it has no picture"),
        scan_type=next((scan.scan_type for scan in scans if scan.scan_type != "OPERATIONAL"), "OPERATIONAL"),
        tip_type=next((scan.tip_type for scan in scans if scan.tip_type), None),
        answer_repeats=True,
        incomplete=missing,
    )
