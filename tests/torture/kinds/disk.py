"""Disks that are full, that fail, that lose what was not synced, and ledgers that are damaged."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import sqlite3
import struct
import subprocess
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.torture import oracle
from tests.torture.box import wait_for
from tests.torture.rig import Rig
from tests.torture.scans import Scanner
from tests.torture.trial import Bench, Broken, Kind

TMPFS_MIB = 128
IMAGE_MIB = 192
MIB = 2**20
STATE_DEADLINE_S = 60.0
COPIES = 50
EXT4_IOC_SHUTDOWN = 0x8004587D  # linux/fs/ext4/ext4.h; with NOLOGFLUSH nothing more reaches the disk
EXT4_NO_LOG_FLUSH = 2


def _run(*words: str | Path) -> str:
    return subprocess.run([str(w) for w in words], check=True, capture_output=True, text=True, timeout=60).stdout


@contextlib.contextmanager
def _mounted(folder: Path, *how: str | Path) -> Iterator[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    _run("mount", *how, folder)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False, capture_output=True, timeout=60)


@cache
def _no_tmpfs() -> str | None:
    if os.geteuid() != 0:
        return "mounting a small tmpfs needs root"
    probe = Path(f"/tmp/torture-probe-{os.getpid()}")
    try:
        with _mounted(probe, "-t", "tmpfs", "-o", "size=1m", "tmpfs"):
            return None
    except subprocess.CalledProcessError as error:
        return f"no tmpfs can be mounted: {error.stderr.strip()}"
    finally:
        probe.rmdir()


@cache
def _no_loop() -> str | None:
    if os.geteuid() != 0:
        return "loop devices need root"
    missing = [name for name in ("losetup", "mkfs.ext4") if not shutil.which(name)]
    if missing:
        return f"not installed: {', '.join(missing)} (apt-get install mount e2fsprogs)"
    found = subprocess.run(["losetup", "-f"], check=False, capture_output=True, text=True, timeout=10)
    return None if found.returncode == 0 else f"no loop device: {found.stderr.strip()}"


def _fill(folder: Path, leave_bytes: int) -> Path:
    """Fill a small file system but for `leave_bytes`."""
    filler = folder / "filler"
    with filler.open("ab") as out:
        while (free := os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize) > leave_bytes:
            try:
                os.posix_fallocate(out.fileno(), out.tell(), min(free - leave_bytes, MIB))
            except OSError:
                break
            out.seek(0, os.SEEK_END)
    return filler


def _storage(rig: Rig) -> str:
    return str(rig.console.healths[-1]["storage"]) if rig.console.healths else ""


def full_disk(bench: Bench) -> None:
    """A small disk filled by something else, to the last byte, and emptied: entered, told, left, without a restart."""
    mount = bench.part("disk") / "mnt"
    with (
        _mounted(mount, "-t", "tmpfs", "-o", f"size={TMPFS_MIB}m", "tmpfs") as disk,
        Rig(bench, {"counter-1": {"hz": 50}}, data_dir=disk / "data") as rig,
    ):
        rig.box.start()
        rig.flowing()
        pid = rig.box.pid
        for _ in range(bench.trials):
            told = len(rig.console.audits)
            filler = _fill(disk, 0)
            rig.console.wait(
                "the disk is nearly full, and said to be", lambda: _storage(rig) == "reserve", STATE_DEADLINE_S
            )
            _fill(disk, 0)
            rig.console.wait("the disk is full, and said to be", lambda: _storage(rig) in ("full", "failing"), 90.0)
            rig.console.wait(
                "the device is degraded for it",
                lambda: _device(rig) == "degraded",
                STATE_DEADLINE_S,
            )
            rig.pause(0.5, 3.0)
            filler.unlink()
            begun = time.monotonic()
            rig.console.wait("there is room again", lambda: _storage(rig) == "ok", STATE_DEADLINE_S)
            rig.console.wait("the device is up again", lambda: _device(rig) == "up", STATE_DEADLINE_S)
            rig.console.next_hit_s(STATE_DEADLINE_S)
            bench.figures.recoveries_s.append(time.monotonic() - begun)
            rig.console.wait(
                "the audit has the full disk",
                lambda told=told: (
                    {"full", "ok"} <= {a["outcome"] for a in rig.console.audits[told:] if a["what"] == "storage"}
                ),
                STATE_DEADLINE_S,
            )
            bench.tried("disk full")
        if rig.box.pid != pid or not rig.box.alive():
            raise Broken("the appliance was restarted")
        rig.judge()


@contextlib.contextmanager
def _image(folder: Path, mib: int = IMAGE_MIB) -> Iterator[tuple[Path, Path]]:
    """Make an ext4 file system in a file and mount it; yields (file, mount point). It may be mounted anew meanwhile."""
    image, disk = folder / "disk.img", folder / "mnt"
    with image.open("wb") as out:
        out.truncate(mib * MIB)
    _run("mkfs.ext4", "-q", "-F", image)
    with _mounted(disk, "-o", "loop", image):
        yield image, disk


def failing_disk(bench: Bench) -> None:
    """A disk that dies under a running appliance (every read and write fails): a state that is told, not an end."""
    for _ in range(bench.trials):
        with (
            _image(bench.part("disk")) as (image, disk),
            Rig(bench, {"counter-1": {"hz": 50}}, data_dir=disk / "data") as rig,
        ):
            rig.box.start()
            rig.flowing()
            pid = rig.box.pid
            rig.pause(0.2, 2.0)
            with _folder(disk) as descriptor:
                fcntl.ioctl(descriptor, EXT4_IOC_SHUTDOWN, struct.pack("I", EXT4_NO_LOG_FLUSH))
            rig.console.wait("the disk fails, and is said to", lambda rig=rig: _storage(rig) == "failing", 60.0)
            rig.console.wait("the device is degraded", lambda rig=rig: _device(rig) == "degraded", 10.0)
            rig.pause(1.0, 4.0)
            if not rig.box.alive() or rig.box.pid != pid:
                raise Broken(f"the appliance did not outlive its disk:\n{rig.box.log_since()[-2000:]}")
            rig.box.kill()
            _unmount(disk)
            _run("mount", "-o", "loop", image, disk)
            rig.box.start()
            rig.flowing()
            bench.tried("disk dead")
            rig.judge()


def bad_start(bench: Bench) -> None:
    """A start on a disk that is full already: it runs; on one that is read-only: it says so, in one line, and ends."""
    for number in range(bench.trials):
        with (
            _mounted(bench.part("disk") / "mnt", "-t", "tmpfs", "-o", f"size={TMPFS_MIB}m", "tmpfs") as disk,
            Rig(bench, {"counter-1": {"hz": 50}}, data_dir=disk / "data") as rig,
        ):
            rig.box.start()
            rig.flowing()
            rig.console.silent = True
            rig.pause(0.2, 1.0)
            rig.box.kill()
            rig.console.silent = False
            old = f"received_ns IS NULL AND seq <= {rig.box.count()}"
            if number % 2:
                _run("mount", "-o", "remount,ro", disk)
                rig.box.start(ready=False)
                assert rig.box.process is not None
                status, said = rig.box.process.wait(30), rig.box.log_since()
                if status != 1 or "read-only" not in said.lower() or "Traceback" in said:
                    raise Broken(f"a start on a read-only disk ends with {status}:\n{said[-2000:]}")
                _run("mount", "-o", "remount,rw", disk)
                rig.box.start()
                bench.tried("start on a read-only disk")
            else:
                filler = _fill(disk, 0)
                rig.box.start()
                wait_for("what was there is delivered", lambda rig=rig, old=old: not rig.box.count(old), 30.0, 0.1)
                filler.unlink()
                bench.tried("start on a full disk")
            rig.recovered()
            rig.judge()


@contextlib.contextmanager
def _folder(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _device(rig: Rig) -> str:
    return str(rig.console.devices["counter-1"][-1][1]["state"])


def _copy_whole(image: Path, to: Path) -> None:
    """Copy a disk's image at one moment: it counts once two copies in a row are the same."""
    for _ in range(COPIES):
        for target in (to, to.with_suffix(".again")):
            _run("cp", "--sparse=always", image, target)
        same = subprocess.run(["cmp", "-s", to, to.with_suffix(".again")], check=False, timeout=60).returncode == 0
        to.with_suffix(".again").unlink()
        if same:
            return
    raise RuntimeError("the image never held still")


