"""What the lane says of an item: by what it is tied, how surely, and why not."""

from dataclasses import replace

import pytest

from drivers.contract import Identity, IdKind, ItemHint, Reading, Scan
from edge.lane import Contact, Lane, Layout, Place, Station
from edge.lane.lane import UNHEARD_NS
from edge.nouns import Item, Match, NoMatch, TiedBy
from tests.unit.edge.lane.world import contact, stamp

BELT = Layout(
    belt_mm_s=250,
    gap_mm=700,
    always_runs=True,
    places={
        "reader": Place(500, view_mm=450, within_ms=600),
        "xray": Place(1500, view_mm=100),
        "dog": Place(3000, view_mm=300, within_ms=1500),
    },
)
A, B = "0220000001", "0220000002"


def reading(at_s, *identities, **values):
    return Reading(stamp(at_s), values, identities=identities)


def tag(value, kind=IdKind.BAG_TAG):
    return Identity(kind, value)


def scan(at_s, uid="1.2.3", hint=None):
    return Scan(stamp(at_s), uid, b"", "x/y", "n", scan_id=uid, item=hint or ItemHint(type="BAGGAGE"))


def passes(lane, value, at_s, **changes):
    """An item's tag is heard, in its middle at a moment."""
    for later in (-0.5, 0, 0.5, 1.0):
        lane.see("reader", reading(at_s + later, tag(value), **changes))


def test_a_lane_that_is_not_laid_out_ties_nothing():
    lane = Lane(Layout())
    seen = lane.see("xray", scan(10, hint=ItemHint(A, "BARCODE", "BAGGAGE")))
    assert lane.item(seen) == Item("1.2.3", A, "BAGGAGE")
    first, second = (lane.item(lane.see("portal", reading(10))) for _ in range(2))
    assert first.match is None and first.scan_id != second.scan_id


def test_by_belt_with_what_is_uncertain():
    lane = Lane(BELT)
    passes(lane, A, 10)
    seen = lane.see("xray", scan(14.1))
    item = lane.item(seen)
    assert (item.bag_tag, item.match.by, item.match.reason) == (A, TiedBy.BELT, None)
    assert 0 < item.match.uncertainty_ms < 2800  # less than the gap between two
    assert lane.identities(seen) == {tag(A)}


def test_by_what_the_device_itself_read():
    lane = Lane(BELT)
    seen = lane.see("xray", scan(14, hint=ItemHint(A, "BARCODE", "BAGGAGE")))
    assert lane.item(seen) == Item("1.2.3", A, "BAGGAGE", None, Match(TiedBy.TAG, 0))


def test_a_tag_that_is_read_after_the_scan_names_it_then():
    lane = Lane(replace(BELT, places={**BELT.places, "exit": Place(2500, view_mm=450, within_ms=600)}))
    seen = lane.see("xray", scan(14))
    assert lane.item(seen).match == Match(TiedBy.NONE, reason=NoMatch.NO_TAG)
    for at_s in (17.5, 18, 18.5, 19):
        lane.see("exit", reading(at_s, tag(A)))
    assert lane.item(seen).bag_tag == A
    assert lane.item(seen).scan_id == "1.2.3"


def test_what_is_read_beside_a_tag_names_no_item():
    lane = Lane(BELT)
    lane.see("reader", reading(10, tag("af0718", IdKind.FLIGHT), tag("30" * 12, IdKind.EPC)))
    seen = lane.see("xray", scan(14))
    assert lane.item(seen).bag_tag is None


EPCS = [tag(f"30{number:022x}", IdKind.EPC) for number in range(3)]


def test_radio_tags_tie_an_item_to_its_name_and_are_none():
    lane = Lane(BELT)
    for at_s in (9.5, 10, 10.5, 11):
        lane.see("reader", reading(at_s, *EPCS[:2]))
    seen = lane.see("xray", scan(14.1))
    assert lane.item(seen).match == Match(TiedBy.NONE, reason=NoMatch.NO_TAG)
    passes(lane, A, 10)
    assert lane.item(seen).bag_tag == A


def test_the_tags_that_people_wear_are_on_no_item():
    lane = Lane(BELT, worn=frozenset({EPCS[0].value}))
    lane.see("reader", reading(10, EPCS[0]))
    assert not lane.tracks.live


