import itertools
import sys
from dataclasses import replace
from itertools import pairwise

import numpy as np
import psutil
import pytest

import inference
from drivers.contract import Category, Energy, Polarity
from drivers.errors import ModelError
from inference import package as packages
from inference.model import Model
from inference.training.bags import HABITS
from tests.unit.inference.conftest import blob_picture, grey_picture

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def baggage():
    return inference.load("baggage", 1)


def nothing(**changes):
    return grey_picture(np.full((64, 64), 9, np.uint16), **changes)


def light_bag(**changes):
    """A bag with nothing dark in it."""
    return blob_picture(60, 50, side=0, **changes)


class TestJudgement:
    def test_an_alarm_has_a_box_a_peak_and_a_label(self, darkness):
        judged = darkness.judge([blob_picture(120, 70)])
        assert judged.alarm
        assert judged.score >= judged.threshold == 0.8
        (found,) = judged.findings
        assert (found.label, found.category, found.view) == ("dark thing", Category.ANOMALY, 0)
        x, y, width, height = found.box
        # A cell of the map is 12.5 pixels.
        assert (x, y, x + width, y + height) == pytest.approx((120, 70, 144, 94), abs=12.5)
        assert x <= judged.peak[0] <= x + width
        assert y <= judged.peak[1] <= y + height
        assert judged.ms > 0

    def test_a_clear_bag_has_a_score_and_a_peak_too(self, darkness):
        judged = darkness.judge([light_bag()])
        assert not judged.alarm
        assert 0 < judged.score < 0.8
        assert judged.findings == ()
        assert len(judged.peak) == 2

    def test_the_score_ranks_below_the_threshold(self, darkness):
        def shade(level: int):
            values = np.full((160, 200), 60_000, np.uint16)
            values[10:150, 10:190] = 45_000
            values[60:100, 60:100] = level
            return grey_picture(values)

        scores = [darkness.judge([shade(level)]).score for level in (40_000, 34_000, 28_000, 22_000)]
        assert all(a < b for a, b in pairwise(scores))
        assert scores[-1] < 0.8

    def test_the_elevated_point_is_stricter(self, darkness):
        values = np.full((160, 200), 60_000, np.uint16)
        values[10:150, 10:190] = 45_000
        values[40:110, 60:130] = 16_500
        normal, elevated = (darkness.judge([grey_picture(values)], elevated=e) for e in (False, True))
        assert normal.score == elevated.score
        assert (normal.alarm, elevated.alarm) == (False, True)
        assert (normal.threshold, elevated.threshold) == (0.8, 0.6)
        assert len(elevated.findings) == 1

    def test_the_view_with_the_highest_score_decides(self, darkness):
        judged = darkness.judge([light_bag(view=0), blob_picture(120, 70, view=1)])
        assert judged.alarm
        assert judged.view == 1
        assert [f.view for f in judged.findings] == [1]

    def test_findings_of_both_views_are_told(self, darkness):
        judged = darkness.judge([blob_picture(30, 70, view=0), blob_picture(120, 70, view=1)])
        assert sorted(f.view for f in judged.findings) == [0, 1]

    def test_a_pair_is_one_view(self, darkness):
        judged = darkness.judge([blob_picture(30, 70, energy=e) for e in (Energy.LOW, Energy.HIGH)])
        assert len(judged.findings) == 1

    def test_places_are_in_the_pictures_own_pixels_also_when_it_is_large(self, darkness):
        judged = darkness.judge([blob_picture(3000, 1000, columns=4000, rows=3000, side=400)])
        x, y, width, height = judged.findings[0].box
        assert (x, y, x + width, y + height) == pytest.approx((3000, 1000, 3400, 1400), abs=250)


class TestUnknown:
    @pytest.mark.parametrize(
        ("pictures", "reason"),
        [
            ([], "there is no picture"),
            ([nothing()], "featureless"),
            ([light_bag(view=0), nothing(view=1)], "featureless"),
            (
                [blob_picture(30, 70, energy=Energy.LOW), blob_picture(30, 70, columns=210, energy=Energy.HIGH)],
                "differ in size",
            ),
            ([grey_picture(np.zeros((4, 4), np.uint8))], "too small"),
        ],
        ids=["no picture", "featureless", "one of two views", "an ill-matched pair", "tiny"],
    )
    def test_what_cannot_be_judged_is_said_so(self, darkness, pictures, reason):
        with pytest.raises(ModelError, match=reason):
            darkness.judge(pictures)

    def test_an_alarm_stands_although_another_view_cannot_be_judged(self, darkness):
        assert darkness.judge([nothing(view=0), blob_picture(30, 70, view=1)]).alarm


