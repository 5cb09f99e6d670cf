"""Who is there, who pressed, and whether the team may search: a tag is presence, the alert is the handler's act."""

from datetime import date

import pytest

from drivers.contract import Finding, Measurement, Reading
from edge.config.lane import Button, Certification, Team, TeamsToml
from edge.lane.teams import PRESENT_NS, Teams
from edge.nouns import Spot
from tests.unit.edge.lane.world import stamp

REX = Team(
    name="K9 1",
    dog="Rex",
    handler="4711",
    epcs=("AA" * 12, "AB" * 12),
    collar="collar-1",
    certification=Certification(body="police school", odours=("cocaine",), valid_until=date(2026, 12, 31)),
)
UMA = Team(name="K9 2", dog="Uma", handler="4712", epcs=("BB" * 12,))
BUTTON = Button(device="k9-1", label="canine alert", place="belt 2")
ELSEWHERE = Button(device="io-1", label="button", readers=("k9-1",), response="change_of_behaviour", alone=False)


@pytest.fixture
def teams():
    return Teams(TeamsToml(team=(REX, UMA), button=(BUTTON, ELSEWHERE)))


def tags(at_s, *epcs):
    return Reading(stamp(at_s), {"tags": [{"epc": epc, "antenna": 1} for epc in epcs]})


def press(at_s, label="canine alert"):
    return Reading(stamp(at_s), {}, (Finding(label, Measurement("gpi 1", True)),))


def test_presence_is_told_when_it_changes(teams):
    news = teams.hear("k9-1", tags(1, "aa" * 12, "12" * 12))
    assert news.values == {"teams": ["K9 1"], "unknown_tags": 1} and not news.findings
    assert teams.hear("k9-1", tags(2, "AB" * 12, "13" * 12)) is None
    assert teams.hear("k9-1", tags(3, "BB" * 12)).values == {"teams": ["K9 1", "K9 2"], "unknown_tags": 2}
    assert "4711" not in str(news.values)


def test_a_team_that_is_not_heard_any_more_is_gone(teams):
    teams.hear("k9-1", tags(1, "aa" * 12))
    later = stamp(1).monotonic_ns + PRESENT_NS
    assert teams.present(["k9-1"], later) == [REX]
    assert teams.present(["k9-1"], later + 1) == [] == teams.present(["k9-2"], later)


@pytest.mark.parametrize("values", [{}, {"tags": None}, {"tags": [None, {}, {"epc": 7}]}])
def test_readings_of_other_kinds_say_nothing_of_teams(teams, values):
    assert teams.hear("k9-1", Reading(stamp(1), values)) is None


def test_what_a_press_says(teams):
    teams.hear("k9-1", tags(9, "aa" * 12))
    button = teams.button("k9-1", press(10))
    act = teams.act(button, stamp(10))
    assert (act.team, act.dog, act.handler, act.teams_in_view) == ("K9 1", "Rex", "4711", 1)
    assert (act.place, act.button, act.response) == ("belt 2", "k9-1/canine alert", "trained_final_response")
    assert (act.certified_by, act.odours) == ("police school", ("cocaine",))
    assert (act.certified_until, act.certification_lapsed) == ("2026-12-31", False)


def test_a_lapsed_certification_is_said_and_blocks_nothing():
    old = REX.model_copy(update={"certification": Certification(valid_until=date(2026, 11, 17))})
    teams = Teams(TeamsToml(team=(old,), button=(BUTTON,)))
    teams.hear("k9-1", tags(9, "aa" * 12))
    act = teams.act(teams.button("k9-1", press(10)), stamp(10))  # on the 18th
    assert act.certification_lapsed is True and act.team == "K9 1"


def test_of_two_teams_in_view_none_is_named_unless_the_button_is_its_own(teams):
    teams.hear("k9-1", tags(9, "aa" * 12, "bb" * 12))
    act = teams.act(BUTTON, stamp(10))
    assert (act.team, act.dog, act.teams_in_view, act.certification_lapsed) == (None, None, 2, None)
    assert teams.act(BUTTON.model_copy(update={"team": "K9 2"}), stamp(10)).dog == "Uma"


def test_nobody_in_view_is_an_alert_all_the_same(teams):
    act = teams.act(BUTTON, stamp(10))
    assert (act.team, act.teams_in_view) == (None, 0)


def test_a_button_at_one_device_and_the_tags_at_another(teams):
    teams.hear("k9-1", tags(9, "bb" * 12))
    button = teams.button("io-1", press(10, "button"))
    assert teams.act(button, stamp(10)).dog == "Uma" and not button.alone
    assert teams.button("io-1", press(10, "door")) is None
    assert teams.button("io-2", press(10, "button")) is None
    assert teams.button("io-1", Reading(stamp(10), {"contacts": {"button": False}})) is None


def test_the_collar_says_where_the_team_is_and_no_fix_is_no_place(teams):
    teams.hear("k9-1", tags(9, "aa" * 12))
    teams.hear("collar-1", Reading(stamp(9), {"position": {"latitude_deg": 6.17, "longitude_deg": 1.25}}))
    assert teams.act(BUTTON, stamp(10)).spot == Spot(6.17, 1.25)
    assert teams.act(BUTTON, stamp(60)).spot is None
    teams.hear("collar-1", Reading(stamp(10), {"position": None}))
    assert teams.act(BUTTON, stamp(10)).spot is None
