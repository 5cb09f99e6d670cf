"""Declared devices: what a profile's registers mean, when its alarms begin and end, and what it may not say."""

from __future__ import annotations

import re
import struct
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from drivers import profiles, registry
from drivers.dicos.zones import SCHEMES
from drivers.modbus.codec import Block, Read, decode, plan
from drivers.modbus.points import Alarm, Point, PointType
from drivers.modbus.profiles import BlockSpec, Profile
from drivers.modbus.settings import ModbusSettings
from drivers.modbus.watch import EACH_PULSE, Watch


def point(name: str = "p", **more: Any) -> Point:
    return Point.model_validate({"name": name, "table": "holding", "address": 0, **more})


def block_of(name: str) -> Block:
    (plan_,) = ModbusSettings(url="tcp://h:1", profile=name).plans()
    return plan_.blocks[0]


def low_first(form: str, value: float) -> list[int]:
    return list(struct.unpack(">HH", struct.pack(form, value)))[::-1]


def portal(inputs: int = 0, gamma: int = 0x80, neutron: int = 0x80) -> list[int]:
    """The 21 registers of the portal, written down by hand from its map."""
    return [
        *low_first(">I", 70_000), inputs,
        gamma, *low_first(">I", 123_456), *low_first(">f", 250.5), *low_first(">f", 1.5),
        neutron, *low_first(">I", 3), *low_first(">f", 2.25), *low_first(">f", 0.5),
        17, 0, 4, 1,
    ]  # fmt: skip


@pytest.mark.parametrize("name", profiles.shipped())
def test_every_shipped_profile_is_valid_and_says_where_its_map_is_from(name: str) -> None:
    profile = profiles.load(name, Profile)
    assert profile.source and profile.title
    assert registry.available()[profile.driver].profiles
    (plan_,) = ModbusSettings(url="tcp://h:1", profile=name).plans()
    assert {p.name for p in plan_.points} == {p.name for p in profile.points}


def test_the_portals_registers_are_read_as_its_map_says() -> None:
    block = block_of("aspect-rpm")
    assert (block.start, block.count) == (100, 21), "one read is one moment"
    shown = {name: read.shown for name, read in decode(block, portal(inputs=0x0041)).items()}
    assert shown["portal time"] == 70_000
    assert shown["occupied"] is True
    assert shown["inputs"] == ["beam 1", "forwards"]
    assert (shown["gamma count"], shown["gamma background"], shown["gamma variance"]) == (123_456, 250.5, 1.5)
    assert (shown["neutron count"], shown["neutron background"]) == (3, 2.25)
    assert (shown["gamma alarm"], shown["neutron alarm"], shown["tamper"]) == (False, False, False)
    assert (shown["objects"], shown["speed"], shown["outputs"]) == (17, 4, ["alarm"])


def test_an_alarm_of_the_portal_is_one_an_occupancy() -> None:
    block = block_of("aspect-rpm")
    (gamma,) = (p for p in block.points if p.name == "gamma alarm")
    watch = Watch(gamma)
    begun = []
    for inputs, status in [(0, 0x80), (1, 0x80), (1, 0x81), (1, 0x80), (1, 0x82), (0, 0x80), (1, 0x81)]:
        reads = decode(block, portal(inputs, status))
        begun.append(len(watch.see(reads["gamma alarm"], 0.0, held=bool(reads["occupied"].raw))))
    assert begun == [0, 0, 1, 0, 0, 0, 1]


@pytest.mark.parametrize(
    ("more", "words", "shown"),
    [
        ({"bit": 3}, [0b1000], True),
        ({"bit": 3, "inverted": True}, [0b1000], False),
        ({"any_of": 0b11}, [0b100], False),
        ({"bit": 20, "type": "uint32", "word_order": "little"}, [0, 0x10], True),
        ({"names": {"2": "on"}}, [2], "on"),
        ({"names": {"2": "on"}}, [9], "9"),
        ({"flags": {"0": "a", "15": "b"}}, [0x8001], ["a", "b"]),
        ({"invalid": [65_535]}, [65_535], None),
        ({"maximum": 10.0, "scale": 0.1}, [101], None),
        ({"minimum": 0.0, "type": "int16"}, [0xFFFF], None),
        ({"scale": 0.1, "offset": -40.0}, [650], 25.0),
        ({"type": "uint64"}, [0, 0, 1, 0], 65_536),
        ({"type": "uint64"}, [0xFFFF] * 4, float(2**64 - 1)),
        ({"type": "int64"}, [0xFFFF] * 4, -1),
        ({"type": "float64"}, [0x3FF8, 0, 0, 0], 1.5),
        ({"type": "float64"}, [0x7FF8, 0, 0, 0], None),
    ],
)
def test_what_registers_mean(more: dict[str, Any], words: list[int], shown: object) -> None:
    (block,) = plan([point(**more)])
    got = decode(block, words)["p"].shown
    assert got == shown
    assert type(got) is type(shown)


