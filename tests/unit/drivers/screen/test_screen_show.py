"""What one picture tells: lost, inverted, magnified, alive; and what becomes of bags that nobody takes."""

from __future__ import annotations

import asyncio

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.clock import SystemClock
from drivers.contract import Outcome, Scan
from drivers.outgoing import Outgoing
from drivers.screen import show
from drivers.screen.alive import Heart, pulse
from drivers.screen.capture import Capture
from drivers.screen.driver import MAX_WAITING, ScreenDriver, push
from drivers.screen.settings import ScreenSettings
from simulators.screen.bags import Tile
from simulators.screen.model import Act, Event, Layout, Screen
from tests.fakeport import FakePort

LAYOUT = Layout().scaled(0.5)
VALID = np.ones((280, 600), bool)


def screen(tiles: tuple[Tile, ...], *script: Event) -> Screen:
    return Screen(seed=3, px_s=110, tiles=tiles, layout=LAYOUT, script=script)


@pytest.mark.parametrize(
    ("colour", "lost"), [((0, 0, 0), True), ((160, 20, 10), True), ((255, 255, 255), False), ((225, 230, 235), False)]
)
def test_one_colour_is_a_lost_picture_unless_it_is_an_empty_belts(colour, lost):
    assert show.is_lost(np.full((90, 160, 3), colour, np.uint8)) is lost


def test_a_screen_with_bags_or_a_menu_is_not_lost(tiles):
    shown = screen(tiles, Event(Act.MENU, 6, 1), Event(Act.LOST, 8, 1))
    assert [show.is_lost(shown.picture(at_s)) for at_s in (5, 6.5, 8.5)] == [False, False, True]


def test_the_belts_colour_is_found_and_kept_while_it_shows(tiles):
    x, y, w, h = LAYOUT.region
    picture = screen(tiles).picture(5)[y : y + h, x : x + w]
    valid = np.ones((h, w), bool)
    found, share = show.background(picture, valid, None)
    assert (found, share > 0.3) == ((255, 255, 255), True)
    assert show.background(255 - picture, valid, found)[0] == (0, 0, 0)
    assert not show.is_light((0, 0, 0))
    full = picture.copy()
    full[:, : w * 9 // 10] = (90, 150, 220)
    assert show.background(full, valid, found)[0] == found


@given(st.floats(1.3, 6), st.floats(0, 1), st.floats(0, 1), st.booleans())
@settings(max_examples=25, deadline=None)
def test_a_part_of_a_picture_magnified_is_recognised(scale, along, across, inverted):
    chance = np.random.default_rng(4)
    whole = cv2.GaussianBlur(cv2.resize(chance.integers(0, 256, (10, 20, 3), np.uint8), (600, 280)), (9, 9), 0)
    high, wide = int(280 / scale), int(600 / scale)
    top, left = int((280 - high) * across), int((600 - wide) * along)
    part = cv2.resize(whole[top : top + high, left : left + wide], (600, 280), interpolation=cv2.INTER_CUBIC)
    assert show.is_magnified(255 - part if inverted else part, whole, VALID, (255, 255, 255))
    other = cv2.GaussianBlur(cv2.resize(chance.integers(0, 256, (10, 20, 3), np.uint8), (600, 280)), (9, 9), 0)
    assert not show.is_magnified(other, whole, VALID, (255, 255, 255))


def test_a_clock_that_ticks_is_a_pulse_and_noise_is_none(tiles):
    shown = screen(tiles, Event(Act.PAUSE, 2, 100), Event(Act.FREEZE, 20, 100))
    chance, heart, still = np.random.default_rng(1), Heart(), []
    for at_s in np.arange(3, 27, 0.25):
        noisy = np.clip(shown.picture(at_s) + chance.normal(0, 3, (360, 640, 3)), 0, 255).astype(np.uint8)
        still.append((at_s, heart.beat(pulse(noisy, LAYOUT.clock), at_s)))
    assert max(quiet for at_s, quiet in still if at_s < 20) <= 1.25
    assert still[-1][1] >= 5.5


def test_a_pulse_of_the_whole_picture_is_too_coarse_to_read(tiles):
    assert pulse(screen(tiles).picture(3), None).shape == (360 // 16, 640 // 16)


def scan(number: int) -> Scan:
    return Scan(SystemClock().now(), f"key-{number}", b"png", "image/png", "screen")


async def test_bags_that_the_core_does_not_take_are_offered_again_and_of_too_many_only_the_word_is_left(tmp_path):
    port, outgoing = FakePort(state_dir=tmp_path), Outgoing(MAX_WAITING)
    port.open.clear()
    for number in range(MAX_WAITING + 3):
        push(outgoing, port, scan(number))
    await port.until(lambda: len(port.scans) == MAX_WAITING + 3)
    assert [s.problem for s in port.scans].count("too many items waited for the core") == 3
    assert all(not s.original for s in port.scans if s.problem)
    answers = iter([Outcome.REFUSED])
    port.answer = lambda _: next(answers, Outcome.COMMITTED)
    port.open.set()
    await port.until(lambda: len({s.key for s in port.scans}) + 1 == len(port.scans))
    outgoing.check()


async def test_what_handing_over_fails_with_ends_the_run(tmp_path):
    class Gone(Exception):
        pass

    def fail(_):
        raise Gone

    port, outgoing = FakePort(state_dir=tmp_path, answer=fail), Outgoing(MAX_WAITING)
    push(outgoing, port, scan(1))
    await port.until(lambda: port.scans)
    await asyncio.sleep(0)
    with pytest.raises(Gone):
        outgoing.check()


async def test_a_grabber_that_is_not_there_is_said(tmp_path):
    driver = ScreenDriver(ScreenSettings(url=f"v4l2:///dev/{tmp_path.name}-no-such-grabber"))
    report = await driver.probe(60)
    assert not report.ok
    assert report.code == "link-lost" and "no such frame grabber" in report.steps[-1]


async def test_a_password_stands_in_the_address_that_is_opened_and_nowhere_else(tmp_path):
    secret = tmp_path / "password"
    secret.write_text("p@ss/word\n")
    given = {"url": "rtsp://127.0.0.1:9/screen", "username": "anna", "password_file": secret}
    capture = Capture(ScreenSettings.model_validate(given), SystemClock())
    assert capture._url() == "rtsp://anna:p%40ss%2Fword@127.0.0.1:9/screen"
    report = await ScreenDriver(ScreenSettings.model_validate(given)).probe(10)
    assert not report.ok
    assert "word" not in str(report).replace("password", "")