def power_cut(bench: Bench) -> None:
    """The disk as it is at a random moment, without what no one synced: the appliance starts on a copy of it."""
    scanner = Scanner(bench.folder / "export", every_s=0.3)
    devices = {"counter-1": {"hz": 50}, "export-1": scanner.device}
    with _image(bench.part("disk")) as (image, disk), Rig(bench, devices, data_dir=disk / "data") as rig:
        scanner.start()
        for _ in range(bench.trials):
            rig.box.start()
            rig.recovered()
            rig.pause(0.1, 4.0)
            _cut(rig, image, disk)
            bench.tried("power cut")
        scanner.stop()
        rig.box.start()
        written = len(scanner.digests)
        wait_for("all scans have hits", lambda: rig.box.count("evidence IS NOT NULL") >= written, 60.0 + written, 0.2)
        rig.judge()
        scanner.judge(rig.console)


def _cut(rig: Rig, image: Path, disk: Path) -> None:
    """Stop everything that writes, take the disk as it is below its file system's cache, and put it in its place."""
    rig.box.suspend()
    taken = image.with_name("taken.img")
    _copy_whole(image, taken)
    rig.box.end()
    _unmount(disk)
    taken.replace(image)
    _run("mount", "-o", "loop", image, disk)


def _unmount(disk: Path) -> None:
    """Take a disk out. What was killed is gone a moment later, and lets go of the disk then."""
    words = ["umount", str(disk)]
    wait_for(
        "nothing holds the disk",
        lambda: subprocess.run(words, check=False, capture_output=True, timeout=60).returncode == 0,
        STATE_DEADLINE_S,
        0.1,
    )