@pytest.mark.parametrize(("power", "volts"), [(0, 2301), (0xFFFF, 230.1), (2, 230_100), (0x8000, None), (11, None)])
def test_a_power_of_ten_beside_the_value_scales_it(power: int, volts: float | None) -> None:
    specs = [BlockSpec(table="holding", address=0, count=2)]
    points = [point("v", scale_from="sf"), point("sf", address=1, type="int16")]
    (block,) = plan(points, specs)
    assert decode(block, [2301, power])["v"].shown == volts


def test_a_value_counts_only_while_another_says_so() -> None:
    (block,) = plan([point("ok"), point("v", address=1, valid_if="ok")])
    assert decode(block, [0, 5])["v"].shown is None
    assert decode(block, [1, 5])["v"].shown == 5


def test_what_belongs_to_one_moment_must_be_in_one_block() -> None:
    points = [point("v", scale_from="sf"), point("sf", address=9)]
    with pytest.raises(ValueError, match="v and sf must be read at one moment"):
        plan(points)
    (block,) = plan(points, [BlockSpec(table="holding", address=0, count=10)])
    assert block.count == 10


def pulses(counts: list[int], **more: Any) -> list[list[object]]:
    watch = Watch(point(alarm="counts", **more))
    return [[raised.value for raised in watch.see(Read(count, count), 0.0)] for count in counts]


def test_every_pulse_that_the_device_counted_is_an_alarm() -> None:
    assert pulses([7, 7, 8, 11]) == [[], [], [8], [9, 10, 11]]


def test_a_counter_may_wrap() -> None:
    assert pulses([65_534, 1]) == [[], [65_535, 0, 1]]
    assert pulses([2**32 - 1, 0], type="uint32") == [[], [0]]


def test_after_an_outage_many_pulses_are_one_alarm_with_their_number() -> None:
    watch = Watch(point(alarm="counts"))
    watch.see(Read(5, 5), 0.0)
    (raised,) = watch.see(Read(105, 105), 0.0)
    assert (raised.name, raised.value) == ("p: pulses at once", 100)


def test_a_device_that_was_switched_off_counts_from_zero() -> None:
    assert pulses([40_000, 2, 3]) == [[], [1, 2], [3]], "two pulses since it is back"
    assert pulses([60_000, 25_000, 25_001]) == [[], [], [25_001]], "set by someone: a new baseline"


@given(st.lists(st.integers(0, EACH_PULSE), max_size=60), st.integers(0, 65_535))
def test_no_pulse_is_lost_or_told_twice(steps: list[int], start: int) -> None:
    counts = [start]
    for step in steps:
        counts.append((counts[-1] + step) % 65_536)
    assert sum(map(len, pulses(counts))) == sum(steps)


def begun(watch: Watch, seen: list[tuple[float, float]]) -> list[int]:
    return [len(watch.see(Read(value, value), at)) for at, value in seen]


def test_an_alarm_ends_beyond_its_clear_limit_and_not_at_its_limit() -> None:
    watch = Watch(point(alarm="above", limit=10, clear_limit=8))
    assert begun(watch, [(0, 11), (1, 9), (2, 11), (3, 7), (4, 11)]) == [1, 0, 0, 0, 1]


def test_an_alarm_ends_once_its_condition_was_gone_long_enough() -> None:
    watch = Watch(point(alarm="nonzero", clear_ms=1000))
    assert begun(watch, [(0, 1), (0.1, 0), (0.5, 1), (0.6, 0), (1.5, 0)]) == [1, 0, 0, 0, 0]
    assert watch.on
    assert begun(watch, [(1.7, 0), (1.8, 1)]) == [0, 1]


def test_states_raise_by_name() -> None:
    one = point(names={"1": "on", "7": "fault"}, alarm="states", states=["fault"])
    watch, (block,) = Watch(one), plan([one])
    raised = [watch.see(decode(block, [value])["p"], 0.0) for value in (1, 7, 7, 1)]
    assert [len(one) for one in raised] == [0, 1, 0, 0]
    assert raised[1][0].value == "fault"


