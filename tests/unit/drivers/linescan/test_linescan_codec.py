"""Frames, lines, bags and pictures by themselves: golden bytes, any bytes, any order."""

from __future__ import annotations

import itertools
import random
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.clock import Stamp
from drivers.errors import DeviceRefused, ProtocolError
from drivers.linescan import container
from drivers.linescan.calibration import LINES, Calibration, Correction, Measuring
from drivers.linescan.codec import HEADER, Beam, Decoder, Flags, Frame, ahead, parse
from drivers.linescan.cutter import Bag, Cutter, Rules
from drivers.linescan.lines import ANEW, WINDOW, Assembler, Line
from drivers.linescan.scan import Maker, bridged_over
from simulators.linescan.model import Taken
from simulators.linescan.wire import frames as simulated

# As README.md writes it out: line 7 at position 5, X-rays on, belt running, 16 bits, pixels 2 and 3 of 4, high energy.
GOLDEN = bytes.fromhex("4a4c5331 01 03 10 00 07000000 05000000 0400 0200 0200 e803 d007 e619293f")


def frame(line: int, values: list[int], *, position: int | None = None, energy: int = 0, first: int = 0, of: int = 0):
    at = line if position is None else position
    count = len(values)
    head = struct.pack("<4sBBBBIIHHH", b"JLS1", energy, 3, 16, 0, line, at, of or first + count, first, count)
    body = head + np.array(values, "<u2").tobytes()
    return body + struct.pack("<I", zlib.crc32(body))


def test_the_frame_of_the_readme():
    found = parse(GOLDEN)
    assert (found.beam, found.flags, found.bits) == (Beam.HIGH, Flags.XRAYS_ON | Flags.BELT_RUNS, 16)
    assert (found.line, found.position, found.pixels, found.first) == (7, 5, 4, 2)
    assert found.values.tolist() == [1000, 2000]


@pytest.mark.parametrize(
    ("at", "value"), [(0, 0x4B), (4, 2), (5, 4), (6, 7), (6, 17), (7, 1), (16, 0), (18, 3), (20, 0), (22, 0)]
)
def test_a_frame_that_is_damaged_is_refused(at: int, value: int):
    bad = bytearray(GOLDEN)
    bad[at] = value
    with pytest.raises(ProtocolError):
        parse(bytes(bad))
    with pytest.raises(ProtocolError):
        parse(GOLDEN[:-1])
    with pytest.raises(ProtocolError):
        parse(GOLDEN + b"\0")


@given(st.lists(st.integers(0, 65_535), min_size=1, max_size=40), st.integers(0, 2**32 - 1), st.integers(0, 1))
def test_what_the_simulator_writes_is_read(values: list[int], line: int, energy: int):
    found = parse(frame(line, values, energy=energy, first=3, of=50))
    assert found.values.tolist() == values and (found.line, found.beam, found.first) == (line, energy, 3)


@given(st.binary(max_size=60), st.lists(st.integers(0, 200), max_size=6))
def test_frames_are_found_in_any_noise_and_any_pieces(noise: bytes, cuts: list[int]):
    data = GOLDEN + noise + GOLDEN + GOLDEN
    decoder, found, start = Decoder(), [], 0
    for cut in [*sorted(cuts), len(data)]:
        found += decoder.feed(data[start:cut])
        start = max(start, cut)
    found += decoder.feed(bytes(HEADER.size + 2 * 4096))  # whatever a false beginning waits for
    assert sum(one.raw == GOLDEN for one in found) >= 3 - (b"JLS1" in noise)


@given(st.integers(0, 2**32 - 1), st.integers(-(2**31), 2**31 - 1))
def test_counters_wrap(start: int, step: int):
    assert ahead((start + step) % 2**32, start) == step


def taken(number: int, value: int = 100, pixels: int = 4) -> Taken:
    return Taken(number % 2**32, number % 2**32, 3, np.full((2, pixels), value, np.uint16))


@settings(max_examples=100)
@given(st.integers(0, 2**32 - 1), st.integers(0, 10_000))
def test_lines_in_any_order_within_the_window_come_out_in_order(start: int, seed: int):
    chance = random.Random(seed)
    sent = [data for n in range(40) for data in simulated(taken(start + n), at_most=2)]
    first, rest = sent[0], sent[1:]
    for at in range(0, len(rest) - 30, 15):
        part = rest[at : at + 30]
        chance.shuffle(part)
        rest[at : at + 30] = part
    assembler = Assembler()
    out = [line for data in [first, *rest, *rest[:9]] for line in assembler.feed(parse(data))]
    assert [line.number for line in out if isinstance(line, Line)] == [(start + n) % 2**32 for n in range(40)]
    assert all(isinstance(line, Line) and line.whole for line in out)
    assert assembler.counts.lost == 0 and assembler.counts.repeated + assembler.counts.late == 9


