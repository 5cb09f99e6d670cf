"""When a weight is one: it stands still, was said often enough, and is another than the one told before."""

from __future__ import annotations

from decimal import Decimal

from drivers.scale.frames import Weight


class Weighing:
    """Turns the stream of a scale's weights into weighings; pure."""

    def __init__(self, confirm: int, change_kg: Decimal) -> None:
        self._confirm = confirm
        self._change_kg = change_kg
        self._last: Weight | None = None
        self._times = 0
        self._told: Decimal | None = None

    def take(self, weight: Weight) -> Weight | None:
        """Take a weight and return it where it is a weighing: stable, the same for the `confirm`th time, and new."""
        if not weight.stable:
            self.unsettle()
            return None
        self._times = self._times + 1 if weight == self._last else 1
        self._last = weight
        if self._times != self._confirm:
            return None
        if self._told is not None and abs(weight.kg - self._told) < self._change_kg:
            return None
        self._told = weight.kg
        return weight

    def unsettle(self) -> None:
        """Begin anew: the load moves, is out of range, or the scale was away."""
        self._last, self._times = None, 0
