"""From a screen to the console: the simulated workstation, GStreamer's stream, the appliance, a real broker."""

from __future__ import annotations

import asyncio
import json
import sys
import time

import pytest

from tests.mqtt import Listener, Message
from tests.protocol.test_core_run import box

__all__ = ["box"]
pytestmark = [pytest.mark.protocol, pytest.mark.timeout(300)]

BAGS = 4


def judged(verdict: Message) -> bool:
    return bool(verdict.json["decision"] != "unknown")


async def test_each_bag_on_a_screen_gets_a_verdict_that_says_what_it_rests_on(box, broker):
    command = [sys.executable, "-m", "simulators.cli", "screen", "--json", "--listen", "127.0.0.1:0", "--scale", "0.5"]
    options = ("--px-s", "100", "--seed", "4", "--threat-rate", "1", "--count", "60")
    screen = await asyncio.create_subprocess_exec(*command, *options, stdout=asyncio.subprocess.PIPE)
    whole: list[float] = []

    async def listen() -> None:
        while await screen.stdout.readline():
            whole.append(time.monotonic())

    try:
        said = json.loads(await screen.stdout.readline())
        listening = asyncio.create_task(listen())
        made = box()
        settings = "\n".join(f"{key} = {json.dumps(value)}" for key, value in said["settings"].items())
        device = f'driver = "screen"\nmodel = "baggage"\n[settings]\nurl = "{said["listening"]}"\n{settings}\n'
        (made.config / "devices" / "screen-1.toml").write_text(device)
        async with Listener(broker.port) as console:
            await made.start()
            # The first may be there at the start; and a stream that a busy machine delays does not show each bag whole.
            await console.wait(lambda: sum(map(judged, console.of("verdict/screen-1"))) >= BAGS - 1, 200)
            assert await made.end() == 0, made.said()
    finally:
        screen.terminate()
        await screen.wait()
    await listening
    hits = console.of("hit/screen-1")
    verdicts = console.of("verdict/screen-1")
    assert {m.json["source"] for m in verdicts} == {"screen"}
    assert {m.json["data"]["source"] for m in hits} <= {"screen"}
    for message in verdicts:
        verdict = message.json
        took_s = message.at_s - max((at_s for at_s in whole if at_s < message.at_s), default=message.at_s)
        print(
            f"{verdict['decision']} {took_s:.2f} s after the bag was whole on the screen; model {verdict.get('ms')} ms"
        )