def test_a_parcel_goes_by_its_number():
    lane = Lane(BELT)
    for at_s in (9.5, 10, 10.5, 11):
        lane.see("reader", reading(at_s, tag("RR473124829DE", IdKind.PARCEL)))
    seen = lane.see("xray", scan(14.1))
    assert (lane.item(seen).parcel, lane.item(seen).bag_tag) == ("RR473124829DE", None)


def test_a_dogs_alert_on_the_only_item_there():
    lane = Lane(BELT)
    passes(lane, A, 10)
    lane.see("xray", scan(14))
    seen = lane.see("dog", reading(21))
    item = lane.item(seen)
    assert (item.bag_tag, item.match.by) == (A, TiedBy.BELT)
    assert item.match.uncertainty_ms > 1000
    assert lane.key(seen) == f"bag_tag:{A}"


def test_a_dogs_alert_where_two_items_may_be_meant_names_neither():
    lane = Lane(BELT)
    for number, (value, at_s) in enumerate([(A, 10), (B, 13)]):
        passes(lane, value, at_s)
        lane.see("xray", scan(at_s + 4, str(number)))
    between = lane.item(lane.see("dog", reading(22.4)))
    assert between.match == Match(TiedBy.NONE, reason=NoMatch.TWO_ITEMS, candidates=2)
    assert between.bag_tag is None


def test_a_radio_tag_that_hangs_about_the_dog_is_no_item():
    lane = Lane(BELT)
    passes(lane, A, 10)
    lane.see("xray", scan(14))
    for at_s in (20, 20.5, 21):
        lane.see("dog", reading(at_s, EPCS[0]))
    assert lane.item(lane.see("dog", reading(21.1))).bag_tag == A


def test_a_dogs_alert_where_nothing_is():
    lane = Lane(BELT)
    lane.see("xray", scan(14))
    seen = lane.see("dog", reading(40))
    assert lane.item(seen).match == Match(TiedBy.NONE, reason=NoMatch.NO_ITEM)
    assert lane.key(seen) is None


def test_a_dogs_alert_on_a_lane_that_counts_no_items_needs_a_place_that_is_sure():
    places = {"reader": BELT.places["reader"], "dog": BELT.places["dog"]}
    lane = Lane(replace(BELT, places=places))
    passes(lane, A, 10)
    assert lane.item(lane.see("dog", reading(21))).match.reason is NoMatch.TWO_ITEMS
    lane = Lane(replace(BELT, places={**places, "dog": Place(3000, view_mm=100)}))
    passes(lane, A, 10)
    assert lane.item(lane.see("dog", reading(20.2))).bag_tag == A


def test_an_item_that_has_left_keeps_what_was_known_of_it():
    lane = Lane(BELT)
    passes(lane, A, 10)
    lane.see("xray", scan(14))
    seen = lane.see("dog", reading(21))
    before = lane.item(seen)
    for at_s in range(22, 2000):
        lane.forget(stamp(at_s).monotonic_ns)
        assert lane.item(seen) == before
    assert not lane.tracks.live and not lane.passages._open


@pytest.mark.parametrize("belt_mm_s", [None, 250])
def test_without_a_belt_that_is_known_the_tag_in_view_is_all_there_is(belt_mm_s):
    lane = Lane(Layout(belt_mm_s=belt_mm_s, running=Contact("io", "belt"), places={"dog": Place(0)}))
    lane.see("dog", reading(10, tag(A)))
    assert lane.item(lane.see("dog", reading(11))).bag_tag == A
    assert lane.item(lane.see("dog", reading(11))).match == Match(TiedBy.VIEW)
    lane.see("dog", reading(11.5, tag(B)))
    two = lane.item(lane.see("dog", reading(12)))
    assert (two.bag_tag, two.match.reason) == (None, NoMatch.BELT_UNKNOWN)
    assert lane.item(lane.see("dog", reading(30))).match.reason is NoMatch.BELT_UNKNOWN


def stopping():
    lane = Lane(replace(BELT, always_runs=False, running=Contact("io", "belt")))
    lane.see("io", contact(0, "belt", True))
    return lane


def test_a_belt_that_stops_brings_nothing():
    lane = stopping()
    passes(lane, A, 10)
    lane.see("io", contact(12, "belt", False))
    lane.see("io", contact(72, "belt", True))
    assert lane.item(lane.see("xray", scan(74))).bag_tag == A


