"""The simulated screen: its truth is what it shows, and its command writes a video that any player reads."""

import json

import cv2
import numpy as np
from typer.testing import CliRunner

from simulators.screen.bags import Tile
from simulators.screen.cli import app
from simulators.screen.model import Act, Event, Layout, Screen

BLOCK = np.zeros((100, 60, 3), np.uint8)
TILES = (Tile(BLOCK, 1, "block", ()),)
LAYOUT = Layout().scaled(0.5)


def test_a_bag_is_where_its_truth_says():
    screen = Screen(tiles=TILES, layout=LAYOUT, px_s=100)
    picture = screen.picture(3.0)
    bag = screen.bags[0]
    x, y, _, _ = LAYOUT.region
    left, top = x + bag.start - screen.position(3.0), y + bag.top
    assert not picture[top : top + 100, left : left + 60].any()
    assert (picture[top : top + 100, left - 1] == 255).all()


def test_the_belt_stands_and_goes_back_as_the_script_says():
    screen = Screen(tiles=TILES, script=(Event(Act.PAUSE, 1, 2), Event(Act.REVERSE, 4, 1)), px_s=100)
    assert [screen.position(at_s) for at_s in (1, 2, 3, 4, 5, 6)] == [100, 100, 100, 200, 150, 250]


def test_the_same_seed_shows_the_same():
    first, second = (Screen(seed=5, tiles=TILES, layout=LAYOUT).picture(4.2) for _ in range(2))
    assert (first == second).all()


def test_a_video_file_holds_what_the_screen_showed(tmp_path):
    file = tmp_path / "screen.mp4"
    options = ["--file", str(file), "--scale", "0.5", "--px-s", "100", "--seconds", "6", "--seed", "4", "--json"]
    result = CliRunner().invoke(app, options)
    assert result.exit_code == 0, result.output
    told = [json.loads(line) for line in result.stdout.splitlines()]
    assert told[0]["number"] == 1
    assert told[0]["simulated"] is True
    video = cv2.VideoCapture(str(file))
    frames = 0
    while video.grab():
        frames += 1
    assert (frames, video.get(cv2.CAP_PROP_FRAME_WIDTH)) == (72, 640)


def test_wrong_use_is_said():
    runner = CliRunner()
    for options in ([], ["--listen", "0.0.0.0:1"], ["--file", "x.mp4", "--act", "dance:1:1"]):
        assert runner.invoke(app, options).exit_code == 2
