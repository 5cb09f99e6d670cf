"""What `[lane]` and `teams.toml` must keep to beyond the type of each key: that what they name is there."""

from __future__ import annotations

from collections.abc import Iterator

from edge.config import positions
from edge.config.lane import ALWAYS
from edge.config.problems import Problem, TomlFile, nearest
from edge.config.rules import Draft, Rule
from edge.lane.rules import names


def named_devices(draft: Draft) -> Iterator[Problem]:
    """Check that each device that the lane or a team names is one of the lane's."""
    for file, at, name in [*_in_lane(draft), *_in_teams(draft)]:
        if name not in draft.devices:
            yield file.problem(at, f"no such device: there is no devices/{name}.toml", nearest(name, draft.devices))


def _in_lane(draft: Draft) -> Iterator[tuple[TomlFile, positions.Path, str]]:
    if draft.edge is None or not isinstance(lane := draft.edge.value("lane"), dict):
        return
    for key in ("running", "entry"):
        if isinstance(contact := lane.get(key), str) and contact != ALWAYS:
            yield draft.edge, ("lane", key), contact.partition("/")[0]
    for name in _table(lane.get("places")):
        yield draft.edge, ("lane", "places", name), name
    for station, about in _table(lane.get("stations")).items():
        devices = _table(about).get("devices")
        for number, name in enumerate(devices if isinstance(devices, list) else ()):
            if isinstance(name, str):
                yield draft.edge, ("lane", "stations", station, "devices", number), name


def _in_teams(draft: Draft) -> Iterator[tuple[TomlFile, positions.Path, str]]:
    for number, button in _tables(draft, "button"):
        assert draft.teams is not None
        if isinstance(name := button.get("device"), str):
            yield draft.teams, ("button", number, "device"), name
        readers = button.get("readers")
        for place, name in enumerate(readers if isinstance(readers, list) else ()):
            if isinstance(name, str):
                yield draft.teams, ("button", number, "readers", place), name
    for number, team in _tables(draft, "team"):
        assert draft.teams is not None
        if isinstance(name := team.get("collar"), str):
            yield draft.teams, ("team", number, "collar"), name


def _table(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _tables(draft: Draft, name: str) -> Iterator[tuple[int, dict[str, object]]]:
    found = draft.teams.value(name) if draft.teams else None
    for number, table in enumerate(found if isinstance(found, list) else ()):
        if isinstance(table, dict):
            yield number, table


def one_place_each(draft: Draft) -> Iterator[Problem]:
    """Check that a device stands along the belt or at one station, and not in two places."""
    if draft.edge is None:
        return
    where = dict.fromkeys(_table(draft.edge.value("lane", "places")), "along the belt")
    for station, about in _table(draft.edge.value("lane", "stations")).items():
        devices = _table(about).get("devices")
        for number, name in enumerate(devices if isinstance(devices, list) else ()):
            if isinstance(name, str) and where.setdefault(name, f"at {station}") != f"at {station}":
                at: positions.Path = ("lane", "stations", station, "devices", number)
                yield draft.edge.problem(at, f"{name} stands {where[name]} already")


def belt(draft: Draft) -> Iterator[Problem]:
    """Check that a belt has all it takes to tie by it, and warn where it ties less than was probably meant."""
    if draft.edge is None or not isinstance(lane := draft.edge.value("lane"), dict):
        return
    places = _table(lane.get("places"))
    for key in ("running", "entry"):
        if key in lane and "belt_mm_s" not in lane:
            yield draft.edge.problem(("lane", key), "needs belt_mm_s beside it")
    if "belt_mm_s" in lane and not places:
        yield draft.edge.warning(("lane", "belt_mm_s"), "not used: no device has a place along the belt")
    elif "belt_mm_s" in lane and "running" not in lane:
        message = "without `running` a stop of the belt cannot be seen: items are tied by their tags alone"
        yield draft.edge.warning(("lane", "belt_mm_s"), message)


def rule_names(draft: Draft) -> Iterator[Problem]:
    """Check that each rule that is switched exists."""
    if draft.edge is None:
        return
    known = names()
    for name in _table(draft.edge.value("lane", "rules")):
        if name not in known:
            yield draft.edge.problem(
                ("lane", "rules", name), f"no such rule; there are {', '.join(known)}", nearest(name, known)
            )


def teams(draft: Draft) -> Iterator[Problem]:
    """Check that no two teams wear the same tag or go by the same name, and that a button's team is one of them."""
    if draft.teams is None:
        return
    worn: dict[str, str] = {}
    known: list[str] = []
    for number, team in _tables(draft, "team"):
        name = str(team.get("name"))
        if name in known:
            yield draft.teams.problem(("team", number, "name"), f"there are two teams {name}")
        known.append(name)
        epcs = team.get("epcs")
        for place, epc in enumerate(epcs if isinstance(epcs, list) else ()):
            other = worn.setdefault(str(epc).lower(), name)
            if other != name:
                yield draft.teams.problem(("team", number, "epcs", place), f"{other} wears this tag already")
    for number, button in _tables(draft, "button"):
        if isinstance(whose := button.get("team"), str) and whose not in known:
            yield draft.teams.problem(("button", number, "team"), "no such team", nearest(whose, known))


LANE_RULES: tuple[Rule, ...] = (named_devices, one_place_each, belt, rule_names, teams)
