"""Whose word a hit is: the keys that appliances showed, those that were pinned, and what a signature says of a hit."""

from __future__ import annotations

import sqlite3

from simulators.console.seal import Pins, fingerprint, holds, signer_of

RECHECKED = 2000

PINNED, KNOWN, UNKNOWN, UNSIGNED, FORGED = "pinned", "known", "unknown", "unsigned", "forged"
"""Signed by the pinned key; by the first key that the appliance showed; by one that it did not show; not at all; and
what is not the appliance's: a signature that does not hold, or, where a key is pinned, any other one or none."""


def shown(db: sqlite3.Connection, site: str, edge: str, kid: str, pem: str, at_ms: int) -> None:
    """Keep a key that an appliance showed; one whose name is not its fingerprint is nobody's."""
    try:
        if fingerprint(pem) != kid:
            return
    except ValueError:
        return
    db.execute(
        "INSERT OR IGNORE INTO key (site, edge, kid, pem, first_ms) VALUES (?,?,?,?,?)", (site, edge, kid, pem, at_ms)
    )


def judged(db: sqlite3.Connection, pins: Pins, site: str, edge: str, event: bytes) -> str:
    """Return what an event's signature makes of it."""
    kid, pin = signer_of(event), pins.of.get((site, edge))
    if pin is not None and kid != pin:
        return FORGED
    if kid is None:
        return UNSIGNED
    rows = db.execute(
        "SELECT kid, pem FROM key WHERE site=? AND edge=? ORDER BY first_ms, rowid", (site, edge)
    ).fetchall()
    pem = next((pem for known, pem in rows if known == kid), None)
    if pem is None:
        return UNKNOWN
    if not holds(event, pem):
        return FORGED
    if pin is not None:
        return PINNED
    return KNOWN if kid == rows[0][0] else UNKNOWN


def recheck(db: sqlite3.Connection, pins: Pins, site: str, edge: str) -> None:
    """Judge anew the hits whose key was not known when they came."""
    rows = db.execute(
        "SELECT id, payload FROM hit WHERE site=? AND edge=? AND trust='unknown' ORDER BY id DESC LIMIT ?",
        (site, edge, RECHECKED),
    ).fetchall()
    for id_, payload in rows:
        trust = judged(db, pins, site, edge, payload)
        if trust != UNKNOWN:
            db.execute("UPDATE hit SET trust=? WHERE id=?", (trust, id_))
