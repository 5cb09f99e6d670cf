import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from drivers.contract import Polarity
from drivers.errors import ModelError
from inference import normalise
from inference.training.bags import HABITS, bag, own_box, write

pytestmark = pytest.mark.slow

planes = arrays(np.uint16, (24, 32), elements=st.integers(0, 65_535))


def scene(seed: int = 3) -> np.ndarray:
    """A bag's transmission, with air around it."""
    return bag(np.random.default_rng(seed), True, 300).plane


@given(planes)
def test_inverted_values_mean_the_same(values):
    upright = normalise.from_grey(values, 12, Polarity.AIR_HIGH, False)
    inverted = normalise.from_grey((4095 - values.astype(np.int32)), 12, Polarity.AIR_LOW, False)
    assert np.allclose(upright, inverted, atol=1e-3)


@given(planes, st.sampled_from([8, 10, 12, 14, 16]), st.sampled_from(Polarity), st.booleans())
def test_transmission_lies_between_opaque_and_air(values, bits, polarity, logarithmic):
    plane = normalise.from_grey(values >> (16 - bits), bits, polarity, logarithmic)
    assert plane.dtype == np.float32
    assert np.isfinite(plane).all()
    assert plane.min() >= 0
    assert plane.max() <= 1


@given(planes, st.booleans())
def test_more_light_is_never_less_transmission(values, logarithmic):
    plane = normalise.from_grey(values, 16, Polarity.AIR_HIGH, logarithmic).ravel()
    assert (np.diff(plane[np.argsort(values.ravel())]) >= 0).all()


@given(planes, st.booleans())
def test_more_value_is_never_more_transmission_where_air_is_low(values, logarithmic):
    plane = normalise.from_grey(values, 16, Polarity.AIR_LOW, logarithmic).ravel()
    assert (np.diff(plane[np.argsort(values.ravel())]) <= 0).all()


@pytest.mark.parametrize("habit", HABITS, ids=lambda h: f"{h.bits}-{h.air}-{h.polarity}-{h.says_polarity}-{h.cropped}")
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_scanners_habit_gives_the_same_transmission(habit, seed):
    chance = np.random.default_rng(seed)
    made = bag(chance, True, 400)
    plane = normalise.transmission(write(made, habit, chance))
    truth = np.minimum(made.plane, 1)
    if habit.cropped:
        rows, columns = truth.shape
        truth = truth[int(rows * 0.09) : int(rows * 0.91), int(columns * 0.08) : int(columns * 0.92)]
        # Without air the lightest part of the bag is taken for it: brighter everywhere, in the same order.
        plane = plane * np.median(truth / np.maximum(plane, 0.05))
    assert np.abs(plane - truth).mean() < 0.03


def test_a_16_bit_container_may_hold_12_bits():
    values = (scene() * 4000).astype(np.uint16)
    upright = normalise.from_grey(values, 16, Polarity.AIR_HIGH, False)
    inverted = normalise.from_grey(4095 - values, 16, Polarity.AIR_LOW, False)
    assert np.abs(upright - inverted).max() < 0.01


def test_few_hot_pixels_are_not_air():
    values = (scene() * 30_000).astype(np.uint16)
    hot = values.copy()
    hot[::40, ::40] = 65_535
    expected, got = (normalise.from_grey(v, 16, Polarity.AIR_HIGH, False) for v in (values, hot))
    assert np.abs(expected - got)[1::40].max() < 0.01


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.full((64, 64), 1234, np.uint16), "featureless"),
        (np.full((64, 64), 65_535, np.uint16), "featureless"),
        (np.zeros((64, 64), np.uint8), "featureless"),
        (np.random.default_rng(1).normal(60_000, 200, (128, 128)).astype(np.uint16), "featureless"),
        (np.random.default_rng(1).normal(40, 8, (128, 128)).clip(0).astype(np.uint16), "featureless"),
        (np.eye(15, dtype=np.uint16) * 60_000, "too small"),
        (np.zeros((1, 400), np.uint16), "too small"),
        (np.zeros((20, 2000), np.uint16), "too narrow"),
    ],
    ids=["one value", "saturated", "black", "empty belt", "beam off", "tiny", "a line", "a ribbon"],
)
def test_a_picture_that_shows_nothing_is_refused(grey, values, reason):
    with pytest.raises(ModelError, match=reason):
        normalise.transmission(grey(values))


