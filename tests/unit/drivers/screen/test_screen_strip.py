"""Stitching, cutting and painting: the strip is the belt, runs are bags, and nothing looks out from behind a mask."""

import itertools

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from drivers.screen.cut import Rules, crop, extent, runs
from drivers.screen.paint import EDGE, Ingest
from drivers.screen.settings import Direction
from drivers.screen.stitch import Seen, Strip

ROWS, COLUMNS = 24, 60
WHITE = (255, 255, 255)


@given(st.integers(0, 2**31), st.lists(st.integers(-12, 30), min_size=1, max_size=40))
@settings(max_examples=60, deadline=None)
def test_the_strip_is_the_belt_however_it_came(seed, moves):
    belt = np.random.default_rng(seed).integers(0, 256, (ROWS, 2400, 3), np.uint8)
    valid = np.ones((ROWS, COLUMNS), bool)
    valid[4:8, 50:] = False  # at the side where columns come in: filled in once they have moved on
    strip = Strip(valid)
    left = 500
    first = strip.restart()
    strip.place(belt[:, left : left + COLUMNS], first, WHITE, Seen.NORMAL, 24)
    for move in moves:
        left = max(left + move, 500)
        strip.place(belt[:, left : left + COLUMNS], first + left - 500, WHITE, Seen.NORMAL, 24)
    pixels, seen = strip.pixels(strip.begin, strip.end)
    known = seen == Seen.NORMAL
    wanted = belt[:, 500 + strip.begin - first : 500 + strip.end - first]
    assert (pixels[known] == wanted[known]).all()
    assert known[8:].all()
    assert known[:, : max(strip.end - strip.begin - COLUMNS, 0)].all() or min(moves) < 0 or max(moves) > 10


def test_an_enhanced_picture_gives_way_to_the_normal_one_and_never_the_other_way_round():
    strip = Strip(np.ones((ROWS, COLUMNS), bool))
    first = strip.restart()
    frames = [np.full((ROWS, COLUMNS, 3), value, np.uint8) for value in (10, 20, 30)]
    strip.place(frames[0], first, WHITE, Seen.ENHANCED, 24)
    assert not strip.whole(first, first + COLUMNS)
    strip.place(frames[1], first, WHITE, Seen.NORMAL, 24)
    strip.place(frames[2], first, WHITE, Seen.ENHANCED, 24)
    assert strip.whole(first, first + COLUMNS)
    assert (strip.pixels(first, first + COLUMNS)[0] == 20).all()


counts = st.lists(st.tuples(st.booleans(), st.integers(1, 40)), max_size=12).map(
    lambda pieces: np.array([9 if on else 0 for on, size in pieces for _ in range(size)], np.int32)
)


@given(counts, st.integers(1, 20), st.integers(20, 200))
def test_runs_hold_every_filled_column_once_and_are_parted_by_belt(filled, gap, longest):
    found = runs(filled, Rules(3, gap, 1, longest))
    covered = np.zeros(filled.size, int)
    for run in found:
        covered[run.start : run.stop] += 1
        assert 0 < run.stop - run.start <= longest
    assert (covered[filled >= 3] == 1).all()
    assert covered.max(initial=0) <= 1
    for before, after in itertools.pairwise(found):
        assert before.cut or after.start - before.stop >= gap
    assert all(run.closed for run in found[:-1])
    if found:
        assert found[-1].closed == (filled.size - found[-1].stop >= gap)


def test_a_crop_shows_nothing_that_is_not_known():
    pixels = np.random.default_rng(1).integers(0, 200, (ROWS, COLUMNS, 3), np.uint8)
    known = np.zeros((ROWS, COLUMNS), bool)
    known[5:9, 10:20] = True
    assert extent(known) == (5, 9)
    cut = crop(pixels, known, (1, 2, 3), (4, 10))
    assert (cut[~known[4:10]] == (1, 2, 3)).all()
    assert (cut[1:5, 10:20] == pixels[5:9, 10:20]).all()


boxes = st.tuples(st.integers(0, 90), st.integers(0, 60), st.integers(1, 90), st.integers(1, 60))


@given(st.lists(boxes, max_size=4), st.sampled_from(Direction))
def test_masks_are_painted_in_place_and_known_in_the_followed_part(masks, direction):
    picture = np.full((100, 150, 3), 200, np.uint8)
    ingest = Ingest((20, 10, 110, 80), tuple(masks), direction)
    ingest.paint(picture)
    for x, y, w, h in masks:
        assert not picture[y : y + h, x : x + w].any()
    part = ingest.part(picture)
    assert ((part != 0).all(axis=2) == ingest.valid()).all()
    wide = direction in (Direction.LEFT, Direction.RIGHT)
    assert part.shape == ((80, 110 - EDGE, 3) if wide else (110, 80 - EDGE, 3))


@pytest.mark.parametrize("direction", list(Direction))
def test_a_cut_is_turned_back_as_the_display_shows_it(direction):
    picture = np.random.default_rng(2).integers(0, 256, (100, 150, 3), np.uint8)
    ingest = Ingest((0, 0, 150, 100), (), direction)
    back = ingest.back(ingest.part(picture))
    rows = slice(EDGE, None) if direction is Direction.DOWN else slice(0, -EDGE if direction is Direction.UP else None)
    columns = (
        slice(EDGE, None) if direction is Direction.RIGHT else slice(0, -EDGE if direction is Direction.LEFT else None)
    )
    assert (back == picture[rows, columns]).all()


@given(st.integers(0, 400))
def test_a_strip_that_goes_on_for_ever_keeps_its_size(start):
    assume(start >= 0)
    strip = Strip(np.ones((4, 20), bool))
    left = strip.restart()
    for step in range(200):
        strip.place(np.full((4, 20, 3), step % 251, np.uint8), left + 7 * step, WHITE, Seen.NORMAL, 24)
        strip.forget(left + 7 * step - 20)
    assert strip.end == left + 7 * 199 + 20
    assert strip.end - strip.begin <= 40
