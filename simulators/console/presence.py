"""Is an appliance there? Its own word, and the broker's will for it, which may come late.

A will says `offline` with the session of the connection it was left for. The broker may send it after the appliance
is back with a new session (the old TCP connection took its time to die); then it says nothing about now.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

PAST_SESSIONS = 16


@dataclass(frozen=True, slots=True)
class Presence:
    """What is known: `since_ms` is when the console heard of it (`since_before`: it was so even earlier)."""

    state: str = "unknown"
    session: str = ""
    at: str = ""
    since_ms: int = 0
    since_before: bool = False
    past: tuple[str, ...] = ()


def _new_session(known: Presence, session: str, at: str) -> Presence:
    past = (known.session, *known.past)[:PAST_SESSIONS] if known.session else known.past
    return replace(known, session=session, at=at, past=tuple(each for each in past if each != session))


def heard_state(known: Presence, state: str, session: str, at: str, now_ms: int, retained: bool) -> Presence | None:
    """Return what is known after a state message, or None where it is a late will of a session that is over.

    An appliance's own `online` always counts: the broker keeps its words in order. What ends a session counts when it
    is that session's, or one we never saw begin and which is no older than the one we know.
    """
    other = session != known.session
    if state != "online" and other and known.session and (session in known.past or at < known.at):
        return None
    if not other and state == known.state:
        return known
    after = _new_session(known, session, at) if other else known
    return replace(after, state=state, since_ms=now_ms, since_before=retained)


def heard_birth(known: Presence, session: str, at: str, now_ms: int, retained: bool) -> Presence:
    """Return what is known after a birth: a session we have not seen, and not older than ours, is online."""
    if not session or session == known.session or session in known.past or (known.session and at < known.at):
        return known
    return replace(_new_session(known, session, at), state="online", since_ms=now_ms, since_before=retained)