class TestBaggage:
    def test_a_pistol_in_a_bag_alarms_on_every_scanner(self, baggage, rough_bag):
        # One bag a scanner says little: of sixty, this network and the one before it miss two each, and not the same.
        missed = []
        for habit, number in itertools.product(range(len(HABITS)), range(6)):
            judged = baggage.judge([rough_bag(11 + habit + 100 * number, True, HABITS[habit])])
            if judged.alarm:
                assert judged.findings[0].category is Category.PI
            else:
                missed.append(habit)
        assert len(missed) <= 2
        assert len(set(missed)) == len(missed)

    @pytest.mark.parametrize("habit", range(len(HABITS)))
    def test_a_bag_of_soft_things_is_clear_on_every_scanner(self, baggage, habit):
        from inference.training.bags import Bag, write

        chance = np.random.default_rng(habit)
        plane = np.ones((240, 320), np.float32)
        plane[20:220, 25:295] = 0.8
        for _ in range(8):
            x, y = int(chance.integers(30, 220)), int(chance.integers(25, 160))
            plane[y : y + 50, x : x + 70] *= 0.7
        assert not baggage.judge([write(Bag(plane, 1.0, None), HABITS[habit], chance)]).alarm

    def test_the_self_test_holds_again_and_again(self, baggage):
        baggage.self_test()
        baggage.warm_up()

    def test_at_rest_it_gives_back_what_it_works_in_and_judges_on_as_before(self, baggage):
        def held():
            return psutil.Process().memory_full_info().uss

        pictures = baggage.golden_scans()[0]
        before, working = baggage.judge(pictures), held()
        baggage.rest()
        assert working - held() > 8 * 1024 * 1024
        assert baggage.judge(pictures).score == before.score

    def test_a_blind_model_is_found_out(self, darkness, monkeypatch):
        monkeypatch.setattr(darkness._runtime, "run", lambda feeds: {"logits": np.full((1, 1, 16, 16), -9, np.float32)})
        with pytest.raises(ModelError, match="golden picture 0"):
            darkness.self_test()


def test_what_is_drawn_is_what_was_judged_and_is_not_read_again(darkness, monkeypatch):
    pictures = [blob_picture(120, 70)]
    judged = darkness.judge(pictures)
    drawn = inference.thumbnail(pictures, replace(judged, look=None))
    monkeypatch.setattr("inference.look.transmission", lambda *_: pytest.fail("it is read again"))
    assert inference.thumbnail(pictures, judged) == drawn


def test_a_model_that_is_open_does_not_hold_its_file_as_well():
    package = packages.read(packages.find("baggage"))
    data = package.model
    model = Model(package, 1)
    del package
    assert sys.getrefcount(data) == 2, "somebody else than this test has the file"
    model.self_test()


def test_memory_stays_flat(darkness):
    chance = np.random.default_rng(1)
    pictures = [[blob_picture(int(chance.integers(20, 150)), 70, columns=200 + 8 * i)] for i in range(12)]
    process = psutil.Process()

    def round_of(times: int) -> int:
        for number in range(times):
            judged = darkness.judge(pictures[number % len(pictures)])
            inference.thumbnail(pictures[number % len(pictures)], judged)
        return process.memory_info().rss

    before = round_of(60)
    assert round_of(240) - before < 4 * 1024 * 1024


def test_polarity_that_is_not_told_is_found(darkness):
    inverted = 65_535 - np.frombuffer(blob_picture(120, 70).data, np.uint16).reshape(160, 200)
    told = darkness.judge([blob_picture(120, 70)])
    found = darkness.judge([grey_picture(inverted, polarity=Polarity.UNKNOWN)])
    assert found.alarm
    assert found.score == pytest.approx(told.score, abs=0.01)
