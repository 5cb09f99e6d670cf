"""Whether the promise was kept: every committed hit at the console once, whole, under a number of its own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.torture.console import Console
from tests.torture.trial import Broken, Figures

SHOWN = 5


def acknowledged(*paths: Path) -> set[str]:
    """Return the names that drivers were told are committed; a line that a kill cut short was not told."""
    names: set[str] = set()
    for path in paths:
        if path.exists():
            names |= {line for line in path.read_text().split("\n")[:-1] if line}
    return names


def judge(
    console: Console,
    rows: list[dict[str, Any]],
    broken_links: Iterable[int],
    acked: set[str],
    *,
    damaged: bool = False,
    forgiven: Iterable[int] = (),
) -> Figures:
    """Hold what the console has against the ledger's rows, and return the figures; raises Broken with every fault.

    `damaged`: a ledger was damaged on purpose, so that numbers below the last ledger's start may be missing;
    `forgiven` are numbers of rows that were received before they were damaged.
    """
    rows = [row for row in rows if row["seq"] not in set(forgiven)] if forgiven else rows
    faults = [*console.faults]
    faults += _one_content(console)
    faults += _no_gap(console, damaged=damaged)
    faults += _same_as_ledger(console, rows, damaged=damaged or bool(forgiven))
    missing = acked - {str(hit.value) for hit in console.arrivals()}
    faults += _some("acknowledged to the driver, never at the console", sorted(missing))
    faults += _some("the chain or the evidence is wrong at", sorted(set(broken_links) - set(forgiven)))
    if faults:
        raise Broken("\n".join(faults))
    return Figures(
        committed=len(rows),
        acknowledged=len(acked),
        delivered=len(console.hits),
        lost=len(missing),
        duplicates=console.deliveries - len(console.hits),
    )


def _some(what: str, found: list[Any]) -> list[str]:
    return [f"{what}: {len(found)}, among them {found[:SHOWN]}"] if found else []


def _one_content(console: Console) -> list[str]:
    several = [name for name, digests in console.contents.items() if len(digests) > 1]
    shared = [(seq, sorted(names)) for seq, names in console.numbers.items() if len(names) > 1]
    return _some("one hit with several contents", several) + _some("one number for several hits", shared)


def ledgers(console: Console) -> list[tuple[str, int]]:
    """Return the ledgers that the console was told of, each with its first number, in the order of their births."""
    return list(dict.fromkeys((birth["ledger_id"], birth["seq_start"]) for birth in console.births))


def _no_gap(console: Console, *, damaged: bool) -> list[str]:
    faults = []
    found = ledgers(console)
    for number, (ledger_id, start) in enumerate(found):
        last_ledger = number == len(found) - 1
        end = 1 << 62 if last_ledger else found[number + 1][1]
        seqs = sorted(seq for seq in console.numbers if start <= seq < end)
        missing = sorted(set(range(start, seqs[-1] + 1)) - set(seqs)) if seqs else []
        if last_ledger or not damaged:
            faults += _some(f"numbers missing of ledger {ledger_id}", missing)
    early = sorted(seq for seq in console.numbers if not found or seq < found[0][1])
    return faults + _some("numbers below the first ledger's start", early)


def _same_as_ledger(console: Console, rows: list[dict[str, Any]], *, damaged: bool) -> list[str]:
    faults = _some(
        "not received in the ledger", [(r["seq"], r["state"], r["set_aside"]) for r in rows if r["state"] != "received"]
    )
    by_name = {(row["hit_id"], row["rev"]): row for row in rows}
    if len(by_name) != len(rows):
        faults.append("a (hit_id, rev) stands twice in the ledger")
    faults += _some("in the ledger, not at the console", sorted(set(by_name) - set(console.hits)))
    if not damaged:
        faults += _some("at the console, not in the ledger", sorted(set(console.hits) - set(by_name)))
    other = [
        name
        for name, row in by_name.items()
        if (hit := console.hits.get(name)) and (hit.seq != row["seq"] or hit.sha256 != _digest(row["event"]))
    ]
    return faults + _some("other bytes or numbers in the ledger than at the console", other)


def _digest(event: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode()).hexdigest()
