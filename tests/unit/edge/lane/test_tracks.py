"""Which sightings are made one item: only those that can be no other's, in whatever order they come."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.lane.belt import Belt, Span
from edge.lane.tracks import LOST_NS, MAX_TRACKS, Relation, Sighting, Tracks
from edge.nouns import NoMatch

S = 1_000_000_000
GAP = 700.0


@pytest.fixture
def tracks():
    return new()


def new():
    numbers = itertools.count()
    belt = Belt(250.0, speed_error=0.0, stop_mm=0.0, always_runs=True)
    return Tracks(belt, GAP, lambda: f"item {next(numbers)}")


def name(text):
    return ("bag_tag", text)


def sighting(device, middle, half=50.0, *, at_s=10, tag=None, sole=False):
    return Sighting(device, Span(middle - half, middle + half, at_s * S), name(tag) if tag else None, sole)


def test_two_that_must_be_one_are_one(tracks):
    first = tracks.see(sighting("a", 1000))
    assert tracks.see(sighting("b", 1100, tag="A")) is first
    assert first.names == {name("A")} and (first.span.lo, first.span.hi) == (1050, 1050)


def test_two_that_must_be_two_are_two(tracks):
    assert tracks.see(sighting("a", 1000)) is not tracks.see(sighting("b", 1101))


def test_where_it_may_be_either_it_is_neither(tracks):
    left, right = tracks.see(sighting("a", 1000, 300)), tracks.see(sighting("a", 1700, 300))
    between = tracks.see(sighting("b", 1350, 100))
    assert len({left.id, right.id, between.id}) == 3
    assert len(tracks.near(between)) == 2


def test_what_is_known_better_later_is_tied_then(tracks):
    scan = tracks.see(sighting("xray", 1000, sole=True))
    tag = sighting("reader", 1200, 400, tag="A")
    tracks.see(tag)
    assert scan.names == set()
    tracks.narrowed(tag, Span(950, 1100, 12 * S))
    assert scan.names == {name("A")} and tag.track is scan


def test_a_name_ties_though_the_place_is_only_roughly_known(tracks):
    first = tracks.see(sighting("a", 1000, 300, tag="A"))
    assert tracks.see(sighting("b", 1500, 300, tag="A")) is first


def test_an_item_that_turns_up_elsewhere_takes_only_its_name_along(tracks):
    tag = tracks.see(sighting("reader", 1000, tag="A"))
    scan = sighting("xray", 1010, sole=True)
    assert tracks.see(scan) is tag
    other = sighting("xray", 3000, sole=True)
    tracks.see(other)
    moved = tracks.see(sighting("exit", 3000, tag="A"))
    assert moved.names == {name("A")}
    for loose in (scan, other):  # either may have been A or the other when it was seen
        assert loose.track is not moved and loose.track.disturbed is NoMatch.MOVED


def test_two_pictures_of_a_scanner_are_two_items_however_close(tracks):
    tag = tracks.see(sighting("reader", 1000, tag="A"))
    first, second = sighting("xray", 1020, sole=True), sighting("xray", 1150, sole=True)
    assert tracks.see(first) is tag
    tracks.see(second)
    assert first.track is not second.track
    assert not first.track.names and not second.track.names
    assert first.track.disturbed is second.track.disturbed is NoMatch.TWO_ITEMS
    assert set(tracks.around(Span(1050, 1100, 10 * S))) == {first.track, second.track}


def test_what_a_scanner_saw_and_named_in_one_keeps_its_place_beside_another(tracks):
    first, second = sighting("xray", 1020, tag="A", sole=True), sighting("xray", 1150, tag="B", sole=True)
    tracks.see(first)
    tracks.see(second)
    assert (first.track.names, second.track.names) == ({name("A")}, {name("B")})
    assert first.track.span and second.track.span


def test_a_lost_item_is_forgotten_before_long(tracks):
    tracks.see(sighting("reader", 1000, tag="A"))
    tracks.see(sighting("exit", 3000, tag="A"))
    tracks.see(sighting("reader", 1000, at_s=11, tag="A"))  # carried back
    tracks.retire(-1e9, 12 * S + LOST_NS)
    assert [each.span is not None for each in tracks.live] == [True]


def test_what_a_reader_said_can_be_taken_back(tracks):
    scan = tracks.see(sighting("xray", 1000, sole=True))
    tag = sighting("reader", 1000, tag="A")
    tracks.see(tag)
    tracks.drop(tag)
    assert scan.names == set()
    assert tracks.see(sighting("reader", 9000, tag="A")) is not scan
    alone = sighting("reader", 5000, tag="B")
    tracks.see(alone)
    tracks.drop(alone)
    assert alone.track not in tracks.live


def test_a_belt_that_never_brings_an_item_where_it_should_is_not_trusted(tracks):
    for number in range(8):
        tracks.see(sighting("a", 2000 * number, tag=str(number)))
        assert tracks.trusted
        tracks.see(sighting("b", 2000 * number + 900, tag=str(number)))
    assert not tracks.trusted
    lonely = tracks.see(sighting("a", 99_000, tag="x"))
    assert tracks.see(sighting("c", 99_000)) is not lonely


def test_there_are_never_more_than_so_many(tracks):
    for number in range(MAX_TRACKS + 9):
        tracks.see(sighting("a", 2000 * number, tag=str(number)))
    assert len(tracks.live) == len(tracks._named) == MAX_TRACKS


@st.composite
def lanes(draw):
    """Items at least a gap apart, and what was seen of them, each sighting true: its span holds the item."""
    gaps = draw(st.lists(st.floats(GAP, 3 * GAP), min_size=1, max_size=5))
    items = list(itertools.accumulate(gaps))
    seen = []
    for number in draw(st.lists(st.integers(0, len(items) - 1), min_size=1, max_size=14)):
        below, above = draw(st.floats(0, 500)), draw(st.floats(0, 500))
        tag = str(number) if draw(st.booleans()) else None
        device = draw(st.sampled_from(["a", "b", "c"]))
        span = Span(items[number] - below, items[number] + above, draw(st.integers(1, 20)) * S)
        seen.append((number, Sighting(device, span, name(tag) if tag else None)))
    return seen


@settings(max_examples=200)
@given(lanes())
def test_whatever_is_seen_no_item_gets_what_is_anothers(seen):
    tracks = new()
    for _, each in seen:
        tracks.see(each)
    for track in tracks.live:
        owners = {number for number, each in seen if each.track is track}
        assert len(owners) == 1  # nothing of two items is ever made one
        assert track.disturbed is None
        assert track.names <= {name(str(number)) for number in owners}
        [item] = owners
        assert all(
            each.span.lo - 1e-6 <= track.span.hi and each.span.hi >= track.span.lo - 1e-6
            for number, each in seen
            if number == item and each.track is track
        )


@given(a=st.floats(0, 5000), b=st.floats(0, 5000), half=st.floats(0, 600), other=st.floats(0, 600))
def test_the_relation_does_not_depend_on_who_is_asked(a, b, half, other):
    tracks = new()
    one, two = Span(a - half, a + half, S), Span(b - other, b + other, 2 * S)
    relation = tracks.relation(one, two)
    assert tracks.relation(two, one) is relation
    if abs(a - b) >= GAP:
        assert relation is not Relation.SAME
    if a == b:
        assert relation is not Relation.DIFFERENT
