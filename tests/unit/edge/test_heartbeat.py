"""The watchdog is fed while every part gets on, and by nothing else."""

import asyncio
import contextlib

from edge.heartbeat import Heartbeats, feed
from tests.core import FakeClock


class Manager:
    """A service manager that lets each look last no time; `told` is what it heard."""

    watchdog_s = 0.003

    def __init__(self):
        self.told = []
        self.heard = asyncio.Event()

    def alive(self):
        self.told.append("alive")
        self.heard.set()

    def status(self, line):
        self.told.append(line)
        self.heard.set()


async def told_next(manager):
    manager.told.clear()
    manager.heard.clear()
    async with asyncio.timeout(60):
        await manager.heard.wait()
        await asyncio.sleep(0)
    return manager.told[0]


def test_a_part_hangs_once_it_is_over_its_budget_and_no_sooner():
    clock = FakeClock()
    heartbeats = Heartbeats(clock)
    judge, _ = heartbeats.part("judge", 75), heartbeats.part("ledger", 150)
    clock.advance(75)
    assert heartbeats.hanging() == ""
    clock.advance(1)
    assert heartbeats.hanging() == "judge for 76 s"
    judge()
    assert heartbeats.hanging() == ""
    clock.advance(151)
    assert heartbeats.hanging() == "judge for 151 s, ledger for 227 s"


async def test_a_part_that_hangs_starves_the_watchdog_until_it_gets_on_again(caplog):
    clock, manager = FakeClock(), Manager()
    heartbeats = Heartbeats(clock)
    beat = heartbeats.part("intake", 75)
    feeding = asyncio.create_task(feed(heartbeats, manager, lambda: "all is well"))
    assert await told_next(manager) == "alive"
    clock.advance(80)
    await told_next(manager)  # what was under way
    assert await told_next(manager) == "HANGS: intake for 80 s"
    beat()
    await told_next(manager)
    assert await told_next(manager) == "alive"
    feeding.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await feeding
    assert [r.message for r in caplog.records].count("no progress: intake for 80 s; the watchdog is not fed") == 1
