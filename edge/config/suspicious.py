"""What a configuration may say and rarely means: a table of small functions, each for one suspicion.

They look further than `examine`: at the disk, at certificates, at what the ledger holds, at the calibration. None of
them keeps the appliance from starting, and none touches hardware.
"""

from __future__ import annotations

import dataclasses
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509

from drivers import profiles, registry
from drivers.errors import ModelError, StoreError
from drivers.links.address import SerialAddress, address
from edge.calibration import Calibrations
from edge.config.load import Examination, examine
from edge.config.model import Config
from edge.config.problems import Level, Problem, TomlFile
from edge.config.rules import Draft, resolved
from edge.courier.identity import EXPIRES_SOON_DAYS

USUAL_BAUDS = (300, 600, 1200, 2400, 4800, 9600, 14_400, 19_200, 38_400, 57_600, 115_200, 230_400, 460_800, 921_600)
_WEEK_S = 7 * 86_400
_DAY_S = 86_400
#: What a device's pictures need a day for ten hits at least: one view of a baggage scanner has 1 to 2 MB.
_LEAST_A_DAY_BYTES = 20_000_000
_MB = 1_000_000
_GB = 1_000_000_000

Suspicion = Callable[[Config, Draft], Iterator[Problem]]


def examine_closely(folder: Path) -> Examination:
    """Return what `examine` does, with what is suspicious in a configuration that has no errors."""
    found = examine(folder)
    if found.config is None:
        return found
    more = [problem for look in SUSPICIONS for problem in look(found.config, found.draft)]
    return dataclasses.replace(found, problems=tuple(sorted((*found.problems, *more), key=_place)))


def _place(problem: Problem) -> tuple[bool, str, int]:
    return (problem.file.name != "edge.toml", str(problem.file), problem.line)


def drivers_doubts(config: Config, draft: Draft) -> Iterator[Problem]:
    """Say what each driver finds odd in its settings, such as a poll faster than the line can carry."""
    for device in config.devices:
        for doubt in device.settings.doubts() if device.enabled else ():
            yield draft.devices[device.name].warning(("settings", *doubt.key), doubt.said)


def unusual_bauds(config: Config, draft: Draft) -> Iterator[Problem]:
    """Warn of a baud rate that hardly any device has."""
    for file in draft.running().values():
        url = file.value("settings", "url")
        if not isinstance(url, str) or not url.startswith("serial://"):
            continue
        try:
            where = address(url)
        except ValueError:
            continue  # a URL of the driver's own kind
        if isinstance(where, SerialAddress) and where.line.baud not in USUAL_BAUDS:
            near = min(USUAL_BAUDS, key=lambda usual: abs(usual - where.line.baud))
            yield file.warning(("settings", "url"), f"{where.line.baud} is no usual baud rate; {near} is")


def certificates(config: Config, draft: Draft) -> Iterator[Problem]:
    """Warn of certificates that end soon, or have ended; of a key in a certificate's place, one that all can read."""
    now = datetime.now(UTC)
    for file in draft.files():
        for at in _keys(file.data, ("key_file",)):
            path = resolved(draft.folder, str(file.value(*at)))
            if path.is_file() and path.stat().st_mode & 0o007:
                yield file.warning(at, f"every user of this machine gets at this key: chmod o-rwx {path}")
        for at in _keys(file.data, ("cert_file", "ca_file")):
            path = resolved(draft.folder, str(file.value(*at)))
            try:
                ends = [each.not_valid_after_utc for each in x509.load_pem_x509_certificates(path.read_bytes())]
            except OSError:
                continue  # a credential that is there only for the service
            except ValueError:
                yield file.warning(at, f"{path.name}: {holds(path)}")
                continue
            if (end := min(ends)) < now + timedelta(days=EXPIRES_SOON_DAYS):
                said = "ended" if end < now else "ends"
                yield file.warning(at, f"{path.name} {said} on {end:%Y-%m-%d}: renew it")


