"""The machine itself: clock, disk, data directory, ports, and whether an appliance runs."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path

import psutil

from drivers.ports import holder
from edge.clock import ClockQuality, ClockWatch
from edge.config.listen import Address, parse
from edge.config.model import Config
from edge.doctor.finding import Finding, fail, ok, warn
from edge.running import LOCK

LEAST_FREE_BYTES = 200_000_000
LOCKS, LOOKS = Path("/proc/locks"), 8
_MB = 1_000_000
_GB = 1_000_000_000


def clock(config: Config) -> Iterator[Finding]:
    """Say whether the wall clock is disciplined: a hit's time is evidence."""
    state = ClockWatch().state()
    if state.quality is ClockQuality.SYNCED:
        yield ok(f"synced, offset {state.offset_ms} ms")
    else:
        yield warn(
            "not synced: hits say so, and their times may be wrong",
            "let systemd-timesyncd or chrony reach a time server: timedatectl set-ntp true",
        )


def data_dir(config: Config) -> Iterator[Finding]:
    """Say whether what must not be lost can be written, and who else can read it."""
    path = config.appliance.data_dir
    if not path.exists():
        parent = next(p for p in path.parents if p.exists())
        if os.access(parent, os.W_OK):
            yield ok(f"{path}: not there yet; `run` will make it")
        else:
            yield fail(
                f"{path}: not there, and cannot be made in {parent}", f"mkdir {path}, owned by the service's user"
            )
    elif not path.is_dir():
        yield fail(f"{path}: no folder", "move the file away, or set appliance.data_dir to a folder")
    elif not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        yield fail(f"{path}: not writable by user {os.geteuid()}", f"run as its owner, {_owner(path)}, or as root")
    elif path.stat().st_mode & 0o007:
        yield warn(f"{path}: every user of this machine gets at the evidence", f"chmod o-rwx {path}")
    else:
        yield ok(f"{path}: writable, private to {_owner(path)}")


def _owner(path: Path) -> str:
    """Return whose a folder is; by number where this system has no such user, as on a disk of another box."""
    try:
        return path.owner()
    except KeyError:
        return f"user {path.stat().st_uid}"


def disk(config: Config) -> Iterator[Finding]:
    """Say whether the disk has room for what the quota allows."""
    path = next(p for p in (config.appliance.data_dir, *config.appliance.data_dir.parents) if p.exists())
    free = shutil.disk_usage(path).free
    used = sum(size for _, size in files_below(config.appliance.data_dir))
    wanted = config.storage.quota_bytes - used
    said = f"{free / _GB:.1f} GB free; {used / _MB:.0f} MB used of a quota of {config.storage.quota_bytes / _GB:.1f} GB"
    if free < LEAST_FREE_BYTES:
        yield fail(said, f"make room on the disk of {path}: `du -xhd2 {_mount(path)} | sort -h` shows what takes it")
    elif wanted <= 0:
        yield fail(said, "the quota is used up: raise storage.quota_bytes, or bring the console back to take the hits")
    elif free < wanted:
        yield warn(f"{said}: the disk will be full before the quota is", "lower storage.quota_bytes, or add disk")
    else:
        yield ok(said)


def _mount(path: Path) -> Path:
    """Return where the file system begins that `path` lies on: du -x looks at no other."""
    path = path.absolute()
    return next(each for each in (path, *path.parents) if os.path.ismount(each))


def files_below(folder: Path) -> Iterator[tuple[Path, int]]:
    """Yield the files below a folder with their bytes; an appliance at work there may take any of it away meanwhile."""
    for where, _, names in os.walk(folder):
        for path in (Path(where, name) for name in names):
            with suppress(OSError):
                about = path.stat()
                if stat.S_ISREG(about.st_mode):
                    yield path, about.st_size


def appliance(config: Config) -> Iterator[Finding]:
    """Say whether an appliance runs on this configuration's data directory, and whether it runs on all of it."""
    pid = running(config)
    if pid is None:
        yield ok("not running")
        return
    yield ok(f"runs as process {pid}")
    if later := ", ".join(_changed_since(config, started_ns(config))):
        yield warn(
            f"{later}: changed after it started, and not in force",
            "start it again: `systemctl restart jaitf-edge`, or Ctrl-C where it was started by hand",
        )


def started_ns(config: Config) -> int:
    """Return when the appliance that runs took its lock, in ns since 1970: its number is written into it then."""
    return (config.appliance.data_dir / LOCK).stat().st_mtime_ns


def _changed_since(config: Config, at_ns: int) -> Iterator[str]:
    """Yield the configuration's files that are younger, but who may sign in, which is read each time."""
    files = chain.from_iterable(sorted((config.folder / below).glob("*.toml")) for below in ("", "devices", "profiles"))
    for path in files:
        if path != config.web.users_file and path.stat().st_mtime_ns > at_ns:
            yield str(path.relative_to(config.folder))


def running(config: Config) -> int | None:
    """Return the process that holds the data directory's lock, None where none does.

    Asked of the kernel's table: taking the lock to find out would refuse an appliance that starts at this moment. That
    table comes in pages, and what others lock and unlock between two pages moves the rest: a lock is held where one
    look finds it, and is not where several do not.
    """
    lock = config.appliance.data_dir / LOCK
    try:
        inode = lock.stat().st_ino
        text = lock.read_text(errors="replace").strip()
    except OSError:
        return None
    pid = int(text) if text.isascii() and text.isdecimal() else 0
    for _ in range(LOOKS):
        for row in LOCKS.read_text().splitlines():
            # 1: FLOCK  ADVISORY  WRITE 1234 08:01:5678 0 EOF   (proc(5))
            fields = row.split()
            if fields[1] == "FLOCK" and fields[5].rpartition(":")[2] == str(inode) and int(fields[4]) in (pid, 0):
                return pid
    return None


def ports(config: Config) -> Iterator[Finding]:
    """Say for each address of the configuration whether it can be listened on, or whose it is."""
    pid = running(config)
    wanted: list[tuple[str, str, Address]] = []
    if page := parse(config.web.listen):
        wanted.append(("the technician's page", "web.listen in edge.toml", page))
    for device in config.devices:
        if device.enabled and (address := parse(getattr(device.settings, "listen", None))):
            wanted.append((device.name, f"settings.listen in {device.file}", address))
    for who, key, address in wanted:
        yield _port(who, key, address, pid)


def _port(who: str, key: str, address: Address, pid: int | None) -> Finding:
    holds = holder(address.host, address.port, udp=address.udp)
    if address.port == 0:
        return ok(f"{who}: any free port")
    if holds is None:
        note = ", though the appliance runs" if pid else ""
        return ok(f"{who}: {address} is free{note}")
    if pid is not None and holds.pid in _family(pid):
        return ok(f"{who}: {address} is this appliance's")
    if pid is not None and holds.pid is None:
        # From outside of its user namespace (PrivateUsers=) not even the appliance's own user sees what it holds.
        return warn(f"{who}: {address} is held, and the appliance runs", "sudo jaitf-edge doctor says who holds it")
    return fail(f"{who}: {address} is held by {holds}", f"stop it, or change {key}")


def _family(pid: int) -> set[int]:
    try:
        return {pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))}
    except psutil.Error:
        return {pid}
