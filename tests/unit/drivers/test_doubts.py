"""What drivers find odd in their own settings: polls that the line cannot carry, rates that a family does not have."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import registry
from drivers.links.address import Line, Parity
from drivers.modbus import pace
from drivers.modbus.settings import ModbusSettings
from drivers.scale.settings import ScaleSettings
from drivers.uhf_serial.settings import UhfSerialSettings

PORT = "serial:///dev/ttyS0"


def modbus(baud, poll_ms, registers=1, units=0):
    points = [{"name": f"p{n}", "table": "holding", "address": n} for n in range(registers)]
    read = {"poll_ms": poll_ms, "points": points}
    below = {"units": [{"name": f"u{n}", "unit": n + 1, **read} for n in range(units)]} if units else read
    return ModbusSettings.model_validate({"url": f"{PORT}?baud={baud}", **below})


def test_how_long_characters_take():
    assert Line(9600).takes_s(960) == pytest.approx(1.0)
    assert Line(9600, Parity.EVEN, 8, 2).takes_s(800) == pytest.approx(1.0)


def test_a_modbus_line_that_carries_it():
    # 8 + 5 + 2 characters of ten bits at 9600 baud are 15.6 ms, and two gaps of 3.6 ms.
    (block,) = modbus(9600, 30).plans()[0].blocks
    assert pace.least_s(block, Line(9600)) == pytest.approx(0.0229, abs=1e-4)
    assert modbus(9600, 30).doubts() == ()
    assert (
        ModbusSettings.model_validate(
            {"url": "tcp://h:1", "poll_ms": 10, "points": [{"name": "p", "table": "holding", "address": 0}]}
        ).doubts()
        == ()
    )


def test_a_modbus_poll_that_is_too_fast():
    (doubt,) = modbus(9600, 20).doubts()
    assert doubt.key == ("poll_ms",)
    assert doubt.said == "all of it takes at least 23 ms at 9600 baud: every 20 ms is too often"
    assert modbus(115_200, 20).doubts() == ()
    (doubt,) = modbus(9600, 200, registers=100).doubts()
    assert "at least 229 ms" in doubt.said


def test_many_modbus_units_on_one_line():
    assert modbus(9600, 100, units=4).doubts() == ()
    (doubt,) = modbus(9600, 100, units=8).doubts()
    assert doubt.key == ("url",) and doubt.said.startswith("the units together are asked for 183% of what the line")
    (doubt,) = modbus(9600, 20, units=2).doubts()
    assert doubt.key == ("units", 0, "poll_ms")


@given(st.sampled_from([1200, 9600, 19_200, 115_200]), st.integers(10, 2000), st.integers(1, 100))
def test_a_modbus_doubt_goes_away_with_a_slower_poll(baud, poll_ms, registers):
    found = modbus(baud, poll_ms, registers).doubts()
    (block,) = modbus(baud, poll_ms, registers).plans()[0].blocks
    assert bool(found) is (pace.least_s(block, Line(baud)) * 1000 > poll_ms)


@pytest.mark.parametrize(
    ("settings", "keys"),
    [
        ({"url": PORT}, []),
        ({"url": f"{PORT}?baud=230400"}, ["url"]),
        ({"url": f"{PORT}?baud=4800", "protocol": "reader18"}, ["url"]),
        ({"url": f"{PORT}?baud=9600", "poll_ms": 20}, ["poll_ms"]),
        ({"url": "tcp://h:1", "poll_ms": 20}, []),
    ],
)
def test_readers(settings, keys):
    assert [doubt.key[0] for doubt in UhfSerialSettings.model_validate(settings).doubts()] == keys


@pytest.mark.parametrize(
    ("settings", "keys"),
    [
        ({"url": PORT}, []),
        ({"url": f"{PORT}?baud=1200"}, []),
        ({"url": f"{PORT}?baud=1200", "poll_ms": 100}, ["poll_ms"]),
        ({"url": f"{PORT}?baud=300", "protocol": "nci"}, ["poll_ms"]),
        ({"url": f"{PORT}?baud=300", "protocol": "toledo", "poll_ms": 20}, []),
    ],
)
def test_scales(settings, keys):
    assert [doubt.key[0] for doubt in ScaleSettings.model_validate(settings).doubts()] == keys


@pytest.mark.parametrize("info", registry.available().values(), ids=lambda info: info.name)
def test_no_driver_doubts_its_own_example(info):
    settings = registry.settings_class(info).model_validate(tomllib.loads(info.example)["settings"])
    assert list(settings.doubts()) == []
