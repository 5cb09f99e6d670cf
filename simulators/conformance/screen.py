"""A screen with bags of one size, as GStreamer's RTSP server streams it.

H.264 over RTP has no check of its own content: bytes of no meaning inside it become a picture. The noise here is what
RTSP can tell from its own: packets of a channel that nobody set up.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np

from drivers.conformance.case import Case
from drivers.contract import Observation, Scan
from simulators.screen.bags import Tile
from simulators.screen.model import Layout, Screen
from simulators.screen.rtsp import RtspServer

FPS = 12
LAYOUT = Layout((320, 180), (0, 24, 320, 152), (200, 2, 100, 20), (4, 2, 100, 20), None)


def bag(seed: int) -> Tile:
    """Return a bag of blocks of colour on which nothing repeats; all of them are of one size, and no two alike."""
    chance = np.random.default_rng(seed)
    picture = np.full((100, 110, 3), (90, 150, 220), np.uint8)
    for _ in range(14):
        x, y = chance.integers(4, 90, 2)
        picture[y : y + chance.integers(8, 30), x : x + chance.integers(8, 30)] = chance.integers(0, 200, 3)
    return Tile(picture, seed, "blocks", ())


TILES = tuple(map(bag, range(100)))


@asynccontextmanager
async def serve() -> AsyncIterator[int]:
    screen = Screen(px_s=300, tiles=TILES, layout=LAYOUT, gap=(40, 60))
    server = RtspServer(LAYOUT.size, FPS)
    stop = threading.Event()

    def show() -> None:
        started = time.monotonic()
        while not stop.wait(1 / FPS):
            server.show(screen.picture(time.monotonic() - started))

    thread = threading.Thread(target=show)
    thread.start()
    try:
        yield server.port
    finally:
        stop.set()
        thread.join()
        server.close()


def settings(url: str) -> dict[str, Any]:
    stream = url.replace("tcp://", "rtsp://") + "/screen"
    # Two pixels inside the window, as the driver's page says: coded video bleeds over the window's edge.
    x, y, width, height = LAYOUT.region
    inside = {"region": [x, y + 2, width, height - 4]}
    return {"url": stream, "read_timeout_ms": 1500, "open_timeout_ms": 5000, **LAYOUT.settings(), **inside}


def good(observation: Observation) -> bool:
    """Say whether it is the bag, whole, and nothing else."""
    if (
        not isinstance(observation, Scan)
        or observation.problem
        or observation.incomplete
        or len(observation.pictures) != 1
    ):
        return False
    [picture] = observation.pictures
    return abs(picture.rows - 116) <= 8 and abs(picture.columns - 126) <= 8


def possible(observation: Observation) -> bool:
    """Say whether it is the bag, or word of one that was not seen whole."""
    return good(observation) or (isinstance(observation, Scan) and bool(observation.problem or observation.incomplete))


def noise(chance: random.Random) -> bytes:
    """Packets of an interleaved channel (RFC 2326, 10.12) that was never set up."""
    data = chance.randbytes(chance.randrange(1, 64))
    return b"$" + bytes([100]) + len(data).to_bytes(2, "big") + data


CASES = (
    Case(
        driver="screen",
        settings=settings,
        serve=serve,
        good=good,
        possible=possible,
        late_s=2.5,
        lost_s=20.0,
        noise=noise,
        patient={"read_timeout_ms": 10_000, "open_timeout_ms": 20_000},
    ),
)
