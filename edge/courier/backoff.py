"""When to try the broker again: soon while the outage is young, calmly later, never in step with the other lanes."""

from __future__ import annotations

import random

EAGER_NS = 120_000_000_000
STABLE_NS = 60_000_000_000
FIRST_S = 0.2
EAGER_CAP_S = 5.0
CALM_CAP_S = 60.0
FIGHT_S = 30.0


class Backoff:
    """Full jitter: each wait is drawn between nothing and a cap that doubles with each failure.

    The cap is at most 5 s in the first two minutes of an outage and 60 s later; only a connection that lasted a minute
    ends the outage. Two appliances that fight over one client id wait half a minute and more.
    """

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._failures = 0
        self._since_ns: int | None = None

    def lost(self, now_ns: int, connected_ns: int | None, *, fight: bool = False) -> float:
        """Return how many seconds to wait after a failure at `now_ns`; `connected_ns` is when a connection began."""
        if connected_ns is not None and now_ns - connected_ns >= STABLE_NS:
            self._failures, self._since_ns = 0, None
        if self._since_ns is None:
            self._since_ns = now_ns
        self._failures += 1
        if fight:
            return FIGHT_S * (1 + self._chance.random())
        eager = now_ns - self._since_ns < EAGER_NS
        cap = min(EAGER_CAP_S if eager else CALM_CAP_S, FIRST_S * 2.0 ** min(self._failures, 16))
        return self._chance.random() * cap
