from __future__ import annotations

import asyncio
import threading
import time
from functools import partial

from drivers.recording.virtual import START_S, VirtualLoop


def run(main, speed=None):
    with asyncio.Runner(loop_factory=partial(VirtualLoop, speed)) as runner:
        return runner.run(main())


def test_an_hour_passes_at_once_and_timers_fire_in_their_order():
    fired = []

    async def main():
        loop = asyncio.get_running_loop()
        for delay in (3600, 0.5, 60):
            loop.call_later(delay, fired.append, delay)
        await asyncio.sleep(3601)
        return loop.time() - START_S

    began = time.monotonic()
    assert 3601 <= run(main) < 3601.01
    assert fired == [0.5, 60, 3600]
    assert time.monotonic() - began < 30


def test_a_deadline_is_one():
    async def main():
        try:
            async with asyncio.timeout(1000):
                await asyncio.get_running_loop().create_future()
        except TimeoutError:
            return True

    assert run(main)


def test_time_stands_still_while_a_thread_works():
    release = threading.Event()

    async def main():
        loop = asyncio.get_running_loop()
        loop.call_later(5, release.set)
        work = asyncio.ensure_future(asyncio.to_thread(release.wait, 0.1))
        released = await work
        return released, loop.time() - START_S

    released, took_s = run(main)
    assert not released
    assert took_s < 1


def test_who_waits_for_a_moment_that_floats_just_miss_gets_there():
    async def main():
        loop = asyncio.get_running_loop()
        due = loop.time() + 1e-13  # less than the clock can tell
        turns = 0
        while loop.time() <= due:
            await asyncio.sleep(due - loop.time())
            turns += 1
        return turns

    assert run(main) < 10


def test_at_a_speed_time_is_waited_for():
    async def main():
        await asyncio.sleep(5)
        return asyncio.get_running_loop().time() - START_S

    began = time.monotonic()
    assert run(main, speed=50) >= 5
    assert time.monotonic() - began >= 0.09
