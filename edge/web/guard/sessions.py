"""Who is signed in: in memory, under random tokens, until they go, fall idle, or are no longer on the list."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from edge.config.users import Role, User
from edge.web.guard.visitor import Visitor

LIFE_S = 12 * 3600.0
IDLE_S = {Role.TECHNICIAN: 30 * 60.0, Role.VIEWER: LIFE_S}
"""A technician's session left alone could be ordered by whoever passes; a viewer's may hang on a wall for a shift."""

MAX_OF_ONE = 8
"""Sessions under one name; the one that was used least lately makes room."""

_TOKEN_BYTES = 32


def boot_s() -> float:
    """Return seconds since the machine started: no setting of the clock lengthens a session, nor does a sleep."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass(slots=True)
class Session:
    """One browser that somebody signed in with; `user` is their entry in the list at that moment."""

    visitor: Visitor
    user: User
    csrf: str
    address: str
    began_s: float
    seen_s: float

    def over(self, now_s: float) -> str | None:
        """Return why it is over, None while it is not."""
        if now_s - self.began_s >= LIFE_S:
            return "its time is over"
        return "idle" if now_s - self.seen_s >= IDLE_S[self.visitor.role] else None


class Sessions:
    """All of them, by their tokens' SHA-256: what is found in memory opens no door, and no comparison tells of it."""

    def __init__(self, ended: Callable[[Session, str], None], clock: Callable[[], float] = boot_s) -> None:
        self._ended = ended
        self._clock = clock
        self._all: dict[bytes, Session] = {}

    def begin(self, name: str, user: User, address: str) -> str:
        """Sign somebody in; return the token for their cookie."""
        self._sweep()
        own = sorted((k for k, s in self._all.items() if s.visitor.name == name), key=lambda k: self._all[k].seen_s)
        for key in own[: max(len(own) - MAX_OF_ONE + 1, 0)]:
            self._end(key, "another browser took its place")
        token, now = secrets.token_urlsafe(_TOKEN_BYTES), self._clock()
        visitor = Visitor(name, user.role)
        self._all[_key(token)] = Session(visitor, user, secrets.token_urlsafe(_TOKEN_BYTES), address, now, now)
        return token

    def find(self, token: str, users: Mapping[str, User], *, used: bool = True) -> Session | None:
        """Return a token's session, None where there is none any more.

        `users` is the list as it is now: who was taken out of it, or has another password or role, is out at once.
        A request that its page makes by itself is no sign of somebody being there: `used=False`.
        """
        key = _key(token)
        session = self._all.get(key)
        if session is None:
            return None
        why = session.over(self._clock())
        if why is None and users.get(session.visitor.name) != session.user:
            why = "the list of users has changed"
        if why is not None:
            self._end(key, why)
            return None
        if used:
            session.seen_s = self._clock()
        return session

    def end(self, token: str) -> Session | None:
        """Sign somebody out; return what their session was, None where there was none."""
        return self._all.pop(_key(token), None)

    def _sweep(self) -> None:
        now = self._clock()
        for key, why in [(key, why) for key, session in self._all.items() if (why := session.over(now))]:
            self._end(key, why)

    def _end(self, key: bytes, why: str) -> None:
        self._ended(self._all.pop(key), why)


def _key(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()
