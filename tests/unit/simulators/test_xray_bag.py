import numpy as np
import pytest

from simulators.xray import THREATS, Look, make_scan, make_scene, make_views, render, scan
from simulators.xray.bag import THINGS, extent
from simulators.xray.canvas import Canvas

pytestmark = pytest.mark.slow

SMALL = {"rows": 260, "columns": 200}


@pytest.mark.parametrize("kind", THREATS)
def test_a_threats_box_and_mask_are_where_its_matter_is(kind):
    scene = make_scene(11, kind, **SMALL)
    (truth,) = scene.truth
    x, y, w, h = truth.box
    rows, columns = np.flatnonzero(truth.mask.any(axis=1)), np.flatnonzero(truth.mask.any(axis=0))
    assert (columns[0], rows[0], columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1) == (x, y, w, h)
    assert (truth.label, truth.category) == (THREATS[kind].label, THREATS[kind].category)
    without = make_scene(11, None, **SMALL).maps.sum(axis=0)
    added = scene.maps.sum(axis=0) - without
    assert (added[truth.mask] > 0).all()
    outside = added[~truth.mask]
    assert outside.max() < added[truth.mask].mean()


def test_a_bag_is_the_same_for_the_same_seed_and_another_for_another():
    one, two = make_scan(5, "pistol", **SMALL), make_scan(5, "pistol", **SMALL)
    assert np.array_equal(one.low, two.low)
    assert np.array_equal(one.high, two.high)
    assert np.array_equal(render(one), render(two))
    assert one.truth[0].box == two.truth[0].box
    assert not np.array_equal(one.high, make_scan(6, "pistol", **SMALL).high)


def test_an_unknown_threat_is_refused():
    with pytest.raises(KeyError):
        make_scene(1, "teapot", **SMALL)


@pytest.mark.parametrize("kind", THINGS)
def test_each_kind_of_thing_is_of_a_size_that_is_packed_and_casts_a_shadow(kind):
    for seed in range(3):
        parts = THINGS[kind](np.random.default_rng(seed))
        low, high = extent(parts)
        assert 10 < (high - low).max() < 950
        canvas = Canvas.blank(400, 400, 2.5)
        assert canvas.draw(parts) is not None
        assert np.isfinite(canvas.maps).all()
        assert canvas.maps.min() >= 0
        assert canvas.maps.sum() > 0


@pytest.mark.parametrize("kind", THREATS)
def test_each_kind_of_threat_comes_in_many_forms(kind):
    forms = set()
    for seed in range(4):
        parts = THREATS[kind].make(np.random.default_rng(seed))
        low, high = extent(parts)
        assert 20 < (high - low).max() < 900
        forms.add(tuple(np.round(high - low, 3)))
    assert len(forms) == 4


def test_two_views_show_the_same_bag():
    above, side = make_views(3, "pistol", **SMALL)
    assert [t.kind for t in above.truth] == [t.kind for t in side.truth] == ["pistol"]
    assert above.px_mm == side.px_mm
    assert side.maps.sum() == pytest.approx(above.maps.sum(), rel=0.25)
    a, b = above.truth[0].box, side.truth[0].box
    # Along the belt both views see the same length.
    assert abs((a[1] + a[3] / 2) - (b[1] + b[3] / 2)) < 12


def test_colours_say_what_things_are_made_of():
    scene = make_scene(2, None, 120, 90)
    scene.maps[:] = 0
    scene.maps[0, 10:40] = 4
    scene.maps[1, 50:70] = 3
    scene.maps[2, 80:100] = 2
    picture = render(scan(scene, 1), Look())
    organic, light, metal = (
        picture[start : start + 10, 20:70].astype(float).mean(axis=(0, 1)) for start in (20, 55, 85)
    )
    assert organic[0] > organic[1] > organic[2]
    assert light[1] == max(light)
    assert metal[2] == max(metal)
    assert picture[2:8].min() > 200
