"""Following a simulated screen with its truth: every bag once, boxes right, and nothing judged that was not seen."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import pytest

from drivers.screen.cut import Rules
from drivers.screen.driver import ingest_of
from drivers.screen.follow import Bag, Follower, Mode
from drivers.screen.paint import Ingest
from drivers.screen.settings import Direction, ScreenSettings
from simulators.conformance import screen as trial
from simulators.screen.model import Act, Event, Layout, Screen

pytestmark = pytest.mark.slow

ACROSS = Layout((520, 320), (10, 40, 500, 260), (380, 6, 130, 28), (10, 6, 200, 28), (440, 46, 64, 24))
ALONG = Layout((320, 560), (30, 50, 260, 500), (200, 6, 110, 28), (10, 6, 180, 28), (40, 520, 64, 24))
FPS = 8
NEAR_PX = 6


@dataclass
class Followed:
    screen: Screen
    bags: list[tuple[float, Bag]]
    modes: list[Mode]
    offset: int

    def judged(self) -> list[Bag]:
        return [bag for _, bag in self.bags if bag.reason is None]

    def unknown(self) -> list[Bag]:
        return [bag for _, bag in self.bags if bag.reason is not None]

    def box(self, bag: Bag) -> tuple[int, int, int, int]:
        """A bag's own box, without the margin that it is cut with."""
        off = (np.abs(bag.picture.astype(int) - 255).max(axis=2)) > 24
        off[1:] &= off[:-1].copy()
        xs, ys = np.flatnonzero(off.sum(axis=0) >= 3), np.flatnonzero(off.sum(axis=1) >= 2)
        return bag.start + xs[0] - self.offset, bag.top + ys[0], xs[-1] - xs[0] + 1, ys[-1] - ys[0] + 1


def follow(
    tiles, *script: Event, layout: Layout = ACROSS, seconds: float = 13, count: int = 4, noise: float = 0, **more
):
    screen = Screen(seed=3, px_s=110, script=script, tiles=tiles, count=count, layout=layout, gap=(40, 120), **more)
    ingest = Ingest(layout.region, (layout.operator, layout.logo), Direction(layout.moves))
    follower = Follower(ingest.valid(), Rules(3, 16, 16, 1200), idle_s=3.0)
    rng = np.random.default_rng(5)
    bags, modes = [], []
    for at_s, picture in screen.frames(FPS, seconds):
        if noise:
            picture = np.clip(picture + rng.normal(0, noise, picture.shape), 0, 255).astype(np.uint8)
        ingest.paint(picture)
        bags += [(at_s, bag) for bag in follower.feed(ingest.part(picture), at_s)]
        if modes[-1:] != [follower.mode]:
            modes.append(follower.mode)
    followed = Followed(screen, bags, modes, 0)
    if bags:  # columns are counted from the first that was seen: an empty belt before the first bag is not told apart
        followed.offset = followed.box(bags[0][1])[0] - screen.bags[0].start
    return followed


def shot(ingest: Ingest, screen: Screen, at_s: float) -> np.ndarray:
    picture = screen.picture(at_s)
    ingest.paint(picture)
    return ingest.part(picture)


def assert_boxes(followed: Followed, bags: list[Bag], wanted=None) -> None:
    wanted = followed.screen.bags if wanted is None else wanted
    assert len(bags) == len(wanted)
    for bag, shown in zip(bags, wanted, strict=True):
        height, width = shown.tile.picture.shape[:2]
        box = followed.box(bag)
        assert np.abs(np.array(box) - (shown.start, shown.top, width, height)).max() <= NEAR_PX, (box, shown.truth())


@pytest.mark.parametrize(
    "script",
    [
        (),
        (Event(Act.PAUSE, 2.5, 2),),
        (Event(Act.REVERSE, 4, 1),),
        (Event(Act.PAUSE, 4, 3), Event(Act.ZOOM, 4.5, 2)),
        (Event(Act.PAUSE, 4, 3), Event(Act.INVERT, 4.5, 2)),
        (Event(Act.PAUSE, 4, 3), Event(Act.GREY, 4.5, 2)),
        (Event(Act.PAUSE, 4, 3), Event(Act.MENU, 4.5, 2)),
        (Event(Act.INVERT, 4, 1),),
    ],
    ids=["running", "paused", "reversed", "zoomed", "inverted", "grey", "menu", "inverted-running"],
)
def test_every_bag_is_cut_once_with_its_box(tiles, script):
    """Where the display comes back to where it was, nothing was missed, and every bag is judged."""
    followed = follow(tiles, *script, seconds=17)
    assert not followed.unknown()
    assert_boxes(followed, followed.judged())


