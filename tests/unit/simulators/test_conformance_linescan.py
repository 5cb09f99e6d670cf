"""What the line detector's trials take for a whole item."""

import numpy as np
import pytest

from drivers.clock import SystemClock
from drivers.contract import Energy, Picture, Scan
from simulators.conformance import linescan

LINES = linescan.rows()[0]


@pytest.mark.parametrize(
    ("before", "lines", "after", "whole"),
    [
        (6, LINES, 6, True),
        (1, LINES, 6, True),  # connected just before it came
        (6, LINES - 5, 6, False),
        (6, LINES - 5, 11, False),
        (9, LINES, 9, False),
        (6, 0, 6, False),
    ],
)
def test_an_item_is_whole_by_what_is_seen_of_it_and_not_by_its_margins(before, lines, after, whole):
    light = np.full((before + lines + after, 64), linescan.AIR, "<u2")
    light[before : before + lines, 10:50] = linescan.AIR // 3
    picture = Picture(0, Energy.LOW, light.shape[0], 64, 1, 16, light.tobytes())
    scan = Scan(SystemClock().now(), "key", b"", "application/octet-stream", "item 1", (picture,))
    assert linescan.good(scan) is whole
