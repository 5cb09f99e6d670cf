"""Who is at the page, and what is told of their coming and going."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from enum import StrEnum

from edge.config.users import NOBODY_S_NAME, Role

log = logging.getLogger("jaitf.web")


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who asks; what wraps the page puts it into a request's `scope["visitor"]`."""

    name: str
    role: Role


LOCAL = Visitor(NOBODY_S_NAME, Role.TECHNICIAN)
"""Whoever is at this machine, where it listens for nobody else and has no list of users."""


class Deed(StrEnum):
    """What is told: somebody came, tried to, was turned away unheard, or went."""

    SIGNED_IN = "signed-in"
    FAILED = "sign-in-failed"
    HELD_OFF = "sign-in-held-off"
    SIGNED_OUT = "signed-out"
    ENDED = "session-ended"


@dataclass(frozen=True, slots=True)
class SignEvent:
    """One coming or going, for the audit.

    `name` is "" where nobody has the name that was typed: people type their passwords into the wrong field.
    """

    deed: Deed
    name: str
    address: str
    role: Role | None = None
    detail: str = ""


def logged(event: SignEvent) -> None:
    """Write it to the log: what becomes of it where nobody else listens."""
    level = logging.INFO if event.deed in (Deed.SIGNED_IN, Deed.SIGNED_OUT, Deed.ENDED) else logging.WARNING
    who = event.name or "somebody unknown"
    log.log(level, "%s: %s from %s%s", event.deed, who, event.address, event.detail and f" ({event.detail})")