def test_what_is_lost_is_counted_and_the_rest_goes_on():
    assembler = Assembler()
    sent = [data for n in range(300) for data in simulated(taken(n)) if n not in (5, 6, 100)]
    del sent[2 * 20]  # the low energy of line 22
    out = [line for data in sent for line in assembler.feed(parse(data))]
    assert [line.number for line in out if isinstance(line, Line)] == [n for n in range(300) if n not in (5, 6, 100)]
    assert assembler.counts.lost == 4
    (half,) = [line for line in out if isinstance(line, Line) and not line.whole]
    assert half.number == 22 and half.there.tolist() == [[False] * 4, [True] * 4]


def test_a_long_hole_costs_no_time_and_another_beginning_is_told():
    assembler = Assembler()
    numbers = [*range(10), *range(90_000, 90_000 + WINDOW + 10)]
    out = [line for n in numbers for data in simulated(taken(n)) for line in assembler.feed(parse(data))]
    assert len(out) == len(numbers) and ANEW not in out
    assert assembler.counts.lost == 90_000 - 10
    more = [line for data in simulated(taken(5)) for line in assembler.feed(parse(data))]
    assert not more and assembler.counts.late == 2
    wider = [line for data in simulated(taken(5, pixels=6)) for line in assembler.feed(parse(data))]
    assert wider[0] is ANEW and wider[1].number == 5


def line(position: int, values: list[int] | None = None) -> Line:
    low = np.array([values or [0] * 4, values or [0] * 4], np.uint16)
    return Line(position, position % 2**32, Flags(3), 16, low, np.ones((2, 4), np.bool_), [b""], True)


RULES = Rules(gap=5, margin=2, shortest=3, longest=40, bridge=2, rewind=10)


def cut(pattern: str, start: int = 0, rules: Rules = RULES) -> list[Bag]:
    """`#` covered, `.` clear, `?` half lost, `x` lost, `<` the belt runs back one, `s` it stands."""
    cutter, bags, at = Cutter(rules), [], start
    for sign in pattern:
        at += {"<": -1, "s": 0}.get(sign, 1)
        if sign != "x":
            bags += cutter.see(line(at), None if sign == "?" else sign == "#")
    return bags


@pytest.mark.parametrize("start", [0, 2**32 - 20])
@pytest.mark.parametrize(
    ("pattern", "rows", "whys"),
    [
        ("......####......", [8], [None]),
        ("......####...####......", [15], [None]),
        ("......####......####......", [8, 8], [None, None]),
        ("......##......####......", [8], [None]),
        ("......##xx##......", [10], [None]),
        ("......####xxx####......", [6, 6], ["cut: 3 lines together are lost", "it follows"]),
        ("......####ssss####......", [12], [None]),
        ("......####<<<#######......", [12], [None]),
        ("......####" + "<" * 12 + "######......", [6, 8], ["cut: the belt ran back over it", "it follows"]),
        ("......" + "#" * 50 + "......", [40, 14], ["longer than 40", "it follows"]),
        ("##########......", [12], ["lay in the beam"]),
        ("......##??##......", [10], [None]),
        ("......##???###......", [6, 5], ["cut: 3 lines together are half lost", "it follows"]),
        ("......????##.#......", [6], ["half lost"]),
        ("......####..??..??..####......", [22], [None]),
        ("......xxxx####......", [6], ["cut: 4 lines together are lost"]),
        ("......xxxx..####......", [8], [None]),
    ],
)
def test_bags_are_cut(pattern: str, rows: list[int], whys: list[str | None], start: int):
    bags = cut(pattern, start)
    assert [bag.rows for bag in bags] == rows
    for bag, why in zip(bags, whys, strict=True):
        assert bag.incomplete is None if why is None else why in (bag.incomplete or "")


@given(st.text("#.?xs<", max_size=300))
def test_no_line_is_in_a_bag_twice_and_rows_rise(pattern: str):
    for bag in cut(pattern):
        positions = [each.position for each in bag.lines]
        steps = [ahead(b, a) for a, b in itertools.pairwise(positions)]
        assert all(1 <= step <= RULES.bridge + 1 for step in steps)
        assert bag.rows <= RULES.longest


def calibration(dark: int = 100, air: int = 10_100, pixels: int = 4) -> Calibration:
    shape = (2, pixels)
    noise = np.full(shape, 5, np.float32)
    return Calibration(16, np.full(shape, dark, np.float32), 1, np.full(shape, air, np.float32), 2, noise)