@pytest.mark.parametrize(
    ("moves", "layout"), [("left", ACROSS), ("right", ACROSS), ("up", ALONG), ("down", ALONG)], ids=str
)
def test_whichever_way_the_picture_moves(tiles, moves, layout):
    from dataclasses import replace

    followed = follow(tiles, layout=replace(layout, moves=moves))
    assert [bag.reason for _, bag in followed.bags] == [None] * 4


def test_a_videos_noise_changes_nothing(tiles):
    followed = follow(tiles, noise=3.0)
    assert_boxes(followed, followed.judged())


def test_pixels_are_those_of_the_bag(tiles):
    followed = follow(tiles)
    for bag, shown in zip(followed.judged(), followed.screen.bags, strict=True):
        cut, tile = bag.picture[16:-16, 24:-24], shown.tile.picture
        differs = cv2.matchTemplate(tile, cut, cv2.TM_SQDIFF)
        assert np.sqrt(differs.min() / cut.size) < 1.0


def test_what_was_shown_only_with_an_enhancement_is_unknown(tiles):
    followed = follow(tiles, Event(Act.INVERT, 3.5, 60), seconds=20)
    assert Mode.ENHANCED in followed.modes
    assert len(followed.unknown()) >= 2
    assert {bag.reason for bag in followed.unknown()} == {"the display showed it with an enhancement only"}
    assert all(follow_start < 3.5 * 110 + 520 for follow_start in (followed.box(bag)[0] for bag in followed.judged()))


def test_grey_is_told_from_colour_and_colour_comes_back(tiles):
    followed = follow(tiles * 2, Event(Act.GREY, 3.5, 7), seconds=27, count=7)
    assert followed.modes == [Mode.NORMAL, Mode.ENHANCED, Mode.NORMAL]
    assert followed.unknown()
    for bag, shown in zip(followed.judged()[-3:], followed.screen.bags[-3:], strict=True):
        height, width = shown.tile.picture.shape[:2]
        assert np.abs(np.array(followed.box(bag)[1:]) - (shown.top, width, height)).max() <= NEAR_PX


def test_a_magnified_picture_is_recognised_and_never_judged_as_a_bag(tiles):
    followed = follow(tiles, Event(Act.PAUSE, 4, 4), Event(Act.ZOOM, 4.5, 3), seconds=20)
    assert Mode.ZOOMED in followed.modes
    assert_boxes(followed, followed.judged())


def test_bags_that_passed_behind_a_menu_leave_an_unknown(tiles):
    followed = follow(tiles * 2, Event(Act.MENU, 4, 8), seconds=28, count=7)
    assert Mode.OTHER in followed.modes
    assert followed.unknown()
    assert len(followed.judged()) >= 3


def test_a_bag_that_is_on_the_screen_at_the_start_is_unknown_where_it_is_cut(tiles):
    screen = Screen(seed=3, px_s=110, tiles=tiles, count=2, layout=ACROSS)
    ingest = Ingest(ACROSS.region, (ACROSS.logo,), Direction.LEFT)
    follower = Follower(ingest.valid(), Rules(3, 16, 16, 1200), idle_s=3.0)
    first = (screen.along + 40 + 60) / screen.px_s  # 60 columns of the first bag are gone already
    bags = [bag for step in range(120) for bag in follower.feed(shot(ingest, screen, first + step / FPS), step / FPS)]
    assert [bag.reason is None for bag in bags] == [False, True]
    assert bags[0].missing and not bags[0].problem  # the part that was seen is judged: an alarm on it stands


def test_a_stream_that_had_a_gap_goes_on_where_it_was(tiles):
    screen = Screen(seed=3, px_s=110, tiles=tiles, count=3, layout=ACROSS)
    ingest = Ingest(ACROSS.region, (ACROSS.logo,), Direction.LEFT)
    follower = Follower(ingest.valid(), Rules(3, 16, 16, 1200), idle_s=30.0)
    bags = []
    for at_s, picture in screen.frames(FPS, 14):
        if 4.0 <= at_s < 5.8:  # 198 columns, with a bag under way
            continue
        ingest.paint(picture)
        bags += follower.feed(ingest.part(picture), at_s)
    assert [bag.reason for bag in bags] == [None] * 3


