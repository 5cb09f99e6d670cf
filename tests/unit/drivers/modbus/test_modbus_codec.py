"""From points to requests, and from registers to values and alarms."""

from __future__ import annotations

import math
import struct
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from drivers.links.address import TcpAddress
from drivers.modbus.codec import Read, number, plan, raw, scaled
from drivers.modbus.points import Point, PointType, Table, WordOrder
from drivers.modbus.profiles import MAX_BITS, MAX_REGISTERS
from drivers.modbus.settings import ModbusSettings, endpoint
from drivers.modbus.watch import Watch


def point(name: str = "p", table: str = "holding", address: int = 0, **more: Any) -> Point:
    return Point.model_validate({"name": name, "table": table, "address": address, **more})


def test_adjacent_points_are_one_request_and_gaps_are_not_read() -> None:
    points = [
        point("c", address=2, type="float32"),
        point("a", address=0),
        point("b", address=1),
        point("d", address=10),
        point("e", table="input", address=4),
        point("overlap", address=0, type="uint32"),
        point("f", table="coil", address=7),
        point("g", table="coil", address=8),
    ]
    blocks = plan(points)
    assert [(b.table, b.start, b.count) for b in blocks] == [
        ("coil", 7, 2),
        ("holding", 0, 4),
        ("holding", 10, 1),
        ("input", 4, 1),
    ]
    assert str(blocks[1]) == "holding 0 to 3"
    assert str(blocks[2]) == "holding 10"


@given(
    st.lists(
        st.builds(
            lambda table, address, kind: point(
                f"{table}{address}", table, address, **({} if table in ("coil", "discrete") else {"type": kind})
            ),
            st.sampled_from(list(Table)),
            st.integers(0, 400),
            st.sampled_from(["uint16", "float32", "int32"]),
        ),
        min_size=1,
        max_size=60,
    )
)
def test_every_point_is_read_once_in_requests_no_larger_than_allowed(points: list[Point]) -> None:
    blocks = plan(points)
    assert sorted(p.name for b in blocks for p in b.points) == sorted(p.name for p in points)
    for block in blocks:
        assert 1 <= block.count <= (MAX_BITS if block.table.of_bits else MAX_REGISTERS)
        covered = {a for p in block.points for a in range(p.address, p.end)}
        assert covered == set(range(block.start, block.start + block.count)), "nothing else is asked for"


@pytest.mark.parametrize(
    ("kind", "words", "value"),
    [
        ("uint16", [65_535], 65_535),
        ("int16", [65_535], -1),
        ("uint32", [0x0001, 0x0002], 65_538),
        ("int32", [0xFFFF, 0xFFFE], -2),
        ("float32", [0x4145, 0x70A4], 12.34),
        ("float32", [0x7FC0, 0x0000], None),
        ("float32", [0xFF80, 0x0000], None),
        ("bool", [0], False),
        ("bool", [3], True),
    ],
)
def test_registers_become_values(kind: str, words: list[int], value: object) -> None:
    got = number(point(type=kind), words)
    assert got == value
    assert type(got) is type(value)
    assert number(point(type=kind, word_order="little"), words[::-1]) == value


@given(st.sampled_from([t for t in PointType if t is not PointType.BOOL]), st.sampled_from(list(WordOrder)), st.data())
def test_any_registers_become_a_value_that_json_can_carry(
    kind: PointType, order: WordOrder, data: st.DataObject
) -> None:
    words = data.draw(st.lists(st.integers(0, 65_535), min_size=kind.words, max_size=kind.words))
    one = point(type=kind, word_order=order, scale=data.draw(st.floats(1e-300, 1e300)))
    value = scaled(one, number(one, words))
    assert value is None or math.isfinite(value)


def test_whole_numbers_stay_whole_and_scaling_does_not_show_binary_dust() -> None:
    assert scaled(point(), 7) == 7
    assert scaled(point(scale=0.1), 3) == 0.3
    assert scaled(point(scale=1e300, type="float32"), 3e38) is None


@given(st.lists(st.integers(0, 65_535), min_size=1, max_size=125))
def test_raw_registers_are_the_bytes_of_the_wire(values: list[int]) -> None:
    assert list(struct.unpack(f">{len(values)}H", raw(Table.INPUT, values))) == values


