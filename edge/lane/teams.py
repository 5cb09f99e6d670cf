"""Canine teams: who is there, by the tags that dog and handler wear; and who reported what the dog did.

A tag is presence, never an alert: the alert is the handler's act, by a button. An alert that the search does not
confirm is "nothing found", and nothing here calls it false.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime

from drivers.clock import Stamp
from drivers.contract import Reading
from edge.config.lane import Button, Team, TeamsToml
from edge.nouns import Canine, Spot

#: A team heard so lately is there.
PRESENT_NS = 15_000_000_000
MAX_UNKNOWN = 1000


class Teams:
    """The teams of one lane. Times are monotonic nanoseconds of this boot."""

    def __init__(self, toml: TeamsToml) -> None:
        self.toml = toml
        self._heard: dict[tuple[str, str], int] = {}
        self._unknown: dict[str, set[str]] = {}
        self._spots: dict[str, tuple[int, Spot]] = {}
        self._wearers = {epc.lower(): team for team in toml.team for epc in team.epcs}
        self._buttons = {(button.device, button.label): button for button in toml.button}
        self._collars = {team.collar: team.name for team in toml.team if team.collar}

    def hear(self, device: str, reading: Reading) -> Reading | None:
        """Take the tags and the places in a reading; return the news of who is there, where it has changed.

        Unknown tags are counted, not listed: passengers' goods have tags too.
        """
        self._place(device, reading)
        tags = reading.values.get("tags")
        if not self._wearers or not isinstance(tags, list):
            return None
        now_ns = reading.at.monotonic_ns
        before = self.present([device], now_ns)
        unknown = self._unknown.setdefault(device, set())
        for tag in tags:
            epc = str(tag.get("epc", "")).lower() if isinstance(tag, dict) else ""
            if team := self._wearers.get(epc):
                self._heard[device, team.name] = now_ns
            elif epc and len(unknown) < MAX_UNKNOWN:
                unknown.add(epc)
        after = self.present([device], now_ns)
        if after == before:
            return None
        return Reading(reading.at, {"teams": [team.name for team in after], "unknown_tags": len(unknown)})

    def present(self, readers: Iterable[str], now_ns: int) -> list[Team]:
        """Return the teams that any of these readers heard of late."""
        heard = {
            team
            for (device, team), at_ns in self._heard.items()
            if device in readers and 0 <= now_ns - at_ns <= PRESENT_NS
        }
        return [team for team in self.toml.team if team.name in heard]

    def button(self, device: str, reading: Reading) -> Button | None:
        """Return the handler's button that a reading is of, None where it is none."""
        pressed = (self._buttons.get((device, finding.label)) for finding in reading.findings)
        return next((button for button in pressed if button), None)

    def act(self, button: Button, at: Stamp) -> Canine:
        """Return what a press of a button says: which team, whether it may search, where, and what the dog did.

        Where two teams are in view and the button is nobody's own, no team is named.
        """
        there = self.present(button.readers or (button.device,), at.monotonic_ns)
        owner = next((team for team in self.toml.team if team.name == button.team), None)
        team = owner or (there[0] if len(there) == 1 else None)
        certification = team.certification if team else None
        return Canine(
            team=team.name if team else None,
            dog=team.dog if team else None,
            handler=team.handler if team else None,
            teams_in_view=len(there),
            certified_by=certification.body or None if certification else None,
            odours=certification.odours if certification else (),
            certified_until=certification.valid_until.isoformat() if certification else None,
            certification_lapsed=_day(at) > certification.valid_until if certification else None,
            place=button.place or None,
            button=f"{button.device}/{button.label}",
            response=button.response,
            search=button.search,
            spot=self._spot(team, at.monotonic_ns),
        )

    def _place(self, device: str, reading: Reading) -> None:
        """Keep where a collar says its dog is; no fix is no place."""
        if device not in self._collars:
            return
        position = reading.values.get("position")
        latitude = position.get("latitude_deg") if isinstance(position, dict) else None
        longitude = position.get("longitude_deg") if isinstance(position, dict) else None
        if isinstance(latitude, int | float) and isinstance(longitude, int | float):
            self._spots[self._collars[device]] = reading.at.monotonic_ns, Spot(float(latitude), float(longitude))
        else:
            self._spots.pop(self._collars[device], None)

    def _spot(self, team: Team | None, now_ns: int) -> Spot | None:
        if team is None or team.name not in self._spots:
            return None
        at_ns, spot = self._spots[team.name]
        return spot if 0 <= now_ns - at_ns <= PRESENT_NS else None


def _day(at: Stamp) -> date:
    return datetime.fromtimestamp(at.wall_ns / 1e9, UTC).date()