def _damage(bench: Bench, data_dir: Path) -> str:
    """Damage a ledger that no one has open; return how."""
    chance = bench.chance
    path = data_dir / "ledger.db"
    size = path.stat().st_size
    how = chance.choice(("header", "random bytes", "random bytes", "a page of zeros", "truncated", "the log"))
    with path.open("r+b") as file:
        match how:
            case "header":
                file.write(chance.randbytes(chance.randrange(16, 100)))
            case "random bytes":
                for _ in range(chance.randrange(1, 20)):
                    file.seek(chance.randrange(100, size))
                    file.write(chance.randbytes(chance.randrange(1, 200)))
            case "a page of zeros":
                file.seek(4096 * chance.randrange(1, max(2, size // 4096)))
                file.write(bytes(4096))
            case "truncated":
                file.truncate(chance.randrange(1, size))
    wal = path.with_name("ledger.db-wal")
    if how == "the log":
        if not wal.exists() or wal.stat().st_size < 8192:
            return "nothing"
        with wal.open("r+b") as file:
            for _ in range(chance.randrange(1, 5)):
                file.seek(chance.randrange(32, wal.stat().st_size))
                file.write(chance.randbytes(100))
    return how


def corrupt(bench: Bench) -> None:
    """Bytes of the ledger overwritten between two starts: set aside, the rest saved, a new one begun and told."""
    for _ in range(bench.trials):
        with Rig(bench, {"counter-1": {"hz": 60}}) as rig:
            rig.box.start()
            rig.flowing()
            rig.pause(0.5, 2.0)
            rig.console.silent = bench.chance.random() < 0.5
            rig.pause(0.2, 1.5)
            rig.box.kill() if bench.chance.random() < 0.4 else rig.box.stop()
            rig.console.silent = False
            before = list(oracle.ledgers(rig.console))
            how = _damage(bench, rig.box.data_dir)
            rig.box.start()
            rig.recovered()
            rig.pause(0.2, 1.0)
            _judge_damaged(rig, before, how)
            bench.tried(f"ledger damaged: {how}")


def _judge_damaged(rig: Rig, before: list[tuple[str, int]], how: str) -> None:
    aside = list(rig.box.data_dir.glob("ledger.db.damaged-?"))
    if not aside:  # what was overwritten held nothing, or hits that the console has
        rig.drain()
        history = rig.box.broken_links()
        rig.bench.figures.faults["(of these, damage to nothing, or to rows long received)"] += 1
        acked = oracle.acknowledged(*rig.acks)
        found = oracle.judge(rig.console, rig.box.hits(), history, acked, forgiven=history)
        rig.bench.figures.add(found)
        return
    now = oracle.ledgers(rig.console)
    if len(now) != len(before) + 1 or now[-1][1] <= before[-1][1]:
        raise Broken(f"{how}: no new ledger was told: {now}")
    if not rig.console.births[-1].get("notices"):
        raise Broken(f"{how}: the birth does not say what happened")
    rig.console.wait("the audit says it", lambda: any(a["what"] == "ledger replaced" for a in rig.console.audits), 60.0)
    with contextlib.closing(sqlite3.connect(f"file:{rig.box.data_dir / 'ledger.db'}?mode=ro", uri=True)) as db:
        (saved,) = db.execute("SELECT count(*) FROM hit WHERE seq < ?", (now[-1][1],)).fetchone()
    rig.drain()
    lost = oracle.acknowledged(*rig.acks) - {str(hit.value) for hit in rig.console.arrivals()}
    rig.bench.figures.add(oracle.judge(rig.console, rig.box.hits(), rig.box.broken_links(), set(), damaged=True))
    notes = rig.bench.figures.notes
    notes["hits saved of damaged ledgers"] = int(notes.get("hits saved of damaged ledgers", 0)) + saved
    notes["hits in what could not be read"] = int(notes.get("hits in what could not be read", 0)) + len(lost)


KINDS = (
    Kind(
        "full-disk", "a small disk full to the last byte, and emptied", full_disk, weight=50, short=1, unable=_no_tmpfs
    ),
    Kind("failing-disk", "a disk that takes no more writes", failing_disk, weight=50, short=0, unable=_no_loop),
    Kind(
        "bad-start", "a start on a full disk, and on a read-only one", bad_start, weight=30, short=2, unable=_no_tmpfs
    ),
    Kind("power-cut", "a disk that loses what was not synced", power_cut, weight=5, short=2, unable=_no_loop),
    Kind("corrupt", "a damaged ledger at the start", corrupt, weight=8, short=2),
)
