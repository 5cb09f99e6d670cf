"""What the appliance keeps and what it judges with: the ledger's file, and the model packages."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from itertools import chain, islice

from drivers.errors import ModelError, StoreError
from edge import signing
from edge.config.model import Config
from edge.doctor.finding import Finding, fail, ok, warn
from edge.evidence.agree import disagreements
from edge.evidence.rows import broken_links, wrong_acts
from edge.ledger.reader import Reader
from edge.ledger.store import FILE, connect_read_only

DEADLINE_S = 60.0
SHOWN_LINKS = 5
_STEPS = 100_000


def ledger(config: Config) -> Iterator[Finding]:
    """Say whether the ledger's file is sound, and whether hits wait or were set aside; nothing is written."""
    path = config.appliance.data_dir / FILE
    if not path.exists() or not path.stat().st_size:  # empty: a first start that found no room on the disk
        yield ok(f"{path}: none yet; `run` makes one")
        return
    mend = "run the appliance: it sets a damaged file aside, saves what can be read, and tells the console"
    try:
        db = connect_read_only(path)
        deadline = time.monotonic() + DEADLINE_S
        db.set_progress_handler(lambda: int(time.monotonic() > deadline), _STEPS)
        try:
            rows = [str(row[0]) for row in db.execute("PRAGMA quick_check(5)")]
        finally:
            db.close()
        if rows != ["ok"]:
            yield fail(f"{path}: damaged: {'; '.join(rows)[:200]}", mend)
            return
        yield ok(f"{path}: sound")
        yield from _chain(config)
        yield from _waiting(config)
    except (sqlite3.DatabaseError, StoreError) as error:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT:
            yield warn(f"{path}: not checked to the end in {DEADLINE_S:.0f} s", "run doctor while the box is idle")
        else:
            yield fail(f"{path}: {error}", mend)


def _chain(config: Config) -> Iterator[Finding]:
    """Say whether the hits are still those that were committed, in their order."""
    folder = config.appliance.data_dir
    acts = wrong_acts(folder) if (folder / signing.FILE).exists() else iter(())
    broken = list(islice(chain(broken_links(folder), acts, disagreements(folder)), SHOWN_LINKS))
    for what in broken:
        yield fail(f"not as it was committed: {what}", "keep this disk as it is, and tell the task force")
    if not broken:
        yield ok("the chains of hits, and of what was done about them, are whole")


def signing_key(config: Config) -> Iterator[Finding]:
    """Show the fingerprint by which the console knows this appliance's signatures."""
    path = config.appliance.data_dir / signing.FILE
    if not path.exists():
        yield ok(f"{path}: none yet; it is made when it is first needed")
        return
    try:
        yield ok(f"fingerprint {signing.SigningKey.of(config.appliance.data_dir).fingerprint}")
    except (StoreError, OSError) as error:
        yield fail(str(error), "make it private to the service's user; a lost key means a new fingerprint")


def _waiting(config: Config) -> Iterator[Finding]:
    reader = Reader(config.appliance.data_dir)
    try:
        waiting = reader.waiting()
    finally:
        reader.close()
    hits, aside, oldest_ns = waiting["queued"]["hit"], waiting["set_aside"], waiting["oldest_unsent_ns"]
    if aside:
        yield warn(
            f"{aside} messages were set aside: the broker refuses them", "jaitf-edge hits; check the broker's ACL"
        )
    if not hits:
        yield ok("every hit is received")
    elif oldest_ns and (age_s := time.time() - oldest_ns / 1e9) > DEADLINE_S:
        yield warn(f"{hits} hits wait, the oldest for {age_s / 60:.0f} min", "bring the console's broker back")
    else:
        yield ok(f"{hits} hits on their way")


def models(config: Config) -> Iterator[Finding]:
    """Say whether each model package is intact and still scores its golden pictures as it should."""
    import inference

    for name in sorted({device.model for device in config.devices if device.enabled and device.model}):
        started = time.perf_counter()
        try:
            model = inference.load(name, config.inference.threads, config.inference.model_keys_file)
        except ModelError as error:
            yield fail(f"{name}: {error}", "install the package again")
        else:
            ms = (time.perf_counter() - started) * 1000
            yield ok(f"{model.name} {model.version}: sees its golden pictures as it should ({ms:.0f} ms)")
