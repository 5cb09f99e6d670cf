"""How a lane is laid out, as its configuration says: the belt, who stands where along it, who stands together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Contact:
    """A contact by its device and label."""

    device: str
    label: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where a device sees items: so far behind the entry, so far along the belt in all.

    It says so between `delay_ms` and `delay_ms + within_ms` after the item was there.
    """

    at_mm: float
    view_mm: float = 200.0
    delay_ms: float = 0.0
    within_ms: float = 300.0


@dataclass(frozen=True, slots=True)
class Station:
    """Devices that see one person, or one thing held to them, at a time: what they see so close together is of one."""

    name: str
    devices: frozenset[str]
    within_ns: int


@dataclass(frozen=True, slots=True)
class Layout:
    """A lane. Without a belt speed items are tied by their tags alone; without places and stations not at all."""

    belt_mm_s: float | None = None
    gap_mm: float = 600.0
    speed_error: float = 0.02
    stop_mm: float = 30.0
    always_runs: bool = False
    running: Contact | None = None
    entry: Contact | None = None
    places: Mapping[str, Place] = field(default_factory=dict)
    stations: tuple[Station, ...] = ()

    @property
    def active(self) -> bool:
        """Whether anything is to be tied together."""
        return bool(self.places or self.stations)
