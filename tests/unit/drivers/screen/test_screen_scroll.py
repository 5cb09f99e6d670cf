"""Scroll estimation: whatever the picture, shift and mask, the shift is found; and what is another picture is not."""

import itertools

import cv2
import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from drivers.screen.driver import ingest_of
from drivers.screen.scroll import SAME_EDGES, Scroller, Signature
from drivers.screen.settings import ScreenSettings
from simulators.conformance import screen as trial
from simulators.screen.model import Screen

ROWS, COLUMNS = 64, 200
WHITE = (255, 255, 255)


def belt(seed: int, length: int) -> np.ndarray:
    """Blocks of colour on white: something to see everywhere, and nothing that repeats."""
    rng = np.random.default_rng(seed)
    picture = np.full((ROWS, length, 3), 255, np.uint8)
    for _ in range(length // 12):
        x, y = int(rng.integers(0, length - 8)), int(rng.integers(0, ROWS - 8))
        w, h = int(rng.integers(5, 50)), int(rng.integers(5, 40))
        picture[y : y + h, x : x + w] = rng.integers(0, 220, 3)
    return picture


def noisy(picture: np.ndarray, seed: int, by: float) -> np.ndarray:
    noise = np.random.default_rng([seed, 1]).normal(0, by, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


@given(st.integers(0, 2**31), st.integers(-60, 60), st.integers(-20, 20), st.floats(0, 3))
@settings(max_examples=60, deadline=None)
def test_the_shift_is_found_whatever_was_expected_nearby(seed, shift, off, noise):
    whole = belt(seed, 400)
    scroller = Scroller(np.ones((ROWS, COLUMNS), bool))
    old = scroller.signature(noisy(whole[:, 100 : 100 + COLUMNS], seed, noise), WHITE)
    new = scroller.signature(noisy(whole[:, 100 + shift : 100 + shift + COLUMNS], seed + 1, noise), WHITE)
    found = scroller.match(old, new, shift + off, 30)
    assert (found.shift, found.found, found.coloured) == (shift, True, True)


@given(st.integers(0, 2**31), st.integers(-90, 90))
@example(1411769183, 80)  # too little of it is left to see, and a sliver at the far end agrees well enough by chance
@settings(max_examples=30, deadline=None)
def test_a_far_shift_is_found_too(seed, shift):
    whole = belt(seed, 400)
    scroller = Scroller(np.ones((ROWS, COLUMNS), bool))
    old, new = (scroller.signature(whole[:, x : x + COLUMNS], WHITE) for x in (100, 100 + shift))
    found = scroller.match_far(old, new)
    assert found.shift == shift or not found.found  # where what was to be seen has gone, nothing is
    assert found.found or abs(shift) > 60


@given(st.integers(0, 2**31), st.integers(0, 30), st.integers(0, ROWS - 10), st.integers(0, COLUMNS - 60))
@settings(max_examples=30, deadline=None)
def test_what_stands_still_behind_a_mask_does_not_hold_the_picture_back(seed, shift, top, left):
    valid = np.ones((ROWS, COLUMNS), bool)
    valid[top : top + 10, left : left + 60] = False
    whole = belt(seed, 300)
    scroller = Scroller(valid)
    frames = [whole[:, x : x + COLUMNS].copy() for x in (10, 10 + shift)]
    for frame in frames:
        frame[~valid] = 0
    old, new = (scroller.signature(frame, WHITE) for frame in frames)
    found = scroller.match(old, new, 0, 40)
    assert (found.shift, found.coloured) == (shift, True)


@given(st.integers(0, 2**31), st.integers(0, 30))
@settings(max_examples=30, deadline=None)
def test_inverted_colours_are_the_same_drawing_and_not_the_same_picture(seed, shift):
    whole = belt(seed, 300)
    scroller = Scroller(np.ones((ROWS, COLUMNS), bool))
    old = scroller.signature(whole[:, :COLUMNS], WHITE)
    new = scroller.signature(255 - whole[:, shift : shift + COLUMNS], (0, 0, 0))
    assert not scroller.match(old, new, 0, 40).found
    found, agreement = scroller.match_edges(old, new, 0, 40)
    assert found == shift
    assert agreement >= SAME_EDGES


@given(st.integers(0, 2**31))
@settings(max_examples=30, deadline=None)
def test_another_picture_is_found_nowhere(seed):
    scroller = Scroller(np.ones((ROWS, COLUMNS), bool))
    old, new = (scroller.signature(belt(s, 300)[:, :COLUMNS], WHITE) for s in (seed, seed + 1))
    assert not scroller.match(old, new, 0, 60).found
    assert not scroller.match_far(old, new).found


def test_an_empty_belt_is_where_it_is_expected():
    scroller = Scroller(np.ones((ROWS, COLUMNS), bool))
    empty = scroller.signature(np.full((ROWS, COLUMNS, 3), 250, np.uint8), (250, 250, 250))
    assert scroller.match(empty, empty, 17, 40).shift == 17


@given(st.integers(0, 2**31), st.integers(100, 150))
@settings(max_examples=20, deadline=None)
def test_a_bag_that_had_only_begun_to_come_in_is_found_after_a_gap(seed, shift):
    whole = np.full((ROWS, 500, 3), 255, np.uint8)
    whole[8:56, 270:450] = np.minimum(belt(seed, 180)[8:56], (90, 150, 220))
    whole[8:56, 270:300:7] = 0
    scroller = Scroller(np.ones((ROWS, COLUMNS), bool))
    old, new = (scroller.signature(whole[:, x : x + COLUMNS], WHITE) for x in (100, 100 + shift))
    assert scroller.match_far(old, new).shift == shift


def test_a_picture_that_has_moved_further_than_looked_for_is_not_found_nearer():
    # Two such errors in one bag made it as much shorter as to look like another.
    screen = Screen(px_s=300, tiles=trial.TILES, layout=trial.LAYOUT, gap=(40, 60))
    ingest = ingest_of(ScreenSettings(**trial.settings("tcp://127.0.0.1:1")), trial.LAYOUT.size)
    scroller = Scroller(ingest.valid())

    def signature(at_s: float) -> Signature:
        coded = cv2.imencode(".jpg", screen.picture(at_s), [cv2.IMWRITE_JPEG_QUALITY, 90])[1]
        picture = cv2.imdecode(coded, cv2.IMREAD_COLOR)
        ingest.paint(picture)
        return scroller.signature(ingest.part(picture), (255, 255, 255))

    nearer = []
    for at_s, moved in itertools.product(np.arange(2, 12, 0.5), range(82, 92, 3)):
        match = scroller.match(signature(at_s), signature(at_s + moved / 300), 0, 80)
        if match.found:
            nearer.append((at_s, moved, match.shift))
    assert nearer == []