POINT = {"name": "a", "table": "holding", "address": 0}
PROFILE = {"driver": "modbus", "title": "t", "source": "s", "points": [POINT]}


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"bit": 16}, "bit goes with an unsigned type"),
        ({"any_of": 0x10000}, "any_of goes with"),
        ({"inverted": True}, "inverted goes with bool"),
        ({"names": {"0": "a"}, "scale": 2}, "without scale"),
        ({"names": {"0": "a"}, "flags": {"0": "a"}}, "not both"),
        ({"flags": {"16": "a"}}, "flag's bit"),
        ({"alarm": "states", "states": ["b"], "names": {"0": "a"}}, "all of them among names"),
        ({"alarm": "counts", "type": "int16"}, "unsigned"),
        ({"alarm": "above", "limit": 1, "clear_limit": 2}, "wrong side"),
        ({"clear_ms": 5}, "go with an alarm that lasts"),
        ({"alarm": "counts", "held_by": "x"}, "go with an alarm that lasts"),
        ({"zone": "head"}, "zone goes with an alarm"),
        ({"table": "input", "writable": True}, "writable goes with"),
        ({"type": "uint32", "writable": True}, "writable goes with"),
        ({"maximum": float("inf")}, "finite"),
    ],
)
def test_points_that_make_no_sense(more: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        point(**more)


@pytest.mark.parametrize(
    ("profile", "says"),
    [
        ({"points": [POINT | {"alarm": "nonzero", "held_by": "b"}]}, "held_by names 'b'"),
        ({"points": [POINT | {"scale_from": "a"}]}, "no other point"),
        ({"blocks": [{"table": "holding", "address": 0, "count": 126}]}, "at most 125"),
        ({"blocks": [{"table": "holding", "address": at, "count": 5} for at in (0, 4)]}, "overlap"),
        ({"driver": "llrp"}, "driver"),
        ({"sauce": "x"}, "sauce"),
    ],
)
def test_profiles_that_make_no_sense(profile: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Profile.model_validate(PROFILE | profile)


def test_a_point_of_the_device_file_replaces_the_profiles() -> None:
    mine = {"name": "speed", "table": "holding", "address": 119, "scale": 0.1}
    settings = ModbusSettings.model_validate({"url": "tcp://h:1", "profile": "aspect-rpm", "points": [mine]})
    (plan_,) = settings.plans()
    assert [p.scale for p in plan_.points if p.name == "speed"] == [0.1]
    assert plan_.poll_ms == 200
    (slow,) = ModbusSettings(url="tcp://h:1", profile="aspect-rpm", poll_ms=500).plans()
    assert slow.poll_ms == 500


def test_units_of_one_line_are_told_apart() -> None:
    units = [{"name": n, "unit": u, "profile": "aspect-rpm"} for n, u in (("north", 1), ("south", 2))]
    settings = ModbusSettings.model_validate({"url": "serial:///dev/x", "units": units})
    north, south = settings.plans()
    gamma = next(p for p in south.points if p.name == "south/gamma alarm")
    assert (gamma.label, gamma.held_by) == ("gamma alarm, south", "south/occupied")
    assert not {p.name for p in north.points} & {p.name for p in south.points}


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"unit": 3, "units": [{"name": "a", "points": [POINT]}]}, "unit and units do not go together"),
        ({"units": [{"name": "a", "points": [POINT]}, {"name": "b", "points": [POINT]}]}, "same number"),
        ({"units": [{"name": "a"}]}, "nothing to read of unit a"),
        ({"points": [POINT], "url": "serial:///dev/x?bits=7"}, "8 bits"),
        ({"points": [POINT], "quiet_ms": 100}, "quiet_ms goes with serial"),
        ({"points": [POINT], "ca_file": "ca.pem"}, "go with tls"),
        ({"points": [POINT], "url": "tls://h", "ca_file": "c", "key_file": "k"}, "go together"),
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        ModbusSettings.model_validate({"url": "tcp://h:1"} | settings)


README = Path(__file__).parents[4] / "drivers" / "modbus" / "README.md"


def test_the_readmes_examples_are_valid() -> None:
    texts = re.findall(r"```toml\n(.*?)```", README.read_text(), re.DOTALL)
    assert len(texts) == 3
    for text in texts:
        data = tomllib.loads(text)
        if "settings" in data:
            assert ModbusSettings.model_validate(data["settings"]).plans()
        else:
            assert Profile.model_validate(data).points


def test_the_readme_names_every_shipped_profile_and_alarm() -> None:
    text = README.read_text()
    for name in (*profiles.shipped(), *Alarm, *PointType):
        assert name in text, name


def test_body_zones_are_of_the_scheme_that_reports_use() -> None:
    zones = [point.zone for point in profiles.load("bodyscanner-contacts", Profile).points if point.zone]
    assert len(zones) == 8
    assert set(zones) <= set(SCHEMES["dhs17"])
