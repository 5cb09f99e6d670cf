"""`[lane]` and `teams.toml`: read, defaulted, and every name in them checked at its line."""

import pytest

from edge.config.lane import PlaceToml
from edge.config.load import examine

EDGE = """\
[appliance]
site = "lfw"
lane = "t1-l3"
id = "edge-01"
data_dir = "/var/lib/jaitf-edge"
[console]
url = "mqtt://127.0.0.1:1883"
"""
LANE = """\
[lane]
belt_mm_s = 250
running = "io-1/belt runs"
[lane.places]
tags-1 = 500
k9-1 = {at_mm = 3000, within_ms = 1500}
[lane.stations.gate]
devices = ["pass-1"]
[lane.rules]
dog-and-xray = false
"""
TEAMS = """\
[[team]]
name = "K9 2"
dog = "Rex"
handler = "4711"
epcs = ["3074257BF7194E4000001A85"]
[team.certification]
valid_until = 2026-12-31
[[button]]
device = "k9-1"
label = "canine alert"
team = "K9 2"
"""
DEVICE = """\
driver = "meter"
[settings]
url = "tcp://10.0.0.7:502"
points = [{ name = "n", address = 0 }]
"""
DEVICES = ("io-1", "tags-1", "k9-1", "pass-1")


@pytest.fixture
def examined(tmp_path):
    def make(lane=LANE, teams=TEAMS):
        (tmp_path / "edge.toml").write_text(EDGE + lane)
        (tmp_path / "devices").mkdir(exist_ok=True)
        for name in DEVICES:
            (tmp_path / "devices" / f"{name}.toml").write_text(DEVICE)
        if teams is not None:
            (tmp_path / "teams.toml").write_text(teams)
        return examine(tmp_path)

    return make


def told(examination):
    return [f"{p.file.name}:{p.line}: {p.key}: {p.message}" for p in examination.errors]


def test_what_is_read(examined):
    config = examined().config
    assert config.lane.places == {"tags-1": PlaceToml(at_mm=500), "k9-1": PlaceToml(at_mm=3000, within_ms=1500)}
    assert config.lane.stations["gate"].within_s == 10
    assert config.lane.rules == {"dog-and-xray": False}
    [team], [button] = config.teams.team, config.teams.button
    assert (team.dog, str(team.certification.valid_until), button.alone) == ("Rex", "2026-12-31", True)


def test_a_lane_without_either_has_neither(examined):
    config = examined("", None).config
    assert config.lane.places == {} and config.teams.team == ()


def test_a_change_of_the_teams_is_a_change_of_the_configuration(examined):
    assert examined().config.digest != examined(teams=TEAMS.replace("4711", "4712")).config.digest


@pytest.mark.parametrize(("file", "old", "new", "line", "message"), [
    ("lane", "tags-1 = 500", "tag-1 = 500", "edge.toml:12: lane.places.tag-1: no such device", None),
    ("lane", "io-1/belt", "io-2/belt", "edge.toml:10: lane.running: no such device", None),
    ("lane", '["pass-1"]', '["pass-1", "tags-1"]', "edge.toml:15: lane.stations.gate.devices", "stands along the belt"),
    ("lane", "dog-and-xray", "dog-and-xrays", "edge.toml:17: lane.rules.dog-and-xrays: no such rule", None),
    ("lane", "belt_mm_s = 250\n", "", "edge.toml:9: lane.running: needs belt_mm_s", None),
    ("lane", "at_mm = 3000, ", "", "edge.toml:13: lane.places.k9-1.at_mm", None),
    ("lane", "500\n", "true\n", "edge.toml:12: lane.places.tags-1", None),
    ("teams", '"k9-1"', '"k9-2"', "teams.toml:9: button[0].device: no such device", None),
    ("teams", 'team = "K9 2"', 'team = "K9"', "teams.toml:11: button[0].team: no such team", None),
    ("teams", "4E4000", "XX4000", "teams.toml:5: team[0].epcs[0]", None),
    ("teams", "2026-12-31", '"soon"', "teams.toml:7: team[0].certification.valid_until", None),
    ("teams", "handler", "handlers", "teams.toml:4: team[0].handlers", None),
])  # fmt: skip
def test_what_is_wrong_is_said_at_its_line(examined, file, old, new, line, message):
    texts = {"lane": LANE, "teams": TEAMS}
    assert old in texts[file]
    texts[file] = texts[file].replace(old, new, 1)
    lines = told(examined(**texts))
    assert any(one.startswith(line) and (message or "") in one for one in lines), lines


def test_two_teams_with_one_name_or_one_tag(examined):
    twice = told(examined(teams=TEAMS + TEAMS.split("[[button]]")[0]))
    assert twice == ["teams.toml:13: team[1].name: there are two teams K9 2"]
    other = TEAMS.split("[[button]]")[0].replace('"K9 2"', '"K9 3"').replace("7BF7", "7bf7")
    assert told(examined(teams=TEAMS + other)) == ["teams.toml:16: team[1].epcs[0]: K9 2 wears this tag already"]


@pytest.mark.parametrize(("lane", "message"), [
    ("[lane]\nbelt_mm_s = 250\n", "no device has a place"),
    ("[lane]\nbelt_mm_s = 250\nplaces = { tags-1 = 500 }\n", "a stop of the belt cannot be seen"),
])  # fmt: skip
def test_what_is_only_suspicious(examined, lane, message):
    found = examined(lane)
    assert found.config is not None
    assert any(message in problem.message for problem in found.warnings)
