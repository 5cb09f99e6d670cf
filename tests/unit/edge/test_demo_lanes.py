"""The example lanes: right as they stand, and each device of theirs simulated in the demo."""

from importlib import resources

import pytest

from edge.config.load import examine
from edge.demo.devices import LANES, configuration, readdressed

EXAMPLES = resources.files("config") / "examples"


@pytest.mark.parametrize("lane", LANES)
def test_an_example_is_right_and_whole(lane):
    found = examine(EXAMPLES / lane)
    assert found.problems == ()
    assert found.config.appliance.stream == lane
    assert [device.name for device in found.config.devices] == sorted(device.name for device in LANES[lane])
    assert found.config.teams.team and found.config.teams.button


def test_every_example_is_in_the_demo():
    assert {path.name for path in EXAMPLES.iterdir()} == set(LANES)


@pytest.mark.parametrize("lane", LANES)
def test_a_device_of_the_demo_has_an_address_on_this_machine(lane):
    for name, text in configuration(lane).items():
        if name.startswith("devices/"):
            there = readdressed(text, 4321)
            assert there.count("127.0.0.1:4321") == 1
            assert "10.0." not in there and "0.0.0.0" not in there
