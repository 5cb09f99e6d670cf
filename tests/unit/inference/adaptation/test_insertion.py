"""Things are put in as the scanner would show them: attenuations add, the rest of the picture stays as it is."""

import numpy as np
import pytest

from inference.insertion import Operator, insert, shot_of, weathered
from inference.look import views
from inference.scanner import Scanner, glance, learn
from simulators.xray import Look, make_scan, render
from tests.unit.inference.conftest import grey_picture

pytestmark = pytest.mark.slow

LOOK = Look(belt=(250, 252, 250))


@pytest.fixture(scope="module")
def colour():
    return np.ascontiguousarray(render(make_scan(33, None, 300, 240), LOOK))


@pytest.fixture(scope="module")
def scanner(colour):
    return glance([colour], 1, 40)


def put(shot, scanner, how, kind="pistol"):
    for seed in range(10):
        if made := insert(shot, kind, scanner, how, np.random.default_rng(seed)):
            return made
    raise AssertionError("never to be seen")


@pytest.mark.parametrize("how", Operator)
def test_a_threat_in_colours_is_dark_and_leaves_the_rest_alone(colour, scanner, how):
    shot = shot_of((grey_picture(colour),))
    made = put(shot, scanner, how)
    before, after = colour.astype(int), made.shot.colour.astype(int)
    far = np.ones(made.mask.shape, bool)
    ys, xs = np.nonzero(made.mask)
    far[max(ys.min() - 14, 0) : ys.max() + 15, max(xs.min() - 14, 0) : xs.max() + 15] = False
    assert np.abs(before - after)[far].max() <= 1
    assert after[made.mask].mean() < before[made.mask].mean() - 5


@pytest.mark.parametrize("how", Operator)
@pytest.mark.parametrize("energies", [1, 2])
def test_a_threat_in_counts_lets_less_through_and_nothing_shines(how, energies):
    scan = make_scan(31, None, 300, 240)
    planes = [scan.high] if energies == 1 else [scan.low, scan.high]
    from drivers.contract import Energy

    names = [Energy.SINGLE] if energies == 1 else [Energy.LOW, Energy.HIGH]
    shot = shot_of(views([grey_picture(p, energy=e) for p, e in zip(planes, names, strict=True)])[0])
    made = put(shot, Scanner(), how)
    assert (made.shot.low is None) == (energies == 1)
    ratio = made.shot.high.astype(float) / np.maximum(shot.high, 1)
    assert ratio[made.mask].mean() < 0.9
    assert np.array_equal(made.shot.high[~made.mask][:50], shot.high[~made.mask][:50])


def test_the_operators_are_not_the_same(colour, scanner):
    shot = shot_of((grey_picture(colour),))
    shown = [insert(shot, "pistol", scanner, how, np.random.default_rng(4)) for how in Operator]
    assert all(shown)
    assert all((a.mask == shown[0].mask).all() for a in shown)
    for number, one in enumerate(shown):
        for other in shown[number + 1 :]:
            assert np.abs(one.shot.colour.astype(int) - other.shot.colour)[one.mask].mean() > 1


def test_wear_changes_a_picture_a_little(colour):
    shot = shot_of((grey_picture(colour),))
    rng = np.random.default_rng(2)
    changes = [np.abs(weathered(shot, rng).colour.astype(int) - colour).mean() for _ in range(30)]
    assert 0 < max(changes) < 8
    assert min(changes) == 0


def test_what_has_no_colours_needs_no_display():
    assert glance([], 1, 40) == Scanner()


def test_a_likely_look_has_the_belt_and_metal_that_is_blue(colour, scanner):
    (look,) = scanner.looks
    assert np.abs(np.array(look.belt) - LOOK.belt).max() <= 3
    middle = scanner.metal[len(scanner.metal) // 3]
    assert middle[2] > middle[0]


def test_looks_are_learned_alike_from_the_same_pictures_and_seed(colour, monkeypatch):
    for name, less in {"GUESSES": 6, "_FAR_GUESSES": 3, "_SCENES": 1, "_TRIES": 30, "_LIKELY": 1, "LOOKS": 2}.items():
        monkeypatch.setattr(f"inference.scanner.{name}", less)
    told = []
    found = learn([colour], 3, lambda: told.append(1))
    assert len(told) == 6
    assert found.looks == learn([colour], 3, lambda: None).looks != learn([colour], 4, lambda: None).looks
    assert len(found.looks) == 2
    assert all(look.belt == found.looks[0].belt for look in found.looks)
    assert learn([], 3, lambda: told.append(1)) == Scanner() and len(told) == 6
