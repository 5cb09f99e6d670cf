"""What a `screen` device's settings refuse, and how they say so."""

import pytest
from pydantic import ValidationError

from drivers.registry import available, source_of
from drivers.screen.settings import ScreenSettings

GOOD = {"url": "rtsp://10.0.0.9:8554/screen", "size": [1280, 720], "region": [24, 64, 1232, 560]}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"url": "http://10.0.0.9/"}, "must be rtsp://"),
        ({"url": "rtsp://"}, "a stream is rtsp://"),
        ({"url": "rtsp://anna:secret@10.0.0.9/screen"}, "no user or password in the URL"),
        ({"url": "rtsp://10.0.0.9:99999/screen"}, "[Pp]ort"),
        ({"url": "rtsp://10.0.0.9:0/screen"}, "a stream is rtsp://"),
        ({"url": "v4l2://dev/video0"}, "three slashes"),
        ({"url": "v4l2:///dev/video0?hight=3"}, "no setting of a frame grabber"),
        ({"url": "v4l2:///dev/video0?height=x"}, "is a number"),
        ({"size": None}, "give size"),
        ({"mask": [[1200, 700, 100, 10]]}, "goes beyond the picture"),
        ({"region": [0, 0, 40, 560]}, "at least 64 pixels"),
        ({"username": "anna"}, "go together"),
        ({"username": "anna", "password_file": "pw"}, "whole path"),
        ({"mask": [[0, 0, 0, 10]]}, "greater than or equal to 1"),
    ],
)
def test_what_cannot_work_is_refused(changes, words):
    with pytest.raises(ValidationError, match=words):
        ScreenSettings.model_validate({**GOOD, **changes})


@pytest.mark.parametrize(
    "url",
    ["rtsp://[::1]:8554/a?b=c", "rtsp://encoder/live", "v4l2:///dev/v4l/by-id/usb-x?width=1280&height=720&fps=15"],
)
def test_addresses_of_both_kinds_are_taken(url):
    assert ScreenSettings.model_validate({**GOOD, "url": url}).url == url


def test_the_verdicts_source_is_the_drivers():
    assert available()["screen"].pictures
    assert source_of("screen") == "screen"
    assert source_of("dicos") is None
    assert source_of("no such driver") is None
