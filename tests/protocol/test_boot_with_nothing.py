"""A machine that starts with no network, not even a loopback, a clock at the epoch and no console works all the same.

The clock is off for the appliance's processes alone (tests/torture/shifted); whether it is disciplined is the kernel's
own word. What the lane finds meanwhile is at the console once there is one, in order, each hit with the time it was
given and how good that was.
"""

import asyncio
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from edge.clock import ClockWatch
from tests.core import until
from tests.mqtt import Listener
from tests.protocol.test_core_run import THIRD_PARTY, Box

pytestmark = pytest.mark.protocol

SHIFTED = Path(__file__).parents[1] / "torture" / "shifted"
ALONE = ["unshare", "--net", *([] if os.geteuid() == 0 else ["--map-root-user"])]


class Alone(Box):
    """A box whose processes have no network interface that is up, and a clock of their own, while `alone`."""

    alone = True

    def command(self, *arguments):
        given = super().command(*arguments)
        if self.alone:
            given["args"] = [*ALONE, *given["args"]]
            given["env"] |= {"TORTURE_CLOCK": str(self.log.with_name("clock"))}
            given["env"]["PYTHONPATH"] = os.pathsep.join((str(SHIFTED), str(THIRD_PARTY)))
        return given

    def set_clock(self, shift_ns):
        partial = self.log.with_name("clock.partial")
        partial.write_text(str(shift_ns))
        partial.replace(self.log.with_name("clock"))

    def point(self, url):
        path = self.config / "edge.toml"
        head, _, _ = path.read_text().partition("[console]")
        path.write_text(f'{head}[console]\nurl = "{url}"\n')


@pytest.mark.skipif(
    subprocess.run([*ALONE, "true"], capture_output=True, check=False).returncode != 0,
    reason="no network namespace may be made here",
)
async def test_it_works_marks_the_clock_and_catches_up(tmp_path, broker):
    me = Alone(tmp_path / "box", "mqtts://console.example:8883", **{"counter-1": {"hz": 20}})
    me.set_clock(-time.time_ns() + 300_000_000_000)
    try:
        await me.start()
        await until(lambda: len(me.hits()) >= 10)
        early = len(me.hits())
        me.set_clock(0)
        await until(lambda: len(me.hits()) >= early + 20)
        assert await me.end() == 0
        assert "Traceback" not in me.said()
        committed = me.hits()
        assert {row["state"] for row in committed} == {"queued"}
        me.alone = False
        me.point(broker.url)
        async with Listener(broker.port, receipts=True) as listener:
            await me.start()

            def caught_up():
                # Live hits go first, and what has no receipt in time comes again: neither is of these, in their order.
                came = {}
                for hit in listener.hits():
                    if hit["seq"] <= len(committed):
                        came.setdefault(hit["seq"], hit)
                return list(came.values()) if len(came) == len(committed) else []

            data = await listener.wait(caught_up)
            await until(lambda: {row["state"] for row in me.hits()[: len(committed)]} == {"received"})
    finally:
        if me.process and me.process.poll() is None:
            me.process.send_signal(signal.SIGKILL)
            await asyncio.to_thread(me.process.wait)
    assert [each["seq"] for each in data] == list(range(1, len(committed) + 1))
    assert {each["clock"]["quality"] for each in data} == {ClockWatch().state().quality.value}
    years = [each["observed_at"][:4] for each in data]
    assert years[0] == "1970"
    assert years[-1] > "2020"
    assert years == sorted(years)
    assert not any(each["historical"] for each in data)  # each was live when it was committed