def test_data_of_another_length_are_refused(grey):
    with pytest.raises(ModelError, match="do not make"):
        normalise.transmission(grey(np.zeros((64, 64), np.uint16), rows=65))


def test_a_large_picture_is_reduced_and_a_small_one_is_not(grey):
    plane = np.tile(scene(), (8, 8))[:2000]
    large = normalise.transmission(grey((plane * 60_000).astype(np.uint16)))
    assert max(large.shape) == normalise.WORK_SIDE
    assert abs(large.shape[1] / large.shape[0] - plane.shape[1] / plane.shape[0]) < 0.01
    small = (scene() * 255).astype(np.uint8)
    assert normalise.transmission(grey(small)).shape == small.shape


def test_grey_in_three_channels_is_grey(grey):
    values = (scene() * 255).astype(np.uint8)
    coloured = normalise.transmission(grey(np.repeat(values[..., None], 3, axis=2)))
    assert np.abs(coloured - normalise.transmission(grey(values))).max() < 0.01


def test_colours_rank_air_organic_metal_opaque(grey):
    values = np.full((80, 200, 3), 225, np.uint8)  # a grey belt
    for column, colour in ((40, (240, 160, 60)), (80, (60, 150, 70)), (120, (20, 50, 160)), (160, (5, 5, 10))):
        values[20:60, column : column + 24] = colour
    plane = normalise.transmission(grey(values, polarity=Polarity.UNKNOWN))
    levels = [float(np.median(plane[30:50, x : x + 16])) for x in (4, 44, 84, 124, 164)]
    assert levels[0] > 0.97
    assert levels == sorted(levels, reverse=True)
    assert levels[3] < 0.12


def test_a_bag_is_found_on_the_belt_whatever_a_dead_column_says(grey):
    values = np.full((200, 300), 60_000, np.uint16)
    values[60:140, 90:220] = 30_000
    values[:, 20] = 0
    plane = normalise.transmission(grey(values))
    left, top, right, bottom = normalise.bag_region(plane)
    assert 80 <= left <= 90
    assert 220 <= right <= 230
    assert 50 <= top <= 60
    assert 140 <= bottom <= 150


def test_the_box_of_a_cropped_bag_moves_with_it():
    made = bag(np.random.default_rng(5), True, 400)
    assert own_box(made, HABITS[0]) == made.threat
    assert own_box(made, HABITS[-1])[0] < made.threat[0]


@given(planes)
def test_any_picture_is_judged_or_refused(values):
    picture_like = normalise.from_grey(values, 16, Polarity.UNKNOWN, False)
    left, top, right, bottom = normalise.bag_region(picture_like)
    assert 0 <= left < right <= 32
    assert 0 <= top < bottom <= 24


@given(st.integers(0, 2**32 - 1), st.floats(0.002, 0.05))
def test_the_noise_of_a_large_plane_is_that_of_some_of_its_rows(seed, sigma):
    plane = np.random.default_rng(seed).normal(0.5, sigma, (900, 700)).astype(np.float32)
    assert normalise.noise(plane) == pytest.approx(sigma, rel=0.05)


@given(arrays(np.float32, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.floats(0, 1, width=32)))
def test_the_quick_median_is_the_median(values):
    assert float(normalise._median(values)) == float(np.median(values))


@given(st.integers(0, 2**32 - 1), st.floats(0, 0.05), st.floats(0, 0.05), st.floats(0.0005, 0.05))
def test_levels_that_span_at_a_glance_span_in_every_row(seed, wanted, spread, share):
    chance = np.random.default_rng(seed)
    plane = chance.normal(0.5, 1e-4, (96, 64)).astype(np.float32)
    plane[chance.random(plane.shape) < share] -= np.float32(spread)
    low, high = normalise._extent(plane)
    assert not normalise._spans(plane, wanted) or high - low >= wanted


def test_features_of_a_bag_show_at_a_glance():
    assert normalise._spans(scene(), normalise._MIN_RANGE)


@given(
    arrays(
        np.float32, st.tuples(st.integers(1, 40), st.integers(1, 9)), elements=st.sampled_from([0, 0.019, 0.021, 0.3])
    )
)
def test_whether_a_colour_picture_is_grey_is_counted_as_it_would_be_sorted(spread):
    channels = [np.zeros_like(spread), spread.copy(), spread / 2]
    assert normalise._is_grey(channels) == (float(np.percentile(spread, 99)) < normalise._GREY_SPREAD)
