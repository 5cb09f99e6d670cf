"""A thread that works for the event loop, and can be left behind."""

import subprocess
import sys
import threading

import pytest

from edge.hand import Hand
from tests.core import until


async def test_it_does_one_thing_after_the_other_and_says_what_came_of_it():
    hand = Hand("test")
    first, second = hand.do(lambda: threading.current_thread().name), hand.do(lambda: 1 // 0)
    assert await first == "test"
    with pytest.raises(ZeroDivisionError):
        await second
    hand.dismiss()
    await until(lambda: not hand.alive)


async def test_a_result_that_nobody_waits_for_hurts_nobody():
    hand, gate = Hand("test"), threading.Event()
    given_up, wanted = hand.do(gate.wait), hand.do(lambda: "here")
    given_up.cancel()
    gate.set()
    assert await wanted == "here"
    hand.dismiss()


def test_a_hand_that_hangs_keeps_no_process_from_ending():
    program = """
import asyncio, time
from edge.hand import Hand
async def main():
    Hand("stuck").do(lambda: time.sleep(600))
asyncio.run(main())
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)