def test_a_tag_before_a_belt_that_stands_is_still_one_item():
    lane = stopping()
    lane.see("io", contact(10, "belt", False))
    for at_s in range(10, 70):
        lane.see("reader", reading(at_s, tag(A)))
    assert len(lane.tracks.live) == 1 and not list(lane.passages.standing())


@pytest.mark.parametrize(
    "lose",
    [lambda lane: lane.see("io", contact(13, "belt", None)), lambda lane: lane.lost("io", stamp(13).monotonic_ns)],
)
def test_a_belt_whose_contact_is_lost_ties_nothing_across(lose):
    lane = stopping()
    passes(lane, A, 10)
    lose(lane)
    lane.see("io", contact(13.5, "belt", True))
    assert lane.item(lane.see("xray", scan(14))).bag_tag is None
    passes(lane, B, 40)
    assert lane.item(lane.see("xray", scan(44))).bag_tag == B
    assert UNHEARD_NS > 3e9


def test_another_device_that_is_lost_changes_nothing():
    lane = stopping()
    passes(lane, A, 10)
    lane.lost("reader", stamp(13).monotonic_ns)
    assert lane.item(lane.see("xray", scan(14))).bag_tag == A


def test_an_eye_at_the_entry_counts_the_items():
    lane = Lane(replace(BELT, entry=Contact("io", "eye"), places={"dog": BELT.places["dog"]}))
    for at_s, on in ((7, True), (7.1, True), (8, False), (8.2, True), (8.5, False), (20, True)):
        lane.see("io", contact(at_s, "eye", on))
    assert len(lane.tracks.live) == 2  # a handle is no second bag
    seen = lane.see("dog", reading(20))
    assert lane.item(seen).match == Match(TiedBy.NONE, reason=NoMatch.NO_TAG)
    assert lane.key(seen) == lane.tracks.live[0].id


def test_a_tag_that_lies_beside_the_belt_names_nothing_and_hides_nothing():
    lane = Lane(BELT)
    for half in range(160):
        at_s = half / 2
        lane.see("reader", reading(at_s, tag("9999999999"), *([tag(A)] if 70 <= at_s <= 71.5 else [])))
    assert [name for _, name in lane.passages.standing()] == [("bag_tag", "9999999999")]
    assert lane.item(lane.see("xray", scan(74.8))).bag_tag == A


def test_a_reader_that_hears_farther_than_said_names_nothing():
    lane = Lane(BELT)
    for half in range(10):
        lane.see("reader", reading(10 + half / 2, tag(A)))  # over 1.1 m of belt
    assert lane.item(lane.see("xray", scan(16))).bag_tag is None


CHECKPOINT = Layout(stations=(Station("gate", frozenset({"pass", "portal", "body"}), 8_000_000_000),))


def test_one_person_at_a_time_is_known_by_what_was_read_there():
    lane = Lane(CHECKPOINT)
    flight = tag("AF0718/2026-11-21", IdKind.FLIGHT)
    lane.see("pass", reading(10, flight))
    portal = lane.see("portal", reading(13))
    assert lane.identities(portal) == {flight}
    assert lane.item(portal).bag_tag is None
    assert lane.identities(lane.see("portal", reading(30))) == frozenset()
    lane.see("pass", reading(14, tag("AF0001/2026-11-21", IdKind.FLIGHT)))
    assert lane.identities(portal) == frozenset()  # of two it may be either


def test_a_parcel_on_the_scale_whose_code_is_read_afterwards():
    lane = Lane(Layout(stations=(Station("bench", frozenset({"scale", "code"}), 5_000_000_000),)))
    weighed = lane.see("scale", reading(10, grams=1200))
    assert lane.item(weighed).match is None
    lane.see("code", reading(12, tag("RR473124829DE", IdKind.PARCEL)))
    item = lane.item(weighed)
    assert (item.parcel, item.match) == ("RR473124829DE", Match(TiedBy.VIEW))
    assert lane.key(weighed) == "parcel:RR473124829DE"
    lane.see("code", reading(13, tag("RR000000005DE", IdKind.PARCEL)))
    assert lane.item(weighed).match == Match(TiedBy.NONE, reason=NoMatch.TWO_TAGS, candidates=2)
