"""A seeded lane of 500 items with every kind of device, each tie compared with the simulator's truth."""

import random
from collections import Counter
from dataclasses import replace

import pytest

from edge.lane import Lane
from edge.nouns import NoMatch, TiedBy
from tests.unit.edge.lane.world import LAYOUT, SCANNER, World, spaced, tag

ITEMS = 500
FEWER = 150


def outcomes(world, layout=LAYOUT):
    """Count what was seen of items by device and outcome, as the lane has it in the end."""
    lane = Lane(layout)
    told = Counter()
    for bag, seen in world.run(lane):
        item = lane.item(seen)
        assert (item.bag_tag is None) == (item.match.by is TiedBy.NONE)
        assert (item.match.reason is None) == (item.bag_tag is not None)
        if item.bag_tag is None:
            told[seen.device, f"none of {min(len(bag.tags), 1)}"] += 1
        else:
            told[seen.device, "right" if item.bag_tag in bag.tags else "wrong"] += 1
    return told


def wrong(told):
    return {device: count for (device, what), count in told.items() if what == "wrong"}


def named(told, device=None):
    """Return the part of what was seen of tagged items that is named, and named right."""
    these = {key: count for key, count in told.items() if device in (None, key[0]) and key[1] != "none of 0"}
    return sum(count for (_, what), count in these.items() if what == "right") / sum(these.values())


def stops(rng, items=FEWER):
    return [(rng.uniform(0, items * 1000), rng.uniform(1, 60)) for _ in range(items // 30)]


@pytest.fixture
def rng():
    return random.Random(7)


@pytest.mark.parametrize("missed", [0.0, 0.2])
def test_every_hit_names_its_item_though_a_part_of_the_reads_is_missed(rng, missed):
    told = outcomes(World(rng.random(), spaced(rng, ITEMS), missed=missed, stops=stops(rng, ITEMS)))
    assert wrong(told) == {}
    assert named(told, SCANNER) >= 0.99
    assert named(told) >= 0.99


def test_an_item_that_any_device_read_is_named_at_all_of_them(rng):
    world = World(rng.random(), spaced(rng, ITEMS), missed_items=0.2, told_tags=0.8)
    told = outcomes(world)
    assert wrong(told) == {}
    # Each of three devices misses a fifth of the items altogether: 0.2 x 0.2 x 0.2 of them are read by nobody.
    read, tagged = sum(bag.read for bag in world.bags), sum(bool(bag.tags) for bag in world.bags)
    assert 0.98 < read / tagged < 1
    assert told[SCANNER, "right"] == told["gauge-1", "right"] == read


def test_an_item_without_a_tag_never_gets_its_neighbours(rng):
    told = outcomes(World(rng.random(), spaced(rng, FEWER, tagged=0.5), stops=stops(rng)))
    assert wrong(told) == {}
    assert named(told) >= 0.99


def test_two_tags_on_an_item_are_said_and_none_is_chosen(rng):
    bags = spaced(rng, FEWER, tagged=1)
    for bag in bags[::5]:
        bag.tags = (tag(bag.number), tag(900_000 + bag.number))
    lane = Lane(LAYOUT)
    for bag, seen in World(rng.random(), bags, stops=stops(rng)).run(lane):
        match = lane.item(seen).match
        if len(bag.tags) == 2:
            assert match.reason in (NoMatch.TWO_TAGS, NoMatch.TWO_ITEMS)
        else:
            assert lane.item(seen).bag_tag in (bag.tags[0], None)


@pytest.mark.parametrize("lifted_mm", [1000, 2000], ids=["before the scanner", "behind the scanner"])
@pytest.mark.parametrize("told_tags", [0.0, 1.0], ids=["the scanner reads no tag", "it does"])
def test_items_that_change_places_are_found_out(rng, lifted_mm, told_tags):
    bags = spaced(rng, FEWER)
    swapped = []
    for one, other in zip(bags[::10], bags[1::10], strict=True):
        one.moved_mm, other.moved_mm = other.at_mm, one.at_mm
        one.moved_from_mm = other.moved_from_mm = lifted_mm
        swapped += [one, other]
    lane = Lane(LAYOUT)
    told = Counter()
    for bag, seen in World(rng.random(), bags, told_tags=told_tags).run(lane):
        item = lane.item(seen)
        assert item.bag_tag is None or item.bag_tag in bag.tags
        told[seen.device, bag in swapped, item.bag_tag is not None] += bool(bag.tags)
    if told_tags:
        assert told[SCANNER, True, False] == 0
    # The items that nobody touched keep their names at the scanner.
    assert told[SCANNER, False, True] >= 0.95 * (told[SCANNER, False, True] + told[SCANNER, False, False])


def test_bags_closer_together_than_said_are_not_confused_by_the_scanner(rng):
    told = outcomes(World(rng.random(), spaced(rng, FEWER, least=250)))
    assert SCANNER not in wrong(told)
    assert named(told, SCANNER) > 0.8


@pytest.mark.parametrize("speed", [170, 225, 320])
def test_a_belt_of_another_speed_than_stated_is_found_out(rng, speed):
    told = outcomes(World(rng.random(), spaced(rng, FEWER), true_speed=speed))
    assert wrong(told) == {}


def test_a_belt_whose_stops_are_not_seen_ties_nothing(rng):
    deaf = replace(LAYOUT, running=None)
    told = outcomes(World(rng.random(), spaced(rng, FEWER), stops=stops(rng), told_tags=0.5), deaf)
    assert wrong(told) == {}
    assert 0.4 < named(told, SCANNER) < 0.6  # only what the scanner itself was told
    assert named(told, "gauge-1") == 0


def test_a_belt_that_always_runs_needs_no_contact(rng):
    told = outcomes(World(rng.random(), spaced(rng, FEWER)), replace(LAYOUT, running=None, always_runs=True))
    assert wrong(told) == {}
    assert named(told) >= 0.99