def test_a_belt_that_stands_closes_the_bag_that_came_last(tiles):
    wait = Screen(seed=3, px_s=110, tiles=tiles, count=1, layout=ACROSS)
    wait.picture(3)
    end_s = (wait.bags[0].start + wait.bags[0].tile.picture.shape[1] + 10 - 500) / 110
    followed = follow(tiles, Event(Act.PAUSE, end_s, 60), seconds=end_s + 5, count=1)
    assert len(followed.judged()) == 1
    assert followed.bags[0][0] >= end_s + 2.5


def test_a_bag_exchanged_while_the_belt_ran_back_is_a_bag_of_its_own(tiles):
    """The screen runs back over half a bag, and another one comes out of the tunnel."""
    first = Screen(seed=3, px_s=110, tiles=tiles[:1], count=1, layout=ACROSS)
    other = Screen(seed=3, px_s=110, tiles=tiles[2:3], count=1, layout=ACROSS)
    ingest = Ingest(ACROSS.region, (ACROSS.logo,), Direction.LEFT)
    follower = Follower(ingest.valid(), Rules(3, 16, 16, 1200), idle_s=30.0)
    first.picture(3), other.picture(3)
    half_s = (first.bags[0].start + 120 - 500) / 110
    there = [step / FPS for step in range(int(half_s * FPS))]
    back = [half_s - step / FPS for step in range(int(1.6 * FPS))]
    again = [half_s - 1.6 + step / FPS for step in range(int(7 * FPS))]
    bags, number = [], 0
    for screen, moments in ((first, there), (first, back), (other, again)):
        for at_s in moments:
            number += 1
            bags += follower.feed(shot(ingest, screen, max(at_s, 0)), number / FPS)
    assert any(bag.reason is None and abs(bag.picture.shape[1] - tiles[2].picture.shape[1] - 16) < 12 for bag in bags)


@pytest.mark.parametrize(("seed", "seconds"), [(135, 12), (142, 30), (145, 29), (186, 26)])
def test_of_a_stream_that_stalls_no_bag_is_made_of_two(seed, seconds):
    # Bags of one size and material, as the trials have them: across a stall they are easily taken for each other.
    chance = np.random.default_rng(seed)
    screen = Screen(px_s=300, tiles=trial.TILES, layout=trial.LAYOUT, gap=(40, 60))
    ingest = ingest_of(ScreenSettings(**trial.settings("tcp://127.0.0.1:1")), trial.LAYOUT.size)
    follower = Follower(ingest.valid(), Rules(3, 16, 16, 640), idle_s=3.0)
    at_s = chance.uniform(0, 5)
    whole = []
    while at_s < seconds:
        coded = cv2.imencode(".jpg", screen.picture(at_s), [cv2.IMWRITE_JPEG_QUALITY, 96])[1]
        picture = cv2.imdecode(coded, cv2.IMREAD_COLOR)
        ingest.paint(picture)
        whole += [bag.picture.shape[:2] for bag in follower.feed(ingest.part(picture), at_s) if bag.reason is None]
        at_s += 1 / 12 if chance.random() > 0.12 else chance.exponential(0.7)
    assert len(whole) > 10
    assert [(h, w) for h, w in whole if abs(h - 116) > 8 or abs(w - 126) > 8] == []


@pytest.mark.parametrize("damaged_s", [6.4, 6.9])
def test_a_bag_that_does_not_look_the_same_twice_was_not_seen_whole(tiles, damaged_s):
    # A decoder shows what damaged video it has: for one picture, garbage stands where a bag comes in.
    screen = Screen(seed=3, px_s=110, tiles=tiles, count=4, layout=ACROSS, gap=(40, 120))
    ingest = Ingest(ACROSS.region, (ACROSS.operator, ACROSS.logo), Direction(ACROSS.moves))
    follower = Follower(ingest.valid(), Rules(3, 16, 16, 1200), idle_s=3.0)
    bags = []
    for at_s, picture in screen.frames(FPS, 13):
        ingest.paint(picture)
        part = ingest.part(picture).copy()
        if damaged_s <= at_s < damaged_s + 1 / FPS:
            part[100:160, -40:] = (250, 250, 180)
        bags += follower.feed(part, at_s)
    assert len([bag for bag in bags if bag.reason and "two looks" in bag.reason]) == 1
