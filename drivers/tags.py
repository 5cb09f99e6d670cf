"""What tag readers saw, gathered into readings: a tag in view is presence, never an alert."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from drivers.clock import Stamp
from drivers.contract import Reading

#: A reading travels in one message with a limit of its own; more tags than this go in several.
TAGS_A_READING = 200
#: In one window; a reader that claims more is believed this far.
MAX_TAGS = 4000


@dataclass(slots=True)
class _Sighting:
    rssi_dbm: float | None
    at: Stamp


class Gathered:
    """The tags of one window, each once an antenna, at the moment when it was strongest."""

    def __init__(self, min_rssi_dbm: float | None = None) -> None:
        self._min_rssi_dbm = min_rssi_dbm
        self._seen: dict[tuple[str, int | None], _Sighting] = {}

    def __bool__(self) -> bool:
        return bool(self._seen)

    def see(self, epc: str, antenna: int | None, rssi_dbm: float | None, at: Stamp) -> None:
        """Take one sighting; one below the floor, or without a strength where there is a floor, is left out."""
        if self._min_rssi_dbm is not None and (rssi_dbm is None or rssi_dbm < self._min_rssi_dbm):
            return
        known = self._seen.get((epc, antenna))
        if known is None:
            if len(self._seen) < MAX_TAGS:
                self._seen[epc, antenna] = _Sighting(rssi_dbm, at)
        elif known.rssi_dbm is None or (rssi_dbm is not None and rssi_dbm >= known.rssi_dbm):
            known.rssi_dbm, known.at = rssi_dbm, at

    def take(self, now: Stamp) -> list[Reading]:
        """Return what was gathered as readings and begin a new window; times are the appliance's own."""
        tags: list[dict[str, Any]] = [
            {"epc": epc, "antenna": antenna, "rssi_dbm": seen.rssi_dbm, "at": seen.at.rfc3339()}
            for (epc, antenna), seen in self._seen.items()
        ]
        self._seen.clear()
        return [Reading(now, {"tags": tags[i : i + TAGS_A_READING]}) for i in range(0, len(tags), TAGS_A_READING)]
