"""The table of checks, and one run through it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from edge.config.load import Examination
from edge.config.model import Config
from edge.config.suspicious import examine_closely
from edge.doctor import box, broker, devices, server, store
from edge.doctor.finding import Finding, fail, ok, warn
from edge.doctor.page import page

Check = Callable[[Config], Iterable[Finding]]

CHECKS: dict[str, Check] = {
    "clock": box.clock,
    "data_dir": box.data_dir,
    "disk": box.disk,
    "appliance": box.appliance,
    "ports": box.ports,
    "devices": devices.devices,
    "answers": devices.answers,
    "certificates": broker.certificates,
    "broker": broker.broker,
    "commands": broker.commands,
    "page": page,
    "ledger": store.ledger,
    "key": store.signing_key,
    "models": store.models,
    "server": server.server,
}
"""Every check by its name, in the order in which they are made."""


def examine_box(folder: Path) -> Iterator[tuple[str, Finding]]:
    """Yield what each check finds, as it finds it; one that breaks is a finding too, and the others go on."""
    found = examine_closely(folder)
    for finding in configuration(folder, found):
        yield "configuration", finding
    if found.config is None:
        return
    for name, check in CHECKS.items():
        try:
            for finding in check(found.config):
                yield name, finding
        except Exception as error:  # noqa: BLE001 (a doctor that falls ill still owes the other findings)
            yield name, fail(f"could not be checked: {type(error).__name__}: {error}", "report this as a fault")


def configuration(folder: Path, found: Examination) -> Iterator[Finding]:
    """Say what `check` says."""
    for problem in found.problems:
        text = f"{problem.file}:{problem.line}: {problem.key}: {problem.message}"
        hint = f"did you mean {problem.hint}?" if problem.hint else f"mend line {problem.line} of {problem.file}"
        yield fail(text, hint) if problem in found.errors else warn(text, hint)
    if found.config is None:
        yield fail("nothing else can be checked before the configuration is right", "mend the lines above")
    elif not found.errors:
        count = len(found.config.devices)
        yield ok(f"{folder}: {count} device{'' if count == 1 else 's'}")