def test_raw_bits_are_packed_as_on_the_wire() -> None:
    # The specification's own example, 6.1: coils 20 to 38 are CD 6B 05.
    bits = [1, 0, 1, 1, 0, 0, 1, 1, 1, 1, 0, 1, 0, 1, 1, 0, 1, 0, 1]
    assert raw(Table.COIL, bits) == bytes.fromhex("CD6B05")


def alarms(values: list[Any], **settings: Any) -> list[bool]:
    one = point(**settings)
    watch = Watch(one)
    return [bool(watch.see(Read(value, scaled(one, value)), 0.0)) for value in values]


@pytest.mark.parametrize(
    ("settings", "values", "raised"),
    [
        ({"alarm": "on_change"}, [5, 5, 6, 5, None, 5, 7], [0, 0, 1, 1, 0, 0, 1]),
        ({"alarm": "on_change"}, [65_535, 0], [0, 1]),
        ({"alarm": "nonzero"}, [3, 3, 0, 1, None, 2], [1, 0, 0, 1, 0, 0]),
        ({"alarm": "nonzero", "table": "coil"}, [False, True, True], [0, 1, 0]),
        ({"alarm": "bits", "mask": 0b110}, [1, 3, 2, 6, 0, 4], [0, 1, 0, 1, 0, 1]),
        ({"alarm": "above", "limit": 1.0, "scale": 0.1}, [10, 11, 12, 10, 11], [0, 1, 0, 0, 1]),
        ({"alarm": "below", "limit": 0, "type": "int16"}, [-1, -2, 0, -1], [1, 0, 0, 1]),
        ({}, [0, 1, 2], [0, 0, 0]),
    ],
)
def test_when_an_alarm_is_raised(settings: dict[str, Any], values: list[Any], raised: list[int]) -> None:
    assert alarms(values, **settings) == [bool(r) for r in raised]


@given(st.lists(st.integers(0, 5), max_size=40))
def test_every_change_and_nothing_else_raises_on_change(values: list[int]) -> None:
    expected = [False] * bool(values) + [a != b for a, b in pairwise(values)]
    assert alarms(values, alarm="on_change") == expected


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"table": "coil", "type": "uint16"}, "type must be bool"),
        ({"address": 65_535, "type": "uint32"}, "does not fit at address 65535"),
        ({"scale": 0}, "scale must be"),
        ({"scale": float("nan")}, "finite number"),
        ({"alarm": "above"}, "needs limit"),
        ({"limit": 3}, "limit and clear_limit go with"),
        ({"mask": 3}, "mask goes with"),
        ({"alarm": "bits", "type": "int16"}, "needs an unsigned type"),
        ({"alarm": "bits", "scale": 2}, "without scale"),
        ({"alarm": "above", "limit": 1, "type": "bool"}, "needs a number"),
        ({"alarm": "rising"}, "on_change"),
        ({"adress": 1}, "adress"),
    ],
)
def test_points_that_make_no_sense(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        point(**settings)


POINT = {"name": "a", "table": "holding", "address": 0}


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"url": "tcp://h:1"}, "nothing to read"),
        ({"url": "h:502", "points": [POINT]}, "must be tcp://HOST:PORT"),
        ({"url": "tls://h:802", "points": [POINT]}, "tls:// needs ca_file"),
        ({"url": "tcp://h:99999", "points": [POINT]}, "Port out of range"),
        ({"url": "tcp://h:1/x", "points": [POINT]}, "is tcp://HOST:PORT"),
        ({"url": "tcp://h:1", "profile": "aspect-prm"}, "no profile is called 'aspect-prm'"),
        ({"url": "tcp://h:1", "points": [POINT, POINT]}, "two points have the same name: a"),
        ({"url": "tcp://h:1", "points": [POINT], "poll_ms": 1}, "poll_ms"),
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        ModbusSettings.model_validate(settings)


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("tcp://10.0.0.5:1502", "10.0.0.5", 1502),
        ("tcp://portal.lan", "portal.lan", 502),
        ("tcp://[fe80::1]:5", "fe80::1", 5),
    ],
)
def test_addresses(url: str, host: str, port: int) -> None:
    assert endpoint(url) == TcpAddress(host, port)