def holds(path: Path) -> str:
    """Return what a file holds in place of what was looked for in it, as far as its PEM headings say."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        return str(error.strerror)
    if b"ENCRYPTED" in raw:
        return "it holds a key under a passphrase"
    if b"PRIVATE KEY-----" in raw:
        return "it holds a key, and no certificate: were certificate and key mixed up?"
    if b"BEGIN CERTIFICATE-----" in raw:
        return "it holds a certificate; if a key was wanted, were the two mixed up?"
    return "it is no PEM: nothing in it begins with -----BEGIN"


def _keys(value: Any, names: tuple[str, ...], at: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        if key in names and isinstance(child, str):
            yield (*at, key)
        yield from _keys(child, names, (*at, key))


def thresholds(config: Config, draft: Draft) -> Iterator[Problem]:
    """Warn of a threshold that somebody set above the one that was measured here, or the package's own."""
    calibrations = Calibrations(config.appliance.data_dir)
    calibrations.refresh()
    for device in config.devices:
        if device.model is None or (manifest := _manifest(device.model)) is None:
            continue
        sha256, own = manifest.files["model.onnx"], manifest.operating_points.normal
        line = calibrations.in_force(sha256, device.name)
        if line is None or line.normal is None or line.measured is not None:
            continue
        measured = [
            each.normal
            for each in calibrations.history
            if each.sha256 == sha256 and each.device in (None, device.name) and each.measured and each.normal
        ]
        bar, whose = (measured[-1], "that was calibrated here") if measured else (own, "of the package")
        if line.normal > bar:
            said = f"{line.by} set its threshold to {line.normal:g}, above the {bar:g} {whose}"
            yield draft.devices[device.name].warning(("model",), f"{said}: what scores between them is missed")


def _manifest(model: str) -> Any:
    from inference import manifest, package

    try:
        path = package.find(model)
        return manifest.parse((path / package.MANIFEST).read_bytes()) if path.is_dir() else package.read(path).manifest
    except (ModelError, OSError):
        return None  # `doctor` says so


def quota_and_disk(config: Config, draft: Draft) -> Iterator[Problem]:
    """Warn of a quota that the disk cannot hold."""
    place = next(each for each in (config.appliance.data_dir, *config.appliance.data_dir.parents) if each.exists())
    total = shutil.disk_usage(place).total
    if config.storage.quota_bytes > total:
        said = f"{config.storage.quota_bytes / _GB:.1f} GB is more than the disk of {place} has, {total / _GB:.1f} GB"
        yield _edge(draft).warning(("storage", "quota_bytes"), f"{said}: it will be full before the quota is")


def keep_and_quota(config: Config, draft: Draft) -> Iterator[Problem]:
    """Warn where what comes in a day, or what must be expected, does not fit into the quota for as long as it says."""
    keep_days, quota = config.storage.keep_days, config.storage.quota_bytes
    a_day = _evidence_a_day(config.appliance.data_dir)
    if a_day is not None:
        if a_day * keep_days > quota:
            said = f"{a_day / _MB:.0f} MB of evidence come a day: the quota is full after {quota / a_day:.0f} days"
            yield _edge(draft).warning(("storage", "keep_days"), said)
        return
    pictured = [each for each in config.devices if each.enabled and registry.available()[each.driver].pictures]
    share = quota / keep_days / max(len(pictured), 1)
    if pictured and share < _LEAST_A_DAY_BYTES:
        said = f"the quota leaves {share / _MB:.1f} MB a day for the pictures of each device"
        yield _edge(draft).warning(("storage", "keep_days"), f"{said}: too little for ten hits")


def _evidence_a_day(data_dir: Path) -> float | None:
    """Return how many bytes of evidence came a day in the last week; None where there is no day of it yet."""
    from edge.ledger.store import FILE, connect_read_only

    if not (data_dir / FILE).exists():
        return None
    since = time.time_ns() - _WEEK_S * 1_000_000_000
    sql = "SELECT min(created_ns), sum(bytes) FROM evidence WHERE created_ns > ?"
    try:
        db = connect_read_only(data_dir / FILE)
        try:
            first, size = db.execute(sql, (since,)).fetchone()
        finally:
            db.close()
    except (sqlite3.Error, StoreError):
        return None  # `doctor` says what is wrong with it
    days = (time.time_ns() - first) / 1e9 / _DAY_S if first else 0.0
    return size / days if days >= 1 else None


def unused_profiles(config: Config, draft: Draft) -> Iterator[Problem]:
    """Warn of a profile in the configuration's folder that no device names."""
    named = {
        file.value(*at)
        for file in draft.devices.values()
        for at in _keys(file.value("settings"), ("profile",), ("settings",))
    }
    for path in sorted((draft.folder / profiles.FOLDER).glob("*.toml")):
        if path.stem not in named:
            yield Problem(path, 1, "-", "no device names this profile", level=Level.WARNING)


def _edge(draft: Draft) -> TomlFile:
    assert draft.edge is not None, "a configuration without errors has its edge.toml"
    return draft.edge


SUSPICIONS: tuple[Suspicion, ...] = (
    drivers_doubts,
    unusual_bauds,
    certificates,
    thresholds,
    quota_and_disk,
    keep_and_quota,
    unused_profiles,
)
