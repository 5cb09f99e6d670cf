"""How often something may be done: so many at once, and so many a second on the long run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Allowance:
    """A bucket that holds `most` and fills by `per_s`; each `take` takes one where there is one."""

    per_s: float
    most: float
    left: float
    at_ns: int

    @classmethod
    def full(cls, per_s: float, most: float, now_ns: int) -> Allowance:
        """Return a full one."""
        return cls(per_s, most, most, now_ns)

    def take(self, now_ns: int) -> bool:
        """Return whether it may be done now, at this monotonic time."""
        self.left = min(self.most, self.left + (now_ns - self.at_ns) / 1e9 * self.per_s)
        self.at_ns = now_ns
        if self.left < 1:
            return False
        self.left -= 1
        return True
