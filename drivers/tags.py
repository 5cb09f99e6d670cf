"""What tag readers saw, gathered into readings: a tag in view is presence, never an alert."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from drivers.clock import Stamp
from drivers.contract import Identity, IdKind, Reading
from drivers.epc import uri_of

#: A reading travels in one message, with a limit of its own to the identities in it; more tags go in several.
TAGS_A_READING = 50
#: In one window; a reader that claims more is believed this far.
MAX_TAGS = 4000


@dataclass(slots=True)
class _Sighting:
    rssi_dbm: float | None
    at: Stamp
    gs1: bool


class Gathered:
    """The tags of one window, each once an antenna, at the moment when it was strongest."""

    def __init__(self, min_rssi_dbm: float | None = None) -> None:
        self._min_rssi_dbm = min_rssi_dbm
        self._seen: dict[tuple[str, int | None], _Sighting] = {}

    def __bool__(self) -> bool:
        return bool(self._seen)

    def see(self, epc: str, antenna: int | None, rssi_dbm: float | None, at: Stamp, *, gs1: bool = True) -> None:
        """Take one sighting; one below the floor, or without a strength where there is a floor, is left out.

        `gs1` False: the tag itself says that its code is not one of GS1's (Gen2's toggle bit), and it is not decoded.
        """
        if self._min_rssi_dbm is not None and (rssi_dbm is None or rssi_dbm < self._min_rssi_dbm):
            return
        known = self._seen.get((epc, antenna))
        if known is None:
            if len(self._seen) < MAX_TAGS:
                self._seen[epc, antenna] = _Sighting(rssi_dbm, at, gs1)
        elif known.rssi_dbm is None or (rssi_dbm is not None and rssi_dbm >= known.rssi_dbm):
            known.rssi_dbm, known.at = rssi_dbm, at

    def take(self, now: Stamp) -> list[Reading]:
        """Return what was gathered as readings and begin a new window; times are the appliance's own.

        A tag whose code is one of GS1's has its URI beside it (`uri`).
        """
        tags = [_told(epc, antenna, seen) for (epc, antenna), seen in self._seen.items()]
        self._seen.clear()
        return [_reading(now, tags[i : i + TAGS_A_READING]) for i in range(0, len(tags), TAGS_A_READING)]


def _told(epc: str, antenna: int | None, seen: _Sighting) -> dict[str, Any]:
    tag = {"epc": epc, "antenna": antenna, "rssi_dbm": seen.rssi_dbm, "at": seen.at.rfc3339()}
    uri = uri_of(epc) if seen.gs1 else None
    return tag | {"uri": uri} if uri else tag


def _reading(now: Stamp, tags: list[dict[str, Any]]) -> Reading:
    names = dict.fromkeys(Identity(IdKind.EPC, tag["epc"].lower()) for tag in tags)
    return Reading(now, {"tags": tags}, identities=tuple(names))
