"""What the page is told of scans: nothing that is the console's alone, nothing where nobody looks."""

import asyncio
from types import SimpleNamespace

import pytest

from drivers.contract import ItemHint, Scan
from edge.nouns import Decision, ThreatReport
from edge.showing import Showing
from tests.core import FakeClock, report, scan_hit, threat, until
from tests.unit.inference.conftest import blob_picture

CLOCK = FakeClock()


class Told(Showing):
    """Keeps what it told."""

    def __init__(self, *parts):
        super().__init__(*parts)
        self.told = []


def scan(key="a", pictures=None, **more):
    pictures = (blob_picture(60, 50),) if pictures is None else pictures
    return Scan(CLOCK.now(), key, b"bits", "image/png", key, pictures=pictures, **more)


@pytest.fixture
def showing():
    made = Told(*[SimpleNamespace()] * 5, CLOCK, lambda: None)
    made.watched = lambda: True
    made.show = lambda said, jpeg: made.told.append((said, jpeg))
    return made


FOUND = report(threat(box=(60.0, 50.0, 24.0, 24.0)), peak=(70.0, 60.0))


async def test_a_scan_is_told_with_its_bare_picture_and_its_boxes(showing):
    showing.screened("xray-1", scan(), FOUND, scan_hit(CLOCK.now()))
    await until(lambda: showing.told)
    ((said, jpeg),) = showing.told
    assert jpeg.startswith(b"\xff\xd8")
    x, y, width, height = said["place"]  # the bag with a margin, and not the belt around it
    assert 0 < x < 10 and 0 < y < 10 and 180 < width < 200 and 140 < height < 160
    assert said["threats"][0]["box"] == (60.0, 50.0, 24.0, 24.0) and said["decision"] == "alarm"
    assert not {"bag_tag", "scan_id", "tip_type", "scan_type", "targeted"} & set(said)


async def test_what_only_the_console_may_know_is_not_told(showing):
    showing.screened("xray-1", scan(), FOUND, scan_hit(CLOCK.now(), covert=True))
    showing.screened("xray-1", scan("b"), ThreatReport(Decision.CLEAR, score=0.1, threshold=0.5), None)
    await until(lambda: showing.told)
    assert [said["decision"] for said, _ in showing.told] == ["clear"]


async def test_where_nobody_looks_no_picture_is_made(showing):
    showing.watched = lambda: False
    showing.screened("xray-1", scan(), FOUND, None)
    await asyncio.sleep(0)
    assert showing.told == [] and showing._drawing is None


async def test_a_person_and_a_scan_without_a_picture_are_told_in_words(showing):
    showing.screened("body-1", scan(item=ItemHint(type="PERSON")), report(threat(zone="left ankle")), None)
    await until(lambda: len(showing.told) == 1)
    showing.screened("xray-1", scan("b", ()), ThreatReport(Decision.UNKNOWN, reason="cut short"), None)
    await until(lambda: len(showing.told) == 2)
    assert [jpeg for _, jpeg in showing.told] == [b"", b""]
    assert showing.told[0][0]["person"] and showing.told[1][0]["reason"] == "cut short"


async def test_of_scans_that_come_faster_than_they_are_drawn_the_newest_is_told(showing):
    for number in range(20):
        showing.screened("xray-1", scan(str(number)), report(threat(box=(1.0, 2.0, 3.0, 4.0)), ms=number), None)
    await until(lambda: showing.told and showing.told[-1][0]["ms"] == 19)
    assert len(showing.told) <= 2


async def test_the_slider_does_not_count_what_only_the_console_may_know(showing):
    showing.watch = SimpleNamespace(scores=lambda: {"xray-1": ("sha", [0.1, 0.93, 0.2, 0.93])})
    showing.screened("xray-1", scan(), FOUND, scan_hit(CLOCK.now(), covert=True))
    assert showing.scores() == {"xray-1": {"model": "sha", "scores": [0.1, 0.2, 0.93]}}