def test_what_is_missing_is_interpolated_straight():
    planes = np.array([[0, 0], [9, 9], [9, 9], [3, 9], [4, 4]], np.float32)
    there = np.array([[1, 1], [0, 0], [0, 0], [1, 0], [1, 1]], np.bool_)
    filled, longest, touched = bridged_over(planes, there)
    assert filled[:, 0].tolist() == [0, 1, 2, 3, 4] and filled[:, 1].tolist() == [0, 1, 2, 3, 4]
    assert (longest, touched) == (3, 3)
    nothing, longest, _ = bridged_over(np.ones((3, 2), np.float32), np.zeros((3, 2), np.bool_))
    assert longest == 3 and nothing.shape == (3, 2)


def test_dead_pixels_are_repaired_from_their_neighbours_at_the_edges_too():
    found = calibration(pixels=6)
    assert found.air is not None
    found.air[:, [0, 3]] = 100
    correction = Correction(found)
    assert correction.dead.tolist() == [[True, False, False, True, False, False]] * 2
    planes = np.tile(np.array([9, 1, 2, 9, 4, 5], np.float32), (3, 2, 1))
    assert correction.repaired(planes)[0, 0].tolist() == [1, 1, 2, 3, 4, 5]


def test_a_scan_says_what_was_bridged_and_what_was_cut():
    correction = Correction(calibration())
    lines = [line(n, [5100] * 4) for n in (0, 1, 3, 4)]
    lines[1].there[0, 2] = False
    made = Maker("x", 4).make(Bag(lines), correction, Stamp(1, 1), 7)
    assert made.scan.name == "item 7, 2 lines bridged" and made.scan.incomplete is None
    low = np.frombuffer(made.scan.pictures[0].data, "<u2").reshape(5, 4)
    assert (low == 30_000).all()
    cut_short = Maker("x", 0).make(Bag(lines), correction, Stamp(1, 1), 8)
    assert cut_short.scan.incomplete == "cut: parts of 2 lines together are lost"
    told = Maker("x", 4).make(Bag(lines, "cut: the detector was lost"), correction, Stamp(1, 1), 9)
    assert told.scan.incomplete == told.summary["incomplete"] == "cut: the detector was lost"


def measured(xrays: bool, values: np.ndarray, before: Calibration | None) -> Calibration:
    step = Measuring(xrays)
    for number in range(LINES):
        flags = Flags(3) if xrays else Flags(0)
        there = np.ones(values.shape[1:], np.bool_)
        step.add(Line(number, number, flags, 16, values[number], there, [], True))
    return step.gain(2, before) if xrays else step.dark(1, before)


def noisy(level: float, seed: int = 1) -> np.ndarray:
    chance = np.random.default_rng(seed)
    return chance.normal(level, 10, (LINES, 2, 50)).clip(0, 65_535).astype(np.uint16)


def test_calibration_refuses_what_it_is_not():
    dark = measured(False, noisy(900), None)
    assert not dark.complete and dark.dead().all()
    whole = measured(True, noisy(50_000, 2), dark)
    assert whole.complete and not whole.dead().any()
    passing = noisy(50_000)
    passing[100:] = passing[100:] // 2
    for xrays, values, before, words in (
        (False, noisy(50_000), None, "X-rays really off"),
        (True, noisy(50_000), None, "dark comes first"),
        (True, noisy(1000), dark, "too little light"),
        (True, np.full((LINES, 2, 50), 65_535, np.uint16), dark, "saturated"),
        (True, passing, dark, "must be empty"),
    ):
        with pytest.raises(DeviceRefused, match=words):
            measured(xrays, values, before)


def test_dead_pixels_are_found_by_their_light_their_dark_and_their_noise():
    dark, air = noisy(900), noisy(50_000, 2)
    dark[:, 0, 3], air[:, 0, 4], air[:, 1, 5], air[:, 1, 6] = 40_000, 905, 50_000, 50_000
    air[::2, 1, 6] = 48_000
    found = measured(True, air, measured(False, dark, None)).dead()
    assert np.argwhere(found).tolist() == [[0, 3], [0, 4], [1, 5], [1, 6]]


@given(st.binary(max_size=200), st.integers(0, 3000))
def test_a_container_that_is_damaged_is_refused(noise: bytes, at: int):
    whole = container.write({"a": 1}, calibration(), [GOLDEN])
    assert [each.raw for each in container.read(whole).frames] == [GOLDEN]
    bad = whole[:at] + noise + whole[at + len(noise) :]
    if bad != whole:
        with pytest.raises(ProtocolError):
            container.read(bad)


def test_frames_are_views_of_what_came() -> None:
    found = parse(GOLDEN)
    assert isinstance(found, Frame) and found.raw == GOLDEN and not found.values.flags.writeable
