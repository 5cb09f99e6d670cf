import json

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from simulators.xray import Look, make_scene, render, scan
from simulators.xray.palette import colour
from simulators.xray.physics import Detector, beam, expose
from simulators.xray.tip import Insert, bag_region, into_colour, into_counts, likely_look, make_insert
from simulators.xray.tip_command import app

pytestmark = pytest.mark.slow

QUIET = Detector(photons=1e9, electronic=0, blur_px=0.3, gain=0, dead=0, haze=0, jitter_px=0)
ROWS, COLUMNS = 300, 230


@pytest.fixture(scope="module")
def pair():
    """The same bag without and with a pistol, and the pistol alone."""
    bag, armed = make_scene(5, None, ROWS, COLUMNS), make_scene(5, "pistol", ROWS, COLUMNS)
    return bag, armed, Insert(armed.maps - bag.maps, armed.truth[0])


def counts(scene):
    return expose(scene.maps, beam(), QUIET, np.random.default_rng(0))


def test_a_threat_put_into_counts_is_what_the_scanner_would_have_counted(pair):
    bag, armed, insert = pair
    low, high = counts(bag)
    mask = insert.truth.mask
    got = into_counts(low, high, QUIET.white, insert)
    for with_threat, expected in zip(got, counts(armed), strict=True):
        away = np.log(np.maximum(with_threat, 1.0)) - np.log(np.maximum(expected, 1.0))
        assert np.median(np.abs(away[mask])) < 0.05
        outside = ~cv2.dilate(mask.astype(np.uint8), np.ones((25, 25))).astype(bool)
        assert np.abs(away[outside]).max() < 0.01


def test_a_single_energy_is_enough(pair):
    bag, armed, insert = pair
    nothing, high = into_counts(None, counts(bag)[1], QUIET.white, insert)
    assert nothing is None
    away = np.log(np.maximum(high, 1.0)) - np.log(np.maximum(counts(armed)[1], 1.0))
    assert np.median(np.abs(away[insert.truth.mask])) < 0.15


def test_a_threat_put_into_colours_is_near_what_the_display_would_have_shown(pair):
    bag, armed, insert = pair
    look = Look()
    without, expected = (colour(*counts(scene), QUIET.white, look) for scene in (bag, armed))
    got = into_colour(without, insert, look)
    mask = insert.truth.mask
    before = np.abs(without[mask].astype(float) - expected[mask]).mean()
    after = np.abs(got[mask].astype(float) - expected[mask]).mean()
    assert after < before / 3
    far = ~cv2.dilate(mask.astype(np.uint8), np.ones((25, 25))).astype(bool)
    assert np.array_equal(got[far], without[far])


def test_a_look_is_found_by_its_colours():
    shown = scan(make_scene(8, None, ROWS, COLUMNS), 8)
    look = Look(hues=(0.09, 0.3, 0.62), belt=(235, 240, 245))
    found = likely_look(render(shown, look))
    assert abs(found.hues[0] - 0.09) < 0.03
    assert max(abs(a - b) for a, b in zip(found.belt, look.belt, strict=True)) < 15


def test_an_insert_goes_into_the_bag_and_an_impossible_one_is_refused():
    picture = render(scan(make_scene(8, None, ROWS, COLUMNS), 8), Look())
    where = bag_region(picture)
    assert 0.1 < where.mean() < 0.95
    insert = make_insert(np.random.default_rng(1), "folding-knife", ROWS, COLUMNS, 2.0, where)
    assert (insert.truth.mask & where).sum() > 0.5 * insert.truth.mask.sum()
    with pytest.raises(KeyError):
        make_insert(np.random.default_rng(1), "teapot", ROWS, COLUMNS, 2.0)


def test_the_command_writes_a_picture_and_its_truth(tmp_path):
    plain, armed = tmp_path / "bag.png", tmp_path / "armed.png"
    cv2.imwrite(str(plain), render(scan(make_scene(8, None, ROWS, COLUMNS), 8), Look())[:, :, ::-1])
    run = CliRunner().invoke(app, [str(plain), "--out", str(armed), "--px-mm", "2", "--json"])
    assert run.exit_code == 0, run.output
    told = json.loads(run.stdout)
    x, y, w, h = told["box"]
    changed = np.abs(cv2.imread(str(plain)).astype(int) - cv2.imread(str(armed))).sum(axis=2) > 60
    assert changed[y : y + h, x : x + w].mean() > 0.1
    assert CliRunner().invoke(app, [str(tmp_path / "none.png"), "--out", str(armed)]).exit_code == 1
    assert CliRunner().invoke(app, [str(plain), "--out", str(armed), "--threat", "teapot"]).exit_code == 2


def test_ordinary_things_can_be_put_in_too():
    keys = make_insert(np.random.default_rng(3), "keys", 300, 300, 1.0)
    assert keys.truth.category == "OTHER"
    assert keys.maps.max() > 0.5
