"""The survey finds what answers, all of it, and takes for an alarm what changed when somebody made it."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import LinkTimeout
from drivers.modbus.client import ExceptionReply
from drivers.modbus.points import Point, Table
from drivers.modbus.survey import AROUND, FIRST, MOST_AT_ONCE, PLACES, Span, Surveyor, Trace, changes, joined, snapshot


class Unit:
    """A unit that has some addresses, and refuses, or leaves unanswered, what touches others."""

    def __init__(self, holds, missing=frozenset(), silent=False):
        self.holds, self.missing, self.silent = holds, missing, silent
        self.requests = 0

    async def read(self, table, start, count):
        self.requests += 1
        assert start >= 0 and start + count <= 65_536 and 0 < count <= MOST_AT_ONCE
        if table in self.missing:
            raise ExceptionReply("x", 1)
        if not all((table, start + n) in self.holds for n in range(count)):
            if self.silent:
                raise LinkTimeout("x")
            raise ExceptionReply("x", 2)
        return [self.holds[table, start + n] for n in range(count)]


addresses = st.sets(st.integers(0, FIRST - 1), max_size=60)


@given(holding=addresses, discrete=addresses)
async def test_every_address_at_the_beginning_is_found_and_no_other(holding, discrete):
    holds = {(Table.HOLDING, a): a for a in holding} | {(Table.DISCRETE, a): 1 for a in discrete}
    unit = Unit(holds, missing={Table.INPUT, Table.COIL})
    spans = await Surveyor(unit).spans()
    assert await snapshot(unit, spans) == holds
    assert all(span.count <= MOST_AT_ONCE for span in spans)


@pytest.mark.parametrize("place", [300, 4096, 4100, 40_001])
async def test_a_usual_place_far_behind_is_found_with_what_is_around_it(place):
    holds = {(Table.HOLDING, place + n): n for n in range(-3, 20)}
    assert await snapshot(unit := Unit(holds), await Surveyor(unit).spans()) == holds


@pytest.mark.parametrize("address", [0, 5, 77, 12_345, 65_535])
async def test_an_address_of_the_manual_is_found(address):
    unit = Unit({(Table.INPUT, address): 1})
    assert await Surveyor(unit).around(address) == [Span(Table.INPUT, address, 1)]


async def test_a_unit_that_does_not_answer_costs_a_few_deadlines_a_table():
    unit = Unit({}, silent=True)
    assert await Surveyor(unit).spans() == []
    assert unit.requests <= 4 * len(Table)


@given(st.lists(st.tuples(st.sampled_from(Table), st.integers(0, 500), st.integers(1, MOST_AT_ONCE)), max_size=12))
def test_joined_spans_hold_the_same_addresses_once(listed):
    made = joined(Span(*one) for one in listed)
    held = [(span.table, span.start + n) for span in made for n in range(span.count)]
    assert set(held) == {(table, start + n) for table, start, count in listed for n in range(count)}
    assert len(held) == len(set(held))
    assert all(span.count <= MOST_AT_ONCE for span in made)


def traced(*values, address=(Table.HOLDING, 7)):
    trace = Trace()
    for value in values:
        trace.see({address: value})
    return trace


@pytest.mark.parametrize(
    ("table", "quiet", "pressed", "point"),
    [
        (Table.DISCRETE, [0], [0, 1, 0], {"alarm": "nonzero"}),
        (Table.DISCRETE, [1], [1, 0, 1], {"alarm": "nonzero", "inverted": True}),
        (Table.HOLDING, [0], [0, 1, 0], {"alarm": "nonzero"}),
        (Table.HOLDING, [2], [34, 2], {"alarm": "nonzero", "bit": 5}),
        (Table.HOLDING, [3], [3, 2, 3], {"alarm": "nonzero", "bit": 0, "inverted": True}),
        (Table.INPUT, [41], [41, 42, 43], {"alarm": "counts"}),
        (Table.INPUT, [100], [100, 900, 450, 100], {"alarm": "above", "limit": 500.0}),
        (Table.INPUT, [900], [900, 100, 450, 900], {"alarm": "below", "limit": 500.0}),
    ],
)
def test_what_a_change_is_taken_for(table, quiet, pressed, point):
    [change] = changes(traced(*quiet, address=(table, 7)), traced(*pressed, address=(table, 7)))
    assert {key: value for key, value in change.point.items() if key not in ("name", "table", "address")} == point
    valid = Point.model_validate(change.point)
    assert (valid.table, valid.address) == (table, 7)


def test_what_changes_by_itself_is_no_alarm():
    assert changes(traced(1, 2, 3), traced(4, 5, 6)) == []
    assert changes(traced(1), traced(1, 1)) == []


@given(st.lists(st.integers(0, 0xFFFF), min_size=1), st.sampled_from(Table))
def test_every_change_is_a_point_that_the_driver_takes(values, table):
    values = [value & 1 for value in values] if table.of_bits else values
    for change in changes(traced(values[0], address=(table, 7)), traced(*values, address=(table, 7))):
        Point.model_validate(change.point)


def test_contacts_come_before_counters_and_levels():
    quiet, pressed = Trace(), Trace()
    at = {"level": (Table.INPUT, 1), "counter": (Table.INPUT, 2), "contact": (Table.DISCRETE, 3)}
    quiet.see(dict.fromkeys(at.values(), 0))
    for level, counter, contact in ((0, 0, 0), (9, 1, 1), (6, 1, 0)):
        pressed.see({at["level"]: level, at["counter"]: counter, at["contact"]: contact})
    assert [(c.point["table"], c.point["address"]) for c in changes(quiet, pressed)] == [
        ("discrete", 3),
        ("input", 2),
        ("input", 1),
    ]


def test_the_usual_places_are_in_order_and_fit():
    assert all(a < b for a, b in pairwise(PLACES)) and PLACES[-1] + AROUND < 65_536
