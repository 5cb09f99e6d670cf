import numpy as np
import pytest

from simulators.xray import make_scene, stuffing
from simulators.xray.bag import extent
from simulators.xray.physics import POLYETHYLENE

ROOM = (340.0, 500.0, 180.0)
FULL_SEED, ROWS, COLUMNS = 5_000_003, 260, 200


@pytest.mark.parametrize("kind", stuffing.STUFFING)
def test_what_fills_a_bag_is_of_a_size_that_is_packed(kind):
    for seed in range(5):
        low, high = extent(stuffing.STUFFING[kind](np.random.default_rng(seed)))
        assert 1 < (high - low).max() < 950


def test_more_room_takes_more_and_the_same_seed_the_same():
    small, large = (
        [stuffing.kinds(np.random.default_rng(seed), room) for seed in range(5)] for room in ((200, 250, 90), ROOM)
    )
    assert sum(map(len, small)) < sum(map(len, large))
    assert large == [stuffing.kinds(np.random.default_rng(seed), ROOM) for seed in range(5)]


def test_a_bed_reaches_from_wall_to_wall():
    for seed in range(5):
        low, high = extent([part for parts in stuffing.bed(np.random.default_rng(seed), ROOM) for part in parts])
        assert ((high - low)[:2] > np.array(ROOM[:2])).all()
        assert ((high - low)[:2] < np.array(ROOM[:2]) * 1.1).all()


def test_in_a_full_bag_there_is_cloth_nearly_everywhere():
    scene = make_scene(FULL_SEED, None, ROWS, COLUMNS)
    (bed, *_) = [thing for thing in scene.things if thing.kind == "bed"]
    x, y, width, height = bed.box
    middle = (slice(y + height // 6, y + height - height // 6), slice(x + width // 6, x + width - width // 6))
    assert (scene.maps[POLYETHYLENE][middle] > 0.5).mean() > 0.95  # the box's corners are outside: bags lie askew
    assert sum(thing.kind == "notion" for thing in scene.things) > 5
