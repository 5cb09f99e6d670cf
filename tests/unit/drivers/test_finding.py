"""What is tried at a place, and that an open way on which nobody is heard is no device."""

import pytest

from drivers import registry
from drivers.contract import ProbeReport
from drivers.errors import LinkLost
from drivers.finding import Attempt, Found, Kind, Miss, Place, ask, attempts, found

PLACES = (Place(Kind.SERIAL, "/dev/ttyUSB0"), Place(Kind.HOST, "10.0.0.5"), Place(Kind.FOLDER, "/srv"))


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.kind)
def test_every_place_is_tried_within_two_minutes_and_in_words(place):
    listed = attempts(place)
    assert listed and sum(one.deadline_s for one in listed) < 120
    assert [one.deadline_s for one in listed] == sorted(one.deadline_s for one in listed)
    assert len({one.says for one in listed}) == len(listed)


def test_every_driver_that_can_be_asked_has_a_finder():
    without = {name for name, info in registry.available().items() if not info.finder}
    # They are heard only when somebody uses them, would have to be switched to be found, or have no usual address.
    assert without == {"codereader", "lamp", "linescan"}


def test_addresses_are_written_as_the_configuration_has_them():
    assert Place(Kind.HOST, "fd00::5", 502).tcp(None) == "tcp://[fd00::5]:502"
    assert Place(Kind.HOST, "10.0.0.5").tcp(None) is None
    assert Place(Kind.SERIAL, "/dev/x").serial(9600, "even", 7) == "serial:///dev/x?baud=9600&parity=even&bits=7"


def test_only_what_answered_is_found():
    assert isinstance(found("scale", {}, "x", ProbeReport(True, ("opened",))), Found)
    assert found("codereader", {}, "x", ProbeReport(True, ("opened",), answered=False)) == Miss("", "opened")
    assert found("scale", {}, "x", ProbeReport.failed((), LinkLost("gone"))) == Miss("link-lost", "gone")


async def test_an_attempt_that_raises_or_hangs_is_a_miss():
    async def lost(limit_s):
        raise LinkLost("gone")

    async def endless(limit_s):
        import asyncio

        await asyncio.Event().wait()

    assert await ask(Attempt("x", 1.0, lost)) == Miss("link-lost", "gone")
    assert (await ask(Attempt("x", -0.99, endless))).code == "link-timeout"
