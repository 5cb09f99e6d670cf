import cv2
import numpy as np
import pytest

import inference
from drivers.contract import Category, Energy
from drivers.errors import ModelError
from inference.draw import overlay
from inference.judgement import Found, Judgement
from tests.unit.inference.conftest import blob_picture, grey_picture


def judgement(*boxes, view: int = 0) -> Judgement:
    found = tuple(Found("dark thing", Category.PI, 0.93, box, view) for box in boxes)
    return Judgement(bool(boxes), 0.93, 0.5, (10, 10), view, found, 1.0)


def decoded(data: bytes) -> np.ndarray:
    assert data.startswith(b"\xff\xd8\xff")
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1].astype(int)


def red(shown: np.ndarray) -> np.ndarray:
    shown = shown.astype(int)
    return (shown[..., 0] > 160) & (shown[..., 1] < 90) & (shown[..., 2] < 90)


def test_a_thumbnail_is_a_jpeg_within_its_limit_with_the_box_in_it():
    data = inference.thumbnail([blob_picture(120, 70)], judgement((118, 68, 28, 28)))
    assert len(data) <= 65_536
    shown = decoded(data)
    factor = shown.shape[1] / 200
    ys, xs = np.nonzero(red(shown))
    assert 112 * factor <= xs.min() <= 120 * factor
    assert ys.max() <= 101 * factor
    assert red(shown).sum() > 500


def test_a_thumbnail_shows_the_item_and_not_the_belt():
    values = np.full((1000, 1000), 60_000, np.uint16)
    values[600:900, 550:950] = 45_000
    values[700:760, 800:860] = 500
    shown = decoded(inference.thumbnail([grey_picture(values)], judgement((800, 700, 60, 60))))
    rows, columns = shown.shape[:2]
    assert 1.1 < columns / rows < 1.5  # the bag is 400 x 300; a thumbnail of the whole belt would be square
    ys, xs = np.nonzero(red(shown))
    assert xs.min() > 0.5 * columns and ys.max() > 0.3 * rows


def test_without_a_finding_nothing_is_drawn():
    assert not red(decoded(inference.thumbnail([blob_picture(120, 70)], judgement()))).any()


def test_noise_still_fits_into_the_limit():
    noisy = np.random.default_rng(1).integers(0, 65_535, (900, 1200)).astype(np.uint16)
    noisy[:100] = 65_535
    for limit in (65_536, 20_000, 4_000):
        assert len(inference.thumbnail([grey_picture(noisy)], judgement((10, 10, 500, 500)), limit)) <= limit


def test_a_limit_that_nothing_fits_into_is_refused():
    with pytest.raises(ModelError, match="no thumbnail fits"):
        inference.thumbnail([blob_picture(120, 70)], judgement(), 200)


def test_the_view_that_decided_is_shown():
    pictures = [blob_picture(20, 20, view=0), blob_picture(150, 110, view=1)]
    drawn = overlay(pictures, judgement((148, 108, 28, 28), view=1), 400).astype(int)
    assert drawn[240, 320].max() < 120
    assert drawn[60, 60].min() > 120
    with pytest.raises(ModelError, match="view 2"):
        overlay(pictures, judgement(view=2), 400)


def test_a_pair_is_shown_in_colours_by_material():
    low, high = np.full((100, 200), 60_000, np.uint16), np.full((100, 200), 60_000, np.uint16)
    for column, (a, b) in ((30, (0.35, 0.42)), (90, (0.35, 0.50)), (150, (0.10, 0.45))):
        low[30:70, column : column + 30] = a * 60_000
        high[30:70, column : column + 30] = b * 60_000
    pictures = [grey_picture(low, energy=Energy.LOW), grey_picture(high, energy=Energy.HIGH)]
    shown = overlay(pictures, judgement(), 200).astype(int)
    organic, light_metal, steel, air = (shown[50, x] for x in (45, 105, 165, 5))
    assert organic[0] > organic[1] > organic[2]
    assert light_metal[1] == light_metal.max()
    assert steel[2] == steel.max() and steel[2] > steel[0] + 60
    assert air.min() > 240


@pytest.mark.parametrize("box", [(0, 0, 200, 160), (0, 0, 5, 5), (195, 155, 5, 5), (0, 150, 200, 10), (100, 80, 0, 0)])
def test_boxes_at_the_edge_are_drawn(box):
    shown = overlay([blob_picture(120, 70)], judgement(box), 600)
    assert red(shown).sum() > 100


def test_a_colour_picture_keeps_its_colours():
    values = np.full((100, 160, 3), 255, np.uint8)
    values[30:70, 40:100] = (240, 150, 40)
    shown = overlay([grey_picture(values)], judgement(), 160)
    assert shown[50, 70] == pytest.approx((240, 150, 40), abs=3)


def test_a_bare_picture_has_the_item_and_every_box_and_says_where_it_lies():
    values = np.full((1000, 1000), 60_000, np.uint16)
    values[400:600, 400:600] = 30_000
    values[500:520, 440:480] = 500
    data, (x, y, width, height) = inference.picture([grey_picture(values)], 0, [(700.0, 420.0, 50.0, 60.0)])
    assert len(data) <= 65_536 and not red(decoded(data)).any()
    assert 360 <= x <= 400 and 360 <= y <= 400 and abs(x + width - 750) <= 4 and 600 <= y + height <= 640
    shown = decoded(data)
    factor = shown.shape[1] / width
    ys, xs = np.nonzero(shown.max(axis=2) < 60)
    assert abs(xs.min() / factor + x - 440) < 4 and abs(ys.max() / factor + y - 520) < 4
    with pytest.raises(ModelError):
        inference.picture([grey_picture(values)], 3, [])
