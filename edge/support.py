"""The facts that support asks for, each by itself; none of them says what was seen, only how much of it there is."""

from __future__ import annotations

import json
import os
import platform
import shutil
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

from drivers import registry
from drivers.clock import rfc3339
from drivers.errors import ModelError, StoreError
from edge import CONTRACT_VERSION, __version__
from edge.config.model import Config
from edge.config.users import read
from edge.doctor.box import files_below, running
from edge.ledger.reader import Reader
from edge.ledger.store import FILE, connect_read_only
from edge.standing import read as read_standing

UNIT = "jaitf-edge"
LOG_LINES = 500
LOG_BYTES = 512 * 1024
_JOURNAL_S = 20.0
_COUNTS = {
    "hits": "SELECT device, count(*), min(committed_ns), max(committed_ns) FROM hit GROUP BY device",
    "evidence": "SELECT media_type, count(*), sum(bytes), sum(purged_ns IS NOT NULL) FROM evidence GROUP BY media_type",
    "acts": "SELECT kind, count(*) FROM act GROUP BY kind",
    "dispositions": "SELECT outcome, count(*) FROM disposition GROUP BY outcome",
    "commands": "SELECT name, count(*) FROM command GROUP BY name",
}


def versions() -> dict[str, Any]:
    """Return the versions of everything, and what kind of machine it is."""
    memory = psutil.virtual_memory()
    return {
        "software": __version__,
        "contract": CONTRACT_VERSION,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "distribution": platform.freedesktop_os_release().get("PRETTY_NAME"),
        "cpus": os.cpu_count(),
        "load": [round(each, 2) for each in os.getloadavg()],
        "memory_bytes": memory.total,
        "memory_free_bytes": memory.available,
        "up_s": round(time.clock_gettime(time.CLOCK_BOOTTIME)),
        "drivers": sorted(registry.available()),
        "packages": dict(sorted((each.name, each.version) for each in metadata.distributions())),
    }


def standing(config: Config) -> Any:
    """Return health and device states as the appliance last wrote them."""
    return read_standing(config.appliance.data_dir) or "none: no appliance has run on this data directory"


def processes(config: Config) -> dict[str, Any]:
    """Return the appliance's processes, and how many files and bytes are where under its data directory."""
    pid = running(config)
    return {
        "running": pid,
        "processes": [] if pid is None else list(_family(pid)),
        "data_dir": _sizes(config.appliance.data_dir),
        "disk": dict(zip(("total", "used", "free"), shutil.disk_usage(_there(config.appliance.data_dir)), strict=True)),
    }


def _family(pid: int) -> Iterator[dict[str, Any]]:
    try:
        process = psutil.Process(pid)
        for each in (process, *process.children(recursive=True)):
            times = each.cpu_times()
            yield {
                "pid": each.pid,
                "name": each.name(),
                "rss_bytes": each.memory_info().rss,
                "cpu_s": round(times.user + times.system, 1),
                "threads": each.num_threads(),
                "started": rfc3339(int(each.create_time() * 1e9)),
            }
    except psutil.Error:
        return  # it has ended meanwhile


def _sizes(folder: Path) -> dict[str, Any]:
    """Return files and bytes by the first folder below; names of files further down say what was seen when."""
    files, sizes = Counter[str](), Counter[str]()
    for path, size in files_below(folder):
        below = path.relative_to(folder).parts[0]
        files[below] += 1
        sizes[below] += size
    return {name: {"files": files[name], "bytes": sizes[name]} for name in sorted(files)}


def _there(path: Path) -> Path:
    return next(each for each in (path, *path.parents) if each.exists())


def ledger(data_dir: Path) -> dict[str, Any]:
    """Return what is in the ledger, counted. Raises StoreError where it cannot be read."""
    if not (data_dir / FILE).exists():
        return {"none": "no appliance has run on this data directory"}
    reader = Reader(data_dir)
    try:
        found: dict[str, Any] = {
            "on their way": reader.waiting(),
            "last": dict(zip(("hit", "other"), reader.last(), strict=True)),
        }
    finally:
        reader.close()
    try:
        db = connect_read_only(data_dir / FILE)
        try:
            found |= {name: [list(row) for row in db.execute(sql)] for name, sql in _COUNTS.items()}
        finally:
            db.close()
    except sqlite3.Error as error:
        raise StoreError(f"the ledger cannot be read: {error}") from error
    return found


def models(config: Config) -> dict[str, Any]:
    """Return the manifest of each package that a device names, and whether its files are as it says."""
    from inference import package

    found: dict[str, Any] = {"built in": package.built_in()}
    for name in sorted({device.model for device in config.devices if device.model}):
        try:
            read_ = package.read(package.find(name))
        except ModelError as error:
            found[name] = {"not to be had": str(error)}
        else:
            found[name] = {
                "path": str(read_.path),
                "signed": read_.signature is not None,
                "manifest": json.loads(read_.manifest.model_dump_json()),
            }
    return found


def users(config: Config) -> dict[str, int]:
    """Return how many may sign in at the page, by role. Raises ConfigError where the list cannot be read."""
    if not config.web.users_file.exists():
        return {}
    return dict(Counter(user.role.value for user in read(config.web.users_file).values()))


def log_lines(file: Path | None) -> str:
    """Return the log's last lines: of a file, else of this machine's journal; or why there are none."""
    if file is not None:
        try:
            with file.open("rb") as found:
                found.seek(max(0, found.seek(0, os.SEEK_END) - LOG_BYTES))
                text = found.read().decode("utf-8", "replace")
        except OSError as error:
            return f"not to be had: {file}: {error.strerror}\n"
        return "".join(f"{line}\n" for line in text.splitlines()[-LOG_LINES:])
    command = [
        "journalctl",
        "--unit",
        UNIT,
        "--lines",
        str(LOG_LINES),
        "--output",
        "short-iso",
        "--no-pager",
        "--quiet",
    ]
    try:
        ran = subprocess.run(command, capture_output=True, timeout=_JOURNAL_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"not to be had: {error}; --log FILE takes it from a file\n"
    return ran.stdout[-LOG_BYTES:].decode("utf-8", "replace") or f"the journal has nothing of {UNIT}; --log FILE\n"
